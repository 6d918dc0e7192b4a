#!/bin/sh
# counts.sh: does POST /api/dashboard/count take longer on a big store? Fills one store with 10,000 and
# one with 5,000,000 finished calls, starts pbxhook on each, asks both in turn, and prints both medians
# and their ratio; also to build/bench/counts-STORE.md. Behind them the indicators of a day of the big store.
#
#   sh tests/bench/counts.sh [--store sqlite|postgresql] [--small N] [--big N] [--requests N]
#
#   --requests  to each server, in blocks of 250 that alternate (5000)
#
# Needs sqlite3 or PostgreSQL, and Node.js, and about 2 GB below /var/tmp (PBXHOOK_BENCH_DIR changes that).
set -eu

bench=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$bench/../.." && pwd)
. "$bench/servers.sh"
. "$bench/postgres.sh"

store=sqlite
small=10000
big=5000000
requests=5000
block=250

while [ $# -gt 0 ]; do
    case $1 in
    --store | --small | --big | --requests)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --store) store=$2 ;;
        --small) small=$2 ;;
        --big) big=$2 ;;
        --requests) requests=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        sed -n '2,/^set -eu/{/^set/!s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
    *) die "unknown option '$1': see --help" ;;
    esac
    shift
done

case $store in
sqlite | postgresql) ;;
*) die "unknown store '$store': see --help" ;;
esac

# start DIRECTORY: pbxhook on the store of that directory.
start() {
    if [ "$store" = postgresql ]; then
        start_pbxhook_on_database "$1" http://127.0.0.1:9/ 1
    else
        start_pbxhook "$1" http://127.0.0.1:9/
    fi
}

# fill DIRECTORY CALLS: pbxhook makes the store, so that its schema is the one in force.
fill() {
    say "--- a store of $2 finished calls"
    mkdir "$1"
    [ "$store" = sqlite ] || make_database "$1"
    start "$1"
    stop_pid "$server_pid"
    if [ "$store" = postgresql ]; then
        "$pg_bin/psql" -q -v ON_ERROR_STOP=1 -v "calls=$2" -f "$bench/counts-fill.postgres.sql" \
            "$(database_of "$1")" >"$results/counts-fill.log"
    else
        [ -f "$1/pbxhook.db" ] || die "pbxhook made no $1/pbxhook.db"
        sqlite3 -bail -cmd ".parameter set :calls $2" "$1/pbxhook.db" \
            <"$bench/counts-fill.sqlite.sql" >"$results/counts-fill.log"
    fi || die "the store could not be filled: is counts-fill.$store.sql of an older schema?"
}

# ask NAME URL BLOCK
ask() {
    "$load" --url "$2/api/dashboard/count" --body '{}' --connections 1 --events $block --quiet \
        --report "$out/$1-$3.json" || die "$1: not every request was answered"
}

make_work_dir
out=$results/counts
rm -rf "$out"
mkdir -p "$out"
need_node
if [ "$store" = postgresql ]; then
    need_postgres
    make_cluster
    start_cluster
else
    command -v sqlite3 >/dev/null || install "filling the stores" sqlite3
fi
build_pbxhook
find_load
pbxhook=$(find_program "$build/pbxhook" "$build/core/pbxhook") || exit 1

fill "$work/small" "$small"
fill "$work/big" "$big"
start "$work/small"
small_url=$server_url
start "$work/big"
big_url=$server_url

ask warm-up-small "$small_url" 0
ask warm-up-big "$big_url" 0
for i in $(seq $((requests / block))); do
    ask small "$small_url" "$i"
    ask big "$big_url" "$i"
done
node "$bench/kpi-ask.mjs" "$big_url" >"$out/kpi.md"
stop_servers
node "$bench/counts-report.mjs" "$out" "$small" "$big" >"$out/counts.md"
cat "$out/counts.md" "$out/kpi.md" >"$results/counts-$store.md"
cat "$results/counts-$store.md"
