#!/bin/sh
# systemd-inside.sh: run by systemd.sh as a unit of the container that it boots.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
url=http://127.0.0.1:3000

fail() {
    echo "FAILED: $*"
    systemctl status --no-pager -l pbxhook.service pbxhook.socket || true
    journalctl --no-pager -n 60 || true
    exit 1
}
step() {
    echo "--- $*"
}
property() {
    systemctl show --value -p "$1" pbxhook.service
}
until_true() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "in time: $*"
        sleep 0.1
    done
}
want_equal() {
    [ "$2" = "$3" ] || fail "$1: found \"$2\", wanted \"$3\""
}
counts_new() {
    curl -fsS "$url/api/dashboard/count" | grep -q "\"new\":$1,"
}
has_logged() {
    journalctl --no-pager -u pbxhook.service >/tmp/journal.txt
    grep -q "$1" /tmp/journal.txt
}
restarted() {
    [ "$(property NRestarts)" = "$1" ] && [ "$(property SubState)" = running ]
}

step "it was started at boot, and is ready"
until_true systemctl is-active pbxhook.service
want_equal "the status" "$(property StatusText)" "Listening on 127.0.0.1:3000"
want_equal "the watchdog" "$(property WatchdogUSec)" 30s
pid=$(property MainPID)
want_equal "the user" "$(stat -c %U "/proc/$pid")" _pbxhook
want_equal "no new privileges" "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" 1
want_equal "system calls are filtered" "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
want_equal "capabilities" "$(awk '/^CapBnd:/ { print $2 }' "/proc/$pid/status")" 0000000000000000
want_equal "the state" "$(stat -c '%a %U' /var/lib/pbxhook)" "700 _pbxhook"

step "hardened as it is, its plugins load and the database is written"
mock-pbx --listen 127.0.0.1:3001 --webhook "$url" --calls 20 --rate 100 || fail "calls went wrong"
journalctl --no-pager -u pbxhook.service >/tmp/journal.txt
grep -q 'msg=listening' /tmp/journal.txt || fail "the journal has not its log"
! grep -E 'level=(error|warning)' /tmp/journal.txt || fail "the log has complaints"

step "its workers leave the processor to the receiver"
nice=$(($(ps -o ni= -p "$pid") + 5)) # of the receiver: what this test was started with
want_equal "their nice values" "$(ps -o ni= -C pbxhook-worker | xargs)" $((nice < 19 ? nice : 19))

step "it is reloaded"
! has_logged 'msg=reloaded' || fail "it was reloaded before"
systemctl reload pbxhook.service
until_true has_logged 'msg=reloaded'
until_true curl -fsS "$url/healthz"
want_equal "the process" "$(property MainPID)" "$pid"
systemctl is-active pbxhook.service

step "killed, it is started anew, and nothing is lost"
curl -fsS -H 'Content-Type: application/json' "$url/webhook" \
    -d '{"type":"call.new","call_id":"mine","timestamp":"2026-01-01T00:00:00Z","their_number":"1","our_number":"2"}'
kill -KILL "$pid"
until_true restarted 1
until_true counts_new 1

step "when it hangs the watchdog has it started anew"
mkdir -p /etc/systemd/system/pbxhook.service.d
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/pbxhook.service.d/test.conf
systemctl daemon-reload
systemctl restart pbxhook.service
pid=$(property MainPID)
until_true systemctl is-active pbxhook.service
kill -STOP "$pid"
until_true restarted 1
journalctl --no-pager -u pbxhook.service | grep -q 'Watchdog timeout' || fail "it was not the watchdog"
rm -r /etc/systemd/system/pbxhook.service.d
systemctl daemon-reload

step "a secret comes as a credential"
install -d -m 700 /etc/credstore
(umask 077 && echo secret >/etc/credstore/pbxhook.pbx-password)
cat >/etc/pbxhook/conf.d/50-pbx.conf <<'CONF'
pbx {
    user = "pbxhook"
    password_file = "${CREDENTIALS_DIRECTORY}/pbxhook.pbx-password"
}
CONF
systemctl restart pbxhook.service || fail "with a credential it does not start"
until_true curl -fsS "$url/healthz"
rm /etc/pbxhook/conf.d/50-pbx.conf /etc/credstore/pbxhook.pbx-password

step "without the credential's file it starts as well"
systemctl restart pbxhook.service || fail "without credentials it does not start"

step "the socket unit: the first connection starts it, and none is refused while it restarts"
systemctl stop pbxhook.service
systemctl enable --now pbxhook.socket
systemctl is-active pbxhook.service && fail "it was started before a connection came"
curl -fsS "$url/healthz" >/dev/null || fail "the first connection is not served"
systemctl is-active pbxhook.service
counts_new 1 || fail "another state than before"
(
    systemctl restart --no-block pbxhook.service
    for request in 1 2 3 4 5 6 7 8 9 10; do
        curl -fsS "$url/healthz" >/dev/null || exit 1
    done
) || fail "a connection was refused during a restart"

step "removed: both units end, the state stays"
DEBIAN_FRONTEND=noninteractive dpkg --remove pbxhook || fail "dpkg --remove"
! systemctl is-active pbxhook.service pbxhook.socket || fail "something still runs"
[ -s /var/lib/pbxhook/pbxhook.db ] || fail "the state is gone"
step "purged: nothing is left"
DEBIAN_FRONTEND=noninteractive dpkg --purge pbxhook || fail "dpkg --purge"
[ ! -e /var/lib/pbxhook ] && [ ! -e /etc/pbxhook ] || fail "purge leaves something"
! getent passwd _pbxhook || fail "purge leaves the user"
echo 'all passed'
