#!/bin/sh
# stream.sh: do a thousand readers of the live stream slow the webhook? Posts events at one rate without and with
# them, in turn, and prints the acknowledgement's p99 and the server's memory of each; also to
# build/bench/stream.md.
#
#   sh tests/bench/stream.sh [--readers N] [--rate R] [--seconds S] [--rounds N]
#
#   --rate    events a second (2000)      --seconds   of each load (8)
#   --rounds  of both (3)                 --readers   (1000)
#
# Needs Node.js. Everything is on loopback.
set -eu

bench=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$bench/../.." && pwd)
. "$bench/servers.sh"

readers=1000
rate=2000
seconds=8
rounds=3

while [ $# -gt 0 ]; do
    case $1 in
    --readers | --rate | --seconds | --rounds)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --readers) readers=$2 ;;
        --rate) rate=$2 ;;
        --seconds) seconds=$2 ;;
        --rounds) rounds=$2 ;;
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

make_work_dir
out=$results/stream
rm -rf "$out"
mkdir -p "$out"
need_node
build_pbxhook
find_programs
mkdir "$work/store"
start_sink
start_pbxhook "$work/store" "$pbx_url"
hook=$server_url/api/client/webhook
# The receiver's, where the streams are.
memory_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status"; }

# post NAME
post() {
    "$load" --url "$hook" --rate "$rate" --seconds "$seconds" --quiet --report "$out/$1.json" ||
        die "$1: not every event was acknowledged"
    memory_kib >"$out/$1.kib"
}

post warm-up
for i in $(seq "$rounds"); do
    post "without-$i"
    # In life they are elsewhere: they are to take no processor from the server.
    nice -n 19 node "$bench/stream-readers.mjs" "$server_url" "$readers" >"$out/readers-$i.log" &
    readers_pid=$!
    pids="$readers_pid $pids"
    n=0
    until grep -q ready "$out/readers-$i.log"; do
        n=$((n + 1))
        [ $n -le 300 ] || die "the readers did not all get their first counts"
        sleep 0.1
    done
    post "with-$i"
    stop_pid "$readers_pid"
    tail -n 1 "$out/readers-$i.log" >&2
    grep -q ', 0 cut off$' "$out/readers-$i.log" || die "a reader was cut off, or they ended too early"
done
stop_servers
node "$bench/stream-report.mjs" "$out" "$readers" "$rate" "$rounds" >"$results/stream.md"
cat "$results/stream.md"
