#!/bin/sh
# quickstart_test.sh SOURCE: what packaging/quickstart.sh does around the build: with a cmake, a server and a mock
# PBX that only pretend, in a copy of its own.
source=$1
. "$source/tests/install/lib.sh"

copy=$scratch/copy
bin=$scratch/bin
mkdir -p "$copy/packaging" "$bin"
cp "$source/packaging/quickstart.sh" "$source/packaging/dependencies.sh" "$copy/packaging"

# ---- The pretenders ----------------------------------------------------------------------------------
# No more of the system than the script needs: whether there is npm or sudo is the test's to say.
for tool in sh dirname cat grep sed sleep nproc mkdir cp touch rm chmod kill; do
    path=$(command -v "$tool")
    [ ! -x "$path" ] || ln -s "$path" "$bin/$tool"
done
pretend() {
    printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}
pretend dpkg-query 'echo installed'
pretend id "echo 1000"
pretend npm ':'
pretend cmake '
echo "$*" >>"'"$scratch"'/cmake.txt"
[ "$1" = --build ] || exit 0
if [ -e "'"$scratch"'/offline" ]; then rm "'"$scratch"'/offline"; exit 1; fi
mkdir -p build/quickstart/tests/mock_pbx
cp "'"$scratch"'/server" build/quickstart/pbxhook
cp "'"$scratch"'/pbx" build/quickstart/tests/mock_pbx/mock-pbx'

# A server, for which SIGHUP is no end.
cat >"$scratch/server" <<TEXT
#!/bin/sh
trap ':' HUP
trap 'touch "$scratch/stopped"; exit 0' TERM
echo msg=listening >&2
while :; do sleep 0.05; done
TEXT
cat >"$scratch/pbx" <<TEXT
#!/bin/sh
echo "\$*" >"$scratch/pbx.txt"
trap 'exit 0' TERM
while :; do sleep 0.05; done
TEXT
chmod +x "$scratch/server" "$scratch/pbx"

quickstart() {
    PATH=$bin DISPLAY='' WAYLAND_DISPLAY='' exec sh "$copy/packaging/quickstart.sh" "$@"
}

# await COMMAND...: until it succeeds, for 30 s.
await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "waited in vain: $*"
        sleep 0.05
    done
}

# run_and_end SIGNAL STATUS ARGUMENT...: runs until the mock PBX does, and ends it by that signal.
run_and_end() {
    signal=$1 wanted=$2
    shift 2
    rm -f "$scratch/pbx.txt" "$scratch/stopped" "$scratch/cmake.txt"
    (quickstart "$@") >"$scratch/out.txt" 2>&1 &
    script=$!
    await [ -s "$scratch/pbx.txt" ]
    kill -"$signal" "$script"
    status=0
    wait "$script" || status=$?
    want_equal "the status after SIG$signal" "$status" "$wanted"
    [ -e "$scratch/stopped" ] || fail "after SIG$signal the server runs on"
}

# ---- What is wrong on the command line is told before anything is done -------------------------------
# refused TEXT ARGUMENT...
refused() {
    text=$1
    shift
    ! (quickstart "$@") >"$scratch/out.txt" 2>&1 || fail "taken: $*"
    want_line "$text" "$scratch/out.txt"
    want_equal "lines about: $*" "$(wc -l <"$scratch/out.txt")" 1
    [ ! -e "$scratch/cmake.txt" ] || fail "built, for: $*"
}
for rate in abc 0 0.0 -1 . 1.2.3 1e3 ''; do
    refused "--calls-per-second: found \"$rate\", wanted a number above 0" --calls-per-second "$rate"
done
refused '--calls-per-second needs a number' --calls-per-second
refused 'One argument too many: more' --calls-per-second 2 more
refused 'No such option: --fast' --fast

# ---- However it ends, the server ends with it --------------------------------------------------------
run_and_end HUP 129 --calls-per-second 2.5
want_line '--rate 2.5' "$scratch/pbx.txt"
want_line 'The wall, live:' "$scratch/out.txt"
! grep -q 'No such file' "$scratch/out.txt" || fail "the first run looks for a log that is not there"
run_and_end TERM 143
want_line '--rate 0.5' "$scratch/pbx.txt"

# ---- A page that was not built is not promised -------------------------------------------------------
touch "$scratch/offline"
run_and_end TERM 143
want_line "building without the dashboard's page" "$scratch/out.txt"
! grep -q 'The wall' "$scratch/out.txt" || fail "a page is promised that was not built"

rm "$bin/npm"
run_and_end TERM 143
want_line 'There is no npm here' "$scratch/out.txt"
want_line '-DPBXHOOK_WEB=OFF' "$scratch/cmake.txt"
! grep -q 'The wall' "$scratch/out.txt" || fail "a page is promised that was not built"

# ---- The log of an earlier run does not make this one ready ------------------------------------------
grep -q msg=listening "$copy/build/quickstart/pbxhook.log" || fail "there is no earlier log"
printf '#!/bin/sh\necho "msg=\\"can not bind\\"" >&2\nexit 1\n' >"$scratch/server"
rm -f "$scratch/pbx.txt"
! (quickstart) >"$scratch/out.txt" 2>&1 || fail "it runs without a server"
want_line 'pbxhook did not start.' "$scratch/out.txt"
[ ! -e "$scratch/pbx.txt" ] || fail "calls are placed without a server"
