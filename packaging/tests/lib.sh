# lib.sh: sourced by the tests of the packages, after cd to the top of the tree. They need root, Debian's mirror and
# some minutes; they leave nothing behind but the bare system that they start from.
#
#   $scratch                a directory that goes when the test ends
#   base_system             prints the path of a bare Debian 12, made once
#   chroot_new NAME         $scratch/NAME, a copy of it to work in, with /dev, /proc and no daemons started
#   inside NAME COMMAND...  runs it in there
#   processes               pids of ours that end with the test, with mounts: paths that are unmounted
set -eu
. packaging/dependencies.sh
. packaging/version.sh

[ "$(id -u)" = 0 ] || fail "$0 makes file systems to install into: run it as root."

umask 022
unset SOURCE_DATE_EPOCH DEB_BUILD_OPTIONS || true
top=$PWD
version=$(version_of .)
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/pbxhook-packaging.XXXXXX")
mounts=
processes=

clean_up() {
    trap - EXIT INT TERM HUP
    for process in $processes; do
        # What it has started does not always end with it: a change of user forgets that it should.
        children=$(cat "/proc/$process/task/$process/children" 2>/dev/null || true)
        kill -KILL $children "$process" 2>/dev/null || true
    done
    for mount in $mounts; do
        umount "$mount" 2>/dev/null || umount -l "$mount"
    done
    # What a program that failed has left mounted.
    awk -v below="$scratch/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r |
        while read -r mount; do umount -l "$mount" || true; done
    rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# run COMMAND...: quiet unless it fails.
run() {
    "$@" >"$scratch/run.log" 2>&1 || {
        cat "$scratch/run.log" >&2
        fail "FAILED: $*"
    }
}

# refused COMMAND...: must fail.
refused() {
    ! "$@" >"$scratch/run.log" 2>&1 || fail "FAILED: this should be refused: $*"
}

# want TEXT FILE: a line of the file holds the text.
want() {
    grep -qF -- "$1" "$2" || {
        cat "$2" >&2
        fail "FAILED: \"$1\" is not in $2"
    }
}

# want_equal WHAT FOUND WANTED
want_equal() {
    [ "$2" = "$3" ] || fail "FAILED: $1: found \"$2\", wanted \"$3\""
}

# until_true SECONDS COMMAND...: waits for a condition, with a deadline.
until_true() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "FAILED: in time: $*"
        sleep 0.1
    done
}

base_system() {
    base=${PBXHOOK_TEST_BASE:-/var/tmp/pbxhook-debian12}
    if [ ! -e "$base/.done" ]; then
        rm -rf "$base"
        debootstrap --variant=minbase bookworm "$base" >"$base.log" 2>&1 || fail "see $base.log"
        rm -f "$base"/var/cache/apt/archives/*.deb
        touch "$base/.done"
    fi
    echo "$base"
}

chroot_new() {
    cp -a "$(base_system)" "$scratch/$1"
    cp /etc/resolv.conf /etc/hosts "$scratch/$1/etc/"
    printf '#!/bin/sh\nexit 101\n' >"$scratch/$1/usr/sbin/policy-rc.d"
    chmod 755 "$scratch/$1/usr/sbin/policy-rc.d"
    mount -t proc proc "$scratch/$1/proc"
    mount --bind /dev "$scratch/$1/dev"
    mounts="$scratch/$1/dev $scratch/$1/proc $mounts"
}

inside() {
    name=$1
    shift
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        chroot "$scratch/$name" "$@"
}

# npm_authority: prints the certificate authority that npm has to trust here, if it has one of its own.
npm_authority() {
    authority=$(npm config get cafile 2>/dev/null || true)
    [ ! -f "$authority" ] || echo "$authority"
}

# build_debs TREE DIRECTORY: without the tests, which other tests run.
build_debs() {
    (cd "$1" && run env DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" \
        sh packaging/build-deb.sh "$2")
}
