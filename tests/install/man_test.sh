#!/bin/sh
# man_test.sh SOURCE PAGE_DIRECTORY PBXHOOK MOCK_PBX: mandoc finds nothing to warn of, nor of its style but that
# lines are long, that .Os names pbxhook, and that pages are not installed yet; and nothing that the programs or
# the configuration know is missing.
source=$1 pages=$2 pbxhook=$3 mock_pbx=$4
. "$source/tests/install/lib.sh"
command -v mandoc >/dev/null || fail "no mandoc: install mandoc"

for page in pbxhook.1 pbxhook.conf.5 pbxhook-plugin.7 mock-pbx.1; do
    want_file "$pages/$page"
    mandoc -T lint "$pages/$page" >"$scratch/lint.txt" || true
    ! grep -vE 'longer than 80 bytes|operating system explicitly specified|referenced manual not found' \
        "$scratch/lint.txt" || fail "$page: see above"
    ! grep -n '@[A-Z_]*@' "$pages/$page" || fail "$page: not replaced"
    mandoc -T utf8 "$pages/$page" | col -b >"$scratch/$page.txt"
done

# want_entry TEXT PAGE: a line begins with it.
want_entry() {
    grep -qE -- "^ *([^ ]+, )?$1( |,|\$)" "$scratch/$2.txt" || {
        cat "$scratch/$2.txt" >&2
        fail "$2 has no entry $1"
    }
}

count=0
for command in $("$pbxhook" --help | awk '/^commands:$/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
    want_entry "pbxhook $command" pbxhook.1
    count=$((count + 1))
done
[ "$count" -ge 3 ] || fail "pbxhook --help names $count commands"
for option in $("$pbxhook" --help | grep -oE -- '--[a-z-]+' | sort -u); do
    want_entry "$option" pbxhook.1
done
# Every route: another test compares the document with the server.
count=0
for route in $(sed -n 's/^    "\(\/[^"]*\)": {$/\1/p' "$source/docs/openapi.json"); do
    grep -qE -- "(^|[ ,])$(printf '%s' "$route" | sed 's/[{}]/\\&/g')([ ,]|\$)" "$scratch/pbxhook.1.txt" ||
        fail "pbxhook.1 has no route $route"
    count=$((count + 1))
done
[ "$count" -ge 10 ] || fail "docs/openapi.json has $count routes"

count=0
for option in $("$mock_pbx" --help | grep -oE '^  (-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
    want_entry "$option" mock-pbx.1
    count=$((count + 1))
done
[ "$count" -ge 30 ] || fail "mock-pbx --help names $count options"

# Every key, as the program prints them, with its variable.
env -i PBXHOOK_PLUGIN_DIR="$scratch" PBXHOOK_STATE_DIR="$scratch" PBXHOOK_CONFIG="$source/config/pbxhook.conf" \
    "$pbxhook" check 2>/dev/null >"$scratch/check.txt" || true
awk '/^# Plugins:/ { exit }
     /\{$/ { section = $1 "_"; next }
     /^}/ { section = "" }
     / = / && !/^ *#/ { print $1, "PBXHOOK_" toupper(section $1) }' "$scratch/check.txt" >"$scratch/keys.txt"
[ "$(wc -l <"$scratch/keys.txt")" -ge 20 ] || fail "pbxhook check names few keys: $(cat "$scratch/check.txt")"
while read -r key variable; do
    want_entry "$key = .*" pbxhook.conf.5
    want_line "$variable" "$scratch/pbxhook.conf.5.txt"
done <"$scratch/keys.txt"
