#!/bin/sh
# run.sh: runs unit tests with one allocation failing, once for each allocation of theirs. A test may fail then,
# in words; it may not crash, nor hang.
#
#   tests/alloc/run.sh [--every] BUILD_DIRECTORY [TEST...]
#
#   TEST     unit tests, without "unit_" (default: those that allocate in one thread)
#   --every  every allocation; without it, of a test with more than 150 only every so many that it is some 100 runs
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/dependencies.sh"

every=
[ "${1:-}" != --every ] || { every=1; shift; }
case "${1:-}" in
"" | -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
build=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- address_counts address_list auth base64 config connections control cors door \
    envelope event event_pattern forgetting lifecycle metrics operator_desk outcome plugin_crashes plugin_host problem routes secret_file \
    services services_db services_event services_http short_slice signature spool state_dir stored_wait suspects \
    taxonomy timestamp

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export preload="$build/tests/alloc/libfail_alloc.so" work

# one TEST N: says so when it crashes or hangs.
one='
    status=0
    FAIL_ALLOC_AT=$2 LD_PRELOAD=$preload timeout -k 1 30 "$1" >/dev/null 2>&1 || status=$?
    [ "$status" -lt 124 ] || echo "$(basename "$1"): allocation $2: status $status" >>"$work/findings"
'

runs=0
for name in "$@"; do
    program=$build/tests/unit/unit_$name
    FAIL_ALLOC_COUNT=$work/count LD_PRELOAD=$preload "$program" >/dev/null 2>&1 || fail "$name fails by itself"
    total=$(cat "$work/count")
    step=1
    [ -n "$every" ] || [ "$total" -le 150 ] || step=$((total / 100 | 1))
    seq 1 "$step" "$total" | xargs -P "$(nproc)" -n 1 sh -c "$one" one "$program"
    count=$(((total + step - 1) / step))
    runs=$((runs + count))
    printf '%-18s %7d allocations %7d runs\n' "$name" "$total" "$count"
done
[ ! -s "$work/findings" ] || {
    cat "$work/findings"
    fail "Crashes or hangs: $(wc -l <"$work/findings") of $runs runs"
}
say "No crash and no hang in $runs runs"
