#!/bin/sh
# counts.sh: does POST /api/dashboard/count take longer on a big store? Fills one store with 10,000 and
# one with 5,000,000 finished calls, starts pbxhook on each, asks both in turn, and prints both medians
# and their ratio; also to build/bench/counts.md.
#
#   sh tests/bench/counts.sh [--small N] [--big N] [--requests N]
#
#   --requests  to each server, in blocks of 250 that alternate (5000)
#
# Needs sqlite3 and Node.js, and about 1.5 GB below /var/tmp (PBXHOOK_BENCH_DIR changes that).
set -eu

bench=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$bench/../.." && pwd)
. "$bench/servers.sh"

small=10000
big=5000000
requests=5000
block=250

while [ $# -gt 0 ]; do
    case $1 in
    --small | --big | --requests)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
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

# fill DIRECTORY CALLS: pbxhook makes the store, so that its schema is the one in force.
fill() {
    say "--- a store of $2 finished calls"
    mkdir "$1"
    start_pbxhook "$1" http://127.0.0.1:9/
    stop_servers
    [ -f "$1/pbxhook.db" ] || die "pbxhook made no $1/pbxhook.db"
    sqlite3 -bail -cmd ".parameter set :calls $2" "$1/pbxhook.db" \
        <"$bench/counts-fill.sqlite.sql" >"$results/counts-fill.log" ||
        die "the store could not be filled: is counts-fill.sqlite.sql of an older schema?"
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
command -v sqlite3 >/dev/null || install "filling the stores" sqlite3
build_pbxhook
find_load
pbxhook=$(find_program "$build/pbxhook" "$build/core/pbxhook") || exit 1

fill "$work/small" "$small"
fill "$work/big" "$big"
start_pbxhook "$work/small" http://127.0.0.1:9/
small_url=$server_url
start_pbxhook "$work/big" http://127.0.0.1:9/
big_url=$server_url

ask warm-up-small "$small_url" 0
ask warm-up-big "$big_url" 0
for i in $(seq $((requests / block))); do
    ask small "$small_url" "$i"
    ask big "$big_url" "$i"
done
stop_servers
node "$bench/counts-report.mjs" "$out" "$small" "$big" | tee "$results/counts.md"
