#!/bin/sh
# build-deb.sh: builds Debian packages of this tree: pbxhook, pbxhook-dev, pbxhook-mock-pbx.
#
#   sh packaging/build-deb.sh [DIRECTORY]     where they go (default: build/deb)
#
# DEB_BUILD_OPTIONS is understood: nocheck leaves the tests out, parallel=N says how many jobs. The dashboard's
# page is bundled with npm; DEB_BUILD_PROFILES=pkg.pbxhook.noweb builds without both. The same tree gives the same
# packages, byte for byte, on the same Debian.
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

need_packages $build_packages debhelper libcmocka-dev libpq-dev dpkg-dev
case " ${DEB_BUILD_PROFILES:-} " in
*" pkg.pbxhook.noweb "*) ;;
*) command -v npm >/dev/null 2>&1 || need_packages nodejs npm ;;
esac

version=$(version_of .)
out=${1:-build/deb}
mkdir -p "$out"
out=$(cd "$out" && pwd)
tree=$out/pbxhook-$version
rm -rf "$tree"
copy_source "$tree"
cp -R packaging/debian "$tree/debian"

entries=$(changelog_entries "$version")
[ -n "$entries" ] || fail "CHANGELOG.md has no points under the heading ## $version"
{
    printf 'pbxhook (%s) unstable; urgency=medium\n\n' "$version"
    printf '%s\n' "$entries" | while read -r point; do
        printf '%s\n' "$point" | fold -s -w 74 | sed 's/ *$//; 1s/^/  * /; 2,$s/^/    /'
    done
    printf '\n -- %s <%s>  %s\n' "${DEBFULLNAME:-pbxhook maintainers}" \
        "${DEBEMAIL:-maintainers@users.noreply.github.com}" \
        "$(LC_ALL=C date -u -R -d "@$(date_of .)")"
} >"$tree/debian/changelog"

export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc)}"
say "Building Debian packages of pbxhook $version"
(cd "$tree" && dpkg-buildpackage -us -uc)
rm -rf "$tree"
say "In $out:"
(cd "$out" && ls pbxhook*_"$version"*.deb)
