/*
 * command_line_test.c: what a person meets: help, refusals that say what is wrong and where, and a
 * server that does not start rather than half.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define PBXHOOK PBXHOOK_BUILD_DIR "/pbxhook"

/* Runs `pbxhook FIRST SECOND THIRD` (NULL ends it) to its end. */
static struct process_result run(struct world *world, const char *first, const char *second,
                                 const char *third)
{
    const char *const words[] = {PBXHOOK, first, second, third, NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    return result;
}

static void check_holds(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\" is not in: %s", wanted, text);
}

/* Runs it, wants this exit status and each of the texts (NULL at the end) on stderr. */
static void check_refusal(struct world *world, const char *command, int exit_status,
                          const char *const *texts)
{
    struct process_result result = run(world, command, NULL, NULL);
    if (result.exit_status != exit_status)
        fail_msg("exit status %d, wanted %d: %s", result.exit_status, exit_status, result.errors);
    for (; *texts != NULL; texts++)
        check_holds(result.errors, *texts);
    assert_null(strstr(result.errors, "msg=listening"));
    process_forget(&result);
}

/* ---- Help and usage ------------------------------------------------------------------------------ */

static void test_help(struct world *world)
{
    static const char *const commands[] = {"serve",  "check", "plugins",
                                           "status", "prune", "forget"};
    struct process_result result = run(world, "--help", NULL, NULL);
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(result.errors, "");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        check_holds(result.output, commands[i]);
    process_forget(&result);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: pbxhook %s", commands[i]);
        result = run(world, commands[i], "--help", NULL);
        assert_int_equal(result.exit_status, 0);
        check_holds(result.output, usage);
        process_forget(&result);
    }
    result = run(world, "--version", NULL, NULL);
    assert_int_equal(result.exit_status, 0);
    check_holds(result.output, "pbxhook ");
    process_forget(&result);
}

static void test_wrong_usage(struct world *world)
{
    static const struct {
        const char *first, *second, *third, *wanted;
    } cases[] = {
        {NULL, NULL, NULL, "usage:"},
        {"sevre", NULL, NULL, "sevre"},
        {"--colour", NULL, NULL, "--colour"},
        {"check", "extra", NULL, "extra"},
        {"check", "-xq", NULL, "no such option: -x\n"},
        {"check", "-qx", NULL, "no such option: -x\n"},
        {"check", "--quiet=1", NULL, "no such option: --quiet=1\n"},
        {"check", "--config", NULL, "--config"},
        {"check", "--json", NULL, "check takes no --json"},
        {"serve", "-n", NULL, "serve takes no --dry-run"},
        {"status", "--quiet", NULL, "status takes no --quiet"},
        {"prune", NULL, NULL, "--older-than"},
        {"forget", NULL, NULL, "forget needs the caller's number"},
        {"forget", "1", "2", "one argument too many"},
        {"forget", "", NULL, "pbxhook forget: number: wanted a caller's number"},
        {"forget", "-", NULL, "pbxhook forget: number: wanted a caller's number"}, /* no stdin */
        {"dead-letters", "show", "1", "pbxhook dead-letters: found the id \"1\", wanted one"},
        {"prune", "--dry-run", NULL, "--older-than"},
        {"prune", "--older-than", NULL, "--older-than"},
        {"prune", "--older-than", "90", "\"1h\" to \"36500d\""},
        {"prune", "--older-than", "soon", "soon"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct process_result result = run(world, cases[i].first, cases[i].second, cases[i].third);
        assert_int_equal(result.exit_status, 2);
        assert_string_equal(result.output, "");
        check_holds(result.errors, cases[i].wanted);
        process_forget(&result);
    }
}

/* What only the server starts: by hand it says so, or why it can't, and ends. */
static void test_worker_by_hand(struct world *world)
{
    struct process_result result = run(world, "worker", NULL, NULL);
    assert_int_equal(result.exit_status, 2);
    check_holds(result.errors, "`pbxhook serve`");
    process_forget(&result);
    result = run(world, "worker", "0", NULL);
    assert_int_equal(result.exit_status, 78);
    check_holds(result.errors, "pbxhook worker: ");
    process_forget(&result);
}

/* ---- Configuration ------------------------------------------------------------------------------- */

static void test_check_and_plugins(struct world *world)
{
    struct process_result result = run(world, "check", NULL, NULL);
    if (result.exit_status != 0)
        fail_msg("check refuses: %s", result.errors);
    check_holds(result.output, "state_dir");
    check_holds(result.output, "PBXHOOK_STATE_DIR"); /* where its value comes from */
    check_holds(result.output, "call_standby");
    process_forget(&result);
    result = run(world, "plugins", NULL, NULL);
    assert_int_equal(result.exit_status, 0);
    check_holds(result.output, "call_standby");
    check_holds(result.output, "known_queue");
    check_holds(result.output, "901");
    process_forget(&result);
}

static void write_config(struct world *world, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "pbxhook.conf", path);
    scratch_write(path, text);
}

static void test_quiet_check(struct world *world)
{
    struct process_result result = run(world, "check", "--quiet", NULL);
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(result.output, "");
    assert_string_equal(result.errors, "");
    process_forget(&result);
}

/* What `serve` would refuse later, `check` tells at once: each with its place. */
static void test_check_opens_what_serve_will(struct world *world)
{
    static const char *const wanted[] = {
        "pbxhook.conf:2: webhook.secret_file: /nonexistent: No such file or directory",
        "pbxhook.conf:3: webhook.token_file: ",
        "pbxhook.conf:7: pbx.password_file: ",
        "pbxhook.conf:10: target \"crm\": ",
        "pbxhook.conf:14: tls.certificate_file: ",
        "pbxhook.conf:15: tls.key_file: ",
        NULL};
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "open", path);
    scratch_write(path, "secret\n");
    assert_int_equal(chmod(path, 0644), 0);
    write_config(world, "webhook {\n  secret_file = \"/nonexistent\"\n  token_file = \"open\"\n}\n"
                        "pbx {\n  user = \"u\"\n  password_file = \"open\"\n}\n"
                        "target \"crm\" {\n  url = \"http://127.0.0.1:1\"\n"
                        "  token_file = \"open\"\n}\n"
                        "tls {\n  certificate_file = \"none\"\n  key_file = \"open\"\n}\n");
    check_refusal(world, "check", 1, wanted);
    write_config(world, "pbx {\n  ca_file = \"open\"\n}\n");
    check_refusal(world, "check", 1,
                  (const char *const[]){"pbxhook.conf:2: pbx.ca_file: ", "no certificate", NULL});
}

static void test_places_that_can_not_be(struct world *world)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"PBXHOOK_DOWNLOAD_DIR", "/etc/passwd"},
        {"PBXHOOK_DOWNLOAD_DIR", "/nonexistent/downloads"},
        {"PBXHOOK_STORE_URL", "sqlite:/nonexistent/x.db"},
        {"PBXHOOK_STORE_URL", "sqlite:/etc"},
        {"PBXHOOK_STATE_DIR", "/etc/passwd"},
        {"PBXHOOK_STATE_DIR", "/etc/passwd/state"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const wanted[] = {cases[i].name, cases[i].value, NULL};
        struct environment *environment = &world->server.environment;
        int count = environment->count;
        environment_set(environment, cases[i].name, cases[i].value);
        check_refusal(world, "check", 1, wanted);
        check_refusal(world, "serve", 1, wanted);
        if (environment->count == count) /* it had one: the next takes its place */
            continue;
        free(environment->entry[--environment->count]);
        environment->entry[environment->count] = NULL;
    }
}

static void test_wrong_file(struct world *world)
{
    static const struct {
        const char *text;
        const char *wanted[4];
    } cases[] = {
        {"# one\nworkers = many\n", {"pbxhook.conf:2", "workers", "many"}},
        {"webhook {\n  max_bodi = 1000\n}\n", {"pbxhook.conf:2", "max_bodi"}},
        {"webhook {\n  unknown_events = \"drop\"\n}\n", {"pbxhook.conf:2", "drop", "keep"}},
        {"\n\npbx {\n  url = \"ftp://x\"\n}\n", {"pbxhook.conf:4", "ftp://x", "http"}},
        {"store {\n  url = \"mysql://x\"\n}\n", {"pbxhook.conf:2", "mysql", "sqlite:PATH"}},
        {"pbx {\n", {"pbxhook.conf:"}},
        {"plugin \"call_standby\" {\n  que = \"1\"\n}\n", {"pbxhook.conf:2", "que"}},
        {"plugin \"no_such\" {\n  a = \"1\"\n}\n", {"pbxhook.conf:2", "no_such"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_config(world, cases[i].text);
        check_refusal(world, "check", 1, cases[i].wanted);
    }
    write_config(world, "workers = many\n");
    check_refusal(world, "serve", 1, cases[0].wanted + 1);
}

/* All that is wrong is told at once. */
static void test_two_wrong_things(struct world *world)
{
    static const char *const wanted[] = {"pbxhook.conf:1", "pbxhook.conf:3", NULL};
    write_config(world, "workers = many\npbx {\n  deadline = soon\n}\n");
    check_refusal(world, "check", 1, wanted);
}

static void test_no_such_file(struct world *world)
{
    struct process_result result = run(world, "check", "--config", "/nonexistent/pbxhook.conf");
    assert_int_equal(result.exit_status, 1);
    check_holds(result.errors, "/nonexistent/pbxhook.conf");
    process_forget(&result);
}

static void test_wrong_variable(struct world *world)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"PBXHOOK_WEBHOOK_MAX_BODY", "lots"},
        {"PBXHOOK_LISTEN", "3000x"},
        {"PBXHOOK_PBX_DEADLINE", "-1s"},
        {"PBXHOOK_WEBHOOK_UNKNOWN_EVENTS", "drop"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const wanted[] = {cases[i].name, cases[i].value, NULL};
        struct environment *environment = &world->server.environment;
        environment_set(environment, cases[i].name, cases[i].value);
        check_refusal(world, "check", 1, wanted);
        check_refusal(world, "serve", 1, wanted);
        /* The last one set goes away again. */
        free(environment->entry[--environment->count]);
        environment->entry[environment->count] = NULL;
    }
}

static void test_file_and_environment(struct world *world)
{
    write_config(world, "plugin \"call_standby\" {\n  known_queue = \"600\"\n"
                        "  new_queue = \"601\"\n}\n");
    world_set(world, "PBXHOOK_PLUGIN_CALL_STANDBY_NEW_QUEUE", "602"); /* wins */
    world_start(world);
    for (int i = 0; i < 2; i++) {
        struct fake_pbx_action action;
        world_post(world, &(struct event_text){.type = "call.standby",
                                               .call_id = i == 0 ? "first" : "second",
                                               .their_number = "1199999999"});
        await(fake_pbx_count(world->pbx) == i + 1);
        fake_pbx_get(world->pbx, i, &action);
        assert_string_equal(action.destination, i == 0 ? "602" : "600");
    }
}

/* What is loaded with its options, and what is not with the reason, in one object. */
static void test_plugins_as_json(struct world *world)
{
    static const char *const names[] = {"bad_magic", "spy", NULL};
    json_error_t error;
    world_add_plugins(world, names);
    world_set(world, "PBXHOOK_PLUGIN_CALL_STANDBY_NEW_QUEUE", "905");
    struct process_result result = run(world, "plugins", "--json", NULL);
    assert_int_equal(result.exit_status, 1);
    assert_string_equal(result.errors, "");
    json_t *all = json_loads(result.output, 0, &error);
    if (all == NULL)
        fail_msg("%s: %s", error.text, result.output);
    const json_t *list = json_object_get(all, "plugins");
    const json_t *refused = json_object_get(all, "refused");
    assert_int_equal(json_array_size(list), 8);
    assert_int_equal(json_array_size(refused), 1);
    check_holds(json_string_value(json_array_get(refused, 0)), "bad_magic.so: found magic");
    const json_t *standby = json_array_get(list, 5);
    const json_t *option = json_array_get(json_object_get(standby, "options"), 1);
    assert_string_equal(json_string_value(json_object_get(standby, "name")), "call_standby");
    assert_string_equal(json_string_value(json_object_get(standby, "abi")), "1.0");
    assert_string_equal(json_string_value(json_array_get(json_object_get(standby, "events"), 0)),
                        "call.standby");
    assert_string_equal(json_string_value(json_object_get(option, "name")), "new_queue");
    assert_string_equal(json_string_value(json_object_get(option, "type")), "string");
    assert_string_equal(json_string_value(json_object_get(option, "default")), "901");
    assert_string_equal(json_string_value(json_object_get(option, "value")), "905");
    assert_string_equal(json_string_value(json_object_get(option, "origin")),
                        "PBXHOOK_PLUGIN_CALL_STANDBY_NEW_QUEUE");
    json_decref(all);
    process_forget(&result);
}

/* ---- Starting ------------------------------------------------------------------------------------ */

static void test_a_plugin_that_is_none(struct world *world)
{
    static const char *const wanted[] = {"readme.so", NULL};
    static const char *const names[] = {NULL};
    char path[SCRATCH_PATH];
    world_add_plugins(world, names);
    scratch_path(world->plugin_dir, "readme.so", path);
    scratch_write(path, "This is no shared object.\n");
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    check_refusal(world, "serve", 1, wanted);
    check_refusal(world, "check", 1, wanted);
    check_refusal(world, "plugins", 1, wanted);
}

static void test_no_plugin_directory(struct world *world)
{
    static const char *const wanted[] = {"/nonexistent/plugins", NULL};
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    world_set(world, "PBXHOOK_PLUGIN_DIR", "/nonexistent/plugins");
    check_refusal(world, "serve", 1, wanted);
}

static void test_port_in_use(struct world *world)
{
    char address[64];
    const char *const wanted[] = {address, "PBXHOOK_LISTEN", NULL};
    /* The PBX has it. */
    assert_int_equal(sscanf(fake_pbx_url(world->pbx), "http://%63[^/]", address), 1);
    world_set(world, "PBXHOOK_LISTEN", address);
    check_refusal(world, "serve", 1, wanted);
}

static void test_state_dir_is_a_file(struct world *world)
{
    char path[SCRATCH_PATH];
    const char *const wanted[] = {path, NULL};
    scratch_path(world->directory, "file", path);
    scratch_write(path, "\n");
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    world_set(world, "PBXHOOK_STATE_DIR", path);
    check_refusal(world, "serve", 1, wanted);
}

/* For root too, as a read-only directory would not be. */
static void test_state_dir_can_not_be_made(struct world *world)
{
    static const char *const wanted[] = {"/proc/pbxhook", NULL};
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    world_set(world, "PBXHOOK_STATE_DIR", "/proc/pbxhook");
    check_refusal(world, "serve", 1, wanted);
}

static void test_a_store_that_is_none(struct world *world)
{
    char path[SCRATCH_PATH], url[SCRATCH_PATH + 8];
    const char *const wanted[] = {path, NULL};
    scratch_path(world->directory, "photo.db", path);
    scratch_write(path, "This is no database, but long enough to look like one at first sight.\n");
    snprintf(url, sizeof url, "sqlite:%s", path);
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    world_set(world, "PBXHOOK_STORE_URL", url);
    check_refusal(world, "serve", 1, wanted);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"help", test_help},
        {"wrong usage", test_wrong_usage},
        {"worker by hand", test_worker_by_hand},
        {"check and plugins", test_check_and_plugins},
        {"plugins as JSON", test_plugins_as_json},
        {"quiet check", test_quiet_check},
        {"check opens what serve will", test_check_opens_what_serve_will},
        {"places that can't be", test_places_that_can_not_be},
        {"wrong file", test_wrong_file},
        {"two wrong things", test_two_wrong_things},
        {"no such file", test_no_such_file},
        {"wrong variable", test_wrong_variable},
        {"file and environment", test_file_and_environment},
        {"a plugin that is none", test_a_plugin_that_is_none},
        {"no plugin directory", test_no_plugin_directory},
        {"port in use", test_port_in_use},
        {"state_dir is a file", test_state_dir_is_a_file},
        {"state_dir can't be made", test_state_dir_can_not_be_made},
        {"a store that is none", test_a_store_that_is_none},
    };
    return WORLD_RUN("command_line", tests);
}
