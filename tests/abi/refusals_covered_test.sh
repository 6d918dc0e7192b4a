#!/bin/sh
# refusals_covered_test.sh SOURCE: every refusal of a plugin that the code can say is said in a test. A refusal
# is a text "found ... wanted ..." of core/worker; some text of the tests must be what it comes to.
source=$1
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-abi.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP

# texts FILE...: the string literals, one a line, their pieces put together; \" inside one is written as `.
texts() {
    cat "$@" | tr '\n' ' ' |
        sed -e 's/\\"/`/g' -e 's/PBXHOOK_PLUGIN_SYMBOL/"pbxhook_plugin"/g' \
            -e 's/NAME_RULE/"wanted [a-z][a-z0-9_]*, at most 63 characters"/g' -e 's/" *"//g' |
        grep -o '"[^"]*"'
}

# What can't be had in a test: a directory that is gone between two looks at it.
untestable='unreadable (%s), wanted to see who owns it'

texts "$source"/core/worker/plugin_*.c "$source"/core/worker/dispatch.c | grep 'found ' |
    grep -vF "$untestable" | sort -u >"$scratch/refusals"
texts "$source"/tests/abi/refusals_test.c "$source"/tests/unit/plugin_host_test.c \
    "$source"/tests/unit/dispatch_test.c >"$scratch/tested"

count=$(wc -l <"$scratch/refusals")
[ "$count" -ge 30 ] || { echo "FAILED: only $count refusals were found in the code"; exit 1; }

# From "found" on, for what stands before it is the place; anything may stand where it has a conversion.
failed=0
while IFS= read -r refusal; do
    pattern=$(printf '%s\n' "$refusal" | sed -e 's/^"//' -e 's/"$//' -e 's/.*\(found \)/\1/' -e 's/\\n$//' \
        -e 's/[][\.*^$]/\\&/g' -e 's/%[0-9]*z\{0,1\}[suxdo]/.*/g')
    grep -q -- "$pattern" "$scratch/tested" || {
        echo "FAILED: in no test: $refusal"
        failed=1
    }
done <"$scratch/refusals"
exit $failed
