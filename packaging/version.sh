#!/bin/sh
# version.sh: prints the version, which is written down in the top CMakeLists.txt and nowhere else.
# Sourced, it gives version_of TREE and date_of TREE (seconds since 1970).
version_of() {
    sed -n 's/^project(pbxhook VERSION \([0-9][0-9.]*\) .*/\1/p' "$1/CMakeLists.txt"
}

# The date of what is built, the same each time: SOURCE_DATE_EPOCH, else that of the last commit, else that
# of the newest file.
date_of() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    elif git -C "$1" rev-parse --show-prefix 2>/dev/null | grep -qx ''; then
        git -C "$1" log -1 --format=%ct
    else
        find "$1" -path "$1/build" -prune -o -type f -printf '%Ts\n' | sort -n | tail -n 1
    fi
}

case "$0" in
*version.sh) version_of "$(dirname "$0")/.." ;;
esac
