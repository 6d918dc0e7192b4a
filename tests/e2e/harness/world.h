/*
 * world.h: what each test has: a directory, a server that is not started yet, a PBX, a client, and
 * eyes for the store and the metrics. Tests are functions of a world; a failed one prints the end of
 * the server's log.
 *
 * The store is SQLite in the directory, or, with PBXHOOK_TEST_STORE=postgresql in the environment, a database of
 * the test's own in a cluster of the program's own. PBXHOOK_TEST_ONLY, a pattern as of the shell's files, picks
 * tests by their names; PBXHOOK_TEST_KEEP leaves the directory of one that failed.
 */
#ifndef E2E_WORLD_H
#define E2E_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "cluster.h"
#include "database.h"
#include "events.h"
#include "fake_pbx.h"
#include "scratch.h"
#include "server.h"
#include "wait.h"

#include "cmocka_all.h"

#define WORLD_OTHERS 2

struct world {
    char directory[SCRATCH_PATH];  /* removed in the end; state_dir is in it     */
    char store_path[SCRATCH_PATH]; /* of its SQLite store                        */
    char plugin_dir[SCRATCH_PATH]; /* a directory of the test's own, "" for none */
    struct server server;
    struct server other[WORLD_OTHERS]; /* more servers on the same database: world_add_server() */
    int others;
    struct cluster *cluster;   /* NULL: the store is SQLite                  */
    struct database *database; /* the store; NULL: SQLite                     */
    struct fake_pbx *pbx;      /* open */
    struct client *client;     /* NULL before world_start() */
};

struct world_test {
    const char *name;
    void (*run)(struct world *world);
};

enum world_store { WORLD_SQLITE, WORLD_POSTGRESQL };
/* What PBXHOOK_TEST_STORE says. */
enum world_store world_wanted_store(void);

/* Runs them, each in a new world; for main(). */
int world_run_tests(const char *group, enum world_store store, const struct world_test *tests,
                    size_t count);
#define WORLD_RUN_ON(group, store, tests)                                                          \
    world_run_tests(group, store, tests, sizeof(tests) / sizeof(tests)[0])
#define WORLD_RUN(group, tests) WORLD_RUN_ON(group, world_wanted_store(), tests)

/* Adds a server with a state directory of its own and all else as the first one has it now. It is started
 * and stopped by the test, or stopped at its end. */
struct server *world_add_server(struct world *world);

/* Sets a variable of all servers' environments, before they are started. */
void world_set(struct world *world, const char *name, const char *value);
/* The same with a duration, longer where this build is slower. */
void world_set_time(struct world *world, const char *name, int ms);

/* Preloads a library that the build made for the tests, "shifted_clock", into all servers. */
void world_preload(struct world *world, const char *name);

/* However slow the machine: no action is given up, and none is unknown for want of an answer in time. */
void world_give_actions_time(struct world *world);

/* Puts a PBX in place that refuses connections until the test opens it. */
void world_close_pbx(struct world *world);

/* Makes a plugin directory of its own with the seven and these (names without .so, NULL at the end),
 * which the build made for the tests. */
void world_add_plugins(struct world *world, const char *const *names);

/* Takes one of them away again. */
void world_remove_plugin(struct world *world, const char *name);

/* Writes the configuration file; what world_set() says goes before it. */
void world_configure(struct world *world, const char *text);

/* Starts the server and opens the client. Also for starting it again. */
void world_start(struct world *world);
/* The client, and so the dashboard and the metrics, are this server's from here on. */
void world_look_at(struct world *world, const struct server *server);

/* `pbxhook reload`, which succeeds. */
void world_reload(struct world *world);
/* The same in vain: it fails, says this, and the server is the same, worker and all. */
void world_reload_in_vain(struct world *world, const char *reason);

/* Posts one event and wants it acknowledged (204 or 200). */
void world_post(struct world *world, const struct event_text *event);

/* ---- The store ---------------------------------------------------------------------------------- */

/* The statement for this world's store, where the two differ. */
const char *store_sql(const struct world *world, const char *sqlite, const char *postgresql);

/* One integer, with $1 bound to text (may be NULL); -1 when there is no store or no row yet. */
int64_t store_int(const struct world *world, const char *sql, const char *text);
/* One text in a buffer of the caller's; "" when there is none. Returns out. */
char *store_text(const struct world *world, const char *sql, const char *text, char *out,
                 size_t out_size);

/* Changes the store by hand; no server may be running. */
void store_execute(const struct world *world, const char *sql);

/* Waits until so many events are in the store. */
void store_await_events(const struct world *world, int64_t count);
/* Waits until no plugin is to handle any of them again. */
void store_await_handled(const struct world *world);
/* Wants this JSON in the row's column: byte by byte on SQLite, its meaning on PostgreSQL. */
void store_check_json(const struct world *world, const char *sql, const char *text,
                      const char *wanted);

/* Takes the store away from the first server's worker: a file size limit that stands for a full disk, or the
 * cluster is stopped. store_mend() gives it back to who starts after it. */
void store_break(struct world *world);
void store_mend(struct world *world);

/* Wants this status of a call, "" for none. */
void store_check_status(const struct world *world, const char *call_id, const char *status);

/* ---- The dashboard and the metrics -------------------------------------------------------------- */

struct world_counts {
    int64_t users, active;
    int64_t calls[EVENTS_OF_CALL]; /* by present status, in the order of event_types */
};
/* Wants exactly these numbers of /api/dashboard/count, by GET and by POST. */
void dashboard_check(struct world *world, const struct world_counts *wanted);

/* A sample of /metrics, "name" or "name{label=\"value\"}"; fails the test when there is none. */
double metric_get(struct world *world, const char *sample);
#define metric_check(world, sample, value)                                                         \
    assert_int_equal((int64_t)metric_get(world, sample), (int64_t)(value))
#define metric_await(world, sample, value)                                                         \
    await((int64_t)metric_get(world, sample) == (int64_t)(value))

#endif
