#!/bin/sh
# cluster.sh: a throw-away PostgreSQL server for the tests, on a socket only.
#
#   sh tests/postgres/cluster.sh start FILE    starts one and writes its socket's directory into FILE
#   sh tests/postgres/cluster.sh stop FILE     stops it and removes all of it, FILE too
#   sh tests/postgres/cluster.sh sweep FILE    drops the databases that killed tests left (test_PID_NUMBER)
#
# Root can't run PostgreSQL: it is run as postgres then, or as nobody. fsync is off: these tests are about
# what pbxhook does, and the machine does not lose power meanwhile.
set -eu

fail() {
    printf 'cluster.sh: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 2 ] || fail "usage: cluster.sh start|stop|sweep FILE"
action=$1
file=$2

find_programs() {
    for directory in "${PBXHOOK_POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
        [ -x "$directory/initdb" ] && found=$directory
    done
    [ -n "${found:-}" ] || found=$(dirname "$(command -v initdb 2>/dev/null || true)")
    [ -x "$found/initdb" ] || fail "found no initdb: install Debian's package postgresql"
    printf '%s\n' "$found"
}

as_user() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    elif id postgres >/dev/null 2>&1; then
        runuser -u postgres -- "$@"
    else
        runuser -u nobody -- "$@"
    fi
}

stop() {
    [ -f "$file" ] || return 0
    directory=$(cat "$file")
    case $directory in
    /tmp/pbxhook-postgres-*)
        if [ -f "$directory/data/postmaster.pid" ]; then
            (cd / && as_user "$programs/pg_ctl" -D "$directory/data" -m immediate -w stop) >/dev/null 2>&1 || true
        fi
        rm -rf "$directory"
        ;;
    esac
    rm -f "$file"
}

start() {
    stop
    directory=$(mktemp -d /tmp/pbxhook-postgres-XXXXXX)
    chmod 755 "$directory"
    if [ "$(id -u)" = 0 ]; then
        user=nobody
        id postgres >/dev/null 2>&1 && user=postgres
        chown "$user" "$directory"
    fi
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$directory" >"$file"
    cd /
    as_user "$programs/initdb" -D "$directory/data" -U pbxhook -A trust -E UTF8 --locale=C.UTF-8 -N \
        >"$directory/initdb.log" 2>&1 || { cat "$directory/initdb.log" >&2; fail "initdb failed"; }
    as_user "$programs/pg_ctl" -D "$directory/data" -l "$directory/data/log" -w -t 60 start \
        -o "-k $directory -c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
-c max_connections=200 -c shared_buffers=64MB -c max_wal_size=256MB -c log_statement=none" \
        >"$directory/start.log" 2>&1 || { cat "$directory/start.log" "$directory/data/log" >&2; fail "it did not start"; }
}

sweep() {
    ask="$programs/psql -h $(cat "$file") -U pbxhook -d postgres -qAt"
    $ask -c "SELECT datname FROM pg_database WHERE datname ~ '^test_[0-9]+_[0-9]+$'" |
        while IFS=_ read -r test pid number; do
            kill -0 "$pid" 2>/dev/null || echo "DROP DATABASE IF EXISTS ${test}_${pid}_$number WITH (FORCE);"
        done | $ask
}

programs=$(find_programs)
case $action in
start) start ;;
stop) stop ;;
sweep) sweep ;;
*) fail "unknown action: $action" ;;
esac
