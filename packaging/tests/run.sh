#!/bin/sh
# run.sh: the long tests of the packaging, as root on Debian 12: about ten minutes. The short ones are in
# tests/install and run with all the others.
#
#   sh packaging/tests/run.sh [TEST...]     debian systemd rpm container (default: all of them)
#
# PBXHOOK_TEST_BASE names a bare Debian 12 to start from (default: /var/tmp/pbxhook-debian12, made by
# debootstrap when it is not there).
set -eu
cd "$(dirname "$0")"
case "${1:-}" in
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' run.sh
    exit 0
    ;;
esac
[ $# -gt 0 ] || set -- debian systemd rpm container
failed=
for name in "$@"; do
    sh "./$name.sh" || failed="$failed $name"
done
[ -z "$failed" ] || { printf 'FAILED:%s\n' "$failed" >&2; exit 1; }
printf '\n==> All passed: %s\n' "$*"
