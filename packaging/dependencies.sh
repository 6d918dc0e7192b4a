# dependencies.sh: sourced by the scripts that build pbxhook. Says what is missing and installs it.
#
#   need_packages PACKAGE...   installs those of Debian's packages that are not there yet
#   can_install                whether it could

build_packages="build-essential cmake pkg-config libmicrohttpd-dev libgnutls28-dev libcurl4-openssl-dev
libjansson-dev libsqlite3-dev libpq-dev libconfuse-dev libssl-dev"

say() {
    printf '\n==> %s\n' "$*"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

is_installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

can_install() {
    command -v dpkg-query >/dev/null 2>&1 &&
        { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1; }
}

need_packages() {
    command -v dpkg-query >/dev/null 2>&1 ||
        fail "This script installs Debian's packages. Elsewhere, install these by hand and use cmake: $*"
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Installing Debian packages:$missing"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            fail "They need root and there is no sudo here. As root: apt-get install$missing"
        as_root=sudo
    fi
    log=$(mktemp)
    # The list of packages may be old or missing, so it is fetched first; both are quiet unless they fail.
    if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "apt-get could not install:$missing"
    fi
    rm -f "$log"
}
