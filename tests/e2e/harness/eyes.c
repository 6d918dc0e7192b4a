/* eyes.c: what can be seen of the server from outside: its store, its dashboard's numbers, its metrics. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <jansson.h>
#include <sqlite3.h>

#define BUSY_MS 5000

/* ---- The store ---------------------------------------------------------------------------------- */

/* Opens the store, binds the text and steps to the first row; NULL when there is none. */
static sqlite3_stmt *query(const struct world *world, const char *sql, const char *text,
                           sqlite3 **db)
{
    sqlite3_stmt *stmt = NULL;
    *db = NULL;
    if (sqlite3_open_v2(world->store_path, db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_busy_timeout(*db, BUSY_MS);
    if (sqlite3_prepare_v2(*db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return NULL; /* the tables are not made yet */
    if (text != NULL)
        sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        return stmt;
    sqlite3_finalize(stmt);
    return NULL;
}

const char *store_sql(const struct world *world, const char *sqlite, const char *postgresql)
{
    return world->database != NULL ? postgresql : sqlite;
}

int64_t store_int(const struct world *world, const char *sql, const char *text)
{
    if (world->database != NULL)
        return database_int(world->database, sql, text);
    sqlite3 *db = NULL;
    sqlite3_stmt *row = query(world, sql, text, &db);
    int64_t value = row != NULL ? sqlite3_column_int64(row, 0) : -1;
    sqlite3_finalize(row);
    sqlite3_close(db);
    return value;
}

char *store_text(const struct world *world, const char *sql, const char *text, char *out,
                 size_t out_size)
{
    if (world->database != NULL)
        return database_text(world->database, sql, text, out, out_size);
    sqlite3 *db = NULL;
    sqlite3_stmt *row = query(world, sql, text, &db);
    const char *value = row != NULL ? (const char *)sqlite3_column_text(row, 0) : NULL;
    snprintf(out, out_size, "%s", value != NULL ? value : "");
    sqlite3_finalize(row);
    sqlite3_close(db);
    return out;
}

void store_execute(const struct world *world, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(world->server.pid, 0);
    if (world->database != NULL) {
        database_execute(world->database, sql);
        return;
    }
    int code = sqlite3_open_v2(world->store_path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void store_check_json(const struct world *world, const char *sql, const char *text,
                      const char *wanted)
{
    char found[2048];
    store_text(world, sql, text, found, sizeof found);
    if (world->database == NULL) {
        assert_string_equal(found, wanted);
        return;
    }
    json_t *found_json = json_loads(found, 0, NULL);
    json_t *wanted_json = json_loads(wanted, 0, NULL);
    int is_equal = found_json != NULL && json_equal(found_json, wanted_json);
    json_decref(found_json);
    json_decref(wanted_json);
    if (!is_equal)
        fail_msg("found %s, wanted %s", found, wanted);
}

void store_break(struct world *world)
{
    const struct rlimit tight = {.rlim_cur = 16384, .rlim_max = RLIM_INFINITY};
    if (world->cluster != NULL)
        cluster_stop(world->cluster);
    else
        assert_int_equal(prlimit(server_worker_pid(&world->server), RLIMIT_FSIZE, &tight, NULL), 0);
}

void store_mend(struct world *world)
{
    if (world->cluster != NULL)
        cluster_start(world->cluster);
}

void store_await_events(const struct world *world, int64_t count)
{
    await(store_int(world, "SELECT count(*) FROM events", NULL) == count);
}

void store_await_handled(const struct world *world)
{
    await_for(2 * WAIT_LIMIT_MS,
              store_int(world, "SELECT count(*) FROM handlings WHERE state = 'retry'", NULL) == 0);
}

void store_check_status(const struct world *world, const char *call_id, const char *status)
{
    char found[64];
    assert_string_equal(store_text(world, "SELECT status FROM calls WHERE call_id = $1", call_id,
                                   found, sizeof found),
                        status);
}

/* ---- The dashboard ------------------------------------------------------------------------------ */

static char *make_wanted(const struct world_counts *wanted)
{
    json_t *json =
        json_pack("{s:{s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}}", "data", "userCount",
                  (json_int_t)wanted->users, "activeCallsCount", (json_int_t)wanted->active,
                  "eventCall", "new", (json_int_t)wanted->calls[0], "standby",
                  (json_int_t)wanted->calls[1], "waiting", (json_int_t)wanted->calls[2], "entered",
                  (json_int_t)wanted->calls[3], "ongoing", (json_int_t)wanted->calls[4], "left",
                  (json_int_t)wanted->calls[5], "finished", (json_int_t)wanted->calls[6]);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    assert_non_null(text);
    return text;
}

static void check_counts_by(struct world *world, const char *method, const char *wanted)
{
    assert_int_equal(client_send(world->client, method, "/api/dashboard/count", NULL, 0, NULL),
                     200);
    json_t *json = json_loads(world->client->body, 0, NULL);
    assert_non_null(json);
    char *found = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    assert_string_equal(found, wanted);
    free(found);
}

void dashboard_check(struct world *world, const struct world_counts *wanted)
{
    char *text = make_wanted(wanted);
    check_counts_by(world, "GET", text);
    check_counts_by(world, "POST", text);
    free(text);
}

/* ---- The metrics -------------------------------------------------------------------------------- */

double metric_get(struct world *world, const char *sample)
{
    size_t length = strlen(sample);
    assert_int_equal(client_get(world->client, "/metrics"), 200);
    for (const char *line = world->client->body; *line != '\0';) {
        if (strncmp(line, sample, length) == 0 && line[length] == ' ')
            return strtod(line + length, NULL);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    fail_msg("/metrics has no sample %s", sample);
    return -1;
}
