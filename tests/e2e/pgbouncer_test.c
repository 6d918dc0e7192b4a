/*
 * pgbouncer_test.c: PgBouncer between the server and PostgreSQL, pooling sessions: all is as without it, also
 * when it is killed under load.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "truth.h"

#define CALLS   150
#define THREADS 4
#define PORT    "6432" /* a part of its socket's name */

/* In the cluster's directory, as the cluster's user: it refuses to be root's. */
static void configure(struct world *world)
{
    char path[SCRATCH_PATH], text[2048], url[2 * SCRATCH_PATH];
    const char *directory = world->cluster->directory;
    snprintf(text, sizeof text,
             "[databases]\n"
             "* = host=%s port=" CLUSTER_PORT "\n"
             "[pgbouncer]\n"
             "pool_mode = session\n"
             "listen_addr =\n"
             "listen_port = " PORT "\n"
             "unix_socket_dir = %s\n"
             "auth_type = trust\n"
             "auth_file = %s/users.txt\n"
             "server_reset_query = DISCARD ALL\n",
             directory, directory, directory);
    scratch_path(directory, "pgbouncer.ini", path);
    scratch_write(path, text);
    scratch_path(directory, "users.txt", path);
    scratch_write(path, "\"" CLUSTER_USER "\" \"\"\n");
    snprintf(url, sizeof url, "postgresql:///%s?host=%s&port=" PORT "&user=" CLUSTER_USER,
             database_name(world->database), directory);
    world_set(world, "PBXHOOK_STORE_URL", url);
}

static pid_t start_pgbouncer(struct world *world)
{
    char ini[SCRATCH_PATH], log[SCRATCH_PATH], socket[SCRATCH_PATH];
    const struct cluster *cluster = world->cluster;
    scratch_path(cluster->directory, "pgbouncer.ini", ini);
    scratch_path(cluster->directory, "pgbouncer.log", log);
    scratch_path(cluster->directory, ".s.PGSQL." PORT, socket);
    unlink(socket); /* of one that was killed */
    const char *const words[] = {PBXHOOK_PGBOUNCER, ini, NULL};
    pid_t pid = process_start_as(cluster->has_user ? &cluster->user : NULL, words,
                                 &cluster->environment, NULL, log);
    await(access(socket, F_OK) == 0);
    return pid;
}

static void start(struct world *world)
{
    world_set(world, "PBXHOOK_WORKERS", "2");
    world_give_actions_time(world);
    world_start(world);
    metric_await(world, "pbxhook_workers_ready", 2);
}

static void test_sessions(struct world *world)
{
    configure(world);
    pid_t pgbouncer = start_pgbouncer(world);
    start(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    load_finish(load);
    truth_check(world, &(struct truth){.prefix = "call", .calls = CALLS});
    assert_int_equal(server_log_count(&world->server, "level=error", NULL), 0);
    server_stop(&world->server);
    assert_int_equal(kill(pgbouncer, SIGKILL), 0);
    await(process_is_gone(pgbouncer));
}

static void test_killed_under_load(struct world *world)
{
    configure(world);
    pid_t pgbouncer = start_pgbouncer(world);
    start(world);
    struct load *load = load_start(&world->server, "call", CALLS, THREADS);
    for (int i = 1; i <= 3; i++) {
        await(load_acknowledged(load) >= i * CALLS * EVENTS_OF_CALL / 4);
        assert_int_equal(kill(pgbouncer, SIGKILL), 0);
        await(process_is_gone(pgbouncer));
        pgbouncer = start_pgbouncer(world);
    }
    int failures = load_failures(load);
    load_finish(load);
    assert_int_equal(failures, 0);
    truth_check(world, &(struct truth){.prefix = "call", .calls = CALLS});
    server_stop(&world->server);
    assert_int_equal(kill(pgbouncer, SIGKILL), 0);
    await(process_is_gone(pgbouncer));
}

int main(void)
{
    static const struct world_test tests[] = {
        {"sessions", test_sessions},
        {"killed under load", test_killed_under_load},
    };
    return WORLD_RUN_ON("pgbouncer", WORLD_POSTGRESQL, tests);
}
