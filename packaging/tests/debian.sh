#!/bin/sh
# debian.sh: the Debian packages: what lintian says, that the same tree gives the same bytes, that a bare Debian
# builds and tests them, and a life in another: installed, used, upgraded, removed, installed again, purged.
set -eu
cd "$(dirname "$0")/../.."
. packaging/tests/lib.sh
. packaging/source.sh
need_packages debootstrap lintian $build_packages libpq-dev debhelper

say "Debian: building twice, in two places"
copy_source "$scratch/one"
mkdir "$scratch/elsewhere"
cp -a "$scratch/one" "$scratch/elsewhere/two"
SOURCE_DATE_EPOCH=$(date_of .)
export SOURCE_DATE_EPOCH
build_debs "$scratch/one" "$scratch/debs"
build_debs "$scratch/elsewhere/two" "$scratch/debs-again"
for package in pbxhook pbxhook-dev pbxhook-mock-pbx; do
    deb=$(cd "$scratch/debs" && ls "${package}_${version}"_*.deb)
    cmp "$scratch/debs/$deb" "$scratch/debs-again/$deb" || fail "FAILED: $deb is not reproducible"
done
unset SOURCE_DATE_EPOCH

say "Debian: lintian"
chmod 755 "$scratch" # lintian is no business of root's
chown -R nobody "$scratch/debs"
setpriv --reuid=nobody --clear-groups env HOME="$scratch/debs" lintian --fail-on error,warning \
    --tag-display-limit 0 "$scratch"/debs/*.changes

say "Debian: a later version, whose shipped configuration differs"
sed -i "s/^project(pbxhook VERSION [0-9.]*/project(pbxhook VERSION $version.1/" "$scratch/one/CMakeLists.txt"
sed -i "s/^## $version /## $version.1 /" "$scratch/one/CHANGELOG.md"
echo '# A later version says so.' >>"$scratch/one/config/pbxhook.conf"
build_debs "$scratch/one" "$scratch/debs-later"

say "Debian: built in a bare system, as the README says, with what build-deb.sh installs, and tested"
chroot_new builder
copy_source "$scratch/builder/pbxhook"
authority=$(npm_authority)
[ -z "$authority" ] || cp "$authority" "$scratch/builder/authority.pem"
run inside builder env ${authority:+npm_config_cafile=/authority.pem} sh /pbxhook/packaging/build-deb.sh
grep -q '100% tests passed' "$scratch/run.log" || fail "FAILED: it was not tested"

say "Debian: in a bare system"
chroot_new system
mkdir "$scratch/system/debs"
cp "$scratch"/builder/pbxhook/build/deb/*.deb "$scratch"/debs-later/*.deb "$scratch/system/debs/"
run inside system apt-get update
run inside system apt-get install -y --no-install-recommends curl gcc libc6-dev pkg-config \
    "/debs/pbxhook_${version}_amd64.deb" "/debs/pbxhook-dev_${version}_amd64.deb" \
    "/debs/pbxhook-mock-pbx_${version}_amd64.deb"

root=$scratch/system
state=$root/var/lib/pbxhook
conf=$root/etc/pbxhook/pbxhook.conf
uid=$(inside system id -u _pbxhook)

mode_of() {
    inside system stat -c '%a %U:%G' "$1"
}
want_equal /var/lib/pbxhook "$(mode_of /var/lib/pbxhook)" "700 _pbxhook:_pbxhook"
want_equal /etc/pbxhook "$(mode_of /etc/pbxhook)" "750 root:_pbxhook"
want_equal pbxhook.conf "$(mode_of /etc/pbxhook/pbxhook.conf)" "640 root:_pbxhook"
want_equal "the version" "$(inside system pbxhook --version)" "pbxhook $version"
want_equal "the version" "$(inside system mock-pbx --version)" "mock-pbx $version"
want_equal "the shell" "$(inside system getent passwd _pbxhook | cut -d: -f6,7)" \
    "/var/lib/pbxhook:/usr/sbin/nologin"
run inside system pbxhook check

# Without systemd: what the unit starts, as the unit's user, with the unit's directory.
server=
exec 3>&2
started() {
    grep -q msg=listening "$scratch/server.log" || {
        kill -0 "$server" || fail "FAILED: the server does not start: $(cat "$scratch/server.log")" 2>&3
        false
    }
}
serve() {
    command=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/pbxhook.service")
    user=$(sed -n 's/^User=//p' "$root/lib/systemd/system/pbxhook.service")
    : >"$scratch/server.log"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin STATE_DIRECTORY=/var/lib/pbxhook PBXHOOK_LISTEN=127.0.0.1:0 \
        PBXHOOK_PBX_URL=http://127.0.0.1:9/ setpriv --pdeathsig KILL \
        chroot --userspec="$user:$user" "$root" $command 2>>"$scratch/server.log" &
    server=$!
    processes="$processes $server"
    until_true 20 started
    url=http://$(sed -n 's/.*msg=listening address=\([^ ]*\).*/\1/p' "$scratch/server.log")
}
stop() {
    kill "$server"
    wait "$server" || fail "FAILED: the server did not stop in good order: $(cat "$scratch/server.log")"
    server=
}
post() {
    inside system curl -fsS -H 'Content-Type: application/json' "$url/webhook" \
        -d "{\"type\":\"call.new\",\"call_id\":\"$1\",\"timestamp\":\"2026-01-01T00:00:00Z\",
            \"their_number\":\"1\",\"our_number\":\"2\"}"
}
counts_new() {
    inside system curl -fsS "$url/api/dashboard/count" | grep -q "\"new\":$1,"
}

serve
inside system curl -fsS "$url/" | grep -q assets/app.js || fail "FAILED: the dashboard's page is not in the package"
post first >/dev/null
until_true 10 counts_new 1
kill -HUP "$server"
until_true 10 grep -qi reload "$scratch/server.log"
counts_new 1 || fail "FAILED: after a reload the server does not answer"
stop
[ -s "$state/pbxhook.db" ] || fail "FAILED: no database in $state"

# ---- The SDK: a plugin of somebody else's is built and found ------------------------------------------
run inside system sh -c 'cd /tmp && cp -r /usr/share/doc/pbxhook-dev/examples/hello . && cd hello &&
    cc -shared -fPIC $(pkg-config --cflags pbxhook) -o hello.so hello.c &&
    install -m 644 hello.so "$(pkg-config --variable=plugindir pbxhook)"'
inside system pbxhook plugins >"$scratch/plugins.txt"
want "hello 1.0.0" "$scratch/plugins.txt"

# ---- Upgrade: the edited configuration and the state stay --------------------------------------------
echo 'workers = 1 # the administrator was here' >>"$conf"
echo 'handler_timeout = "7s"' >"$root/etc/pbxhook/conf.d/50-mine.conf"
run inside system dpkg -i --force-confold "/debs/pbxhook_$version.1_amd64.deb" \
    "/debs/pbxhook-dev_$version.1_amd64.deb" "/debs/pbxhook-mock-pbx_$version.1_amd64.deb"
want_equal "the version" "$(inside system pbxhook --version)" "pbxhook $version.1"
want 'the administrator was here' "$conf"
want 'A later version says so.' "$conf.dpkg-dist"
want_equal pbxhook.conf "$(mode_of /etc/pbxhook/pbxhook.conf)" "640 root:_pbxhook"
want_equal "the user" "$(inside system id -u _pbxhook)" "$uid"
inside system pbxhook check >"$scratch/check.txt"
want '7s' "$scratch/check.txt"
serve
counts_new 1 || fail "FAILED: the upgrade lost a call"
stop

# ---- Removed: configuration and state stay, the programs go ------------------------------------------
rm "$root"/usr/lib/*/pbxhook/plugins/hello.so
run inside system apt-get remove -y pbxhook pbxhook-dev pbxhook-mock-pbx
[ ! -e "$root/usr/bin/pbxhook" ] || fail "FAILED: removed, and /usr/bin/pbxhook is there"
[ ! -e "$root/lib/systemd/system/pbxhook.service" ] || fail "FAILED: removed, and its unit is there"
want 'the administrator was here' "$conf"
[ -s "$state/pbxhook.db" ] || fail "FAILED: remove has removed the state"
want_equal "the user" "$(inside system id -u _pbxhook)" "$uid"

# ---- Installed again: all is as it was ---------------------------------------------------------------
run inside system dpkg -i --force-confold "/debs/pbxhook_$version.1_amd64.deb"
want 'the administrator was here' "$conf"
want_equal /var/lib/pbxhook "$(mode_of /var/lib/pbxhook)" "700 _pbxhook:_pbxhook"
serve
counts_new 1 || fail "FAILED: after remove and install the call is lost"
stop

# ---- Purged: nothing of ours is left ------------------------------------------------------------------
mkdir -p "$root/etc/credstore"
echo secret >"$root/etc/credstore/pbxhook.pbx-password"
run inside system apt-get purge -y pbxhook
refused inside system getent passwd _pbxhook
refused inside system getent group _pbxhook
rm -rf "$root/debs" "$root/tmp/hello"
left=$(find "$root" -xdev \( -path "$root/proc" -o -path "$root/dev" -o -path "$root/var/log" \) -prune -o \
    -name '*pbxhook*' -print)
want_equal "what purge leaves" "$left" ""
say "Debian: all passed"
