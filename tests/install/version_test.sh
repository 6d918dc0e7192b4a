#!/bin/sh
# version_test.sh SOURCE BUILD PBXHOOK MOCK_PBX: the version is written down in the top CMakeLists.txt, has a
# heading in CHANGELOG.md, and everything that tells a version tells this one.
source=$1 build=$2 pbxhook=$3 mock_pbx=$4
. "$source/tests/install/lib.sh"

version=$(sh "$source/packaging/version.sh")
echo "$version" | grep -qE '^[0-9]+\.[0-9]+\.[0-9]+$' || fail "version.sh says \"$version\""
want_equal "pbxhook --version" "$("$pbxhook" --version)" "pbxhook $version"
want_equal "mock-pbx --version" "$("$mock_pbx" --version)" "mock-pbx $version"
want_line "Version: $version" "$build/install/pbxhook.pc"
want_line "set(PACKAGE_VERSION \"$version\")" "$build/install/pbxhookConfigVersion.cmake"
for page in pbxhook.1 pbxhook.conf.5 pbxhook-plugin.7 mock-pbx.1; do
    want_line ".Os pbxhook $version" "$build/packaging/man/$page"
done
grep -qE "^## $version( |\$)" "$source/CHANGELOG.md" || fail "CHANGELOG.md has no heading ## $version"

# Nowhere else, or the next version forgets it there.
pattern=$(printf '%s' "$version" | sed 's/\./\\./g')
cd "$source"
for place in cmake core plugins include config examples packaging Dockerfile README.md CMakePresets.json; do
    [ -e "$place" ] || fail "there is no $place"
    ! grep -rnE "(^|[^0-9.])$pattern([^0-9.]|\$)" "$place" || fail "the version is written down there, too"
done
