#!/bin/sh
# unit_test.sh SOURCE UNIT_DIRECTORY PROGRAM: systemd's own opinion of the units: no word that it does not
# know, an exposure of 1.5 at most, and the lines that the server was written for.
source=$1 units=$2 program=$3
. "$source/tests/install/lib.sh"
command -v systemd-analyze >/dev/null || fail "no systemd-analyze: install systemd"

# The programs are not installed where the units name them, so that they name this build's.
for unit in service socket; do
    sed "s|^ExecStart=[^ ]*/pbxhook |ExecStart=\"$program\" |" "$units/pbxhook.$unit" \
        >"$scratch/pbxhook.$unit"
done
run systemd-analyze verify --man=no "$scratch/pbxhook.service" "$scratch/pbxhook.socket"
[ ! -s "$scratch/run.log" ] || fail "systemd-analyze: $(cat "$scratch/run.log")"

run systemd-analyze security --no-pager --offline=yes --threshold=15 "$scratch/pbxhook.service"

for line in Type=notify NotifyAccess=main WatchdogSec=30s 'ExecReload=/bin/kill -HUP $MAINPID' \
    KillMode=mixed StateDirectory=pbxhook StateDirectoryMode=0700 \
    LoadCredential=pbxhook.pbx-password; do
    grep -qxF "$line" "$units/pbxhook.service" || fail "pbxhook.service lacks $line"
done
# What the socket unit binds is what the server binds by itself.
want_equal "the address of pbxhook.socket" "$(sed -n 's/^ListenStream=//p' "$units/pbxhook.socket")" \
    "$(sed -n 's/^#listen = "\(.*\)"/\1/p' "$source/config/pbxhook.conf")"
# The user that it runs as is the one that is made.
user=$(sed -n 's/^User=//p' "$units/pbxhook.service")
[ ! -f "$units/pbxhook.conf" ] || want_line "u $user - " "$units/pbxhook.conf"
