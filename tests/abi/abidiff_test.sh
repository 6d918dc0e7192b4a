#!/bin/sh
# abidiff_test.sh ABIDIFF ABIDW TYPES.so BASELINE_DIR: today's header against each stored one, but for the
# exceptions, each of which must say its reason; and that a moved member would be seen.
abidiff=$1 abidw=$2 types=$3 baseline=$4
set -eu

exceptions=$baseline/exceptions.ini
entries=$(grep -c '^\[' "$exceptions" || true)
reasons=$(grep -c '^ *label = reason: ...' "$exceptions" || true)
[ "$entries" = "$reasons" ] || {
    echo "FAILED: $exceptions has $entries entries and $reasons reasons"
    exit 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-abi.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
"$abidw" --no-corpus-path --no-comp-dir-path --short-locs --out-file "$scratch/now.abi" "$types"
for old in "$baseline"/*.abi; do
    "$abidiff" --no-added-syms --suppressions "$exceptions" "$old" "$scratch/now.abi" ||
        { echo "FAILED: the layout is not that of $old"; exit 1; }
    # The test can fail: two members of one type have changed places in a copy.
    sed -e "s/name='code'/name='swapped'/" -e "s/name='direction'/name='code'/" \
        -e "s/name='swapped'/name='direction'/" "$scratch/now.abi" >"$scratch/moved.abi"
    ! "$abidiff" --suppressions "$exceptions" "$old" "$scratch/moved.abi" >"$scratch/said" ||
        { echo "FAILED: a moved member is not seen"; exit 1; }
done
