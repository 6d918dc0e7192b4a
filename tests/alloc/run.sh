#!/bin/sh
# run.sh: runs each case of the unit tests again and again, with one allocation failing. A case may fail then, in
# words; it may not crash, nor hang. What was freed or never written is overwritten, so that its use shows.
#
#   tests/alloc/run.sh [--every | --count] BUILD_DIRECTORY [TEST...]
#
#   TEST     unit tests, without "unit_" (default: all of them, on a PostgreSQL server of their own)
#   --every  each allocation of each case; without it, the first of every different chain of calls (see chain.c)
#   --count  none fails: says what each program allocates, and the seconds that --every would take
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/dependencies.sh"

every=
case "${1:-}" in
--every) every=1; shift ;;
--count) every=count; shift ;;
esac
case "${1:-}" in
"" | -*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
build=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^unit_test(\(.*\))$/\1/p' "$here/../unit/CMakeLists.txt")

work=$(mktemp -d)
postgres="sh $here/../postgres/cluster.sh"
sweeper=
trap '[ -z "$sweeper" ] || kill "$sweeper" 2>/dev/null || true; $postgres stop "$work/socket" || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# What a unit test is told: where its long loops may be short, and a memory that forgets at once.
export SHORT_LOOPS=1 FAIL_ALLOC_RESULT="$work/result"
tunables=glibc.malloc.tcache_count=0:glibc.malloc.perturb=165

# under_failure PROGRAM [VARIABLE=VALUE...]: the figures and findings of one program, into $work/result.
under_failure() {
    program=$1
    shift
    : >"$work/result"
    # By its name alone: LD_PRELOAD splits at blanks.
    env "$@" LD_LIBRARY_PATH="$build/tests/alloc" LD_PRELOAD=libfail_alloc.so GLIBC_TUNABLES=$tunables "$program" \
        </dev/null >"$work/output" || { cat "$work/output"; fail "$program: could not be run"; }
    grep -q '^= ' "$work/result" || fail "$program: did not take the library"
}

# Whether the library finds what is wrong, and nothing else, and counts each way to allocate.
check_itself() {
    under_failure "$build/tests/alloc/alloc_self_test" FAIL_ALLOC_LIMIT_S=2
    sed -n 's/^alloc_self_test: tests, //p' "$work/result" | sort >"$work/found"
    cat >"$work/expected" <<'END'
crash_in_a_set_up: allocation 1: Segmentation fault
ends_the_process: ends its process, neither passed nor failed
reads_what_it_freed: allocation 2: Segmentation fault
waits_for_ever_for_what_it_did_not_get: allocation 1: it hung: Aborted
writes_to_what_it_did_not_get: allocation 1: Segmentation fault
END
    diff "$work/expected" "$work/found" || fail "This test does not find what is wrong"
    awk '$1 == "-" && $4 ~ /^way_/ { n++; if ($5 < 1) { print $4 " does not count"; bad = 1 } }
        $1 == "-" && $4 == "child_is_let_alone" { n++; if ($5 != 0) { print "a child counts"; bad = 1 } }
        $1 == "=" && $6 { print $6 " runs without a failed allocation"; bad = 1 }
        END { exit bad || n != 13 }' "$work/result" || fail "This test does not count all allocations, and no other"
}

print_program() {
    awk '$1 == "=" { printf "%-18s %8d allocations %6d chains %7d runs %6.1f s", substr($2, 6), $3, $4, $5, $9
        if ($6) printf ", %d not met", $6
        if ($8) printf ", %d in known places", $8
        if ($7) printf ", %d FINDINGS", $7
        if (estimate == "count") printf ", --every: %d s", $10
        print "" }' estimate="$every" "$work/result"
}

check_itself
[ -n "${PBXHOOK_TEST_POSTGRES:-}" ] || {
    $postgres start "$work/socket"
    PBXHOOK_TEST_POSTGRES=$(cat "$work/socket")
    export PBXHOOK_TEST_POSTGRES
    # Of thousands of runs many end before they drop their database.
    while sleep 2; do $postgres sweep "$work/socket" || true; done &
    sweeper=$!
}
[ -z "$every" ] || export FAIL_ALLOC_EVERY="$every"
export FAIL_ALLOC_KNOWN="$here/known_crashes.txt"
for name in "$@"; do
    # What libcrypto does once in a process's life is part of one test, and done before in the others. The set-up
    # that the store's tests share, on both databases, fails in "store" (that of deliveries, in "deliveries"; that of
    # SQLite's alone, in "sqlite_store"), that of dispatch in "dispatch", of the HTTP side in "http".
    cold=COLD= setup=SETUP=
    [ "$name" != event ] || cold=FAIL_ALLOC_COLD=1
    case $name in
    deliveries_failed | dispatch_retries | history | http_body | http_dashboard | http_history | http_stream | kpi* | \
        operation | postgres_prune | postgres_workers | sqlite_failures | store_*)
        setup=FAIL_ALLOC_SETUP=other ;;
    esac
    under_failure "$build/tests/unit/unit_$name" "$cold" "$setup"
    print_program
    grep -v '^[-=] ' "$work/result" | sh "$here/name_lines.sh"
    grep '^= ' "$work/result" >>"$work/all"
    awk '$1 == "=" && $5 > 0 && $6 * 2 > $5 { exit 1 }' "$work/result" ||
        fail "$name: in most of its runs no allocation failed"
done

awk '{ runs += $5 - $6; known += $8; ours += $7; seconds += $9; estimate += $10 }
    END { printf "%d %d %d %d %d\n", runs, known, ours, seconds, estimate }' "$work/all" >"$work/totals"
read -r runs known ours seconds estimate <"$work/totals"
[ "$every" != count ] || { say "--every would take some $estimate s"; exit 0; }
[ "$ours" = 0 ] || fail "Crashes or hangs: $ours of $runs runs ($seconds s)"
say "No crash and no hang in $runs runs with a failed allocation ($seconds s); $known ended in known places"
