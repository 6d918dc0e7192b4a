#!/bin/sh
# frozen_current_test.sh TOP: today's header, comments aside, is the frozen one of its own version: what changes
# the contract changes its number, or, before that version is released, the copy of it as well.
set -eu
top=$1
header=$top/include/pbxhook/plugin.h
version=$(sed -n 's/^#define PBXHOOK_ABI_\(MAJOR\|MINOR\) *\([0-9]*\).*/\2/p' "$header" | paste -sd .)
frozen=$top/tests/abi/frozen/$version/pbxhook/plugin.h
[ -f "$frozen" ] || { echo "FAILED: there is no $frozen: see the README.md there"; exit 1; }
# The test beside this one looks at those alone that are listed.
for old in "$top"/tests/abi/frozen/*/pbxhook/plugin.h; do
    grep -qF "  ${old#"$top"/tests/abi/frozen/}" "$top/tests/abi/frozen/SHA256SUMS" ||
        { echo "FAILED: $old is not in SHA256SUMS"; exit 1; }
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-abi.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
# contract HEADER: without comments, its words with one blank between.
contract() {
    awk '{
        text = text " " $0
    }
    END {
        while ((start = index(text, "/*")) > 0) {
            rest = substr(text, start + 2)
            text = substr(text, 1, start - 1) " " substr(rest, index(rest, "*/") + 2)
        }
        count = split(text, words)
        for (i = 1; i <= count; i++) print words[i]
    }' "$1"
}
contract "$header" >"$scratch/now"
contract "$frozen" >"$scratch/frozen"
diff -u "$scratch/frozen" "$scratch/now" || { echo "FAILED: the contract is not that of ABI $version"; exit 1; }
# The test can fail: it sees a member that has another name.
sed 's/has_target/had_target/' "$header" >"$scratch/other.h"
contract "$scratch/other.h" >"$scratch/other"
! cmp -s "$scratch/frozen" "$scratch/other" || { echo "FAILED: another contract is not seen"; exit 1; }
