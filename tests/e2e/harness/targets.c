/* targets.c: see targets.h. */
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>

#define PLUGINS_MAX 8

static void write_secret(struct world *world, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, name, path);
    scratch_write_secret(path, text);
}

static void add_plugins(struct world *world, const char *const *more)
{
    const char *names[PLUGINS_MAX + 1] = {"crm_notify", "recordings"};
    for (size_t count = 2; more != NULL && more[0] != NULL; more++) {
        assert_true(count < PLUGINS_MAX);
        names[count++] = more[0];
    }
    world_add_plugins(world, names);
}

void targets_open(struct world *world, const char *crm_more, const char *const *plugins,
                  struct targets *out)
{
    char path[SCRATCH_PATH], text[2048];
    out->crm = fake_target_new();
    out->files = fake_target_new();
    write_secret(world, "token", "t0ken\n");
    write_secret(world, "password", "s3cret\n");
    scratch_path(world->directory, "targets.conf", path);
    snprintf(text, sizeof text,
             "target \"crm\" { url = \"http://127.0.0.1:%d/api/\" token_file = \"token\" %s }\n"
             "target \"pbx_files\" { url = \"http://127.0.0.1:%d\" user = \"ann\"\n"
             "    password_file = \"password\" max_download = \"1MiB\" }\n",
             fake_target_port(out->crm), crm_more, fake_target_port(out->files));
    scratch_write(path, text);
    world_set(world, "PBXHOOK_CONFIG", path);
    add_plugins(world, plugins);
}

void targets_close(struct targets *targets)
{
    fake_target_free(targets->crm);
    fake_target_free(targets->files);
    *targets = (struct targets){.crm = NULL};
}

void targets_finish_call(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){.type = "call.finished",
                                           .call_id = call_id,
                                           .their_number = "+5511900000001"});
}

void targets_announce(struct world *world, const struct targets *targets, const char *call_id,
                      const char *path)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"type\":\"call.recording-available\",\"call_id\":\"%s\","
             "\"url\":\"http://127.0.0.1:%d%s\"}",
             call_id, fake_target_port(targets->files), path);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, body), 200);
}

int64_t targets_count(const struct world *world, const char *state)
{
    return store_int(world, "SELECT count(*) FROM pbxhook_deliveries WHERE state = $1", state);
}

int64_t targets_recordings(const struct world *world, const char *state)
{
    return store_int(world, "SELECT count(*) FROM recordings_list WHERE state = $1", state);
}
