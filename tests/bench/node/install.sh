#!/bin/sh
# install.sh DIRECTORY: installs the two Node.js servers there, from the npm registry alone.
#
# better-sqlite3 is a native module whose ready-made binaries are on GitHub; it is always built from
# source here, which needs a C++ compiler, make, python3 and the headers of this very Node.js: those
# beside the node that runs (the official and NodeSource packages have them), or Debian's libnode-dev.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
target=$1

# Prints the directory that has include/node of the same major version as the node that runs.
find_headers() {
    major=$(node -p 'process.versions.node.split(".")[0]')
    prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    for dir in "${npm_config_nodedir:-$prefix}" "$prefix" /usr /usr/local; do
        if grep -q "define NODE_MAJOR_VERSION $major\$" "$dir/include/node/node_version.h" 2>/dev/null; then
            echo "$dir"
            return
        fi
    done
}

mkdir -p "$target"
cp "$source"/*.mjs "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$target/"
stamp="$(node --version) $(cksum <"$source/package-lock.json")"
if [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

headers=$(find_headers)
if [ -z "$headers" ]; then
    echo "install.sh: no headers of Node.js $(node --version): install libnode-dev (Debian's node)" \
        "or a package of Node.js with include/node" >&2
    exit 1
fi
echo "installing the Node.js servers in $target (better-sqlite3 is compiled: some two minutes)" >&2
cd "$target"
export npm_config_build_from_source=true npm_config_nodedir="$headers"
npm ci --no-progress >install.log 2>&1 || {
    tail -n 30 install.log >&2
    exit 1
}
# npm may be told not to run install scripts: then the module is there, but not built.
works="const D = require('better-sqlite3'); new D(':memory:').close()"
if ! node -e "$works" 2>/dev/null; then
    npm rebuild better-sqlite3 >>install.log 2>&1 || true
    node -e "$works"
fi
echo "$stamp" >stamp
