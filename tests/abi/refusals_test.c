/*
 * refusals_test.c: what the host says of each deliberately bad plugin of plugins/, word by word,
 * and that it loads the ones that are only unusual. One row is one plugin directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin_dir.h"
#include "worker/plugin_host.h"

#define NOBODY 65534

struct outcome {
    int result;
    size_t loaded;
    char *errors;
};

static struct outcome load(const struct plugin_dir *dir)
{
    struct plugin_dir copy = *dir;
    struct config config = {.plugin_dir = copy.path};
    struct plugin_host *host = NULL;
    struct outcome outcome = {.errors = NULL};
    size_t size = 0;
    FILE *errors = open_memstream(&outcome.errors, &size);

    assert_non_null(errors);
    outcome.result = plugin_host_load(&config, errors, &host);
    assert_int_equal(fclose(errors), 0);
    assert_non_null(host);
    outcome.loaded = plugin_host_count(host);
    plugin_host_free(host);
    return outcome;
}

/* Exactly these lines, and everything that is not refused is loaded. */
static void expect(const struct plugin_dir *dir, int result, size_t loaded, const char *lines)
{
    struct outcome outcome = load(dir);
    char *wanted = plugin_dir_expand(dir, lines);

    assert_string_equal(outcome.errors, wanted);
    assert_int_equal(outcome.result, result);
    assert_int_equal(outcome.loaded, loaded);
    free(wanted);
    free(outcome.errors);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct refusal {
    const char *plugin;
    const char *line; /* without the path before it */
};

#define NAME_RULE "wanted [a-z][a-z0-9_]*, at most 63 characters"

static const struct refusal refusals[] = {
    {"no_symbol", "found no symbol pbxhook_plugin, wanted a descriptor: PBXHOOK_PLUGIN = {...}"},
    {"bad_magic", "found magic 0x12345678, wanted 0x50425848: this is no pbxhook plugin"},
    {"other_major",
     "found a plugin of ABI 2, wanted ABI 1: build it with the plugin.h of this pbxhook"},
    {"newer_minor",
     "found a plugin that needs ABI 1.2, wanted at most 1.1: it takes a newer pbxhook"},
    {"short_descriptor", "found a descriptor of 72 bytes, wanted at least 80"},
    {"unknown_flags", "found unknown flags 0x4, wanted 0"},
    {"no_name", "found no name, wanted [a-z][a-z0-9_]*"},
    {"bad_name", "found the name \"Call-New\", " NAME_RULE},
    {"long_name",
     "found the name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", " NAME_RULE},
    {"no_version", "found no version, wanted a text, as in \"1.0.0\""},
    {"no_summary", "found no summary, wanted one line"},
    {"no_handle", "found no handle(), wanted a function"},
    {"no_events", "found no events, wanted at least one: \"call.new\", \"call.*\" or \"*\""},
    {"empty_events", "found no events, wanted at least one: \"call.new\", \"call.*\" or \"*\""},
    {"option_bad_name", "found an option named \"max-age\", " NAME_RULE},
    {"option_bad_type",
     "found option \"limit\" of the unknown type 9, wanted one of PBXHOOK_OPTION_..."},
    {"option_bad_flags", "found option \"limit\" with unknown flags 0x1, wanted 0"},
    {"option_reserved", "found option \"limit\" with reserved members set, wanted NULL"},
    {"option_no_help", "found option \"limit\" without help, wanted one line"},
    {"option_twice", "found option \"limit\" twice, wanted it once"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct plugin_dir dir;
        char line[512];

        plugin_dir_make(&dir);
        plugin_dir_link(&dir, refusals[i].plugin);
        snprintf(line, sizeof line, "%%DIR%%/%s.so: %s\n", refusals[i].plugin, refusals[i].line);
        expect(&dir, -1, 0, line);
        plugin_dir_remove(&dir);
    }
}

static void test_all_that_is_wrong_is_told(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "bad_patterns");
    plugin_dir_link(&dir, "option_bad_defaults");
    expect(&dir, -1, 0,
           "%DIR%/bad_patterns.so: found the event pattern \"call.*.x\", wanted one like "
           "\"call.new\", \"call.*\" or \"*\"\n"
           "%DIR%/bad_patterns.so: found the event pattern \"call*\", wanted one like "
           "\"call.new\", \"call.*\" or \"*\"\n"
           "%DIR%/bad_patterns.so: found the event pattern \"\", wanted one like "
           "\"call.new\", \"call.*\" or \"*\"\n"
           "%DIR%/bad_patterns.so: found the event pattern \".*\", wanted one like "
           "\"call.new\", \"call.*\" or \"*\"\n"
           "%DIR%/bad_patterns.so: found the event pattern \"call new\", wanted one like "
           "\"call.new\", \"call.*\" or \"*\"\n"
           "%DIR%/option_bad_defaults.so: found option \"limit\" with the default \"many\", wanted "
           "an integer of 64 bits\n"
           "%DIR%/option_bad_defaults.so: found option \"loud\" with the default \"maybe\", wanted "
           "true, false, yes, no, 1 or 0\n"
           "%DIR%/option_bad_defaults.so: found option \"share\" with the default \"1,5\", wanted "
           "a finite number, with a point if need be\n");
    plugin_dir_remove(&dir);
}

static void test_two_of_one_name(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "twin_one");
    plugin_dir_link(&dir, "twin_two");
    expect(&dir, -1, 1,
           "%DIR%/twin_two.so: found the name \"twin\", which %DIR%/twin_one.so has, wanted one "
           "plugin of a name: remove one\n");
    plugin_dir_remove(&dir);
}

/* A refused plugin does not keep the host from looking at the others. */
static void test_the_rest_is_loaded(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "bad_magic");
    plugin_dir_link(&dir, "good");
    plugin_dir_link(&dir, "longer_descriptor");
    expect(&dir, -1, 2,
           "%DIR%/bad_magic.so: found magic 0x12345678, wanted 0x50425848: this is no pbxhook "
           "plugin\n");
    plugin_dir_remove(&dir);
}

static void test_longer_descriptor_loads(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "longer_descriptor");
    expect(&dir, 0, 1, "");
    plugin_dir_remove(&dir);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void test_files_that_do_not_load(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_write(&dir, "empty.so", "");
    plugin_dir_write(&dir, "text.so",
                     "This is no shared object, and long enough to be read as one: "
                     "an ELF header has sixty-four bytes.\n");
    expect(&dir, -1, 0,
           "%DIR%/empty.so: found a file that does not load (file too short), wanted a shared "
           "object\n"
           "%DIR%/text.so: found a file that does not load (invalid ELF header), wanted a shared "
           "object\n");
    plugin_dir_remove(&dir);
}

/* They are tried in a child first, so that they can be named, and the others looked at. */
static void test_files_that_end_who_loads_them(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "dies_when_loaded");
    plugin_dir_link(&dir, "exits_when_loaded");
    plugin_dir_link(&dir, "good");
    expect(
        &dir, -1, 1,
        "%DIR%/dies_when_loaded.so: found a file that kills the process which loads it (SIGBUS), "
        "wanted a shared object: is it half a copy?\n"
        "%DIR%/exits_when_loaded.so: found a file that ends the process which loads it (exit "
        "status 0), wanted a shared object\n");
    plugin_dir_remove(&dir);
}

static void test_missing_symbol_is_named(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_copy(&dir, "needs_symbol");
    expect(&dir, -1, 0,
           "%DIR%/needs_symbol.so: found a file that does not load (undefined symbol: "
           "function_that_nobody_has), wanted a shared object\n");
    plugin_dir_remove(&dir);
}

static void test_only_regular_files(void **state)
{
    struct plugin_dir dir;
    char *path;

    (void)state;
    plugin_dir_make(&dir);
    path = plugin_dir_join(&dir, "a_directory.so");
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
    path = plugin_dir_join(&dir, "b_pipe.so");
    assert_int_equal(mkfifo(path, 0600), 0);
    free(path);
    path = plugin_dir_join(&dir, "c_broken_link.so");
    assert_int_equal(symlink("nowhere", path), 0);
    free(path);
    expect(&dir, -1, 0,
           "%DIR%/a_directory.so: found a directory, wanted a regular file\n"
           "%DIR%/b_pipe.so: found a special file, wanted a regular file\n"
           "%DIR%/c_broken_link.so: found nothing to open (No such file or directory), wanted an "
           "existing path\n");
    plugin_dir_remove(&dir);
}

/* What is no plugin's file name is none of the host's business. */
static void test_other_files_are_left_alone(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_write(&dir, "README", "x");
    plugin_dir_write(&dir, ".so", "x");
    plugin_dir_write(&dir, ".half_copied.so", "x");
    plugin_dir_write(&dir, "good.so.bak", "x");
    plugin_dir_link(&dir, "good");
    expect(&dir, 0, 1, "");
    plugin_dir_remove(&dir);
}

static void test_missing_directory(void **state)
{
    struct plugin_dir dir = {.path = "/nonexistent/plugins"};
    struct plugin_dir none = {.path = ""};

    (void)state;
    expect(
        &dir, -1, 0,
        "/nonexistent/plugins: found no directory to read (No such file or directory), wanted the "
        "plugins' directory: make it, or set plugin_dir or PBXHOOK_PLUGIN_DIR\n");
    expect(&none, -1, 0,
           "plugin_dir: found \"\", wanted an absolute path: set plugin_dir or "
           "PBXHOOK_PLUGIN_DIR\n");
}

static void test_empty_directory_is_allowed(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    expect(&dir, 0, 0,
           "%DIR%: warning: found no plugin file (*.so): events are kept, and nothing else is done "
           "with them\n");
    plugin_dir_remove(&dir);
}

/* ---- Who may have written it ----------------------------------------------------------------- */

static void test_writable_file(void **state)
{
    static const struct {
        mode_t mode;
        const char *shown;
    } cases[] = {{0664, "0664"}, {0646, "0646"}, {0777, "0777"}};
    struct plugin_dir dir;
    char *path;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_copy(&dir, "good");
    path = plugin_dir_join(&dir, "good.so");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];

        assert_int_equal(chmod(path, cases[i].mode), 0);
        snprintf(line, sizeof line,
                 "%%DIR%%/good.so: found %%DIR%%/good.so writable by others than its owner (mode "
                 "%s), wanted write access for its owner only: chmod go-w %%DIR%%/good.so\n",
                 cases[i].shown);
        expect(&dir, -1, 0, line);
    }
    assert_int_equal(chmod(path, 0444), 0);
    expect(&dir, 0, 1, "");
    free(path);
    plugin_dir_remove(&dir);
}

/* The directory is told once, not for each of its files. */
static void test_writable_directory(void **state)
{
    struct plugin_dir dir;

    (void)state;
    plugin_dir_make(&dir);
    plugin_dir_link(&dir, "good");
    plugin_dir_link(&dir, "options");
    assert_int_equal(chmod(dir.path, 0775), 0);
    expect(&dir, -1, 0,
           "%DIR%: found %DIR% writable by others than its owner (mode 0775), wanted write access "
           "for its owner only: chmod go-w %DIR%\n");
    assert_int_equal(chmod(dir.path, 01777), 0);
    expect(&dir, -1, 0,
           "%DIR%: found %DIR% writable by others than its owner (mode 1777), wanted plugins in a "
           "place that only their owner can write to: move them\n");
    plugin_dir_remove(&dir);
}

/* A directory above counts too, also that of what a link leads to. */
static void test_writable_parent(void **state)
{
    struct plugin_dir outer, inner, linking;
    char *path, *file, *lines;

    (void)state;
    plugin_dir_make(&outer);
    plugin_dir_make(&linking);
    path = plugin_dir_join(&outer, "plugins");
    snprintf(inner.path, sizeof inner.path, "%s", path);
    assert_int_equal(mkdir(path, 0755), 0);
    plugin_dir_copy(&inner, "good");
    assert_int_equal(chmod(outer.path, 0757), 0);
    lines = plugin_dir_expand(&outer,
                              "found %DIR% writable by others than its owner (mode 0757), wanted "
                              "write access for its owner only: chmod go-w %DIR%\n");
    free(path);

    assert_true(asprintf(&path, "%s: %s", inner.path, lines) > 0);
    expect(&inner, -1, 0, path);
    free(path);

    file = plugin_dir_join(&inner, "good.so");
    path = plugin_dir_join(&linking, "linked.so");
    assert_int_equal(symlink(file, path), 0);
    free(file);
    free(path);
    assert_true(asprintf(&path, "%%DIR%%/linked.so: %s", lines) > 0);
    expect(&linking, -1, 0, path);
    free(path);
    free(lines);
    plugin_dir_remove(&linking);
    plugin_dir_remove(&outer);
}

/* As /tmp: everyone may add to it, and nobody may replace what is another's. */
static void test_sticky_parent_will_do(void **state)
{
    struct plugin_dir outer, inner;
    char *path;

    (void)state;
    plugin_dir_make(&outer);
    path = plugin_dir_join(&outer, "plugins");
    snprintf(inner.path, sizeof inner.path, "%s", path);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
    plugin_dir_copy(&inner, "good");
    assert_int_equal(chmod(outer.path, 01777), 0);
    expect(&inner, 0, 1, "");
    plugin_dir_remove(&outer);
}

/* Only root can give files away, so only root can see this refused. */
static void test_wrong_owner(void **state)
{
    struct plugin_dir dir;
    char *path;

    (void)state;
    if (geteuid() != 0)
        skip();
    plugin_dir_make(&dir);
    plugin_dir_copy(&dir, "good");
    path = plugin_dir_join(&dir, "good.so");
    assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
    expect(&dir, -1, 0,
           "%DIR%/good.so: found %DIR%/good.so owned by user 65534, wanted it owned by root or the "
           "running user 0\n");
    assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    assert_int_equal(chown(dir.path, NOBODY, (gid_t)-1), 0);
    expect(
        &dir, -1, 0,
        "%DIR%: found %DIR% owned by user 65534, wanted it owned by root or the running user 0\n");
    free(path);
    plugin_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_all_that_is_wrong_is_told),
        cmocka_unit_test(test_two_of_one_name),
        cmocka_unit_test(test_the_rest_is_loaded),
        cmocka_unit_test(test_longer_descriptor_loads),
        cmocka_unit_test(test_files_that_do_not_load),
        cmocka_unit_test(test_files_that_end_who_loads_them),
        cmocka_unit_test(test_missing_symbol_is_named),
        cmocka_unit_test(test_only_regular_files),
        cmocka_unit_test(test_other_files_are_left_alone),
        cmocka_unit_test(test_missing_directory),
        cmocka_unit_test(test_empty_directory_is_allowed),
        cmocka_unit_test(test_writable_file),
        cmocka_unit_test(test_writable_directory),
        cmocka_unit_test(test_writable_parent),
        cmocka_unit_test(test_sticky_parent_will_do),
        cmocka_unit_test(test_wrong_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
