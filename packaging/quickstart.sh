#!/bin/sh
# quickstart.sh: from a fresh checkout to a running pbxhook with calls coming in. Installs Debian's
# build packages that are missing, builds, starts the server and a mock PBX. Ctrl-C stops both.
#
#   sh packaging/quickstart.sh [--calls-per-second N]
set -eu
cd "$(dirname "$0")/.."
. packaging/dependencies.sh

# A number above 0, as mock-pbx takes it. Before anything is installed or built.
check_rate() {
    case $1 in
    *[!0-9.]* | *.*.* | .) ;;
    *[1-9]*) return 0 ;;
    esac
    fail "--calls-per-second: found \"$1\", wanted a number above 0, as in 0.5 or 20"
}

rate=0.5
case "${1:-}" in
'') ;;
--calls-per-second)
    [ $# -ge 2 ] || fail "--calls-per-second needs a number, as in 0.5 or 20"
    rate=$2
    check_rate "$rate"
    shift 2
    ;;
-h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*) fail "No such option: $1. Try: sh packaging/quickstart.sh --help" ;;
esac
[ $# = 0 ] || fail "One argument too many: $1. Try: sh packaging/quickstart.sh --help"

build=build/quickstart
need_packages $build_packages
# The dashboard's page is bundled with npm. Whoever has one keeps it; without, only the page is missing.
web=ON
if ! command -v npm >/dev/null 2>&1; then
    if can_install; then
        need_packages nodejs npm
    else
        web=OFF
        say "There is no npm here, nor a way to install it: building without the dashboard's page"
    fi
fi

say "Building into $build"
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DPBXHOOK_TESTS=OFF -DPBXHOOK_MOCK_PBX=ON \
    -DPBXHOOK_WEB=$web >/dev/null
if ! cmake --build "$build" -j "$(nproc)"; then
    [ $web = ON ] && [ ! -e "$build/web/installed" ] || fail "It could not be built: see above"
    say "npm could not fetch the page's packages: building without the dashboard's page"
    web=OFF
    cmake -S . -B "$build" -DPBXHOOK_WEB=$web >/dev/null
    cmake --build "$build" -j "$(nproc)"
fi

port=${PORT:-3000}
pbx_port=${PBX_PORT:-3001}
state=$build/state
server=
pbx=

stop() {
    trap - EXIT INT TERM HUP
    [ -z "$pbx" ] || kill "$pbx" 2>/dev/null || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$pbx" ] || wait "$pbx" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    printf '\nStopped. What was stored is in %s\n' "$state"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# A terminal that closes: for the server SIGHUP is a reload, so that it would go on without one.
trap 'exit 129' HUP

# The last run's would say that this one is ready.
: >"$build/pbxhook.log"
say "Starting pbxhook on 127.0.0.1:$port and a mock PBX on 127.0.0.1:$pbx_port"
PBXHOOK_LISTEN=127.0.0.1:$port PBXHOOK_STATE_DIR=$state \
    PBXHOOK_PBX_URL=http://127.0.0.1:$pbx_port/api/client/actions \
    "$build/pbxhook" serve 2>"$build/pbxhook.log" &
server=$!

# Ready when its own log says so; the process ending is the other answer.
tries=0
until grep -q 'msg=listening' "$build/pbxhook.log"; do
    kill -0 "$server" 2>/dev/null || { cat "$build/pbxhook.log" >&2; fail "pbxhook did not start."; }
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "pbxhook did not get ready; its log: $build/pbxhook.log"
    sleep 0.1
done

if [ $web = ON ]; then
    printf '\n  pbxhook runs. The wall, live:\n\n    http://127.0.0.1:%s/\n' "$port"
else
    printf '\n  pbxhook runs, without the dashboard'\''s page.\n'
fi
cat <<TEXT

  In another terminal:

    curl -s http://127.0.0.1:$port/api/dashboard/count     the counts
    curl -s http://127.0.0.1:$port/api/calls/active        the calls that are going on
    curl -s http://127.0.0.1:$port/metrics                 for Prometheus
    tail -f $build/pbxhook.log                  each event and action

  A mock PBX now places $rate calls a second, each with its seven events. Ctrl-C stops it all.

TEXT
# A desktop opens the page by itself; on a server there is nobody to look.
if [ $web = ON ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null 2>&1; then
    xdg-open "http://127.0.0.1:$port/" >/dev/null 2>&1 &
fi

"$build/tests/mock_pbx/mock-pbx" --listen "127.0.0.1:$pbx_port" \
    --webhook "http://127.0.0.1:$port/api/client/webhook" \
    --forever --rate "$rate" --step-ms 500-3000 --talk-ms 2000-20000 &
pbx=$!
wait "$pbx"
