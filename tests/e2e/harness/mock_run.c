/* mock_run.c: see mock_run.h. */
#include "mock_run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_LIMIT_MS 120000
#define WORDS_MAX    48

/* Where the server sends its actions is mock-pbx's place now. */
static void take_place(struct world *world, char listen[64])
{
    assert_int_equal(sscanf(fake_pbx_url(world->pbx), "http://%63[^/]", listen), 1);
    fake_pbx_free(world->pbx);
    world->pbx = NULL;
}

static int read_port(const char *path)
{
    char *text = scratch_read(path);
    int port = atoi(text);
    free(text);
    return port;
}

void mock_start(struct world *world, int webhook_port, const char *const *words,
                struct mock_run *out)
{
    char webhook[64], listen[64], port_path[SCRATCH_PATH];
    const char *all[WORDS_MAX] = {PBXHOOK_BUILD_DIR "/tests/mock_pbx/mock-pbx",
                                  "--webhook",
                                  webhook,
                                  "--listen",
                                  listen,
                                  "--port-file",
                                  port_path,
                                  "--report",
                                  out->report_path};
    for (int count = 9; *words != NULL; words++) {
        assert_true(count < WORDS_MAX - 1);
        all[count++] = *words;
    }
    snprintf(webhook, sizeof webhook, "http://127.0.0.1:%d", webhook_port);
    take_place(world, listen);
    scratch_path(world->directory, "mock.port", port_path);
    scratch_path(world->directory, "mock.json", out->report_path);
    scratch_path(world->directory, "mock.errors", out->errors_path);
    unlink(port_path);
    out->pid = process_start(all, &world->server.environment, NULL, out->errors_path);
    await(read_port(port_path) > 0);
    out->client = client_open(read_port(port_path));
}

int mock_end(struct mock_run *mock, int stop, json_t **report)
{
    if (stop)
        assert_int_equal(kill(mock->pid, SIGTERM), 0);
    int status = process_wait(mock->pid, RUN_LIMIT_MS);
    client_close(mock->client);
    if (!WIFEXITED(status))
        fail_msg("mock-pbx ended with status %d", status);
    if (WEXITSTATUS(status) != 0)
        scratch_print_end(mock->errors_path, "mock-pbx");
    if (report != NULL) {
        *report = json_load_file(mock->report_path, 0, NULL);
        assert_non_null(*report);
    }
    return WEXITSTATUS(status);
}

int mock_run(struct world *world, const char *const *words, json_t **report)
{
    struct mock_run mock;
    mock_start(world, world->server.port, words, &mock);
    return mock_end(&mock, 0, report);
}

double mock_number(const json_t *report, const char *part, const char *member)
{
    const json_t *number = json_object_get(json_object_get(report, part), member);
    if (!json_is_number(number))
        fail_msg("mock-pbx reports no %s.%s", part, member);
    return json_number_value(number);
}

int mock_is_ok(const json_t *report)
{
    const json_t *ok = json_object_get(report, "ok");
    assert_true(json_is_boolean(ok));
    return json_is_true(ok);
}

static json_t *ask_stats(struct mock_run *mock)
{
    assert_int_equal(client_get(mock->client, "/stats"), 200);
    json_t *stats = json_loads(mock->client->body, 0, NULL);
    assert_non_null(stats);
    return stats;
}

double mock_stats(struct mock_run *mock, const char *part, const char *member)
{
    json_t *stats = ask_stats(mock);
    double value = mock_number(stats, part, member);
    json_decref(stats);
    return value;
}

int mock_stats_are_ok(struct mock_run *mock)
{
    json_t *stats = ask_stats(mock);
    int ok = mock_is_ok(stats);
    json_decref(stats);
    return ok;
}
