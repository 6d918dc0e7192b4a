/*
 * config_environment_test.c: what there is without a file: the defaults, a variable for every key, those
 * that are wrong or mean nothing here, and where the state and the store are then.
 */
#include "config_fixture.h"

#include <sys/wait.h>

#include "common/config_internal.h"
#include "store/store.h"

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

#define TEST(function) cmocka_unit_test_setup(function, forget_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_every_key_has_a_variable),
        TEST(test_wrong_variables_are_all_told),
        TEST(test_unknown_variables_are_no_error),
        TEST(test_default_store_is_in_the_state_directory),
        TEST(test_state_directory_of_systemd),
        TEST(test_state_directory_of_a_user),
    };
    return cmocka_run_group_tests_name("config_environment", tests, NULL, NULL);
}
