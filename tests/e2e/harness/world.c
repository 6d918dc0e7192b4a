/* world.c: makes and clears the worlds, runs the tests in them. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sanitizers.h"

/* Made when a test needs it first; the program's tests run one after the other. */
static struct cluster cluster;

/* One test on its way through cmocka. */
struct run {
    const struct world_test *test;
    enum world_store store;
    struct world world;
    int passed;
};

enum world_store world_wanted_store(void)
{
    const char *name = getenv("PBXHOOK_TEST_STORE");
    if (name == NULL || strcmp(name, "sqlite") == 0)
        return WORLD_SQLITE;
    if (strcmp(name, "postgresql") == 0)
        return WORLD_POSTGRESQL;
    fprintf(stderr, "PBXHOOK_TEST_STORE: '%s' is neither sqlite nor postgresql\n", name);
    exit(2);
}

/* The first server, then the others. */
static struct server *server_at(struct world *world, int index)
{
    return index == 0 ? &world->server : &world->other[index - 1];
}

static void make_database(struct world *world)
{
    char url[SCRATCH_PATH];
    if (cluster.directory[0] == '\0')
        cluster_make(&cluster);
    if (cluster.pid == 0) /* the last test failed with it stopped */
        cluster_start(&cluster);
    world->cluster = &cluster;
    world->database = database_new(&cluster);
    cluster_url(&cluster, database_name(world->database), url);
    world_set(world, "PBXHOOK_STORE_URL", url);
}

void world_close_pbx(struct world *world)
{
    fake_pbx_free(world->pbx);
    world->pbx = fake_pbx_new();
    world_set(world, "PBXHOOK_PBX_URL", fake_pbx_url(world->pbx));
}

static int set_up(void **state)
{
    struct run *run = *state;
    struct world *world = &run->world;
    char path[SCRATCH_PATH];

    scratch_make(NULL, world->directory);
    environment_init(&world->server.environment);
    scratch_path(world->directory, "server.log", world->server.log_path);
    scratch_path(world->directory, "state", path);
    world_set(world, "PBXHOOK_STATE_DIR", path);
    scratch_path(world->directory, "state/pbxhook.db", world->store_path);
    scratch_path(world->directory, "pbxhook.conf", path);
    scratch_write(path, "# Nothing: the environment says it all.\n");
    world_set(world, "PBXHOOK_CONFIG", path);
    world_set(world, "PBXHOOK_PLUGIN_DIR", PBXHOOK_BUILD_DIR "/plugins");
    world_set(world, "PBXHOOK_LOG_LEVEL", "info");
    if (run->store == WORLD_POSTGRESQL)
        make_database(world);
    world_close_pbx(world);
    fake_pbx_open(world->pbx);
    return 0;
}

/* Orphaned workers come to this process; they leave by themselves when their receiver is gone. The cluster
 * stays. */
static int orphans_are_gone(void)
{
    pid_t child[64];
    int count = process_list_children(getpid(), child, 64);
    int left = 0;
    for (int i = 0; i < count; i++)
        left += child[i] != cluster.pid && !process_is_gone(child[i]);
    return left == 0;
}

static void reap_orphans(void)
{
    int64_t until_ms = wait_now_ms() + wait_stretch(WAIT_LIMIT_MS);
    while (wait_now_ms() < until_ms && !orphans_are_gone())
        wait_nap();
}

static void run_in_world(void **state)
{
    struct run *run = *state;
    struct world *world = &run->world;
    run->test->run(world);
    for (int i = 0; i <= world->others; i++) {
        if (server_at(world, i)->pid != 0)
            server_stop(server_at(world, i));
    }
    reap_orphans();
    sanitizers_check_files(world->directory); /* the logs of all runs are there */
    run->passed = 1;
}

static void end_server(struct server *server, int passed)
{
    if (!passed)
        server_print_log(server);
    if (server->pid == 0)
        return;
    pid_t worker[SERVER_WORKERS_MAX];
    int count = server_workers(server, worker);
    kill(server->pid, SIGKILL);
    for (int i = 0; i < count; i++)
        kill(worker[i], SIGKILL); /* it may be stopped, and would stay so */
}

static int tear_down(void **state)
{
    struct run *run = *state;
    struct world *world = &run->world;
    for (int i = 0; i <= world->others; i++)
        end_server(server_at(world, i), run->passed);
    if (!run->passed && world->cluster != NULL)
        cluster_print_log(world->cluster);
    fake_pbx_free(world->pbx);
    client_close(world->client);
    reap_orphans();
    database_free(world->database);
    for (int i = 0; i <= world->others; i++)
        environment_clear(&server_at(world, i)->environment);
    scratch_remove(world->plugin_dir);
    if (run->passed || getenv("PBXHOOK_TEST_KEEP") == NULL)
        scratch_remove(world->directory);
    return 0;
}

/* Many connections, and orphans to be seen to their end. */
static void prepare_process(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int world_run_tests(const char *group, enum world_store store, const struct world_test *tests,
                    size_t count)
{
    struct CMUnitTest *units = calloc(count, sizeof *units);
    struct run *runs = calloc(count, sizeof *runs);
    const char *only = getenv("PBXHOOK_TEST_ONLY");
    int failed = 1;
    if (only != NULL)
        cmocka_set_test_filter(only);
    if (units != NULL && runs != NULL) {
        prepare_process();
        for (size_t i = 0; i < count; i++) {
            runs[i].test = &tests[i];
            runs[i].store = store;
            units[i] = (struct CMUnitTest){.name = tests[i].name,
                                           .test_func = run_in_world,
                                           .setup_func = set_up,
                                           .teardown_func = tear_down,
                                           .initial_state = &runs[i]};
        }
        failed = _cmocka_run_group_tests(group, units, count, NULL, NULL);
        cluster_remove(&cluster);
    }
    free(units);
    free(runs);
    return failed;
}

void world_set(struct world *world, const char *name, const char *value)
{
    for (int i = 0; i <= world->others; i++)
        environment_set(&server_at(world, i)->environment, name, value);
}

void world_set_time(struct world *world, const char *name, int ms)
{
    char text[32];
    snprintf(text, sizeof text, "%dms", wait_stretch(ms));
    world_set(world, name, text);
}

/* By its name alone: LD_PRELOAD splits at blanks, which a build directory's path may have. */
void world_preload(struct world *world, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.so", name);
    world_set(world, "LD_LIBRARY_PATH", PBXHOOK_BUILD_DIR "/tests/e2e/preload");
    world_set(world, "LD_PRELOAD", file);
    if (PBXHOOK_SANITIZED) /* it wants to be the first library */
        world_set(world, "ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0");
}

void world_give_actions_time(struct world *world)
{
    world_set(world, "PBXHOOK_PBX_DEADLINE", "600s");
    world_set(world, "PBXHOOK_PBX_TIMEOUT", "60s");
}

struct server *world_add_server(struct world *world)
{
    char name[32], path[SCRATCH_PATH];
    assert_in_range(world->others, 0, WORLD_OTHERS - 1);
    struct server *server = &world->other[world->others++];
    environment_init(&server->environment);
    for (int i = 0; i < world->server.environment.count; i++) {
        char *entry = strdup(world->server.environment.entry[i]);
        assert_non_null(entry);
        char *value = strchr(entry, '=');
        *value = '\0';
        environment_set(&server->environment, entry, value + 1);
        free(entry);
    }
    snprintf(name, sizeof name, "state-%d", world->others + 1);
    scratch_path(world->directory, name, path);
    environment_set(&server->environment, "PBXHOOK_STATE_DIR", path);
    snprintf(name, sizeof name, "server-%d.log", world->others + 1);
    scratch_path(world->directory, name, server->log_path);
    return server;
}

static void link_plugin(const struct world *world, const char *from, const char *name)
{
    char target[SCRATCH_PATH], path[SCRATCH_PATH], file[128];
    snprintf(file, sizeof file, "%s.so", name);
    scratch_path(from, file, target);
    scratch_path(world->plugin_dir, file, path);
    assert_int_equal(symlink(target, path), 0);
}

void world_add_plugins(struct world *world, const char *const *names)
{
    static const char *const seven[] = {"call_new",      "call_standby", "call_waiting",
                                        "actor_entered", "call_ongoing", "actor_left",
                                        "call_finished"};
    /* In the build tree, because the server trusts no plugin under a place like /tmp. */
    if (world->plugin_dir[0] == '\0') {
        scratch_make(PBXHOOK_BUILD_DIR "/tests/e2e", world->plugin_dir);
        for (size_t i = 0; i < sizeof seven / sizeof seven[0]; i++)
            link_plugin(world, PBXHOOK_BUILD_DIR "/plugins", seven[i]);
        world_set(world, "PBXHOOK_PLUGIN_DIR", world->plugin_dir);
    }
    for (; *names != NULL; names++)
        link_plugin(world, PBXHOOK_BUILD_DIR "/tests/e2e/plugins", *names);
}

void world_remove_plugin(struct world *world, const char *name)
{
    char path[SCRATCH_PATH], file[128];
    snprintf(file, sizeof file, "%s.so", name);
    scratch_path(world->plugin_dir, file, path);
    assert_int_equal(unlink(path), 0);
}

void world_configure(struct world *world, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "pbxhook.conf", path);
    scratch_write(path, text);
}

void world_start(struct world *world)
{
    server_start(&world->server);
    client_close(world->client);
    world->client = client_open(world->server.port);
    fake_pbx_set_webhook(world->pbx, world->server.port);
}

void world_look_at(struct world *world, const struct server *server)
{
    world->client->port = server->port;
}

static struct process_result reload(struct world *world)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "reload", NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    return result;
}

void world_reload(struct world *world)
{
    struct process_result result = reload(world);
    if (result.exit_status != 0 || strstr(result.output, "Reloaded") == NULL)
        fail_msg("reload ended with %d: %s%s", result.exit_status, result.output, result.errors);
    process_forget(&result);
}

void world_reload_in_vain(struct world *world, const char *reason)
{
    pid_t worker = server_worker_pid(&world->server);
    struct process_result result = reload(world);
    assert_int_equal(result.exit_status, 1);
    if (strstr(result.errors, reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, result.errors);
    process_forget(&result);
    assert_int_equal(server_worker_pid(&world->server), worker);
}

void world_post(struct world *world, const struct event_text *event)
{
    char *body = event_seed(event);
    int status = client_post(world->client, ROUTE_SEED, body);
    free(body);
    if (status != 204)
        fail_msg("%s of %s was answered with %d: %s", event->type, event->call_id, status,
                 world->client->body);
}
