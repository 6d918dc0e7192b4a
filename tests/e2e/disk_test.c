/*
 * disk_test.c: disks that are full, files that are damaged. While it lasts the PBX hears 503 and nothing is
 * acknowledged that is not safe; then all goes on without a restart. A damaged file is refused with what to
 * do, and never written to. As root the full disk is a small tmpfs; else a limit of the files' size.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define POSTS_MAX 3000
#define BODY_PAD  2000 /* bytes, so that a few hundred events fill it */

static int post(struct world *world, int i)
{
    char call_id[32], body[BODY_PAD + 256];
    snprintf(call_id, sizeof call_id, "call-%d", i);
    snprintf(body, sizeof body, "{\"type\":\"call.new\",\"call_id\":\"%s\",\"pad\":\"%0*d\"}",
             call_id, BODY_PAD, 0);
    return client_post(world->client, ROUTE_FLAT, body);
}

/* Posts until one is refused; how many were acknowledged, `next` and up. */
static int post_until_refused(struct world *world, int next)
{
    int status = 200;
    while (next < POSTS_MAX && (status = post(world, next)) == 200)
        next++;
    if (status != 503)
        fail_msg("post %d was answered %d: %s", next, status, world->client->body);
    assert_true(strtol(client_header(world->client, "Retry-After"), NULL, 10) > 0);
    return next;
}

/* ---- A disk of a test's own ------------------------------------------------------------------------ */

struct disk {
    char path[SCRATCH_PATH];
    int is_mounted;
};

/* 0 when there is none to be had: the caller falls back on a file size limit. */
static int disk_mount(struct world *world, struct disk *disk)
{
    scratch_path(world->directory, "disk", disk->path);
    assert_int_equal(mkdir(disk->path, 0700), 0);
    disk->is_mounted = mount("none", disk->path, "tmpfs", 0, "size=2m") == 0;
    return disk->is_mounted;
}

static void disk_unmount(struct disk *disk)
{
    if (disk->is_mounted)
        umount2(disk->path, MNT_DETACH);
}

static void disk_fill(const struct disk *disk)
{
    char path[SCRATCH_PATH], block[4096] = {0};
    scratch_path(disk->path, "ballast", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void disk_make_room(const struct disk *disk)
{
    char path[SCRATCH_PATH];
    scratch_path(disk->path, "ballast", path);
    assert_int_equal(unlink(path), 0);
}

static void set_file_limit(pid_t pid, rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* ---- The spool -------------------------------------------------------------------------------------- */

/* What was acknowledged, and what came after it. */
static void check_recovered(struct world *world, int acknowledged)
{
    await(post(world, acknowledged) == 200);
    store_await_events(world, acknowledged + 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), acknowledged + 1);
    metric_await(world, "pbxhook_spool_events", 0);
    assert_int_equal(client_get(world->client, "/readyz"), 200);
    assert_int_equal(server_log_count(&world->server, "msg=\"spool can't be written", NULL), 1);
    assert_int_equal(server_log_count(&world->server, "msg=\"spool can be written again\"", NULL),
                     1);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

static void fill_spool_disk(struct world *world, struct disk *disk)
{
    char store[SCRATCH_PATH + 16];
    snprintf(store, sizeof store, "sqlite:%s/store.db", world->directory);
    world_set(world, "PBXHOOK_STATE_DIR", disk->path);
    world_set(world, "PBXHOOK_STORE_URL", store);
    scratch_path(world->directory, "store.db", world->store_path);
    world_start(world);
    assert_int_equal(post(world, 0), 200);
    store_await_events(world, 1);
    disk_fill(disk);
    int acknowledged = post_until_refused(world, 1);
    assert_int_equal(client_get(world->client, "/readyz"), 503);
    disk_make_room(disk);
    check_recovered(world, acknowledged);
}

static void test_spool_disk_full(struct world *world)
{
    struct disk disk;
    if (!disk_mount(world, &disk)) {
        print_message("no mounting here: the file size limit below stands for it\n");
        return;
    }
    fill_spool_disk(world, &disk);
    server_stop(&world->server);
    disk_unmount(&disk);
}

static void test_spool_file_limit(struct world *world)
{
    world_start(world);
    assert_int_equal(post(world, 0), 200);
    store_await_events(world, 1);
    set_file_limit(world->server.pid, 8192);
    int acknowledged = post_until_refused(world, 1);
    set_file_limit(world->server.pid, RLIM_INFINITY);
    check_recovered(world, acknowledged);
}

/* ---- The store -------------------------------------------------------------------------------------- */

/* It waits in the spool meanwhile, and the worker that can't write is not the plugins' fault. */
static void test_store_file_limit(struct world *world)
{
    enum { EVENTS = 60 };
    world_start(world);
    assert_int_equal(post(world, 0), 200);
    store_await_events(world, 1);
    set_file_limit(server_worker_pid(&world->server), 16384);
    for (int i = 1; i < EVENTS; i++)
        assert_int_equal(post(world, i), 200);
    await(server_log_count(&world->server, "msg=\"store failed", NULL) == 1);
    assert_true(metric_get(world, "pbxhook_spool_events") > 0);
    set_file_limit(server_worker_pid(&world->server), RLIM_INFINITY);
    store_await_events(world, EVENTS);
    metric_await(world, "pbxhook_spool_events", 0);
    await(server_log_count(&world->server, "msg=\"works again\"", NULL) == 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM handlings", NULL), 0);
    metric_check(world, "pbxhook_worker_restarts_total", 0);
}

/* ---- Damage ----------------------------------------------------------------------------------------- */

static void read_bytes(const char *path, char **bytes, size_t *size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    FILE *out = open_memstream(bytes, size);
    assert_non_null(out);
    int c;
    while ((c = getc(file)) != EOF)
        putc(c, out);
    fclose(file);
    assert_int_equal(fclose(out), 0);
}

/* Makes a state directory with one event in it, then writes over the head of one of its files. */
static void damage(struct world *world, const char *name, char path[SCRATCH_PATH])
{
    static const char rubbish[512] = "this was a database once";
    char state[SCRATCH_PATH];
    world_start(world);
    assert_int_equal(post(world, 0), 200);
    store_await_events(world, 1);
    server_stop(&world->server);
    scratch_path(world->directory, "state", state);
    scratch_path(state, name, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, 0), sizeof rubbish);
    close(fd);
}

/* The start is refused, the text says of which file and what to do, and the file is as it was. */
static void check_refused(struct world *world, const char *name, const char *advice)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    struct process_result result;
    char path[SCRATCH_PATH];
    char *before = NULL, *after = NULL;
    size_t before_size = 0, after_size = 0;
    damage(world, name, path);
    read_bytes(path, &before, &before_size);
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, path) == NULL || strstr(result.errors, advice) == NULL)
        fail_msg("the refusal does not say what to do with %s: %s", path, result.errors);
    assert_null(strstr(result.errors, "msg=listening"));
    process_forget(&result);
    read_bytes(path, &after, &after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    free(before);
    free(after);
}

static void test_damaged_spool(struct world *world)
{
    check_refused(world, "spool.db", "move it away");
}

static void test_damaged_store(struct world *world)
{
    check_refused(world, "pbxhook.db", "restore a backup");
}

int main(void)
{
    static const struct world_test tests[] = {
        {"spool's disk is full", test_spool_disk_full},
        {"spool's file is at its limit", test_spool_file_limit},
        {"store's file is at its limit", test_store_file_limit},
        {"damaged spool", test_damaged_spool},
        {"damaged store", test_damaged_store},
    };
    return WORLD_RUN("disk", tests);
}
