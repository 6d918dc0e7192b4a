#!/bin/sh
# stage_test.sh BUILD STAGE: installs this build below STAGE, for the tests that use it as an integrator would.
build=$1 stage=$2
set -eu
rm -rf "$stage"
unset DESTDIR
cmake --install "$build" --prefix "$stage" >"$build/stage.log" 2>&1 || { cat "$build/stage.log"; exit 1; }
[ -x "$stage/bin/pbxhook" ]
