# servers.sh: what run.sh and counts.sh share: building, starting and stopping the servers under test.
# Sourced, not run. The caller sets `bench` (this directory) and `root` (the repository), and may set
# PBXHOOK_BUILD_DIR (a finished build to use) and PBXHOOK_BENCH_DIR (where throw-away data goes; it must
# be on a real disk for the figures to mean anything). Kills only what it started, by process id.

build=${PBXHOOK_BUILD_DIR:-$root/build/release}
results=$root/build/bench
work=
pids=
pg_bin=

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$0: $*"
    exit 1
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    elif id postgres >/dev/null 2>&1; then
        runuser -u postgres -- "$@"
    else
        runuser -u nobody -- "$@"
    fi
}

# Stops a process that was started here, and waits until it is gone.
stop_pid() {
    kill "$1" 2>/dev/null || return 0
    n=0
    while kill -0 "$1" 2>/dev/null; do
        n=$((n + 1))
        if [ $n -gt 200 ]; then
            say "process $1 does not end: killed"
            kill -9 "$1" 2>/dev/null
        fi
        sleep 0.05
    done
    wait "$1" 2>/dev/null || true
}

# Stops all that was started since the last call, the last one first.
stop_servers() {
    for p in $pids; do
        stop_pid "$p"
    done
    pids=
    if [ -n "$work" ] && [ -f "$work/pg/data/postmaster.pid" ]; then
        as_postgres "$pg_bin/pg_ctl" -D "$work/pg/data" -m fast -w stop >/dev/null 2>&1 || true
    fi
}

clean_up() {
    trap - EXIT INT TERM HUP
    stop_servers
    [ -z "$work" ] || rm -rf "$work"
}

make_work_dir() {
    work=$(mktemp -d "${PBXHOOK_BENCH_DIR:-/var/tmp}/pbxhook-bench.XXXXXX") || exit 1
    chmod 755 "$work"
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$results"
}

# install REASON PACKAGE...: says what and why, and installs it where that is possible.
install() {
    reason=$1
    shift
    say "needed for $reason: $*"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "not root on Debian: please install these yourself"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2 ||
        die "apt-get could not install them"
}

need_node() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        install "the Node.js servers and the post-processing" nodejs npm libnode-dev
    fi
}

build_pbxhook() {
    [ -n "${PBXHOOK_BUILD_DIR:-}" ] && return
    if ! command -v cmake >/dev/null || ! pkg-config --exists libmicrohttpd gnutls libcurl jansson sqlite3 \
        libpq libconfuse libcrypto cmocka; then
        install "building pbxhook" build-essential cmake pkg-config libmicrohttpd-dev libgnutls28-dev \
            libcurl4-openssl-dev libjansson-dev libsqlite3-dev libpq-dev libconfuse-dev libssl-dev libcmocka-dev
    fi
    say "building pbxhook in $build"
    # Without the end-to-end tests, which want PostgreSQL and PgBouncer.
    (cd "$root" && cmake --preset release -DPBXHOOK_E2E=OFF && cmake --build build/release -j"$(nproc)") \
        >"$results/build.log" 2>&1 || die "the build failed: see $results/build.log"
}

# Prints the first of the paths that is a program.
find_program() {
    for candidate; do
        if [ -x "$candidate" ] && [ ! -d "$candidate" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no such program: $*"
}

find_load() {
    load=$(find_program "$build/pbxhook-load" "$build/tests/bench/pbxhook-load") || exit 1
}

find_programs() {
    find_load
    pbxhook=$(find_program "$build/pbxhook" "$build/core/pbxhook") || exit 1
    mock_pbx=$(find_program "$build/mock-pbx" "$build/tests/mock_pbx/mock-pbx") || exit 1
}

measure() { node "$bench/measure.mjs" "$@"; }

free_port() { measure port; }

# wait_for URL PID LOG: until the server answers with 2xx; gives up after 20 s or with the process.
wait_for() {
    measure answers "$1" "$2" || {
        tail -n 20 "$3" >&2
        die "$1 does not answer"
    }
}

# A PBX that takes every action: sets pbx_url.
start_sink() {
    "$mock_pbx" --calls 0 --listen 127.0.0.1:0 --port-file "$work/sink.port" \
        >"$results/sink.log" 2>&1 &
    sink_pid=$!
    pids="$sink_pid $pids"
    n=0
    until [ -s "$work/sink.port" ]; do
        n=$((n + 1))
        [ $n -lt 200 ] || die "mock-pbx does not start: see $results/sink.log"
        sleep 0.05
    done
    pbx_url=http://127.0.0.1:$(cat "$work/sink.port")/api/client/actions
    rm -f "$work/sink.port"
}

# start_pbxhook STATE_DIR PBX_URL: sets server_pid and server_url.
start_pbxhook() {
    port=$(free_port)
    server_url=http://127.0.0.1:$port
    PBXHOOK_LISTEN=127.0.0.1:$port PBXHOOK_STATE_DIR=$1 PBXHOOK_PBX_URL=$2 \
        PBXHOOK_PLUGIN_DIR=${PBXHOOK_PLUGIN_DIR:-$build/plugins} PBXHOOK_LOG_LEVEL=warning \
        "$pbxhook" serve >"$results/pbxhook.log" 2>&1 &
    server_pid=$!
    pids="$server_pid $pids"
    wait_for "$server_url/readyz" "$server_pid" "$results/pbxhook.log"
}
