#!/bin/sh
# rpm.sh: the RPM packages, made by Debian's rpmbuild: what rpmlint says, that the same tree gives the same
# bytes, files, rights, dependencies and scripts; and installed, upgraded and erased in a bare system, as far as
# files and scripts go (the libraries that they ask for are Fedora's).
set -eu
cd "$(dirname "$0")/../.."
. packaging/tests/lib.sh
. packaging/source.sh
need_packages debootstrap rpm rpmlint $build_packages libpq-dev

# build_rpms TREE DIRECTORY [OPTION...]
build_rpms() {
    tree=$1
    shift
    (cd "$tree" && run sh packaging/build-rpm.sh "$@")
}

say "RPM: building twice, in two places, once with the tests"
copy_source "$scratch/one"
mkdir "$scratch/elsewhere"
cp -a "$scratch/one" "$scratch/elsewhere/two"
SOURCE_DATE_EPOCH=$(date_of .)
export SOURCE_DATE_EPOCH
build_rpms "$scratch/one" "$scratch/rpms"
grep -q '100% tests passed' "$scratch/run.log" || fail "FAILED: it was not tested"
build_rpms "$scratch/elsewhere/two" "$scratch/rpms-again" --without check

# rpm_of NAME: the path of the package.
rpm_of() {
    ls "$scratch/rpms/$1-$version"-1.*.rpm | grep -v '\.src\.rpm$'
}
# What an rpm installs, without its head, which names the machine and the time of the build.
payload_of() {
    rpm2cpio "$1" >"$scratch/payload"
    [ -s "$scratch/payload" ] || fail "FAILED: $1 has nothing in it"
    sha256sum <"$scratch/payload"
}
for name in pbxhook pbxhook-devel pbxhook-mock-pbx; do
    package=$(rpm_of "$name")
    once=$(payload_of "$package")
    again=$(payload_of "$scratch/rpms-again/${package##*/}")
    want_equal "$name, built again" "$again" "$once"
done

say "RPM: rpmlint"
rpmlint --config packaging/rpm/rpmlint.toml "$scratch"/rpms/*.rpm "$scratch/rpms/pbxhook.spec" \
    >"$scratch/rpmlint.txt" || { cat "$scratch/rpmlint.txt" >&2; fail "FAILED: rpmlint"; }
want ' 0 errors, 0 warnings' "$scratch/rpmlint.txt"

say "RPM: files, rights, dependencies, scripts"
for name in pbxhook pbxhook-devel pbxhook-mock-pbx; do
    echo "[$name]"
    # Links by build id and the directories of documents are rpm's own affair.
    rpm -qp --dump "$(rpm_of "$name")" | awk '{ print $1, substr($5, length($5) - 3), $6 ":" $7, $8 == 1 ? "config" : "" }' |
        grep -v '^/usr/lib/\.build-id' | sed 's/ *$//' | LC_ALL=C sort
done >"$scratch/files.txt"
diff -u packaging/tests/rpm-files.txt "$scratch/files.txt" || fail "FAILED: other files"

rpm -qp --requires "$(rpm_of pbxhook)" >"$scratch/requires.txt"
for library in libconfuse libcrypto libcurl libgnutls libjansson libmicrohttpd libsqlite3; do
    want "$library.so." "$scratch/requires.txt"
done
want shadow-utils "$scratch/requires.txt"
rpm -qp --requires "$(rpm_of pbxhook-devel)" >"$scratch/requires-devel.txt"
want rpmlib "$scratch/requires-devel.txt"
want_equal "what pbxhook-devel requires" "$(grep -v -e '^rpmlib(' -e '^/usr/bin/pkg-config$' \
    "$scratch/requires-devel.txt")" ""
rpm -qp --provides "$(rpm_of pbxhook)" >"$scratch/provides.txt"
want "pbxhook-plugin-abi = $(sed -n 's/^#define PBXHOOK_ABI_MAJOR *\([0-9]*\).*/\1/p' include/pbxhook/plugin.h)." \
    "$scratch/provides.txt"
rpm -qp --scripts "$(rpm_of pbxhook)" >"$scratch/scripts.txt"
want 'install-system-units pbxhook.service pbxhook.socket' "$scratch/scripts.txt"
want 'remove-system-units pbxhook.service pbxhook.socket' "$scratch/scripts.txt"
want 'mark-restart-system-units pbxhook.service' "$scratch/scripts.txt"
scripts=$(rpm -qp --scripts "$(rpm_of pbxhook-devel)" "$(rpm_of pbxhook-mock-pbx)")
want_equal "the scripts of the others" "$scripts" ""

say "RPM: a later version, whose shipped configuration differs"
sed -i "s/^project(pbxhook VERSION [0-9.]*/project(pbxhook VERSION $version.1/" "$scratch/one/CMakeLists.txt"
sed -i "s/^## $version /## $version.1 /" "$scratch/one/CHANGELOG.md"
echo '# A later version says so.' >>"$scratch/one/config/pbxhook.conf"
build_rpms "$scratch/one" "$scratch/rpms-later" --without check

say "RPM: in a bare system"
chroot_new system
root=$scratch/system
in_root() {
    run rpm --root "$root" --dbpath /var/lib/rpm --nodeps "$@"
}
in_root -i "$(rpm_of pbxhook)"
want_equal "the user" "$(inside system getent passwd pbxhook | cut -d: -f5-7)" \
    "PBX webhook server:/var/lib/pbxhook:/sbin/nologin"
want_equal "the state" "$(inside system stat -c '%a %U:%G' /var/lib/pbxhook)" "700 pbxhook:pbxhook"
want_equal "the configuration" "$(inside system stat -c '%a %U:%G' /etc/pbxhook/pbxhook.conf)" "640 root:pbxhook"
run rpm --root "$root" --dbpath /var/lib/rpm --nodeps -V pbxhook

echo '# the administrator was here' >>"$root/etc/pbxhook/pbxhook.conf"
echo state >"$root/var/lib/pbxhook/pbxhook.db"
in_root -U "$scratch/rpms-later/pbxhook-$version.1"-1.*86*.rpm
want 'the administrator was here' "$root/etc/pbxhook/pbxhook.conf"
want 'A later version says so.' "$root/etc/pbxhook/pbxhook.conf.rpmnew"
want state "$root/var/lib/pbxhook/pbxhook.db"

in_root -e pbxhook
[ ! -e "$root/usr/bin/pbxhook" ] || fail "FAILED: erased, and /usr/bin/pbxhook is there"
want 'the administrator was here' "$root/etc/pbxhook/pbxhook.conf.rpmsave"
want state "$root/var/lib/pbxhook/pbxhook.db"
run inside system getent passwd pbxhook
say "RPM: all passed"
