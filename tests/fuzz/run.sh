#!/bin/sh
# run.sh: builds the fuzz targets with libFuzzer (clang) and runs each of them for a while, beginning with its corpus
# in the repository and what earlier runs found (build/fuzz/corpus). Prints what came of it.
#
#   sh tests/fuzz/run.sh [--seconds N] [--merge] [TARGET...]
#
#   --seconds N   for each target (default: 60)
#   --merge       afterwards, adds the inputs that reach more to the repository's corpus
#   TARGET        default: all of them
#
# An input that something came of is left in build/fuzz/findings/TARGET: it goes into the corpus, as regress_WHAT,
# with what mends it.
set -eu
cd "$(dirname "$0")/../.."
. packaging/dependencies.sh

seconds=60 merge=
while [ $# -gt 0 ]; do
    case "$1" in
    --seconds)
        [ $# -gt 1 ] || fail "--seconds wants a number"
        seconds=$2
        shift 2
        ;;
    --merge)
        merge=1
        shift
        ;;
    -*)
        sed -n '2,12s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls ./*_fuzz.c | sed 's/^\.\/\(.*\)_fuzz\.c$/\1/')

need_packages $build_packages clang libclang-rt-14-dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)"

# fuzz TARGET: its line of the table; not 0 when something was found.
fuzz() {
    found=build/fuzz/corpus/$1 findings=build/fuzz/findings/$1 log=build/fuzz/$1.log
    dictionary=tests/fuzz/dictionaries/$1.dict
    [ -f "$dictionary" ] || dictionary=
    mkdir -p "$found" "$findings"
    status=0
    build/fuzz/tests/fuzz/fuzz_"$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -close_fd_mask=1 -print_final_stats=1 -reload=0 -artifact_prefix="$findings/" \
        ${dictionary:+-dict="$dictionary"} "$found" "tests/fuzz/corpus/$1" >"$log" 2>&1 || status=$?
    awk -v target="$1" -v inputs="$(ls "$found" | wc -l)" -v status="$status" '
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
        /number_of_executed_units/ { executions = $2 }
        /average_exec_per_sec/ { rate = $2 }
        END { printf "%-12s %12d executions %7d/s %6d edges %6d features %5d new inputs%s\n", target, executions,
              rate, cov, ft, inputs, status == 0 ? "" : "  FOUND SOMETHING" }' "$log"
    return "$status"
}

# merge TARGET: adds what reaches more than the corpus does.
merge() {
    build/fuzz/tests/fuzz/fuzz_"$1" -merge=1 -close_fd_mask=1 "tests/fuzz/corpus/$1" "build/fuzz/corpus/$1" \
        >>"build/fuzz/$1.log" 2>&1
}

failed=
for target in "$@"; do
    fuzz "$target" || failed="$failed $target"
    [ -z "$merge" ] || merge "$target"
done
[ -z "$failed" ] || fail "Found something, see build/fuzz/findings and build/fuzz/*.log:$failed"
