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

# start_database DIRECTORY: the cluster runs, with a new, empty database named after the directory: $database.
start_database() {
    start_cluster
    database=bench_$(basename "$1" | tr -c 'a-z0-9\n' _)
    "$pg_bin/createdb" -O bench "$database"
}

# An event as the PBX posts it.
event_body='{"chamada":{"call_id":"0bc692b0-128a-11e8-807b-e3acc2b0c13d","code":"","type":"call.new","direction":"inbound","our_number":"0800111111","their_number":"1199999999","timestamp":"2018-02-15T20:07:32.562Z"},"dados":{"call_id":"0bc692b0-128a-11e8-807b-e3acc2b0c13d","type":"call.cpf-provided","cpf":"","timestamp":"2018-02-15T20:07:32.562Z"},"atendente":{},"dialer":{}}'

# run_pgbench NAME: the same SQL without a server: seven transactions a call, one an event, from as many clients
# as the servers get connections. The tables are the ones that pbxhook makes.
run_pgbench() {
    mkdir "$work/$1"
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
    measure pgbench "$out/$1.pgbench.log" "$seconds" "$out/$1.load.json" >"$out/$1.settled.json"
    finish "$1"
}
