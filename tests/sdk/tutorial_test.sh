#!/bin/bash
# tutorial_test.sh STAGE PAGE PORTS: runs each command of a page as a reader would, in order, in one shell, with
# what is installed below STAGE, and compares what it prints with what the page says. In the page
#   ```sh          is run, and must not fail; ```sh fails must
#   ```c FILE      is written to FILE, and so is any other language with a file's name
#   ```text        is what the commands before it printed; ```text ends: its end; ```text holds: each line is in it
# Times, and the tutorial's port, are what they happen to be.
stage=$1 page=$2 free_port=$3
set -uE

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
umask 022
unset DESTDIR CFLAGS LDFLAGS
export PATH=$stage/bin:$PATH CMAKE_PREFIX_PATH=$stage PBXHOOK_STATE_DIR=$scratch/state
# A staged installation is not where it was built for.
export PBXHOOK_PLUGIN_DIR=$stage/lib/pbxhook/plugins
[ -d "$PBXHOOK_PLUGIN_DIR" ] || PBXHOOK_PLUGIN_DIR=$(dirname "$(find "$stage" -name call_new.so)")

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

sudo() { "$@"; }

# Both sides, where they may differ.
plain() {
    sed -e 's/[0-9.]* ms/T ms/g' -e 's/time=[^ ]*/time=T/g' -e '$a\'
}

run_block() { # WANTED_TO_FAIL; the commands are in $scratch/block
    status=0
    # Any command of it that fails counts, not only the last.
    trap 'status=$?' ERR
    . "$scratch/block" >"$scratch/said" 2>&1
    trap - ERR
    if [ "$1" = fails ]; then
        [ "$status" -ne 0 ] || fail "this should fail: $(cat "$scratch/block")"
    elif [ "$status" -ne 0 ]; then
        fail "$(cat "$scratch/block")"$'\n'"$(cat "$scratch/said")"
    fi
    ran=$((ran + 1))
}

compare() { # HOW
    case $1 in
    ends) tail -n "$(wc -l <"$scratch/block")" "$scratch/said" >"$scratch/part" ;;
    holds)
        while IFS= read -r line; do
            grep -qxF -- "$line" "$scratch/said" || fail "not said: $line"$'\n'"$(cat "$scratch/said")"
        done <"$scratch/block"
        return
        ;;
    *) cp "$scratch/said" "$scratch/part" ;;
    esac
    diff -u <(plain <"$scratch/block") <(plain <"$scratch/part") || fail "the page says otherwise"
}

end_block() { # LANGUAGE WORD
    case $1 in
    sh) run_block "$2" ;;
    text) compare "$2" ;;
    *) [ -z "$2" ] || cp "$scratch/block" "$2" ;;
    esac
}

port=$("$free_port") || fail "no free port"
mkdir "$scratch/work" && cd "$scratch/work" || exit 1
ran=0 inside=0
while IFS= read -r line <&9; do
    case $line in
    '```')
        inside=0
        end_block "$language" "$word"
        ;;
    '```'*)
        inside=1
        read -r language word <<<"${line#'```'}"
        : >"$scratch/block"
        ;;
    *) [ "$inside" = 0 ] || printf '%s\n' "${line//3005/$port}" >>"$scratch/block" ;;
    esac
done 9<"$page"
[ "$ran" -ge 8 ] || fail "only $ran blocks of commands were found"
