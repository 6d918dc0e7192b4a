#!/bin/sh
# run.sh: measures pbxhook on both stores, and beside it, in the same run, two Node.js servers that do the
# same work, and pgbench with the same SQL, one transaction an event and nothing around it.
# Prints a table in Markdown with the ratios and a verdict for each target; so does build/bench/report.md.
#
#   sh tests/bench/run.sh [--quick] [--check] [--seconds S] [--rounds N] [--servers "S..."]
#
#   --quick     one round of 3 seconds, to see that it works
#   --check     exit 1 when a target is missed, or an event was not acknowledged
#   --seconds   of each load (10)      --rounds  of the comparison (3), and undisturbed ones at half rate
#   --servers   only these of: pbxhook (SQLite), pbxhook_pg1 and pbxhook_pg2 (PostgreSQL, so many workers),
#               fastify, koa, pgbench
#
# Needs a compiler, PostgreSQL and Node.js; as root on Debian it installs what is missing, and says so.
# Everything is on loopback and in throw-away directories below /var/tmp (PBXHOOK_BENCH_DIR changes
# that; a tmpfs makes the figures meaningless). PBXHOOK_BUILD_DIR uses a finished build.
set -eu

bench=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$bench/../.." && pwd)
. "$bench/servers.sh"
. "$bench/postgres.sh"

connections=64
seconds=10
rounds=3
servers="pbxhook fastify pbxhook_pg1 koa pbxhook_pg2 pgbench"
check=
calls_rate=500
calls=10000
warm_up=2

while [ $# -gt 0 ]; do
    case $1 in
    --quick) seconds=3 rounds=1 calls=1500 warm_up=1 ;;
    --check) check=--check ;;
    --seconds | --rounds | --servers)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --seconds) seconds=$2 ;;
        --rounds) rounds=$2 ;;
        --servers) servers=$2 ;;
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

has_server() { case " $servers " in *" $1 "*) ;; *) return 1 ;; esac }

needs_postgres() { has_server koa || has_server pbxhook_pg1 || has_server pbxhook_pg2 || has_server pgbench; }

# ---- The servers: start_X DIRECTORY PBX_URL sets server_pid, server_url and hook ------------------

start_node() {
    port=$(free_port)
    server_url=http://127.0.0.1:$port
    NODE_ENV=production PORT=$port PBX_URL=$2 DATABASE=$1/bench.db PGDATABASE=${database:-} \
        node "$results/node/$3" >"$results/$3.log" 2>&1 &
    server_pid=$!
    pids="$server_pid $pids"
    wait_for "$server_url/pending" "$server_pid" "$results/$3.log"
}

start_fastify() { start_node "$1" "$2" fastify-sqlite.mjs; }

start_koa() {
    start_database "$1"
    start_node "$1" "$2" koa-postgres.mjs
}

start_pbxhook_pg1() { start_pbxhook_on_postgres "$1" "$2" 1; }

start_pbxhook_pg2() { start_pbxhook_on_postgres "$1" "$2" 2; }

# begin SERVER NAME: a fresh server, warmed up.
begin() {
    mkdir "$work/$2"
    sync -f "$work" # what the server before left to be written is not this one's
    start_sink
    "start_$1" "$work/$2" "$pbx_url"
    hook=$server_url/api/client/webhook
    run_load "$1" "$2-warm-up" "" --seconds "$warm_up"
}

# What the host of a virtual machine took of its cores, since the machine began: "steal", in ticks, and all ticks.
count_stolen() { awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; print $9 + 0, all }' /proc/stat; }

# watch_stolen NAME COMMAND...: runs it, and writes what the host took meanwhile, in percent, to NAME.stolen.
watch_stolen() {
    watched=$1 status=0
    shift
    before=$(count_stolen)
    "$@" || status=$?
    echo "$before $(count_stolen)" | awk '{ print 100 * ($3 - $1) / ($4 - $2) }' >"$out/$watched.stolen"
    return $status
}

# run_load SERVER NAME EARLIER OPTION...: a load, to the end, and until all that was acknowledged is done.
# EARLIER is the name of a load that this server had before, or empty. Unanswered events are in the
# report, and for report.mjs to judge.
run_load() {
    case $1 in
    pbxhook*) until_done=caught-up ;;
    *) until_done=delivered ;;
    esac
    name=$2
    earlier=${3:+$out/$3.load.json}
    shift 3
    # Not by measure(): the process to stop would be the shell around it.
    node "$bench/measure.mjs" $until_done "$server_url" "$out/$name.load.json" ${earlier:+"$earlier"} \
        >"$out/$name.settled.json" &
    settled_pid=$!
    pids="$settled_pid $pids"
    watch_stolen "$name" "$load" --url "$hook" --connections $connections --report "$out/$name.load.json" "$@" >&2 ||
        say "$name: not every event was acknowledged"
    [ -s "$out/$name.load.json" ] || die "$name: no load at all"
    wait "$settled_pid" || die "$name: not all that was acknowledged was handled"
}

finish() {
    stop_servers
    rm -rf "${work:?}/$1"
}

start_memory_watch() {
    # Not by measure(): the process to stop would be the shell around it.
    node "$bench/measure.mjs" memory "$server_pid" >"$1" &
    watch_pid=$!
    pids="$watch_pid $pids"
}

stop_memory_watch() {
    stop_pid "$watch_pid"
}

# ---- The measurements -----------------------------------------------------------------------------

# Closed loop, as fast as it goes.
measure_throughput() {
    for round in $(seq "$rounds"); do
        for server in $servers; do
            run=closed-$server-$round
            say "--- closed loop, round $round of $rounds: $server"
            if [ "$server" = pgbench ]; then
                watch_stolen "$run" run_pgbench "$run"
                continue
            fi
            begin "$server" "$run"
            run_load "$server" "$run" "$run-warm-up" --seconds "$seconds"
            finish "$run"
        done
    done
}

# Open loop at half of what was sustained. What takes milliseconds is measured with the machine's cores at hand: the
# times of a round in which the host took them do not count, and it is run again, up to three times as many in all.
# The report shows every one.
measure_half_rate() {
    rate=$(node "$bench/report.mjs" half-rate "$out")
    say "--- open loop: pbxhook at $rate events/s"
    begin pbxhook half-rate
    start_memory_watch "$out/half-rate.memory.json"
    round=0 undisturbed=0
    while [ $undisturbed -lt "$rounds" ] && [ $round -lt $((rounds * 3)) ]; do
        [ $round -eq $undisturbed ] || sleep 10 # the host may be done with it then
        round=$((round + 1))
        run_load pbxhook "half-rate-$round" half-rate-warm-up --seconds "$seconds" --rate "$rate"
        if node "$bench/report.mjs" undisturbed "$out" "half-rate-$round"; then
            undisturbed=$((undisturbed + 1))
        else
            say "the host took $(cat "$out/half-rate-$round.stolen") % of the cores meanwhile: does not count"
        fi
    done
    stop_memory_watch
    finish half-rate
}

# Whole calls with the PBX's answers: from call.standby to the action's arrival.
measure_calls() {
    say "--- calls: $calls at $calls_rate a second"
    mkdir "$work/calls"
    pbx=127.0.0.1:$(free_port)
    start_pbxhook "$work/calls" "http://$pbx/api/client/actions"
    start_memory_watch "$out/calls.memory.json"
    "$mock_pbx" --listen "$pbx" --webhook "$server_url" --calls "$calls" --rate "$calls_rate" \
        --connections $connections --report "$out/calls.mock.json" >&2 ||
        say "calls: not every call went right"
    stop_memory_watch
    finish calls
}

make_work_dir
out=$results/runs
rm -rf "$out"
mkdir -p "$out"
echo "$rounds" >"$out/rounds"
need_node
build_pbxhook
find_programs
if has_server fastify || has_server koa; then
    for tool in g++ make python3; do
        command -v "$tool" >/dev/null || install "better-sqlite3, a native module" g++ make python3
    done
    sh "$bench/node/install.sh" "$results/node"
fi
if needs_postgres; then
    need_postgres
    make_cluster
    "$pg_bin/postgres" --version >"$out/postgres.version"
fi
count_stolen >"$out/stolen.begun"
measure disk "$work" >"$out/disk.json"
df -PT "$work" | awk 'NR == 2 { print $2 }' >"$out/disk.type"

measure_throughput
if has_server pbxhook; then
    measure_half_rate
    measure_calls
fi
count_stolen >"$out/stolen.ended"
node "$bench/report.mjs" report "$out" "$results" $check
