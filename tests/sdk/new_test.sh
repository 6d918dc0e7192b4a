#!/bin/sh
# new_test.sh PBXHOOK CC INCLUDE: what `pbxhook plugin new` writes builds without a warning, passes its own test
# and loads, unchanged; wrong names are refused and nothing that is there is overwritten. (Its CMake build is
# tested against an installed SDK: tests/install.)
pbxhook=$1 cc=$2 include=$3
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
cd "$scratch"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# refused STATUS TEXT ARGUMENT...
refused() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$pbxhook" plugin "$@" >said 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "plugin $*: exit status $status, wanted $wanted"
    grep -qF -- "$text" said || fail "plugin $*: \"$text\" is not in: $(cat said)"
}

refused 2 '--event' new ring_back
refused 2 'NAME' new --event call.finished
refused 2 'NAME' new --event call.finished ring_back again
refused 2 '--colour' new --colour ring_back
refused 2 'needs a value: --event' new ring_back --event
refused 2 'found the name "Ring-back"' new Ring-back --event call.finished
refused 2 'found the event "call.*"' new ring_back --event 'call.*'
refused 2 "found the event \"x\"\"" new ring_back --event 'x"'
refused 1 'no/such' new ring_back --event call.finished --directory no/such
[ ! -e ring_back ] || fail "a refused plugin left something behind"

for event in call.finished call.recording-available; do
    rm -rf ring_back
    "$pbxhook" plugin new ring_back --event "$event" >said
    ! grep -rn '@' ring_back/*.c ring_back/*.jsonl ring_back/CMakeLists.txt ||
        fail "a mark of the template was left in it"
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -shared -fPIC \
        -fvisibility=hidden -I"$include" -o ring_back/ring_back.so ring_back/ring_back.c
    "$pbxhook" plugin try ring_back/ring_back.so ring_back/events.jsonl >said || fail "$(cat said)"
    grep -qF 'passed: 3 events, 3 with expectations, 0 wrong' said || fail "$(cat said)"
    # The test can fail.
    ! "$pbxhook" plugin try --option step=2 ring_back/ring_back.so ring_back/events.jsonl >said ||
        fail "another step passes too: $(cat said)"
done
PBXHOOK_PLUGIN_DIR=$scratch/ring_back "$pbxhook" plugins >said || fail "$(cat said)"
grep -qF 'ring_back 1.0.0' said || fail "$(cat said)"

echo mine >ring_back/README.md
rm ring_back/ring_back.c ring_back/CMakeLists.txt ring_back/events.jsonl
refused 1 'README.md: File exists' new ring_back --event call.finished
[ "$(cat ring_back/README.md)" = mine ] || fail "README.md was overwritten"

"$pbxhook" plugin new other --event call.new --directory "$scratch/elsewhere" >said
[ -f elsewhere/other.c ] || fail "--directory is not heeded"
