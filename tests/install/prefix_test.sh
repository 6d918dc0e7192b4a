#!/bin/sh
# prefix_test.sh SOURCE CC CXX: builds for a prefix of its own, installs there without DESTDIR, and uses it as
# an integrator would: the README's plugin by pkg-config, the example by find_package, the header alone.
source=$1 cc=$2 cxx=$3
. "$source/tests/install/lib.sh"

prefix=$scratch/opt
run cmake -S "$source" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DPBXHOOK_TESTS=OFF -DPBXHOOK_MOCK_PBX=OFF
run cmake --build "$scratch/build" -j "$(nproc)"
run cmake --install "$scratch/build"

pbxhook=$prefix/bin/pbxhook
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
plugindir=$(pkg-config --variable=plugindir pbxhook)
want_equal plugindir "$plugindir" "$prefix/lib/pbxhook/plugins"
want_equal "the ABI of pbxhook.pc" "$(pkg-config --variable=abi_version pbxhook)" \
    "$(awk '/^#define PBXHOOK_ABI_M/ { v = v (v == "" ? "" : ".") $3 } END { print v }' \
        "$prefix/include/pbxhook/plugin.h")"

# ---- The server finds its plugins and its configuration where they were installed --------------------
"$pbxhook" plugins >"$scratch/plugins.txt" 2>&1 || fail "$(cat "$scratch/plugins.txt")"
for name in call_new call_standby call_waiting actor_entered call_ongoing actor_left call_finished; do
    want_line "file      $plugindir/$name.so" "$scratch/plugins.txt"
done
echo 'workers = none' >"$prefix/etc/pbxhook/conf.d/50-mine.conf"
! "$pbxhook" check >"$scratch/check.txt" 2>&1 || fail "etc/pbxhook/conf.d is not read"
want_line "$prefix/etc/pbxhook/conf.d/50-mine.conf:1" "$scratch/check.txt"
rm "$prefix/etc/pbxhook/conf.d/50-mine.conf"

# ---- What the configuration and its page say of the plugins is true here ------------------------------
want_line "#plugin_dir = \"$plugindir\"" "$prefix/etc/pbxhook/pbxhook.conf"
want_equal "what else differs from config/pbxhook.conf" \
    "$(diff "$source/config/pbxhook.conf" "$prefix/etc/pbxhook/pbxhook.conf" | grep -c '^>')" 1
want_line "$plugindir" "$prefix/share/man/man5/pbxhook.conf.5"

# ---- Another prefix than it was built for is told ----------------------------------------------------
run cmake --install "$scratch/build" --prefix "$scratch/elsewhere"
want_line "Installed below $scratch/elsewhere, but built for" "$scratch/run.log"
rm -r "$scratch/elsewhere"
run cmake --install "$scratch/build"
! grep -q 'but built for' "$scratch/run.log" || fail "its own prefix is warned of"

# ---- An edited configuration survives the next installation -----------------------------------------
echo 'workers = 1 # mine' >>"$prefix/etc/pbxhook/pbxhook.conf"
run cmake --install "$scratch/build"
want_line '# mine' "$prefix/etc/pbxhook/pbxhook.conf"

# ---- The README's plugin, by pkg-config --------------------------------------------------------------
readme_plugin "$scratch/hello.c"
# shellcheck disable=SC2046
run "$cc" -std=c11 -Wall -Wextra -Werror -shared -fPIC $(pkg-config --cflags pbxhook) \
    -o "$scratch/hello.so" "$scratch/hello.c"
run install "$scratch/hello.so" "$plugindir"
"$pbxhook" plugins >"$scratch/plugins.txt" 2>&1 || fail "$(cat "$scratch/plugins.txt")"
want_line "file      $plugindir/hello.so" "$scratch/plugins.txt"
rm "$plugindir/hello.so"

# ---- The example, by find_package and pbxhook_add_plugin --------------------------------------------
example=$prefix/share/doc/pbxhook/examples/hello
sed -e 1d -e '/clang-format off/d' "$example/hello.c" | cmp - "$scratch/hello.c" || fail "the example is not the README's"
run cmake -S "$example" -B "$scratch/example" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc"
run cmake --build "$scratch/example"
run cmake --install "$scratch/example"
"$pbxhook" plugins >"$scratch/plugins.txt" 2>&1 || fail "$(cat "$scratch/plugins.txt")"
want_line "file      $plugindir/hello.so" "$scratch/plugins.txt"
want_equal "what hello.so exports" \
    "$(nm -D --defined-only "$plugindir/hello.so" | awk '{ print $3 }')" pbxhook_plugin

# ---- A plugin that needs what nobody gives it does not link ------------------------------------------
mkdir "$scratch/lacking"
sed -e 's/^project(hello/project(lacking/' -e 's/hello hello\.c/lacking lacking.c NO_INSTALL/' \
    -e '/add_plugin_test/d' \
    "$example/CMakeLists.txt" >"$scratch/lacking/CMakeLists.txt"
{
    echo 'int of_nobody(void);'
    sed 's/(void)state;/(void)of_nobody();/' "$scratch/hello.c"
} >"$scratch/lacking/lacking.c"
run cmake -S "$scratch/lacking" -B "$scratch/lacking/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc"
! cmake --build "$scratch/lacking/build" >"$scratch/lacking.txt" 2>&1 || fail "a lacking symbol links"
want_line of_nobody "$scratch/lacking.txt"

# ---- What `plugin new` writes, unchanged: builds, passes its test, is installed and loads ------------
run "$pbxhook" plugin new ring_back --event call.finished --directory "$scratch/ring_back"
run cmake -S "$scratch/ring_back" -B "$scratch/ring_back/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="-Wall -Wextra -Werror"
run cmake --build "$scratch/ring_back/build"
ctest --test-dir "$scratch/ring_back/build" --output-on-failure >"$scratch/ctest.txt" 2>&1 ||
    fail "$(cat "$scratch/ctest.txt")"
want_line '100% tests passed, 0 tests failed out of 1' "$scratch/ctest.txt"
run cmake --install "$scratch/ring_back/build"
"$pbxhook" plugins >"$scratch/plugins.txt" 2>&1 || fail "$(cat "$scratch/plugins.txt")"
want_line "file      $plugindir/ring_back.so" "$scratch/plugins.txt"
sed -i 's/"calls": 2/"calls": 3/' "$scratch/ring_back/events.jsonl"
! ctest --test-dir "$scratch/ring_back/build" >"$scratch/ctest.txt" 2>&1 || fail "its test can't fail"

# ---- The header alone ---------------------------------------------------------------------------------
every_warning='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align
-Wundef -Wformat=2 -Wvla -Wwrite-strings -Wredundant-decls -Werror -fsyntax-only'
echo '#include <pbxhook/plugin.h>' >"$scratch/alone.c"
for standard in c11 c17; do
    run "$cc" -x c -std=$standard $every_warning -I"$prefix/include" "$scratch/alone.c"
done
[ -z "$cxx" ] || for standard in c++17 c++20; do
    run "$cxx" -x c++ -std=$standard $every_warning -I"$prefix/include" "$scratch/alone.c"
done
