#!/bin/sh
# build-rpm.sh: builds RPM packages of this tree: pbxhook, pbxhook-devel, pbxhook-mock-pbx.
#
#   sh packaging/build-rpm.sh [DIRECTORY [RPMBUILD-OPTION...]]     where they go (default: build/rpm)
#
# --without check leaves the tests out. On Fedora and its kin the packages are to be installed there. Debian's
# rpmbuild does it, too, with the macros that Debian lacks from packaging/rpm/macros.debian; what it makes
# shows that the packaging is right, but wants Debian's libraries.
set -eu
cd "$(dirname "$0")/.."
. packaging/dependencies.sh
. packaging/version.sh
. packaging/source.sh

case "${1:-}" in
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

version=$(version_of .)
out=${1:-build/rpm}
[ $# -eq 0 ] || shift
if command -v dpkg-query >/dev/null; then
    need_packages $build_packages libcmocka-dev libpq-dev rpm
    # Debian's rpm does not know what Debian's dpkg has installed.
    set -- --nodeps --load "$PWD/packaging/rpm/macros.debian" "$@"
fi

mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -rf "$out/rpmbuild"
mkdir -p "$out/rpmbuild/SOURCES" "$out/rpmbuild/SPECS"
spec=$out/rpmbuild/SPECS/pbxhook.spec

SOURCE_DATE_EPOCH=$(date_of .)
export SOURCE_DATE_EPOCH
abi=$(sed -n 's/^#define PBXHOOK_ABI_M[AI][JN]OR *\([0-9]*\).*/\1/p' include/pbxhook/plugin.h | paste -s -d .)
entries=$(changelog_entries "$version")
[ -n "$entries" ] || fail "CHANGELOG.md has no points under the heading ## $version"
{
    sed "s/@VERSION@/$version/; s/@ABI@/$abi/; /^@CHANGELOG@\$/d" packaging/rpm/pbxhook.spec
    printf '* %s %s <%s> - %s-1\n' "$(LC_ALL=C date -u '+%a %b %d %Y' -d "@$SOURCE_DATE_EPOCH")" \
        "${DEBFULLNAME:-pbxhook maintainers}" \
        "${DEBEMAIL:-maintainers@users.noreply.github.com}" "$version"
    # A percent sign would be a macro's.
    printf '%s\n' "$entries" | sed 's/%/%%/g' | while read -r point; do
        printf '%s\n' "$point" | fold -s -w 76 | sed 's/ *$//; 1s/^/- /; 2,$s/^/  /'
    done
} >"$spec"

tree=$out/rpmbuild/pbxhook-$version
copy_source "$tree"
tar -C "$out/rpmbuild" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -c "pbxhook-$version" | gzip -n >"$out/rpmbuild/SOURCES/pbxhook-$version.tar.gz"
rm -rf "$tree"

command -v npm >/dev/null 2>&1 || say "There is no npm here: the server will have a plain page in the dashboard's place"
say "Building RPM packages of pbxhook $version"
rpmbuild -ba --define "_topdir $out/rpmbuild" --define "_buildhost localhost" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
    "$@" "$spec"
find "$out/rpmbuild/RPMS" "$out/rpmbuild/SRPMS" -name '*.rpm' -exec mv -f {} "$out/" \;
mv "$spec" "$out/"
rm -rf "$out/rpmbuild"
say "In $out:"
(cd "$out" && ls pbxhook*-"$version"-*.rpm)
