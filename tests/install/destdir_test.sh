#!/bin/sh
# destdir_test.sh SOURCE CC: installs as a package does, for /usr below a DESTDIR: exactly the files of
# files.txt, nothing that names the staging directory, and the SDK works from there.
source=$1 cc=$2
. "$source/tests/install/lib.sh"

root=$scratch/root
run cmake -S "$source" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR=lib -DPBXHOOK_TESTS=OFF -DPBXHOOK_MOCK_PBX=ON
run cmake --build "$scratch/build" -j "$(nproc)"
run env DESTDIR="$root" cmake --install "$scratch/build"

installed_files "$root" >"$scratch/found.txt"
diff -u "$source/tests/install/files.txt" "$scratch/found.txt" || fail "other files are installed"
[ -d "$root/etc/pbxhook/conf.d" ] || fail "no directory /etc/pbxhook/conf.d"
# The programs' debugging information does name the build directory; what is read by others must not.
! grep -rlI -e "$root" -e "$scratch" "$root" || fail "the files above name the build's directories"

# A package's configuration is the shipped one, whatever was staged before.
cmp "$source/config/pbxhook.conf" "$root/etc/pbxhook/pbxhook.conf" || fail "another pbxhook.conf"

export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
want_equal "the include directory" "$(pkg-config --cflags-only-I pbxhook | tr -d ' ')" \
    "-I$root/usr/include"
want_equal "the version" "$(pkg-config --modversion pbxhook)" \
    "$("$root/usr/bin/pbxhook" --version | sed 's/^pbxhook //')"

run cmake -S "$source/examples/hello" -B "$scratch/example" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$root/usr"
run cmake --build "$scratch/example"
run cmake --install "$scratch/example"
want_file "$root/usr/lib/pbxhook/plugins/hello.so"
