# postgres.sh: a PostgreSQL cluster of the benchmark's own, durable as it comes, reached by a socket only, and
# what runs on it. Sourced by run.sh and counts.sh behind servers.sh.

find_postgres() {
    pg_bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$pg_bin" ] && command -v pg_config >/dev/null; then
        pg_bin=$(pg_config --bindir)
    fi
    [ -n "$pg_bin" ] && [ -x "$pg_bin/initdb" ] && [ -x "$pg_bin/pg_ctl" ]
}

need_postgres() {
    find_postgres && return
    install "the servers on PostgreSQL, and pgbench" postgresql
    find_postgres || die "PostgreSQL's initdb is not to be found"
}

make_cluster() {
    mkdir "$work/pg"
    [ "$(id -u)" -ne 0 ] || chown "$(as_postgres id -u)" "$work/pg"
    (cd "$work/pg" && as_postgres "$pg_bin/initdb" -D "$work/pg/data" -U bench -A trust >initdb.log) ||
        die "initdb failed"
    export PGHOST="$work/pg" PGUSER=bench PGPORT=5432
}

start_cluster() {
    (cd "$work/pg" && as_postgres "$pg_bin/pg_ctl" -D "$work/pg/data" -w -l "$work/pg/log" -o \
        "-c listen_addresses= -c unix_socket_directories=$work/pg" start >/dev/null) ||
        die "PostgreSQL does not start: $(tail -n 5 "$work/pg/log")"
}

# The database that belongs to a directory.
database_of() {
    basename "$1" | tr -c 'a-z0-9\n' _ | sed 's/^/bench_/'
}

# make_database DIRECTORY: a new, empty one.
make_database() {
    "$pg_bin/createdb" -O bench "$(database_of "$1")" || die "createdb failed"
}

# start_database DIRECTORY: the cluster runs, with a new, empty database: $database.
start_database() {
    start_cluster
    make_database "$1"
    database=$(database_of "$1")
}

# start_pbxhook_on_database DIRECTORY PBX_URL WORKERS: on the directory's database, which is there.
start_pbxhook_on_database() {
    PBXHOOK_WORKERS=$3 PBXHOOK_STORE_URL="postgresql:///$(database_of "$1")?host=$PGHOST&user=$PGUSER" \
        start_pbxhook "$1" "$2"
}

# start_pbxhook_on_postgres DIRECTORY PBX_URL WORKERS: on a new one.
start_pbxhook_on_postgres() {
    start_database "$1"
    start_pbxhook_on_database "$1" "$2" "$3"
}

# An event as the PBX posts it.
event_body='{"chamada":{"call_id":"0bc692b0-128a-11e8-807b-e3acc2b0c13d","code":"","type":"call.new","direction":"inbound","our_number":"0800111111","their_number":"1199999999","timestamp":"2018-02-15T20:07:32.562Z"},"dados":{"call_id":"0bc692b0-128a-11e8-807b-e3acc2b0c13d","type":"call.cpf-provided","cpf":"","timestamp":"2018-02-15T20:07:32.562Z"},"atendente":{},"dialer":{}}'

# run_pgbench NAME: the same SQL without a server: seven transactions a call, one an event, from as many clients
# as the servers get connections. The tables are the ones that pbxhook makes. Called by watch_stolen(), under whose
# `||` no failed command ends the run by itself: each has to say so.
run_pgbench() {
    mkdir "$work/$1" || die "no directory for pgbench"
    start_sink
    start_pbxhook_on_postgres "$work/$1" "$pbx_url" 1
    stop_servers
    start_cluster
    for name in "$1-warm-up" "$1"; do
        run_seconds=$seconds
        [ "$name" = "$1" ] || run_seconds=$warm_up
        "$pg_bin/pgbench" -n -M prepared -c $connections -j 2 -T "$run_seconds" -D "body=$event_body" \
            -f "$bench/call.pgbench.sql" "$database" >"$out/$name.pgbench.log" 2>&1 || die "pgbench failed: see $out/$name.pgbench.log"
    done
    measure pgbench "$out/$1.pgbench.log" "$seconds" "$out/$1.load.json" >"$out/$1.settled.json" ||
        die "no figures of pgbench: see $out/$1.pgbench.log"
    finish "$1"
}
