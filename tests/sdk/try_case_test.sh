#!/bin/sh
# try_case_test.sh PBXHOOK PLUGIN CASE: `pbxhook plugin try` on the events of one case says what expected.txt
# says, times aside, and exits as its last line says.
pbxhook=$1 plugin=$2 case=$3
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$scratch/tmp"

cd "$case"
arguments=
[ ! -f arguments ] || arguments=$(cat arguments)
status=0
# shellcheck disable=SC2086
TMPDIR=$scratch/tmp "$pbxhook" plugin try $arguments "$plugin" events.jsonl >"$scratch/found" 2>&1 || status=$?
sed -e 's/ [0-9.]* ms/ T ms/' -e 's/"took_ms":[0-9.]*/"took_ms":T/g' -e 's/time=[^ ]*/time=T/g' \
    -e 's/\(_ms"\{0,1\}[=:]\)[0-9]\{13\}/\1N/g' -e "s#$(dirname "$plugin")/##g" "$scratch/found" >"$scratch/plain"
echo "exit $status" >>"$scratch/plain"
diff -u expected.txt "$scratch/plain"
[ -z "$(ls "$scratch/tmp")" ] || { ls "$scratch/tmp"; echo "FAILED: that was left behind"; exit 1; }
