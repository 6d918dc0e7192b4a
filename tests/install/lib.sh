# lib.sh: sourced by the tests of what is installed. Gives a directory $scratch that goes when the test ends.
set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pbxhook-install.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
# A user's umask or make flags are no part of the test.
umask 022
unset DESTDIR MAKEFLAGS CMAKE_PREFIX_PATH PKG_CONFIG_PATH CFLAGS LDFLAGS || true

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# run COMMAND...: quiet unless it fails.
run() {
    "$@" >"$scratch/run.log" 2>&1 || {
        cat "$scratch/run.log" >&2
        fail "$*"
    }
}

want_file() {
    [ -f "$1" ] || fail "not installed: $1"
}

# want_equal WHAT FOUND WANTED
want_equal() {
    [ "$2" = "$3" ] || fail "$1: found \"$2\", wanted \"$3\""
}

# want_line TEXT FILE
want_line() {
    grep -qF -- "$1" "$2" || {
        cat "$2" >&2
        fail "\"$1\" is not in $2"
    }
}

# installed_files ROOT: every file below it, sorted, as seen from there.
installed_files() {
    (cd "$1" && find . ! -type d | sed 's/^\.//' | LC_ALL=C sort)
}

# readme_plugin FILE: the README's example, as a reader would copy it.
readme_plugin() {
    awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$source/README.md" >"$1"
    [ -s "$1" ] || fail "README.md shows no plugin"
}
