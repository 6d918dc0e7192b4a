/*
 * config_print_test.c: what config_print() writes is read back the same, whatever the values hold; and
 * no file, however broken, does more harm than an error.
 */
#include "config_fixture.h"
#include "loop_length.h"

#include "common/config_internal.h"

#define HOSTILE_ROUNDS loop_length(200, 3)
#define GARBAGE_ROUNDS loop_length(2000, 10)
#define OPTIONS_BYTES  loop_length(1024 * 1024, 12000) /* of more than a thousand */
#define MANY_TARGETS   loop_length(300, 3)
#define MANY_VALUES    loop_length(600, 3) /* more than a megabyte in all */
#define LONG_VALUE     2000
#define STRING_BYTES   loop_length(65536, 2048)

/* The same numbers in every run. */
static uint32_t dice(uint32_t sides)
{
    static uint64_t seed = 1;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % sides;
}

/* Reads back what is printed, twice. Returns the second configuration. */
static struct config *assert_round_trip(const struct config *config)
{
    char *first = print_text(config, 0);
    struct config *again = load_text(first);
    char *second = print_text(again, 0);
    char *commented = print_text(config, 1);
    struct config *third = load_text(commented);
    char *from_commented = print_text(third, 0);

    assert_string_equal(first, second);
    assert_string_equal(first, from_commented);
    config_free(third);
    free(from_commented);
    free(commented);
    free(second);
    free(first);
    return again;
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = load_environment();
    config_free(assert_round_trip(config));
    config_free(config);
}

static void test_printed_form(void **state)
{
    (void)state;
    struct config *config = load_text("state_dir = \"/s\" plugin_dir = '/p' handler_timeout = 90\n"
                                      "webhook { max_body = 1025 allow_from = {\"10.0.0.0/8\"} }\n"
                                      "dashboard { cors_origins = {\"*\", https://a.b} }\n"
                                      "webhook { acknowledge = stored }\n"
                                      "store { retention = \"2160h\" }\n"
                                      "plugin b { x = \"a\\\"b\" }\nplugin a { y = 1 }");
    char *text = print_text(config, 0);
    assert_string_equal(text, "listen = \"127.0.0.1:3000\"\n"
                              "state_dir = \"/s\"\n"
                              "plugin_dir = \"/p\"\n"
                              "download_dir = \"/s/downloads\"\n"
                              "workers = 1\n"
                              "handler_timeout = \"90s\"\n"
                              "worker_memory = \"1GiB\"\n"
                              "allow_unauthenticated = false\n"
                              "webhook {\n"
                              "    unknown_events = \"keep\"\n"
                              "    deduplicate = true\n"
                              "    max_body = 1025\n"
                              "    acknowledge = \"stored\"\n"
                              "    acknowledge_timeout = \"10s\"\n"
                              "    max_depth = 64\n"
                              "    secret_file = \"\"\n"
                              "    user = \"\"\n"
                              "    password_file = \"\"\n"
                              "    token_file = \"\"\n"
                              "    allow_from = {\"10.0.0.0/8\"}\n"
                              "    trusted_proxies = {}\n"
                              "}\n"
                              "http {\n"
                              "    max_connections = 4096\n"
                              "    max_connections_per_address = 1024\n"
                              "    max_header = \"8KiB\"\n"
                              "    request_timeout = \"90s\"\n"
                              "    idle_timeout = \"30s\"\n"
                              "}\n"
                              "tls {\n"
                              "    certificate_file = \"\"\n"
                              "    key_file = \"\"\n"
                              "}\n"
                              "spool {\n"
                              "    max_bytes = \"256MiB\"\n"
                              "}\n"
                              "store {\n"
                              "    url = \"sqlite:/s/pbxhook.db\"\n"
                              "    password_file = \"\"\n"
                              "    retention = \"90d\"\n"
                              "}\n"
                              "pbx {\n"
                              "    url = \"http://localhost:3001/api/client/actions\"\n"
                              "    action_type = \"call.waiting\"\n"
                              "    deadline = \"10s\"\n"
                              "    timeout = \"5s\"\n"
                              "    connections = 128\n"
                              "    idempotent = false\n"
                              "    user = \"\"\n"
                              "    password_file = \"\"\n"
                              "    ca_file = \"\"\n"
                              "}\n"
                              "dashboard {\n"
                              "    user = \"\"\n"
                              "    password_file = \"\"\n"
                              "    token_file = \"\"\n"
                              "    metrics_public = false\n"
                              "    cors_origins = {\"*\", \"https://a.b\"}\n"
                              "    answer_within = \"20s\"\n"
                              "    answer_percent = 80\n"
                              "    short_abandon = \"5s\"\n"
                              "    lost_after_hours = 4\n"
                              "}\n"
                              "log {\n"
                              "    level = \"info\"\n"
                              "}\n"
                              "plugin \"b\" {\n"
                              "    x = \"a\\\"b\"\n"
                              "}\n"
                              "plugin \"a\" {\n"
                              "    y = \"1\"\n"
                              "}\n");
    free(text);
    config_free(assert_round_trip(config));
    config_free(config);
}

/* People never see it; the worker, which reads what is printed without comments, has to. */
static void test_password_in_the_store_url_is_masked(void **state)
{
    static const char *const urls[][2] = {
        {"postgresql://pbx:s3cret@db/x?sslmode=require",
         "postgresql://pbx:***@db/x?sslmode=require"},
        {"postgres://pbx@db/x?password=s3cret&port=1", "postgres://pbx@db/x?password=***&port=1"},
        {"postgresql:///x?host=/run&sslpassword=s3cret",
         "postgresql:///x?host=/run&sslpassword=***"},
        {"postgresql://pbx@db/x?application_name=a", "postgresql://pbx@db/x?application_name=a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        setenv("PBXHOOK_STORE_URL", urls[i][0], 1);
        struct config *config = load_environment();
        char *shown = print_text(config, 1);
        char *exact = print_text(config, 0);
        assert_null(strstr(shown, "s3cret"));
        assert_non_null(strstr(shown, urls[i][1]));
        assert_non_null(strstr(exact, urls[i][0]));
        free(shown);
        free(exact);
        config_free(config);
    }
    unsetenv("PBXHOOK_STORE_URL");
}

static void test_origins_stand_beside(void **state)
{
    (void)state;
    setenv("PBXHOOK_WORKERS", "1", 1);
    setenv("PBXHOOK_PLUGIN_A_B", "c", 1);
    struct config *config = load_environment();
    char *text = print_text(config, 1);
    assert_non_null(strstr(text, "\nworkers = 1 # PBXHOOK_WORKERS\n"));
    assert_non_null(strstr(text, "\nhandler_timeout = \"5s\" # default\n"));
    assert_non_null(strstr(text, "    a_b = \"c\" # PBXHOOK_PLUGIN_A_B\n"));
    free(text);
    config_free(config);
    unsetenv("PBXHOOK_WORKERS");
    unsetenv("PBXHOOK_PLUGIN_A_B");
}

/* Full of what means something in a file. */
static void make_hostile(char *out, size_t size, int only_utf8)
{
    static const char *const pieces[] = {
        "\"", "'",       "\\",  "\n",    "${", "}", "${HOME}", "$", "#", "//", "/*", "*/",
        "\t", "\x1b[2J", "\\n", "\\x41", "=",  "{", "\\\n",    ",", "é", "7",  "a",  "\r"};
    size_t used = 0;
    out[0] = '\0';
    while (used + 16 < size && dice(20) != 0) {
        if (only_utf8 || dice(2) == 0) {
            const char *piece = pieces[dice(sizeof pieces / sizeof pieces[0])];
            used += (size_t)snprintf(out + used, size - used, "%s", piece);
        } else {
            out[used++] = (char)(1 + dice(255));
            out[used] = '\0';
        }
    }
}

static void test_hostile_values(void **state)
{
    (void)state;
    for (int round = 0; round < HOSTILE_ROUNDS; round++) {
        char path[512] = "/";
        char value[512];
        make_hostile(path + 1, sizeof path - 1, 0);
        make_hostile(value, sizeof value, 1);
        setenv("PBXHOOK_STATE_DIR", path, 1);
        setenv("PBXHOOK_PLUGIN_A_B", value, 1);
        struct config *config = load_environment();
        assert_string_equal(config->state_dir, path);
        struct config *again = assert_round_trip(config);
        assert_string_equal(again->state_dir, path);
        assert_string_equal(config_plugin_option(again, "a", "b", NULL), value);
        config_free(again);
        config_free(config);
    }
    unsetenv("PBXHOOK_STATE_DIR");
    unsetenv("PBXHOOK_PLUGIN_A_B");
}

static void test_every_byte(void **state)
{
    (void)state;
    char path[300] = "/";
    for (int c = 1; c < 256; c++) {
        path[c] = (char)c;
        path[c + 1] = '\0';
    }
    setenv("PBXHOOK_STATE_DIR", path, 1);
    struct config *config = load_environment();
    struct config *again = assert_round_trip(config);
    assert_string_equal(again->state_dir, path);
    config_free(again);
    config_free(config);
    unsetenv("PBXHOOK_STATE_DIR");
}

static void test_a_worker_does_not_see_the_environment(void **state)
{
    (void)state;
    setenv("PBXHOOK_LISTEN", "127.0.0.1:1", 1);
    struct config *config = load_text("");
    assert_string_equal(config->listen, "127.0.0.1:3000");
    config_free(config);
    unsetenv("PBXHOOK_LISTEN");
}

/* Loads it; what is accepted must come back the same, what is refused must be told. */
static void try_garbage(const char *bytes, size_t size)
{
    struct config *config = NULL;
    char *errors = NULL;

    if (load_bytes(bytes, size, &config, &errors) == 0) {
        assert_string_equal(errors, "");
        config_free(assert_round_trip(config));
    } else {
        size_t told = strlen(errors);
        assert_true(told > 0 && errors[told - 1] == '\n');
        for (size_t i = 0; i < told; i++)
            assert_true(errors[i] == '\n' || (unsigned char)errors[i] >= ' ');
        assert_null(config);
    }
    config_free(config);
    free(errors);
}

static void test_garbage(void **state)
{
    (void)state;
    static const char *const words[] = {
        "listen", "workers", "webhook",      "{",         "}",       "=",        "+=",
        "\"",     "'",       "\n",           " ",         "#",       "//",       "/*",
        "*/",     "plugin",  "\"a\"",        "a_b",       "${X}",    "${",       "$",
        "\\",     "\\0",     "\\x41",        ",",         "(",       ")",        "5",
        "true",   "1MiB",    "cors_origins", "dashboard", "pbx",     "max_body", "|",
        "*",      "log",     "level",        "\"info\"",  "include", "root",     "127.0.0.1:1"};
    char bytes[1024];

    for (int round = 0; round < GARBAGE_ROUNDS; round++) {
        size_t size = 0;
        while (size + 16 < sizeof bytes && dice(40) != 0) {
            if (dice(30) == 0) {
                bytes[size++] = (char)dice(256);
                continue;
            }
            const char *word = words[dice(sizeof words / sizeof words[0])];
            memcpy(bytes + size, word, strlen(word));
            size += strlen(word);
            if (dice(2) == 0)
                bytes[size++] = ' ';
        }
        try_garbage(bytes, size);
    }
}

/* One change at a time in a file that is right. */
static void test_damaged_files(void **state)
{
    (void)state;
    struct config *config =
        load_text("webhook { max_body = 5KiB } dashboard { cors_origins = {\"*\"} }"
                  "plugin a { b = \"c\" }");
    char *text = print_text(config, 1);
    size_t size = strlen(text);

    for (int round = 0; round < GARBAGE_ROUNDS; round++) {
        char *damaged = strdup(text);
        assert_non_null(damaged);
        damaged[dice((uint32_t)size)] = (char)dice(256);
        try_garbage(damaged, dice(4) == 0 ? dice((uint32_t)size) : size);
        free(damaged);
    }
    free(text);
    config_free(config);
}

/* A person's file has a limit of 1000 options, and printed are nine for each target. */
static void test_many_targets(void **state)
{
    struct config *config = NULL;
    char *text = NULL, *errors = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    for (int i = 0; i < MANY_TARGETS; i++)
        fprintf(out, "target \"t%d\" { url = \"http://127.0.0.1/%d\" }\n", i, i);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(load_bytes_as(text, size, 1, &config, &errors), 0);
    config_free(assert_round_trip(config));
    config_free(config);
    free(errors);
    free(text);
}

/* As several files of a megabyte make it. */
static void test_much_to_print(void **state)
{
    char *value = NULL, *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    assert_true(asprintf(&value, "%*s", LONG_VALUE, "x") > 0);
    for (int i = 0; i < MANY_VALUES; i++)
        fprintf(out, "plugin p%d { a = \"%s\" }\n", i, value);
    assert_int_equal(fclose(out), 0);
    assert_non_null(text); /* glibc's fclose() does not tell */
    struct config *config = load_text(text);
    config_free(assert_round_trip(config));
    config_free(config);
    free(value);
    free(text);
}

static void assert_refused(const char *bytes, size_t size, const char *told)
{
    struct config *config = NULL;
    char *errors = NULL;

    assert_int_equal(load_bytes_as(bytes, size, 1, &config, &errors), -1);
    assert_non_null(strstr(errors, told));
    free(errors);
}

static char *make_bytes(size_t size, int byte)
{
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memset(bytes, byte, size);
    bytes[size] = '\0';
    return bytes;
}

static void test_huge_file(void **state)
{
    const size_t most = 1024 * 1024;
    char *bytes = make_bytes(most + 1, ' ');
    struct config *config = NULL;
    char *errors = NULL;

    (void)state;
    assert_int_equal(load_bytes_as(bytes, most, 1, &config, &errors), 0);
    config_free(config);
    free(errors);
    assert_refused(bytes, most + 1, ": found more than 1048576 bytes, wanted less\n");
    free(bytes);
}

/* Each another, as many as have room. */
static void test_too_many_options(void **state)
{
    const size_t size = (size_t)OPTIONS_BYTES;
    char *bytes = make_bytes(size, ' ');

    (void)state;
    for (size_t i = 0; i + 10 < size; i += 10) {
        char option[16];
        snprintf(option, sizeof option, "a%06zu=b ", i / 10 % 1000000);
        memcpy(bytes + i, option, 10);
    }
    assert_refused(bytes, size, ": found more than 1000 options, wanted less\n");
    free(bytes);
}

/* The library copies it whole for every 32 bytes of it. */
static void test_long_string(void **state)
{
    const size_t size = (size_t)STRING_BYTES;
    char *bytes = make_bytes(size, 'x');

    (void)state;
    memcpy(bytes, "listen=\"", 8);
    bytes[size - 1] = '"';
    assert_refused(bytes, size, "xxx...\", wanted HOST:PORT");
    free(bytes);
}

static void test_nul_bytes(void **state)
{
    (void)state;
    static const char text[] = "listen = \"127.0.0.1:1\"\n\0workers = 1\n";
    assert_refused(text, sizeof text - 1, ":2: found a NUL byte, wanted text\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_printed_form),
        cmocka_unit_test(test_password_in_the_store_url_is_masked),
        cmocka_unit_test(test_origins_stand_beside),
        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_a_worker_does_not_see_the_environment),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_many_targets),
        cmocka_unit_test(test_much_to_print),
        cmocka_unit_test(test_huge_file),
        cmocka_unit_test(test_too_many_options),
        cmocka_unit_test(test_long_string),
        cmocka_unit_test(test_nul_bytes),
    };
    return cmocka_run_group_tests_name("config_print", tests, forget_environment, NULL);
}
