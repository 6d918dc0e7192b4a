#!/bin/sh
# try_watch_test.sh PBXHOOK PLUGIN: --watch runs again when the events change, when the plugin is written over
# and when another file takes its place; SIGTERM ends it and leaves nothing behind.
pbxhook=$1 plugin=$2
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$scratch/tmp"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Reads what it prints until the run's last line, and wants `$1` to be that.
await_run() {
    while IFS= read -r line <&3; do
        case $line in
        passed:* | FAILED:*)
            [ "$line" = "$1" ] || fail "found \"$line\", wanted \"$1\""
            return
            ;;
        esac
    done
    fail "it ended before it said \"$1\""
}

events=$scratch/events.jsonl
echo '{"event":{"type":"trial","call_id":"a"},"expect":{"result":"ok"}}' >"$events"
cp "$plugin" "$scratch/trial.so"
mkfifo "$scratch/said"
TMPDIR=$scratch/tmp "$pbxhook" plugin try --watch "$scratch/trial.so" "$events" >"$scratch/said" 2>&1 &
pid=$!
exec 3<"$scratch/said"
await_run "passed: 1 events, 1 with expectations, 0 wrong"

echo '{"event":{"type":"trial","call_id":"a"},"expect":{"result":"retry"}}' >>"$events"
await_run "FAILED: 2 events, 2 with expectations, 1 wrong"

echo '{"type":"trial","call_id":"a"}' >"$scratch/other.jsonl"
mv "$scratch/other.jsonl" "$events"
await_run "passed: 1 events, 0 with expectations, 0 wrong"

cp "$plugin" "$scratch/trial.so"
await_run "passed: 1 events, 0 with expectations, 0 wrong"

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || fail "it ended with status $status"
[ -z "$(ls "$scratch/tmp")" ] || fail "left behind: $(ls "$scratch/tmp")"
