#!/bin/sh
# container.sh: the Dockerfile, built by buildah on a bare Debian of our own in place of debian:12-slim: what
# the image says of itself, and that it runs as process 1, as nobody in particular, on a volume.
set -eu
cd "$(dirname "$0")/../.."
. packaging/tests/lib.sh
need_packages debootstrap buildah curl python3-minimal

storage() {
    buildah --storage-driver overlay --root "$scratch/storage" --runroot "$scratch/runroot" "$@"
}

say "Container: building"
container=$(storage from scratch)
run storage add "$container" "$(base_system)" /
run storage config --cmd /bin/sh "$container"
run storage commit --rm "$container" docker.io/library/debian:12-slim
# Where npm has to trust an authority of its own, so has the one in there.
trust=
authority=$(npm_authority)
if [ -n "$authority" ]; then
    mkdir "$scratch/npm"
    cp "$authority" "$scratch/npm/authority.pem"
    echo cafile=/run/npm/authority.pem >"$scratch/npm/npmrc"
    trust="--volume $scratch/npm:/run/npm:ro --volume $scratch/npm/npmrc:/root/.npmrc:ro"
fi
for target in pbxhook mock-pbx; do
    run storage build --isolation chroot --network host --pull-never --format docker --layers $trust \
        --target "$target" -t "$target" .
done

# ---- What the images say of themselves ---------------------------------------------------------------
inspect() {
    storage inspect --type image --format "{{$2}}" "$1"
}
want_equal "the user" "$(inspect pbxhook .Docker.Config.User)" 10001:10001
want_equal "the user" "$(inspect mock-pbx .Docker.Config.User)" 10001:10001
want_equal "the volume" "$(inspect pbxhook .Docker.Config.Volumes)" "map[/var/lib/pbxhook:{}]"
want_equal "the command" "$(inspect pbxhook .Docker.Config.Entrypoint) $(inspect pbxhook .Docker.Config.Cmd)" \
    "[pbxhook] [serve]"
want_equal "the signal" "$(inspect pbxhook .Docker.Config.StopSignal)" SIGTERM
healthcheck=$(inspect pbxhook '(index .Docker.Config.Healthcheck.Test 1)')
echo "$healthcheck" | grep -q /healthz || fail "FAILED: HEALTHCHECK is \"$healthcheck\""
inspect pbxhook 'range .Docker.Config.Env}}{{println .}}{{end' | sed '/^$/d' >"$scratch/env.txt"
want PBXHOOK_LISTEN=0.0.0.0:3000 "$scratch/env.txt"
want PBXHOOK_STATE_DIR=/var/lib/pbxhook "$scratch/env.txt"

# ---- Running ----------------------------------------------------------------------------------------
for target in pbxhook mock-pbx; do
    container=$(storage from --pull-never "$target")
    ln -s "$(storage mount "$container")" "$scratch/$target"
done
root=$(readlink "$scratch/pbxhook")
[ ! -e "$root/usr/bin/cc" ] || fail "FAILED: there is a compiler in the image"
[ ! -e "$root/src" ] || fail "FAILED: there are sources in the image"
# Below those that the kernel gives to whoever asks for any, so that it is still free when it is listened to.
free_port() {
    python3 -c '
import random, socket
while True:
    port = random.randrange(15000, 30000)
    try:
        socket.socket().bind(("0.0.0.0", port))
        break
    except OSError:
        pass
print(port)'
}
port=$(free_port)
pbx_port=$(free_port)

# in_image NAME VARIABLE=VALUE... -- COMMAND...: as the image's user, with the image's environment.
in_image() {
    image=$1
    shift
    variables=
    while [ "$1" != -- ]; do
        variables="$variables $1"
        shift
    done
    shift
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $(cat "$scratch/env.txt") $variables \
        chroot --userspec=10001:10001 "$(readlink "$scratch/$image")" "$@"
}

# A secret, as an operator mounts it.
install -d -m 700 -o 10001 -g 10001 "$root/etc/pbxhook/secrets"
echo token-for-the-test >"$root/etc/pbxhook/secrets/token"
chown 10001:10001 "$root/etc/pbxhook/secrets/token"
chmod 400 "$root/etc/pbxhook/secrets/token"
install -D -m 444 "$root/etc/pbxhook/secrets/token" "$(readlink "$scratch/mock-pbx")/run/token"
secret=PBXHOOK_WEBHOOK_TOKEN_FILE=/etc/pbxhook/secrets/token

say "Container: open to the world without a secret it does not start"
refused in_image pbxhook -- timeout 20 pbxhook serve
want allow_unauthenticated "$scratch/run.log"

exec 3>&2
# Process 1 of a name space of its own, as container engines start it. $server is its pid out here.
start() {
    : >"$scratch/server.log"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $(cat "$scratch/env.txt") PBXHOOK_LISTEN=0.0.0.0:$port $secret \
        PBXHOOK_PBX_URL="http://127.0.0.1:$pbx_port/api/client/actions" unshare --pid --fork --kill-child --mount-proc="$root/proc" \
        chroot --userspec=10001:10001 "$root" pbxhook serve 2>>"$scratch/server.log" &
    outer=$!
    processes="$processes $outer"
    until_true 20 started
    server=$(cat "/proc/$outer/task/$outer/children" | tr -d ' ')
}
started() {
    grep -q msg=listening "$scratch/server.log" ||
        { kill -0 "$outer" || fail "FAILED: $(cat "$scratch/server.log")" 2>&3; false; }
}
stop() {
    kill -TERM "$server"
    wait "$outer" || fail "FAILED: SIGTERM: $(cat "$scratch/server.log")"
    want msg=stopped "$scratch/server.log"
}
healthy() {
    in_image pbxhook PBXHOOK_LISTEN=0.0.0.0:$port -- sh -c "$healthcheck"
}

say "Container: as process 1"
start
want_equal "the user it runs as" "$(stat -c %u "/proc/$server")" 10001
want_equal "its number in the container" "$(awk '/^NSpid:/ { print $NF }' "/proc/$server/status")" 1
run healthy
run in_image mock-pbx -- mock-pbx --listen "127.0.0.1:$pbx_port" --webhook "http://127.0.0.1:$port" \
    --token-file /run/token --calls 5 --returning 0
curl -fsS "http://127.0.0.1:$port/api/dashboard/count" >"$scratch/counts.json"
stop
refused healthy

say "Container: the volume is all that it needs to go on"
[ -s "$root/var/lib/pbxhook/pbxhook.db" ] || fail "FAILED: no database in the volume"
start
curl -fsS "http://127.0.0.1:$port/api/dashboard/count" >"$scratch/counts-again.json"
stop
want '"userCount":5' "$scratch/counts.json"
cmp "$scratch/counts.json" "$scratch/counts-again.json" || fail "FAILED: the restart changed the counts"
for image in $(storage containers -q); do storage umount "$image" >/dev/null; done
say "Container: all passed"
