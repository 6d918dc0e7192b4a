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
[ $# -gt 0 ] || set -- address_counts address_list auth base64 config config_print connections \
    control cors dispatch door envelope event event_pattern forgetting lifecycle listen log metrics operator_desk outbox outcome \
    plugin_crashes plugin_host plugins problem reader_thread routes secret_file service_notify services \
    services_db services_event services_http short_slice signature spool spool_thread sqlite_store state_dir \
    stored_wait suspects taxonomy timestamp

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export build work
one='
    valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
        --show-leak-kinds=definite --child-silent-after-fork=yes --log-file="$work/$1.log" \
        "$build/tests/unit/unit_$1" >"$work/$1.out" 2>&1 || echo "$1" >>"$work/failed"
'
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c "$one" one
[ ! -s "$work/failed" ] || {
    while read -r name; do
        cat "$work/$name.log"
        grep -E "FAILED|ERROR|LINE" "$work/$name.out" || true
    done <"$work/failed"
    fail "valgrind: $(tr '\n' ' ' <"$work/failed")"
}
say "valgrind has nothing to say of $# unit tests"
