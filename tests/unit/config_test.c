/*
 * config_test.c: where values come from and which source wins, paths, defaults, the shipped file, and
 * the cases of tests/cases/config: a directory each, with the exact errors it must get.
 */
#include "config_fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/config_internal.h"
#include "store/store.h"

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

static const char *origin_of(const struct config *config, const char *section, const char *name)
{
    return config_origin(config, config_key_find(section, name));
}

static int set_up(void **state)
{
    (void)state;
    forget_environment();
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

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = load_environment();
    char store[512];

    assert_string_equal(config->listen, "127.0.0.1:3000");
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->handler_timeout_ms, 5000);
    assert_int_equal(config->worker_memory_bytes, 1073741824);
    assert_int_equal(config->webhook.reject_unknown, 0);
    assert_int_equal(config->webhook.deduplicate, 1);
    assert_int_equal(config->webhook.max_body_bytes, 1048576);
    assert_int_equal(config->webhook.acknowledge_stored, 0);
    assert_int_equal(config->webhook.acknowledge_timeout_ms, 10000);
    assert_int_equal(config->spool.max_bytes, 268435456);
    snprintf(store, sizeof store, "sqlite:%s/pbxhook.db", config->state_dir);
    assert_string_equal(config->store.url, store);
    assert_string_equal(config->pbx.url, "http://localhost:3001/api/client/actions");
    assert_string_equal(config->pbx.action_type, "call.waiting");
    assert_int_equal(config->pbx.deadline_ms, 10000);
    assert_int_equal(config->pbx.timeout_ms, 5000);
    assert_int_equal(config->pbx.connections, 128);
    assert_int_equal(config->pbx.idempotent, 0);
    assert_string_equal(config->pbx.user, "");
    assert_string_equal(config->pbx.password_file, "");
    assert_int_equal(config->allow_unauthenticated, 0);
    assert_string_equal(config->webhook.secret_file, "");
    assert_null(config->webhook.allow_from[0]);
    assert_null(config->webhook.trusted_proxies[0]);
    assert_string_equal(config->dashboard.token_file, "");
    assert_int_equal(config->webhook.max_depth, 64);
    assert_int_equal(config->http.max_connections, 4096);
    assert_int_equal(config->http.max_connections_per_address, 1024);
    assert_int_equal(config->http.max_header_bytes, 8192);
    assert_int_equal(config->http.request_timeout_ms, 90000);
    assert_int_equal(config->http.idle_timeout_ms, 30000);
    assert_string_equal(config->tls.certificate_file, "");
    assert_string_equal(config->pbx.ca_file, "");
    assert_int_equal(config->dashboard.metrics_public, 0);
    assert_non_null(config->dashboard.cors_origins);
    assert_null(config->dashboard.cors_origins[0]);
    assert_int_equal(store_kpi_seconds[config->dashboard.answer_within], 20);
    assert_int_equal(config->dashboard.answer_percent, 80);
    assert_int_equal(store_kpi_seconds[config->dashboard.short_abandon], 5);
    assert_int_equal(config->dashboard.lost_after_hours, 4);
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    assert_int_equal(config->plugin_option_count, 0);
    assert_string_equal(origin_of(config, "", "listen"), "default");
    config_free(config);
}

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

static void test_every_key_has_a_variable(void **state)
{
    (void)state;
    /* As config_print() writes them, without quotes. */
    static const char *const values[][2] = {
        {"PBXHOOK_LISTEN", "[::]:0"},
        {"PBXHOOK_STATE_DIR", "/s"},
        {"PBXHOOK_PLUGIN_DIR", "/p"},
        {"PBXHOOK_DOWNLOAD_DIR", "/d"},
        {"PBXHOOK_WORKERS", "2"},
        {"PBXHOOK_HANDLER_TIMEOUT", "1500ms"},
        {"PBXHOOK_WORKER_MEMORY", "0"},
        {"PBXHOOK_STORE_RETENTION", "90d"},
        {"PBXHOOK_WEBHOOK_ACKNOWLEDGE", "stored"},
        {"PBXHOOK_WEBHOOK_ACKNOWLEDGE_TIMEOUT", "60s"},
        {"PBXHOOK_ALLOW_UNAUTHENTICATED", "yes"},
        {"PBXHOOK_WEBHOOK_UNKNOWN_EVENTS", "reject"},
        {"PBXHOOK_WEBHOOK_DEDUPLICATE", "false"},
        {"PBXHOOK_WEBHOOK_MAX_BODY", "64KiB"},
        {"PBXHOOK_WEBHOOK_SECRET_FILE", "/secrets"},
        {"PBXHOOK_WEBHOOK_USER", "pbx"},
        {"PBXHOOK_WEBHOOK_PASSWORD_FILE", "/passwords"},
        {"PBXHOOK_WEBHOOK_TOKEN_FILE", "/tokens"},
        {"PBXHOOK_WEBHOOK_ALLOW_FROM", "10.0.0.0/8, ::1"},
        {"PBXHOOK_WEBHOOK_TRUSTED_PROXIES", "192.0.2.1"},
        {"PBXHOOK_WEBHOOK_MAX_DEPTH", "8"},
        {"PBXHOOK_HTTP_MAX_CONNECTIONS", "100"},
        {"PBXHOOK_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "10"},
        {"PBXHOOK_HTTP_MAX_HEADER", "16KiB"},
        {"PBXHOOK_HTTP_REQUEST_TIMEOUT", "500ms"},
        {"PBXHOOK_HTTP_IDLE_TIMEOUT", "5s"},
        {"PBXHOOK_TLS_CERTIFICATE_FILE", "/certificate"},
        {"PBXHOOK_TLS_KEY_FILE", "/key"},
        {"PBXHOOK_SPOOL_MAX_BYTES", "1GiB"},
        {"PBXHOOK_STORE_URL", "postgresql://d"},
        {"PBXHOOK_STORE_PASSWORD_FILE", "/dev/zero"},
        {"PBXHOOK_PBX_URL", "https://pbx.example/a"},
        {"PBXHOOK_PBX_ACTION_TYPE", "delegate"},
        {"PBXHOOK_PBX_DEADLINE", "2m"},
        {"PBXHOOK_PBX_TIMEOUT", "1h"},
        {"PBXHOOK_PBX_CONNECTIONS", "1024"},
        {"PBXHOOK_PBX_IDEMPOTENT", "true"},
        {"PBXHOOK_PBX_USER", "user"},
        {"PBXHOOK_PBX_PASSWORD_FILE", "/dev/null"},
        {"PBXHOOK_PBX_CA_FILE", "/dev/null"},
        {"PBXHOOK_DASHBOARD_USER", "wall"},
        {"PBXHOOK_DASHBOARD_PASSWORD_FILE", "/readers"},
        {"PBXHOOK_DASHBOARD_TOKEN_FILE", "/reader-tokens"},
        {"PBXHOOK_DASHBOARD_METRICS_PUBLIC", "true"},
        {"PBXHOOK_DASHBOARD_CORS_ORIGINS", "https://a.b, http://c:1"},
        {"PBXHOOK_DASHBOARD_ANSWER_WITHIN", "30s"},
        {"PBXHOOK_DASHBOARD_ANSWER_PERCENT", "90"},
        {"PBXHOOK_DASHBOARD_SHORT_ABANDON", "10s"},
        {"PBXHOOK_DASHBOARD_LOST_AFTER_HOURS", "12"},
        {"PBXHOOK_LOG_LEVEL", "warning"},
    };
    size_t count = sizeof values / sizeof values[0];

    assert_int_equal(count, config_key_count);
    for (size_t i = 0; i < count; i++)
        setenv(values[i][0], values[i][1], 1);
    struct config *config = load_environment();
    for (size_t i = 0; i < count; i++) {
        const struct config_key *key = config_key_find_variable(values[i][0]);
        assert_non_null(key);
        assert_string_equal(config_origin(config, key), values[i][0]);
    }
    assert_string_equal(config->listen, "[::]:0");
    assert_string_equal(config->state_dir, "/s");
    assert_string_equal(config->plugin_dir, "/p");
    assert_string_equal(config->download_dir, "/d");
    assert_int_equal(config->handler_timeout_ms, 1500);
    assert_int_equal(config->worker_memory_bytes, 0);
    assert_int_equal(config->webhook.reject_unknown, 1);
    assert_int_equal(config->webhook.deduplicate, 0);
    assert_int_equal(config->webhook.max_body_bytes, 65536);
    assert_int_equal(config->spool.max_bytes, 1073741824);
    assert_int_equal(config->webhook.acknowledge_stored, 1);
    assert_int_equal(config->webhook.acknowledge_timeout_ms, 60000);
    assert_int_equal(config->store.retention_ms, (int64_t)90 * 86400000);
    assert_int_equal(config->workers, 2);
    assert_string_equal(config->store.url, "postgresql://d");
    assert_string_equal(config->store.password_file, "/dev/zero");
    assert_string_equal(config->pbx.url, "https://pbx.example/a");
    assert_string_equal(config->pbx.action_type, "delegate");
    assert_int_equal(config->pbx.deadline_ms, 120000);
    assert_int_equal(config->pbx.timeout_ms, 3600000);
    assert_int_equal(config->pbx.connections, 1024);
    assert_int_equal(config->pbx.idempotent, 1);
    assert_string_equal(config->pbx.user, "user");
    assert_string_equal(config->pbx.password_file, "/dev/null");
    assert_int_equal(config->allow_unauthenticated, 1);
    assert_string_equal(config->webhook.secret_file, "/secrets");
    assert_string_equal(config->webhook.user, "pbx");
    assert_string_equal(config->webhook.password_file, "/passwords");
    assert_string_equal(config->webhook.token_file, "/tokens");
    assert_string_equal(config->webhook.allow_from[0], "10.0.0.0/8");
    assert_string_equal(config->webhook.allow_from[1], "::1");
    assert_null(config->webhook.allow_from[2]);
    assert_string_equal(config->webhook.trusted_proxies[0], "192.0.2.1");
    assert_int_equal(config->webhook.max_depth, 8);
    assert_int_equal(config->http.max_connections, 100);
    assert_int_equal(config->http.max_connections_per_address, 10);
    assert_int_equal(config->http.max_header_bytes, 16384);
    assert_int_equal(config->http.request_timeout_ms, 500);
    assert_int_equal(config->http.idle_timeout_ms, 5000);
    assert_string_equal(config->tls.certificate_file, "/certificate");
    assert_string_equal(config->tls.key_file, "/key");
    assert_string_equal(config->pbx.ca_file, "/dev/null");
    assert_string_equal(config->dashboard.user, "wall");
    assert_string_equal(config->dashboard.password_file, "/readers");
    assert_string_equal(config->dashboard.token_file, "/reader-tokens");
    assert_int_equal(config->dashboard.metrics_public, 1);
    assert_string_equal(config->dashboard.cors_origins[0], "https://a.b");
    assert_string_equal(config->dashboard.cors_origins[1], "http://c:1");
    assert_null(config->dashboard.cors_origins[2]);
    assert_int_equal(store_kpi_seconds[config->dashboard.answer_within], 30);
    assert_int_equal(config->dashboard.answer_percent, 90);
    assert_int_equal(store_kpi_seconds[config->dashboard.short_abandon], 10);
    assert_int_equal(config->dashboard.lost_after_hours, 12);
    assert_int_equal(config->log.level, LOG_LEVEL_WARNING);
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

static void test_wrong_variables_are_all_told(void **state)
{
    (void)state;
    struct config *config = NULL;
    char *errors = NULL;

    setenv("PBXHOOK_WORKERS", "", 1);
    setenv("PBXHOOK_LISTEN", "nowhere", 1);
    setenv("PBXHOOK_DASHBOARD_CORS_ORIGINS", "https://a.example,,*", 1);
    setenv("PBXHOOK_PLUGIN_A_B", "\xff", 1);
    assert_int_equal(load_file("/dev/null", 1, &config, &errors), -1);
    assert_null(config);
    assert_non_null(
        strstr(errors, "PBXHOOK_WORKERS: workers: found \"\", wanted an integer from 1 to 64\n"));
    assert_non_null(strstr(errors, "PBXHOOK_LISTEN: listen: found \"nowhere\", wanted HOST:PORT"));
    assert_non_null(
        strstr(errors, "PBXHOOK_DASHBOARD_CORS_ORIGINS: dashboard.cors_origins: found"));
    assert_non_null(strstr(errors, "PBXHOOK_PLUGIN_A_B: found bytes, wanted UTF-8 text\n"));
    free(errors);
}

/* Kubernetes sets such for a service named pbxhook. */
static void test_unknown_variables_are_no_error(void **state)
{
    (void)state;
    setenv("PBXHOOK_SERVICE_HOST", "10.0.0.1", 1);
    setenv("PBXHOOK_PORT_3000_TCP", "tcp://10.0.0.1:3000", 1);
    setenv("PBXHOOK_PLUGIN_", "x", 1);
    struct config *config = load_environment();
    assert_int_equal(config->plugin_option_count, 0);
    config_free(config);
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

static void test_default_store_is_in_the_state_directory(void **state)
{
    (void)state;
    setenv("PBXHOOK_STATE_DIR", "/somewhere", 1);
    struct config *config = load_environment();
    assert_string_equal(config->store.url, "sqlite:/somewhere/pbxhook.db");
    config_free(config);
}

static void test_state_directory_of_systemd(void **state)
{
    (void)state;
    setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
    struct config *config = load_environment();
    assert_string_equal(config->state_dir, "/var/lib/one");
    assert_string_equal(origin_of(config, "", "state_dir"), "STATE_DIRECTORY");
    config_free(config);

    config = load_text(""); /* no environment */
    assert_string_equal(config->state_dir, "/var/lib/pbxhook");
    config_free(config);
}

/* In a child, since it takes another user to see it. Its exit status is 0 when all is as expected. */
static int check_user_directories(void)
{
    const char *origin = NULL;

    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    setenv("HOME", "/home/u", 1);
    setenv("XDG_STATE_HOME", "/xdg", 1);
    char *directory_of_state = config_default_state_dir(1, &origin);
    if (directory_of_state == NULL || strcmp(directory_of_state, "/xdg/pbxhook") != 0)
        return 2;
    free(directory_of_state);
    setenv("XDG_STATE_HOME", "relative/ones/are/void", 1);
    directory_of_state = config_default_state_dir(1, &origin);
    if (directory_of_state == NULL ||
        strcmp(directory_of_state, "/home/u/.local/state/pbxhook") != 0)
        return 3;
    free(directory_of_state);
    return 0;
}

static void test_state_directory_of_a_user(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(check_user_directories());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
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
        TEST(test_defaults),
        TEST(test_later_sources_win),
        TEST(test_every_key_has_a_variable),
        TEST(test_periods),
        TEST(test_wrong_variables_are_all_told),
        TEST(test_unknown_variables_are_no_error),
        TEST(test_config_variable_names_the_file),
        TEST(test_a_file_that_was_named_must_be_one),
        TEST(test_variables_in_strings),
        TEST(test_lists_are_replaced_or_added_to),
        TEST(test_plugin_options),
        TEST(test_plugin_variables_win),
        TEST(test_relative_paths_start_at_the_file),
        TEST(test_targets),
        TEST(test_default_store_is_in_the_state_directory),
        TEST(test_state_directory_of_systemd),
        TEST(test_state_directory_of_a_user),
        TEST(test_shipped_file_changes_nothing),
        TEST(test_shipped_file_tells_every_key),
        TEST(test_cases),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
