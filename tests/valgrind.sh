#!/bin/sh
# valgrind.sh: the unit tests under memcheck: memory that is read before it was written, and memory that is lost
# for good. What a sanitizer finds too, it finds in a program that was built as usual.
#
#   sh tests/valgrind.sh BUILD_DIRECTORY [TEST...]     TEST: without "unit_" (default: those without a server)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/dependencies.sh"

[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2; }
build=$(cd "$1" && pwd)
shift
if [ $# -eq 0 ]; then
    # Those that need no server, as do those of SQLite alone, which share their fixture with some that do. The web
    # server's own look at times that can't be kept here.
    tests=$(ctest --test-dir "$build" -N -R '^unit\.' -LE postgres -E '^unit\.(http|mock_)' |
        sed -n 's/^ *Test *#[0-9]*: unit\.//p')
    [ -n "$tests" ] || fail "valgrind: there is no unit test in $build"
    set -- sqlite_failures sqlite_store $tests
fi
command -v valgrind >/dev/null || fail "no valgrind: install valgrind"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
export build work
export UNDER_VALGRIND=1 # for a test of what it does not do as the kernel does
one='
    valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
        --show-leak-kinds=definite --child-silent-after-fork=yes --log-file="$work/$1.log" \
        "$build/tests/unit/unit_$1" >"$work/$1.out" 2>&1 || echo "$1" >>"$work/failed"
'
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c "$one" one
[ ! -s "$work/failed" ] || {
    while read -r name; do
        cat "$work/$name.log" 2>/dev/null || true # not even begun
        grep -E "FAILED|ERROR|LINE" "$work/$name.out" || true
    done <"$work/failed"
    fail "valgrind: $(tr '\n' ' ' <"$work/failed")"
}
say "valgrind has nothing to say of $# unit tests"
