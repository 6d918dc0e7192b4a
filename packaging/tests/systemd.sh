#!/bin/sh
# systemd.sh: the Debian package under a real systemd, in a container of systemd-nspawn: what of the units shows
# only there. The tests of what happens inside are in systemd-inside.sh.
set -eu
cd "$(dirname "$0")/../.."
. packaging/tests/lib.sh
need_packages debootstrap systemd-container $build_packages libpq-dev debhelper

say "systemd: building, and a system with systemd"
build_debs "$top" "$scratch/debs"
chroot_new system
root=$scratch/system
cp "$scratch"/debs/pbxhook_*.deb "$scratch"/debs/pbxhook-mock-pbx_*.deb "$root/tmp/"
run inside system apt-get update
run inside system sh -c 'apt-get install -y --no-install-recommends systemd systemd-sysv dbus curl procps /tmp/*.deb'
rm "$root/usr/sbin/policy-rc.d"
for mount in $mounts; do umount "$mount"; done
mounts=

install -m 755 packaging/tests/systemd-inside.sh "$root/systemd-inside.sh"
cat >"$root/etc/systemd/system/test.service" <<'UNIT'
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/systemd-inside.sh
StandardOutput=file:/test.log
StandardError=inherit
TimeoutStartSec=240
[Install]
WantedBy=default.target
UNIT
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -sf ../test.service "$root/etc/systemd/system/default.target.wants/test.service"

say "systemd: booting it"
timeout 300 systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --private-network \
    --console=passive --boot >"$scratch/boot.log" 2>&1 </dev/null || true
grep -qx 'all passed' "$root/test.log" || {
    tail -n 40 "$scratch/boot.log" >&2
    cat "$root/test.log" >&2 || true
    fail "FAILED: under systemd"
}
sed -n 's/^--- /    /p' "$root/test.log"
say "systemd: all passed"
