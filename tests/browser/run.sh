#!/bin/sh
# run.sh: the dashboard's page in a real browser, Debian's Chromium, against the real server and mock-pbx.
# Installs what is missing, builds, runs every test.
#
#   sh tests/browser/run.sh [--screenshots]     --screenshots: also makes those of the README anew
#   BUILD=DIRECTORY                             an existing build, used as it is
#   PBXHOOK_TEST_STORE=postgresql               with PostgreSQL as the store, and what only it can show
set -eu
cd "$(dirname "$0")/../.."
. packaging/dependencies.sh

case "${1:-}" in
'' | --screenshots) ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

need_packages $build_packages chromium
case "${PBXHOOK_TEST_STORE:-sqlite}" in
sqlite) ;;
postgresql) need_packages postgresql ;;
*) fail "PBXHOOK_TEST_STORE: '$PBXHOOK_TEST_STORE' is neither sqlite nor postgresql" ;;
esac
for tool in node npm; do
    command -v "$tool" >/dev/null 2>&1 || need_packages nodejs npm
done

if [ -z "${BUILD:-}" ]; then
    BUILD=build/browser
    say "Building into $BUILD"
    cmake -S . -B "$BUILD" -DCMAKE_BUILD_TYPE=Release -DPBXHOOK_TESTS=OFF -DPBXHOOK_MOCK_PBX=ON >/dev/null
    cmake --build "$BUILD" -j "$(nproc)"
fi

# The packages are pinned by the lock file and stay out of the source tree. No browser is fetched.
packages=$BUILD/browser-test
mkdir -p "$packages"
cp tests/browser/package.json tests/browser/package-lock.json tests/browser/.npmrc "$packages/"
if ! cmp -s tests/browser/package-lock.json "$packages/installed"; then
    say "Installing what drives the browser"
    (cd "$packages" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --no-progress --loglevel=error)
    cp tests/browser/package-lock.json "$packages/installed"
fi
cp tests/browser/*.mjs "$packages/"

say "Testing the page"
BROWSER_TEST_BUILD=$(cd "$BUILD" && pwd)
BROWSER_TEST_SCREENSHOTS=${1:+$PWD/docs/images}
export BROWSER_TEST_BUILD BROWSER_TEST_SCREENSHOTS
if [ "${PBXHOOK_TEST_STORE:-sqlite}" = postgresql ]; then
    socket=$BROWSER_TEST_BUILD/browser-test/postgres
    trap 'sh tests/postgres/cluster.sh stop "$socket"' EXIT
    trap 'exit 1' HUP INT TERM
    sh tests/postgres/cluster.sh start "$socket"
    BROWSER_TEST_DATABASE=$(cat "$socket")
    export BROWSER_TEST_DATABASE
fi
node --test --test-reporter=spec "$packages/page.test.mjs"
