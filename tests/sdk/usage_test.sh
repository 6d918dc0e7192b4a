#!/bin/sh
# usage_test.sh PBXHOOK PLUGIN: what is wrong on the command line of `pbxhook plugin` is told, and status 2 says
# that nothing was tried; help goes to standard output.
pbxhook=$1 plugin=$2
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
cd "$scratch"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# refused STATUS TEXT WORD...
refused() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$pbxhook" "$@" >said 2>errors || status=$?
    [ "$status" = "$wanted" ] || fail "$*: exit status $status, wanted $wanted"
    [ ! -s said ] || fail "$*: it said $(cat said)"
    grep -qF -- "$text" errors || fail "$*: \"$text\" is not in: $(cat errors)"
}

# helps TEXT WORD...
helps() {
    text=$1
    shift
    "$pbxhook" "$@" >said 2>errors || fail "$*: exit status $?"
    [ ! -s errors ] || fail "$*: it complained: $(cat errors)"
    grep -qF -- "$text" said || fail "$*: \"$text\" is not in: $(cat said)"
}

echo '{"type":"trial","call_id":"a"}' >events.jsonl

refused 2 'usage: pbxhook plugin COMMAND' plugin
refused 2 'no such command: tyr' plugin tyr
refused 2 'wanted FILE.so and EVENTS.jsonl' plugin try
refused 2 'wanted FILE.so and EVENTS.jsonl' plugin try "$plugin"
refused 2 'wanted FILE.so and EVENTS.jsonl' plugin try "$plugin" events.jsonl more
refused 2 'no such option: --colour' plugin try --colour "$plugin" events.jsonl
refused 2 'needs a value: --option' plugin try "$plugin" events.jsonl --option
refused 2 'wanted NAME=VALUE, found step' plugin try --option step "$plugin" events.jsonl
refused 2 'wanted NAME=VALUE, found =1' plugin try --option =1 "$plugin" events.jsonl
refused 2 'wanted seconds from 0 to 86400, found 5s' plugin try --timeout 5s "$plugin" events.jsonl
refused 2 'wanted seconds from 0 to 86400, found -1' plugin try --timeout=-1 "$plugin" events.jsonl
refused 2 'wanted NAME or NAME=URL, found CRM' plugin try --target CRM "$plugin" events.jsonl
refused 2 "found crm=http://x/'" plugin try --target "crm=http://x/'" "$plugin" events.jsonl
refused 2 'plugin must be the first word' --config none.conf plugin try
refused 1 'none.so: No such file or directory' plugin try none.so events.jsonl
refused 1 "none.jsonl: can't be opened" plugin try "$plugin" none.jsonl
refused 1 'target.url: found "ftp://x"' plugin try --target crm=ftp://x "$plugin" events.jsonl
: >empty.jsonl
refused 1 'empty.jsonl: found no event' plugin try "$plugin" empty.jsonl

helps 'usage: pbxhook plugin COMMAND' plugin --help
helps 'usage: pbxhook plugin try FILE.so' plugin try --help
helps 'usage: pbxhook plugin new NAME' plugin new --help
helps 'pbxhook plugin --help' --help plugin
helps '  plugin ' --help
helps 'passed: 1 events' plugin try --timeout 0 --target crm --target erp=https://erp.example/x "$plugin" events.jsonl
