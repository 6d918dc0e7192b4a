#!/bin/sh
# example_test.sh STAGE DOCDIR NAME: an installed example, copied and built as its reader would, passes its
# test, loads, and exports its descriptor and nothing else.
stage=$1 name=$3
example=$1/$2/examples/$3
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-sdk.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
umask 022
unset DESTDIR CFLAGS CXXFLAGS LDFLAGS || true

run() {
    "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log"
        echo "FAILED: $*"
        exit 1
    }
}

cp -R "$example" "$scratch/source"
run cmake -S "$scratch/source" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$stage" \
    -DPBXHOOK_PLUGIN_DIR="$scratch/plugins" \
    -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror"
run cmake --build "$scratch/build"
run ctest --test-dir "$scratch/build" --output-on-failure --no-tests=error
run cmake --install "$scratch/build"

PBXHOOK_STATE_DIR=$scratch/state PBXHOOK_PLUGIN_DIR=$scratch/plugins run "$stage/bin/pbxhook" plugins
grep -q "file  *$scratch/plugins/$name.so" "$scratch/log" || { cat "$scratch/log"; exit 1; }
exported=$(nm -D --defined-only "$scratch/plugins/$name.so" | awk '{ print $3 }')
[ "$exported" = pbxhook_plugin ] || { echo "FAILED: it exports $exported"; exit 1; }
