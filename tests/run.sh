#!/bin/sh
# run.sh: the whole test suite on a clean checkout. Installs Debian's packages that the build and the
# tests need, builds with gcc and with clang, warnings being errors, and runs every test three times:
# as it is, under the address and undefined behaviour sanitizers, and under the thread sanitizer. As it is, the
# unit tests run under valgrind too, and with allocations that fail. The page is tested in a real browser.
#
#   sh tests/run.sh [PRESET...]     presets: dev asan tsan (default: all three)
set -eu
cd "$(dirname "$0")/.."
. packaging/dependencies.sh

test_packages="postgresql pgbouncer libcmocka-dev openssl clang libclang-rt-14-dev g++ sqlite3 binutils abigail-tools
systemd mandoc bsdextrautils valgrind"

case "${1:-}" in
-h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
[ $# -gt 0 ] || set -- dev asan tsan

need_packages $build_packages $test_packages
command -v npm >/dev/null 2>&1 || need_packages nodejs npm # for the page

jobs=$(nproc)
failed=
for preset in "$@"; do
    say "Building: $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -j "$jobs"
    say "Testing: $preset"
    ctest --preset "$preset" -j "$jobs" || failed="$failed $preset"
    [ "$preset" = dev ] || continue
    say "Testing: $preset, under valgrind"
    sh tests/valgrind.sh build/dev || failed="$failed valgrind"
    say "Testing: $preset, with allocations that fail"
    sh tests/alloc/run.sh build/dev || failed="$failed alloc"
done

say "The page in a real browser"
BUILD=
for preset in "$@"; do
    [ "$preset" != dev ] || BUILD=build/dev
done
BUILD=$BUILD sh tests/browser/run.sh || failed="$failed browser"

say "Building with clang, without the page"
CC=clang cmake -S . -B build/clang -DCMAKE_BUILD_TYPE=Debug -DPBXHOOK_WERROR=ON -DPBXHOOK_WEB=OFF >/dev/null
cmake --build build/clang -j "$jobs"

[ -z "$failed" ] || fail "Tests failed in:$failed"
say "All tests passed in: $*"
