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
systemd mandoc bsdextrautils valgrind curl"

case "${1:-}" in
-h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
[ $# -gt 0 ] || set -- dev asan tsan

need_packages $build_packages $test_packages
command -v npm >/dev/null 2>&1 || need_packages nodejs npm # for the page

# What ctest has left behind of the present preset's tests, and what is kept of it for the end.
logs() { echo "build/$1/Testing/Temporary"; }
kept() { echo "build/$1/Testing/failed"; }

# keep_failures PRESET: the list of the tests that failed, as NUMBER:NAME, and everybody's output.
keep_failures() {
    rm -rf "$(kept "$1")"
    mkdir -p "$(kept "$1")"
    cp "$(logs "$1")/LastTestsFailed.log" "$(logs "$1")/LastTest.log" "$(kept "$1")/"
}

# run_failed_alone PRESET: once more, one at a time, for the reader alone: failed is failed.
run_failed_alone() {
    while IFS=: read -r _ name; do
        say "Once more, alone: $1 $name (the result stays: failed)"
        ctest --preset "$1" -R "^$name\$" 2>&1 </dev/null | tail -n 60
    done <"$(kept "$1")/LastTestsFailed.log"
}

# print_failures PRESET: each failed test's name with what it found wrong, or with its last words.
print_failures() {
    while IFS=: read -r _ name; do
        echo "$1: $name"
        awk -v name="$name" '
            /^[0-9]+\/[0-9]+ Testing: / { on = $3 == name; next }
            /^<end of output>/ { on = 0 }
            !on || /^Output:|^-+$|^$|^Command:|^Directory:|^".*" start time:/ { next }
            { last = last_but_one; last_but_one = $0 }
            /\[  ERROR   \]|\[   LINE   \]|^ERROR:|waited too long|Sanitizer|runtime error:|\[  FAILED  \]/ {
                print "    " substr($0, 1, 300)
                found++
            }
            END { if (!found) print "    " substr(last, 1, 300) "\n    " substr(last_but_one, 1, 300) }
        ' "$(kept "$1")/LastTest.log" | tail -n 16
    done <"$(kept "$1")/LastTestsFailed.log"
}

# print_skipped PRESET: what a test has left out, because the machine lacks something. ctest counts it as passed.
print_skipped() {
    sed -n "/listed below/d; s/^\[  SKIPPED \]/Not tested here, $1:/p" "$(logs "$1")/LastTest.log" | sort -u
}

jobs=$(nproc)
failed=
skipped=$(mktemp)
trap 'rm -f "$skipped"' EXIT
trap 'exit 1' INT TERM HUP
for preset in "$@"; do
    say "Building: $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -j "$jobs"
    say "Testing: $preset"
    result=0
    ctest --preset "$preset" -j "$jobs" || result=$?
    print_skipped "$preset" >>"$skipped"
    if [ "$result" -ne 0 ]; then
        failed="$failed $preset"
        keep_failures "$preset"
        run_failed_alone "$preset"
    fi
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
BUILD=${BUILD:-build/browser} PBXHOOK_TEST_STORE=postgresql sh tests/browser/run.sh || failed="$failed browser-postgresql"

say "Building with clang, without the page"
CC=clang cmake -S . -B build/clang -DCMAKE_BUILD_TYPE=Debug -DPBXHOOK_WERROR=ON -DPBXHOOK_WEB=OFF >/dev/null
cmake --build build/clang -j "$jobs"

for preset in $failed; do
    case $preset in browser* | valgrind | alloc) ;; *) print_failures "$preset" ;; esac # these have told already
done
cat "$skipped"
[ -z "$failed" ] || fail "Tests failed in:$failed"
say "All tests passed in: $*"
