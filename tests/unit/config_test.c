/*
 * config_test.c: where values come from and which source wins, paths, the shipped file, and the cases of
 * tests/cases/config: a directory each, with the exact errors it must get.
 */
#include "config_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

#include "common/config_internal.h"

static char directory[] = "/tmp/pbxhook-config-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* Loads pbxhook.conf of the directory with conf.d and the environment; it has to be right. */
static struct config *load_all(void)
{
    struct config *config = NULL;
    char *errors = NULL;
    int code = load_file(path_of("pbxhook.conf"), 1, &config, &errors);
    assert_string_equal(errors, "");
    assert_int_equal(code, 0);
    free(errors);
    return config;
}

static int set_up(void **state)
{
    forget_environment(state);
    snprintf(directory, sizeof directory, "/tmp/pbxhook-config-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    return mkdir(path_of("conf.d"), 0700);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"conf.d/20-b.conf", "conf.d/10-a.conf", "conf.d/.x.conf",
                                        "conf.d/x.conf~",   "pbxhook.conf",     "password"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path_of(names[i]));
    rmdir(path_of("conf.d"));
    return rmdir(directory);
}

/* ---- Sources ------------------------------------------------------------------------------------ */

static void test_later_sources_win(void **state)
{
    (void)state;
    char origin[300];

    write_file("pbxhook.conf", "# one\nlisten = \"127.0.0.1:1\"\nworkers = 1\n"
                               "webhook { max_body = 100 unknown_events = reject }\n");
    write_file("conf.d/20-b.conf", "webhook { max_body = 300 }");
    write_file("conf.d/10-a.conf", "\n\nwebhook { max_body = 200 } log { level = debug }");
    write_file("conf.d/.x.conf", "this is not looked at");
    write_file("conf.d/x.conf~", "nor is this");
    setenv("PBXHOOK_LISTEN", "[::1]:2", 1);
    struct config *config = load_all();

    assert_string_equal(config->listen, "[::1]:2");
    assert_string_equal(origin_of(config, "", "listen"), "PBXHOOK_LISTEN");
    assert_int_equal(config->webhook.max_body_bytes, 300);
    snprintf(origin, sizeof origin, "%s/conf.d/20-b.conf:1", directory);
    assert_string_equal(origin_of(config, "webhook", "max_body"), origin);
    assert_int_equal(config->webhook.reject_unknown, 1);
    snprintf(origin, sizeof origin, "%s:4", path_of("pbxhook.conf"));
    assert_string_equal(origin_of(config, "webhook", "unknown_events"), origin);
    assert_int_equal(config->log.level, LOG_LEVEL_DEBUG);
    config_free(config);
}

static void test_periods(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } cases[] = {
        {"90d", 90LL * 86400000},
        {"12h", 12LL * 3600000},
        {"3600", 3600000},
        {"60m", 3600000},
        {"59m", -1},
        {"90", -1},
        {"0", -1},
        {"36500d", 36500LL * 86400000},
        {"36501d", -1},
        {"", -1},
        {"d", -1},
        {"90 d", -1},
        {"-90d", -1},
        {"90days", -1},
        {"9223372036854775807d", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(config_read_period(cases[i].text, &ms), cases[i].ms < 0 ? -1 : 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_config_variable_names_the_file(void **state)
{
    (void)state;
    struct config *config = NULL;
    char *errors = NULL;

    write_file("pbxhook.conf", "listen = \"127.0.0.1:9\"");
    setenv("PBXHOOK_CONFIG", path_of("pbxhook.conf"), 1);
    assert_int_equal(load_file(NULL, 1, &config, &errors), 0);
    assert_string_equal(config->listen, "127.0.0.1:9");
    config_free(config);
    free(errors);

    setenv("PBXHOOK_CONFIG", path_of("missing.conf"), 1);
    assert_int_equal(load_file(NULL, 1, &config, &errors), -1);
    assert_non_null(strstr(errors, "missing.conf: can't be read: No such file or directory\n"));
    free(errors);
}

static void test_a_file_that_was_named_must_be_one(void **state)
{
    (void)state;
    struct config *config = NULL;
    char *errors = NULL;

    assert_int_equal(load_file(path_of("missing.conf"), 1, &config, &errors), -1);
    assert_non_null(strstr(errors, "missing.conf: can't be read: No such file or directory\n"));
    free(errors);
    assert_int_equal(load_file(directory, 1, &config, &errors), -1);
    assert_non_null(strstr(errors, ": can't be read: Is a directory\n"));
    free(errors);
    assert_null(config);
}

static void test_variables_in_strings(void **state)
{
    (void)state;
    write_file("pbxhook.conf",
               "plugin a { one = \"<${PBXHOOK_TEST_ONE}>\"\n"
               "two = \"<${PBXHOOK_TEST_NONE:-two}>\" three = '${PBXHOOK_TEST_ONE}'\n"
               "four = \"\\${PBXHOOK_TEST_ONE}\" five = ${PBXHOOK_TEST_ONE}\n"
               "six = \"${PBXHOOK_TEST_NONE:-\"#\"}\" }");
    setenv("PBXHOOK_TEST_ONE", "1 # 2", 1);
    struct config *config = load_all();
    assert_string_equal(config_plugin_option(config, "a", "one", NULL), "<1 # 2>");
    assert_string_equal(config_plugin_option(config, "a", "two", NULL), "<two>");
    assert_string_equal(config_plugin_option(config, "a", "three", NULL), "${PBXHOOK_TEST_ONE}");
    assert_string_equal(config_plugin_option(config, "a", "four", NULL), "${PBXHOOK_TEST_ONE}");
    assert_string_equal(config_plugin_option(config, "a", "five", NULL), "1 # 2");
    assert_string_equal(config_plugin_option(config, "a", "six", NULL), "\"#\"");
    config_free(config);
}

static void test_lists_are_replaced_or_added_to(void **state)
{
    (void)state;
    write_file("pbxhook.conf", "dashboard { cors_origins = {\"https://a.b\", # why\n"
                               "\"https://c.d\"} }");
    write_file("conf.d/10-a.conf", "dashboard { cors_origins += \"https://e.f\" }");
    struct config *config = load_all();
    assert_string_equal(config->dashboard.cors_origins[0], "https://a.b");
    assert_string_equal(config->dashboard.cors_origins[1], "https://c.d");
    assert_string_equal(config->dashboard.cors_origins[2], "https://e.f");
    assert_null(config->dashboard.cors_origins[3]);
    config_free(config);

    write_file("conf.d/20-b.conf", "dashboard { cors_origins = {} }");
    config = load_all();
    assert_null(config->dashboard.cors_origins[0]);
    assert_string_equal(origin_of(config, "dashboard", "cors_origins"),
                        path_of("conf.d/20-b.conf"));
    config_free(config);
}

/* ---- Plugins' options --------------------------------------------------------------------------- */

static void test_plugin_options(void **state)
{
    (void)state;
    const char *origin = NULL;
    char expected[300];

    write_file("pbxhook.conf", "plugin \"call_standby\" {\n  known_queue = \"1\"\n"
                               "  new_queue = 2\n  new_queue = 3 }\nplugin other { a = b }\n");
    write_file("conf.d/10-a.conf", "plugin call_standby { known_queue = 4 }");
    struct config *config = load_all();
    assert_int_equal(config->plugin_option_count, 3);
    assert_string_equal(config_plugin_option(config, "call_standby", "known_queue", &origin), "4");
    snprintf(expected, sizeof expected, "%s:1", path_of("conf.d/10-a.conf"));
    assert_string_equal(origin, expected);
    assert_string_equal(config_plugin_option(config, "call_standby", "new_queue", &origin), "3");
    snprintf(expected, sizeof expected, "%s:3", path_of("pbxhook.conf"));
    assert_string_equal(origin, expected);
    assert_string_equal(config_plugin_option(config, "other", "a", NULL), "b");
    assert_null(config_plugin_option(config, "call_standby", "a", NULL));
    assert_null(config_plugin_option(config, "call", "standby_known_queue", NULL));
    config_free(config);
}

static void test_plugin_variables_win(void **state)
{
    (void)state;
    const char *origin = NULL;

    write_file("pbxhook.conf", "plugin call_standby { known_queue = 1 new_queue = 2 }");
    setenv("PBXHOOK_PLUGIN_CALL_STANDBY_KNOWN_QUEUE", "", 1);
    struct config *config = load_all();
    assert_string_equal(config_plugin_option(config, "call_standby", "known_queue", &origin), "");
    assert_string_equal(origin, "PBXHOOK_PLUGIN_CALL_STANDBY_KNOWN_QUEUE");
    assert_string_equal(config_plugin_option(config, "call_standby", "new_queue", NULL), "2");
    /* Where the name is parted only the plugins know. */
    assert_string_equal(config_plugin_option(config, "call", "standby_known_queue", NULL), "");
    assert_null(config_plugin_option(config, "call_standby", "known", NULL));
    assert_null(config_plugin_option(config, "standby", "known_queue", NULL));
    config_free(config);
}

/* ---- Paths -------------------------------------------------------------------------------------- */

static void test_relative_paths_start_at_the_file(void **state)
{
    (void)state;
    char expected[300];
    char *here = getcwd(NULL, 0);

    assert_non_null(here);
    write_file("password", "secret\n");
    write_file("pbxhook.conf", "state_dir = state\nplugin_dir = \"/abs\"\n"
                               "pbx { user = u password_file = password }");
    write_file("conf.d/10-a.conf", "store { url = \"sqlite:../x.db\" }");
    setenv("PBXHOOK_PLUGIN_DIR", "plugins", 1);
    struct config *config = load_all();
    assert_string_equal(config->state_dir, path_of("state"));
    assert_string_equal(config->pbx.password_file, path_of("password"));
    snprintf(expected, sizeof expected, "sqlite:%s/conf.d/../x.db", directory);
    assert_string_equal(config->store.url, expected);
    assert_true(strncmp(config->plugin_dir, here, strlen(here)) == 0);
    assert_string_equal(config->plugin_dir + strlen(here), "/plugins");
    config_free(config);

    /* A relative name of the file itself. */
    assert_int_equal(chdir(directory), 0);
    char *errors = NULL;
    assert_int_equal(load_file("pbxhook.conf", 1, &config, &errors), 0);
    assert_string_equal(config->state_dir, path_of("state"));
    config_free(config);
    free(errors);
    assert_int_equal(chdir(here), 0);
    free(here);
}

/* As written, as a worker gets them, and with the defaults of what is not there. */
static void test_targets(void **state)
{
    (void)state;
    write_file("token", "secret\n");
    write_file("pbxhook.conf",
               "state_dir = \"/s\"\n"
               "target crm { url = \"https://crm.example/api/\" token_file = token\n"
               "deadline = 7d connections = 2 idempotent = yes timeout = 5s }");
    write_file("conf.d/10-a.conf",
               "target files { url = \"http://pbx:8080\" max_download = 1KiB }\n"
               "target crm { timeout = 6s }");
    struct config *config = load_all();
    char *printed = print_text(config, 0);
    struct config *again = load_text(printed);
    struct config *both[] = {config, again};

    for (size_t i = 0; i < 2; i++) {
        const struct config_target *crm = config_find_target(both[i], "crm");
        const struct config_target *files = config_find_target(both[i], "files");
        assert_int_equal(both[i]->target_count, 2);
        assert_non_null(crm);
        assert_non_null(files);
        assert_null(config_find_target(both[i], "other"));
        assert_string_equal(crm->url, "https://crm.example/api");
        assert_string_equal(crm->token_file, path_of("token"));
        assert_int_equal(crm->timeout_ms, 6000);
        assert_int_equal(crm->deadline_ms, 7 * 86400000);
        assert_int_equal(crm->connections, 2);
        assert_int_equal(crm->idempotent, 1);
        assert_string_equal(files->url, "http://pbx:8080");
        assert_string_equal(files->user, "");
        assert_int_equal(files->timeout_ms, 30000);
        assert_int_equal(files->deadline_ms, 86400000);
        assert_int_equal(files->max_download_bytes, 1024);
        assert_string_equal(both[i]->download_dir, "/s/downloads");
    }
    assert_int_equal(unlink(path_of("token")), 0);
    free(printed);
    config_free(config);
    config_free(again);
}

/* ---- Whole files -------------------------------------------------------------------------------- */

static void test_shipped_file_changes_nothing(void **state)
{
    (void)state;
    struct config *config = NULL;
    char *errors = NULL;
    int code = load_file(PBXHOOK_TEST_DIR "/../config/pbxhook.conf", 0, &config, &errors);
    assert_string_equal(errors, "");
    assert_int_equal(code, 0);
    struct config *standard = load_text("");
    char *shipped = print_text(config, 1);
    char *expected = print_text(standard, 1);
    assert_string_equal(shipped, expected);
    free(shipped);
    free(expected);
    free(errors);
    config_free(standard);
    config_free(config);
}

/* Makes "#key = value" of every such line "key = value". */
static void uncomment(char *text)
{
    for (char *line = text; line != NULL; line = strchr(line + 1, '\n')) {
        char *hash = line + strspn(line, " \n");
        size_t size = strspn(hash + 1, "abcdefghijklmnopqrstuvwxyz_");
        if (*hash == '#' && size > 0 && strncmp(hash + 1 + size, " = ", 3) == 0)
            *hash = ' ';
    }
}

/* What a file holds. */
static char *read_whole(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) < 65535);
    fclose(file);
    return text;
}

static void test_shipped_file_tells_every_key(void **state)
{
    (void)state;
    char *text = read_whole(PBXHOOK_TEST_DIR "/../config/pbxhook.conf");
    struct config *standard = load_text("");

    for (size_t i = 0; i < config_key_count; i++)
        assert_non_null(strstr(text, config_keys[i].help));
    uncomment(text);
    struct config *config = load_text(text);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        assert_string_not_equal(config_origin(config, key), "default");
        if (strcmp(key->name, "plugin_dir") == 0)
            continue; /* depends on where pbxhook is installed */
        char *values[2] = {NULL, NULL};
        for (int n = 0; n < 2; n++) {
            size_t size = 0;
            FILE *stream = open_memstream(&values[n], &size);
            assert_non_null(stream);
            config_value_print(key, config_key_member(n == 0 ? config : standard, key), stream);
            fclose(stream);
        }
        assert_string_equal(values[0], values[1]);
        free(values[0]);
        free(values[1]);
    }
    assert_string_equal(config_plugin_option(config, "call_standby", "known_queue", NULL), "900");
    assert_string_equal(config_plugin_option(config, "call_standby", "new_queue", NULL), "901");
    config_free(config);
    config_free(standard);
    free(text);
}

/* Returns 1 for a case, 0 for an entry that is none. */
static int run_case(const char *name)
{
    struct config *config = NULL;
    char *errors = NULL;

    if (name[0] == '.')
        return 0;
    assert_int_equal(chdir(PBXHOOK_TEST_DIR "/cases/config"), 0);
    assert_int_equal(chdir(name), 0);
    char *expected = read_whole("expected_errors");
    int code = load_file("pbxhook.conf", 1, &config, &errors);
    if (strcmp(errors, expected) != 0)
        print_error("in the case %s\n", name);
    assert_string_equal(errors, expected);
    assert_int_equal(code, expected[0] == '\0' ? 0 : -1);
    config_free(config);
    free(errors);
    free(expected);
    return 1;
}

static void test_cases(void **state)
{
    (void)state;
    struct dirent **entries = NULL;
    int cases = 0;
    int count = scandir(PBXHOOK_TEST_DIR "/cases/config", &entries, NULL, alphasort);

    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        cases += run_case(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_true(cases >= 20);
    assert_int_equal(chdir("/"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_later_sources_win),
        TEST(test_periods),
        TEST(test_config_variable_names_the_file),
        TEST(test_a_file_that_was_named_must_be_one),
        TEST(test_variables_in_strings),
        TEST(test_lists_are_replaced_or_added_to),
        TEST(test_plugin_options),
        TEST(test_plugin_variables_win),
        TEST(test_relative_paths_start_at_the_file),
        TEST(test_targets),
        TEST(test_shipped_file_changes_nothing),
        TEST(test_shipped_file_tells_every_key),
        TEST(test_cases),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
