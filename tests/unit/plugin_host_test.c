/*
 * plugin_host_test.c: order, options and patterns of the plugin host, and what it prints. What it
 * refuses is in tests/abi/refusals_test.c.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/plugin_dir.h"
#include "worker/plugin_host.h"

/* A directory, a configuration, and what loading it gave. */
struct scene {
    struct plugin_dir dir;
    struct config config;
    struct config_plugin_option set[8];
    struct plugin_host *host;
    char *errors;
    int result;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    plugin_dir_make(&scene->dir);
    scene->config.plugin_dir = scene->dir.path;
    scene->config.plugin_options = scene->set;
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    plugin_host_free(scene->host);
    free(scene->errors);
    plugin_dir_remove(&scene->dir);
    free(scene);
    return 0;
}

/* The texts live as long as the test: literals. */
static void set_option(struct scene *scene, const char *plugin, const char *key, const char *value,
                       const char *origin)
{
    assert_true(scene->config.plugin_option_count < sizeof scene->set / sizeof scene->set[0]);
    scene->set[scene->config.plugin_option_count++] = (struct config_plugin_option){
        .plugin = (char *)plugin,
        .key = (char *)key,
        .value = (char *)value,
        .origin = (char *)origin,
    };
}

static void load(struct scene *scene)
{
    size_t size = 0;
    FILE *errors = open_memstream(&scene->errors, &size);

    assert_non_null(errors);
    scene->result = plugin_host_load(&scene->config, errors, &scene->host);
    assert_int_equal(fclose(errors), 0);
    assert_non_null(scene->host);
}

static void assert_errors(const struct scene *scene, const char *lines)
{
    char *wanted = plugin_dir_expand(&scene->dir, lines);

    assert_string_equal(scene->errors, wanted);
    free(wanted);
    assert_int_equal(scene->result, lines[0] == '\0' ? 0 : -1);
}

static void test_lexical_order(void **state)
{
    struct scene *scene = *state;

    /* Made in another order than they are to be loaded in. */
    plugin_dir_link(&scene->dir, "twin_one");
    plugin_dir_link(&scene->dir, "good");
    plugin_dir_link(&scene->dir, "longer_descriptor");
    load(scene);
    assert_errors(scene, "");
    assert_int_equal(plugin_host_count(scene->host), 3);
    assert_string_equal(plugin_host_get(scene->host, 0)->descriptor.name, "good");
    assert_string_equal(plugin_host_get(scene->host, 1)->descriptor.name, "longer_descriptor");
    assert_string_equal(plugin_host_get(scene->host, 2)->descriptor.name, "twin");
}

/* Two plugins may have functions of one name: neither takes the other's for its own. */
static void test_symbols_are_the_plugins_own(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "good");
    load(scene);
    assert_int_equal(plugin_host_count(scene->host), 1);
    assert_null(dlsym(RTLD_DEFAULT, PBXHOOK_PLUGIN_SYMBOL));
}

/* The host keeps a descriptor of its own, as long as its own header says. */
static void test_descriptor_is_copied(void **state)
{
    struct scene *scene = *state;
    const struct plugin *plugin;
    char *path;

    plugin_dir_link(&scene->dir, "longer_descriptor");
    load(scene);
    assert_errors(scene, "");
    plugin = plugin_host_get(scene->host, 0);
    assert_true(plugin->descriptor.struct_size > sizeof plugin->descriptor);
    assert_non_null(plugin->descriptor.handle);
    assert_null(plugin->descriptor.close);
    path = plugin_dir_join(&scene->dir, "longer_descriptor.so");
    assert_string_equal(plugin->path, path);
    free(path);
}

static const struct plugin_setting *setting(const struct scene *scene, const char *name)
{
    const struct plugin *plugin = plugin_host_get(scene->host, 0);

    for (size_t i = 0; i < plugin->setting_count; i++) {
        if (strcmp(plugin->settings[i].option->name, name) == 0)
            return &plugin->settings[i];
    }
    fail_msg("no setting %s", name);
    return NULL;
}

static void test_options_default_file_environment(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "options");
    set_option(scene, "options", "token", "abc", "pbxhook.conf:3");
    set_option(scene, "options", "limit", "-20", "pbxhook.conf:4");
    set_option(scene, "options", "loud", "yes", "pbxhook.conf:5");
    set_option(scene, "", "options_loud", "0", "PBXHOOK_PLUGIN_OPTIONS_LOUD");
    set_option(scene, "", "options_share", "-1.25e2", "PBXHOOK_PLUGIN_OPTIONS_SHARE");
    load(scene);
    assert_errors(scene, "");
    assert_string_equal(setting(scene, "greeting")->text, "hello");
    assert_string_equal(setting(scene, "greeting")->origin, "default");
    assert_string_equal(setting(scene, "token")->text, "abc");
    assert_string_equal(setting(scene, "token")->origin, "pbxhook.conf:3");
    assert_int_equal(setting(scene, "limit")->integer, -20);
    assert_int_equal(setting(scene, "loud")->integer, 0);
    assert_string_equal(setting(scene, "loud")->origin, "PBXHOOK_PLUGIN_OPTIONS_LOUD");
    assert_true(setting(scene, "share")->number == -125.0);
}

static void test_option_values_are_checked(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "options");
    set_option(scene, "options", "token", "", "pbxhook.conf:3");
    set_option(scene, "options", "limit", "12 apples", "pbxhook.conf:4");
    set_option(scene, "options", "loud", "TRUE", "conf.d/loud.conf:1");
    set_option(scene, "", "options_share", "inf", "PBXHOOK_PLUGIN_OPTIONS_SHARE");
    load(scene);
    assert_errors(
        scene, "pbxhook.conf:4: plugin \"options\": limit: found \"12 apples\", wanted an integer "
               "of 64 bits\n"
               "conf.d/loud.conf:1: plugin \"options\": loud: found \"TRUE\", wanted true, false, "
               "yes, no, 1 or 0\n"
               "PBXHOOK_PLUGIN_OPTIONS_SHARE: plugin \"options\": share: found \"inf\", wanted a "
               "finite number, with a point if need be\n");
}

static void test_integers_to_the_edge(void **state)
{
    static const struct {
        const char *text;
        int good;
    } cases[] = {
        {"9223372036854775807", 1},
        {"-9223372036854775808", 1},
        {"9223372036854775808", 0},
        {"", 0},
        {" 1", 0},
        {"1 ", 0},
        {"0x10", 0},
        {"1.0", 0},
        {"+7", 1},
    };
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "options");
    set_option(scene, "options", "token", "x", "a:1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene->config.plugin_option_count = 1;
        set_option(scene, "options", "limit", cases[i].text, "a:2");
        load(scene);
        assert_int_equal(scene->result, cases[i].good ? 0 : -1);
        plugin_host_free(scene->host);
        scene->host = NULL;
        free(scene->errors);
        scene->errors = NULL;
    }
}

static void test_option_without_default_must_be_set(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "options");
    load(scene);
    assert_errors(scene,
                  "%DIR%/options.so: found no value for the option token, wanted one: set "
                  "plugin \"options\" { token = \"...\" } or PBXHOOK_PLUGIN_OPTIONS_TOKEN in "
                  "the environment\n");
}

static void test_unknown_options_are_refused(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "good");
    plugin_dir_link(&scene->dir, "options");
    set_option(scene, "options", "token", "x", "pbxhook.conf:3");
    set_option(scene, "options", "limits", "1", "pbxhook.conf:4");
    set_option(scene, "good", "limit", "1", "pbxhook.conf:7");
    set_option(scene, "gone", "limit", "1", "pbxhook.conf:9");
    set_option(scene, "", "options_limits", "1", "PBXHOOK_PLUGIN_OPTIONS_LIMITS");
    set_option(scene, "", "optionslimit", "1", "PBXHOOK_PLUGIN_OPTIONSLIMIT");
    load(scene);
    assert_errors(
        scene,
        "pbxhook.conf:4: plugin \"options\": found the option \"limits\", wanted greeting or limit "
        "or loud or share or token\n"
        "pbxhook.conf:7: plugin \"good\": found the option \"limit\", wanted none: it has no "
        "options\n"
        "pbxhook.conf:9: found options for the plugin \"gone\", wanted a plugin that is loaded: "
        "good, options\n"
        "PBXHOOK_PLUGIN_OPTIONS_LIMITS: found no plugin with such an option, wanted "
        "PBXHOOK_PLUGIN_NAME_OPTION of a loaded plugin (see: pbxhook plugins)\n"
        "PBXHOOK_PLUGIN_OPTIONSLIMIT: found no plugin with such an option, wanted "
        "PBXHOOK_PLUGIN_NAME_OPTION of a loaded plugin (see: pbxhook plugins)\n");
}

/* Its section would be a second complaint about one mistake. */
static void test_options_of_a_refused_plugin_are_no_mistake(void **state)
{
    struct scene *scene = *state;

    plugin_dir_link(&scene->dir, "bad_magic");
    set_option(scene, "bad_magic", "limit", "1", "pbxhook.conf:3");
    load(scene);
    assert_errors(scene,
                  "%DIR%/bad_magic.so: found magic 0x12345678, wanted 0x50425848: this is no "
                  "pbxhook plugin\n");
}

static void test_print(void **state)
{
    struct scene *scene = *state;
    char *text = NULL;
    char *wanted;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    plugin_dir_link(&scene->dir, "good");
    plugin_dir_link(&scene->dir, "options");
    set_option(scene, "options", "token", "abc", "pbxhook.conf:12");
    load(scene);
    assert_errors(scene, "");
    assert_non_null(out);
    assert_int_equal(plugin_host_print(scene->host, out), 0);
    assert_int_equal(fclose(out), 0);
    wanted = plugin_dir_expand(
        &scene->dir,
        "good 1.0.0: for the tests\n"
        "    file      %DIR%/good.so\n"
        "    ABI       1.0\n"
        "    events    call.new\n"
        "\n"
        "options 1.0.0: for the tests\n"
        "    file      %DIR%/options.so\n"
        "    ABI       1.0\n"
        "    events    call.new\n"
        "    options   greeting = \"hello\"  string   default          a text (default \"hello\")\n"
        "              limit    = \"10\"     integer  default          a limit (default \"10\")\n"
        "              loud     = \"no\"     boolean  default          a switch (default \"no\")\n"
        "              share    = \"0.5\"    number   default          a share (default \"0.5\")\n"
        "              token    = \"abc\"    string   pbxhook.conf:12  must be set (no default)\n");
    assert_string_equal(text, wanted);
    free(wanted);
    free(text);
}

/* Whatever a plugin says of itself: no line of its own, nothing that a terminal obeys. */
static void test_print_rude(void **state)
{
    struct scene *scene = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    plugin_dir_link(&scene->dir, "rude");
    load(scene);
    assert_errors(scene, "");
    assert_non_null(out);
    assert_int_equal(plugin_host_print(scene->host, out), 0);
    assert_int_equal(fclose(out), 0);
    char *wanted = plugin_dir_expand(
        &scene->dir,
        "rude 1\\x1b[2J: one line\\x0aand another\n"
        "    file      %DIR%/rude.so\n"
        "    ABI       1.0\n"
        "    events    call.new\n"
        "    options   tone = \"\\x07\"  string   default  a\\x0ahelp (default \"\\x07\")\n");
    assert_string_equal(text, wanted);
    free(wanted);
    free(text);
}

static void test_print_nothing(void **state)
{
    struct scene *scene = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    load(scene);
    assert_int_equal(scene->result, 0);
    assert_int_equal(plugin_host_print(scene->host, out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "no plugins\n");
    free(text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lexical_order),
        TEST(test_symbols_are_the_plugins_own),
        TEST(test_descriptor_is_copied),
        TEST(test_options_default_file_environment),
        TEST(test_option_values_are_checked),
        TEST(test_integers_to_the_edge),
        TEST(test_option_without_default_must_be_set),
        TEST(test_unknown_options_are_refused),
        TEST(test_options_of_a_refused_plugin_are_no_mistake),
        TEST(test_print),
        TEST(test_print_rude),
        TEST(test_print_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
