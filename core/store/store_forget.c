/*
 * store_forget.c: takes a caller's number, and what came with his calls, out of every table. Written once for all
 * databases, in SQL that they share: it runs once in a while, and looks at every record. A step looks at the
 * next ids of one table, whatever they hold, so that it is short; what it finds it changes in the same
 * transaction. It never touches what plugins keep in tables of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_backend.h"

/* Calls before what is looked at by itself: by then nothing is left of the caller's own in there. */
enum kind { USERS, CALLS, EVENTS, PAYLOADS, ACTIONS, HANDLINGS, KIND_COUNT };

#define SQL_SIZE 1600

struct run {
    struct store *store;
    const struct forgetting *forgetting;
    struct store_forgotten *forgotten;
    int dry_run;
    int rows_left; /* of this step */
    int is_before; /* the call in hand is of somebody who was forgotten before */
};

/* ---- SQL of either dialect -------------------------------------------------------------------------- */

static int is_sqlite(const struct run *run)
{
    return strcmp(run->store->backend->dialect, "sqlite") == 0;
}

/* What a text of JSON has that may stand for a part of the number: digits are escaped in one way alone. */
static const char *escaped_of(const struct run *run)
{
    return run->forgetting->is_phone ? "\\u00" : "\\";
}

/*
 * Writes a statement for this database: @ is where its tables are, [x] is x without separators, {x} whether x
 * may hold the number of $3: a first look, what JSON escapes included. ~ locks the row.
 */
static void write_sql(const struct run *run, const char *pattern, char out[SQL_SIZE])
{
    static const char *const marks = "@[]{}~";
    static const char *const sqlite[] = {
        "",
        "replace(replace(replace(replace(replace(",
        ",' ',''),'-',''),'.',''),'(',''),')','')",
        "(instr(replace(replace(replace(replace(replace(",
        ",' ',''),'-',''),'.',''),'(',''),')',''), $3) > 0 OR instr(",
        ""};
    static const char *const postgres[] = {"pbxhook.",
                                           "translate(CAST(",
                                           " AS text), ' -.()', '')",
                                           "(strpos(translate(CAST(",
                                           " AS text), ' -.()', ''), $3) > 0 OR strpos(CAST(",
                                           " FOR NO KEY UPDATE"};
    const char *const *words = is_sqlite(run) ? sqlite : postgres;
    size_t used = 0;
    const char *column = "";
    for (const char *at = pattern; *at != '\0'; at++) {
        const char *mark = strchr(marks, *at);
        const char *word = mark == NULL ? NULL : words[mark - marks];
        if (word == NULL)
            used += (size_t)snprintf(out + used, SQL_SIZE - used, "%c", *at);
        else
            used += (size_t)snprintf(out + used, SQL_SIZE - used, "%s", word);
        if (*at == '{')
            column = at + 1;
        else if (*at == '}') /* the column once more, for what is escaped */
            used += (size_t)snprintf(out + used, SQL_SIZE - used, "%.*s%s, '%s') > 0)",
                                     (int)(at - column), column, is_sqlite(run) ? "" : " AS text)",
                                     escaped_of(run));
    }
}

static struct store_value integer(int64_t value)
{
    return (struct store_value){.type = STORE_INT64, .as = {.integer = value}};
}

static struct store_value text(const char *value)
{
    if (value == NULL)
        return (struct store_value){.type = STORE_NULL};
    return (struct store_value){.type = STORE_TEXT, .as = {.text = value}};
}

#define PARAMS(...)                                                                                \
    (const struct store_value[]){__VA_ARGS__},                                                     \
        (uint32_t)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))

static int ask(const struct run *run, const char *pattern, const struct store_value *params,
               uint32_t count, store_row_fn row, void *arg)
{
    char sql[SQL_SIZE];
    write_sql(run, pattern, sql);
    run->store->owns_sql = 1;
    int result = store_sql(run->store, sql, params, count, row, arg, NULL);
    run->store->owns_sql = 0;
    /* A statement of our own that is refused is a failure, not a plugin's fault. */
    return result == STORE_E_SQL ? STORE_E_FAILED : result;
}

/* A change; with dry_run it is only counted, by who asks. */
static int change(const struct run *run, const char *pattern, const struct store_value *params,
                  uint32_t count)
{
    return run->dry_run ? 0 : ask(run, pattern, params, count, NULL, NULL);
}

static int no_memory(const struct run *run)
{
    return store_fail(run->store, STORE_E_MEMORY, "out of memory");
}

/* ---- Rows ------------------------------------------------------------------------------------------- */

#define TEXTS_MAX 4

/* A row of an id and texts, copied: what is found is changed once all of it is there. */
struct row {
    struct row *next;
    int64_t id;
    char *text[TEXTS_MAX]; /* "" for NULL */
};

struct rows {
    struct row *first, **last;
    int count, failed;
};

static int take_row(void *arg, const struct store_value *values, uint32_t count)
{
    struct rows *rows = arg;
    struct row *row = calloc(1, sizeof *row);
    if (row == NULL) {
        rows->failed = 1;
        return 1;
    }
    *rows->last = row;
    rows->last = &row->next;
    rows->count++;
    row->id = values[0].as.integer;
    for (uint32_t i = 1; i < count; i++) {
        row->text[i - 1] =
            values[i].type == STORE_TEXT ? strndup(values[i].as.text, values[i].size) : strdup("");
        rows->failed |= row->text[i - 1] == NULL;
    }
    return rows->failed;
}

static void free_rows(struct rows *rows)
{
    while (rows->first != NULL) {
        struct row *next = rows->first->next;
        for (int i = 0; i < TEXTS_MAX; i++)
            free(rows->first->text[i]);
        free(rows->first);
        rows->first = next;
    }
}

/* The rows of a query, for free_rows() either way. */
static int find(const struct run *run, const char *pattern, const struct store_value *params,
                uint32_t count, struct rows *out)
{
    *out = (struct rows){.last = &out->first};
    int result = ask(run, pattern, params, count, take_row, out);
    return out->failed ? no_memory(run) : result;
}

/* Asks for the rows and does something with each. */
typedef int (*row_fn)(struct run *run, const struct row *row);

static int for_each(struct run *run, const char *pattern, const struct store_value *params,
                    uint32_t count, row_fn fn)
{
    struct rows rows;
    int result = find(run, pattern, params, count, &rows);
    for (const struct row *row = rows.first; row != NULL && result >= 0; row = row->next)
        result = fn(run, row);
    free_rows(&rows);
    return result < 0 ? result : 0;
}

/*
 * By its their_number. One that has a token there was forgotten while it went on, or what was to be sent for it:
 * whoever's it was, what came since goes as well.
 */
static int is_forgotten_call(const struct run *run, const char *number)
{
    return forgetting_is(run->forgetting, number) || forgetting_is_token(number);
}

/*
 * Whether it is one of the caller's calls, which were counted as such. Of a dry run alone: else nothing tells so
 * any more by then.
 */
static int is_counted(struct run *run, const char *pattern, struct store_value which)
{
    struct rows rows;
    if (!run->dry_run)
        return 0;
    int result = find(run, pattern, &which, 1, &rows);
    if (result >= 0)
        result = rows.first != NULL && is_forgotten_call(run, rows.first->text[0]);
    free_rows(&rows);
    return result;
}

/* ---- Users ------------------------------------------------------------------------------------------- */

/* Text: number. */
static int forget_user(struct run *run, const struct row *row)
{
    if (!forgetting_is(run->forgetting, row->text[0]))
        return 0;
    run->forgotten->users++;
    if (run->dry_run)
        return 0;
    run->store->delta.users--;
    return change(run, "DELETE FROM @users WHERE id = $1", PARAMS(integer(row->id)));
}

/* ---- What belongs to an event or a call ---------------------------------------------------------------- */

/* On PostgreSQL a handling keeps its event's body. */
static int write_handlings(struct run *run, int64_t event_id, const char *error, const char *body)
{
    if (is_sqlite(run))
        return change(run, "UPDATE @handlings SET error = $2 WHERE event_id = $1",
                      PARAMS(integer(event_id), text(error)));
    return change(run,
                  "UPDATE @handlings SET error = $2, body = CASE WHEN body IS NULL THEN NULL "
                  "ELSE $3 END WHERE event_id = $1",
                  PARAMS(integer(event_id), text(error), text(body)));
}

/* One more: for the number in hand if it is in there, or the call is his. */
static void count_change(struct run *run, int64_t *counter, int has_number)
{
    *(run->is_before && !has_number ? &run->forgotten->came_since : counter) += 1;
}

/* Text: plugin. Of a caller's event, reduced already. */
static int count_handling(struct run *run, const struct row *row)
{
    (void)row;
    count_change(run, &run->forgotten->handlings, 0);
    return 0;
}

static int write_event(struct run *run, int64_t id, const char *body)
{
    return change(run, "UPDATE @events SET body = $2 WHERE id = $1",
                  PARAMS(integer(id), text(body)));
}

/* 1, 0, or -1: out of memory. */
static int has_number(const struct run *run, const char *json)
{
    char *cleaned = NULL;
    int found = forgetting_clean_json(run->forgetting, json, &cleaned);
    free(cleaned);
    return found;
}

static int count_reduced(struct run *run, int64_t *counter, const char *json)
{
    int found = run->is_before ? has_number(run, json) : 0;
    if (found >= 0)
        count_change(run, counter, found);
    return found < 0 ? no_memory(run) : 0;
}

/* Texts: type, call_id, body. */
static int reduce_event(struct run *run, const struct row *row)
{
    char *body = forgetting_reduce_event(run->forgetting, row->text[0], row->text[1], row->text[2]);
    int result = 0;
    if (body == NULL)
        return no_memory(run);
    run->forgotten->after_event = row->id;
    if (!forgetting_is_reduced(row->text[2])) {
        result = count_reduced(run, &run->forgotten->events, row->text[2]);
        if (result >= 0)
            result = write_event(run, row->id, body);
    }
    if (result >= 0)
        result = for_each(
            run, "SELECT event_id, plugin FROM @handlings WHERE event_id = $1 AND error <> $2",
            PARAMS(integer(row->id), text(FORGETTING_TEXT)), count_handling);
    if (result >= 0)
        result = write_handlings(run, row->id, FORGETTING_TEXT, body);
    free(body);
    return result;
}

/* What is sent yet is what the PBX was to be told. */
static int is_under_way(const char *state)
{
    return strcmp(state, "pending") == 0 || strcmp(state, "sending") == 0;
}

/* Texts: state, body, detail. is_callers: it is of one of the caller's calls. */
static int clean_action(struct run *run, const struct row *row, int is_callers)
{
    const char *detail = row->text[2];
    char *body = NULL;
    int in_body = forgetting_clean_json(run->forgetting, row->text[1], &body);
    int in_detail = detail[0] != '\0' && strcmp(detail, FORGETTING_TEXT) != 0 &&
                    (is_callers || forgetting_is_in(run->forgetting, detail));
    int result = in_body < 0 ? no_memory(run) : 0;
    if (in_body > 0 && is_under_way(row->text[0])) {
        run->forgotten->under_way += !is_callers; /* it will be looked at by itself, too */
    } else if (in_body > 0 || in_detail) {
        count_change(run, &run->forgotten->actions,
                     in_body > 0 || forgetting_is_in(run->forgetting, detail));
        result = change(run, "UPDATE @actions SET body = $2, detail = $3 WHERE id = $1",
                        PARAMS(integer(row->id), text(in_body > 0 ? body : row->text[1]),
                               text(in_detail        ? FORGETTING_TEXT
                                    : detail[0] != 0 ? detail
                                                     : NULL)));
    }
    free(body);
    return result;
}

static int clean_callers_action(struct run *run, const struct row *row)
{
    return clean_action(run, row, 1);
}

static int clean_any_action(struct run *run, const struct row *row)
{
    int counted = is_under_way(row->text[0])
                      ? 0
                      : is_counted(run,
                                   "SELECT c.id, c.their_number FROM @actions a JOIN @calls c "
                                   "ON c.call_id = a.call_id WHERE a.id = $1",
                                   integer(row->id));
    return counted != 0 ? counted : clean_action(run, row, 0);
}

static int write_payload(struct run *run, int64_t call, const char *payload)
{
    return change(run, "UPDATE @payloads SET payload = $2 WHERE call = $1",
                  PARAMS(integer(call), text(payload)));
}

/* Texts: type, call_id, payload. */
static int reduce_payload(struct run *run, const struct row *row)
{
    if (forgetting_is_reduced(row->text[2]))
        return 0;
    char *payload =
        forgetting_reduce_event(run->forgetting, row->text[0], row->text[1], row->text[2]);
    int result = payload == NULL ? no_memory(run)
                                 : count_reduced(run, &run->forgotten->payloads, row->text[2]);
    if (result >= 0)
        result = write_payload(run, row->id, payload);
    free(payload);
    return result;
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

#define EVENTS_OF(calls)                                                                           \
    "SELECT id, type, call_id, CAST(body AS text) FROM @events "                                   \
    "WHERE " calls " AND id > $2 ORDER BY id LIMIT $3"

/* Where a call's events and actions are found: SQLite has no index of all their call_ids. */
static const char *events_of_call(const struct run *run)
{
    return is_sqlite(run)
               ? EVENTS_OF(
                     "id IN (SELECT event FROM call_events WHERE call = (SELECT id FROM calls "
                     "WHERE call_id = $1) UNION ALL SELECT event FROM stray_events "
                     "WHERE call_id = $1)")
               : EVENTS_OF("call_id = $1");
}

/* The events of a caller's call, as many as the step has room for: 1 when that was all. */
static int reduce_events(struct run *run, const char *call_id)
{
    struct rows rows;
    int room = run->rows_left > 0 ? run->rows_left : 1;
    int result =
        find(run, events_of_call(run),
             PARAMS(text(call_id), integer(run->forgotten->after_event), integer(room)), &rows);
    for (const struct row *row = rows.first; row != NULL && result >= 0; row = row->next)
        result = reduce_event(run, row);
    run->rows_left -= rows.count;
    int all = rows.count < room;
    free_rows(&rows);
    return result < 0 ? result : all;
}

#define ACTIONS_OF(calls) "SELECT id, state, body, detail FROM @actions WHERE " calls " ORDER BY id"

static const char *actions_of_call(const struct run *run)
{
    return is_sqlite(run)
               ? ACTIONS_OF("id IN (SELECT id FROM actions WHERE call = (SELECT id FROM calls "
                            "WHERE call_id = $1) UNION ALL SELECT id FROM actions "
                            "WHERE call IS NULL AND call_id = $1)")
               : ACTIONS_OF("call_id = $1");
}

static int reduce_rest(struct run *run, int64_t id, const char *call_id)
{
    int result = for_each(run,
                          "SELECT p.call, 'call.new', c.call_id, CAST(p.payload AS text) FROM "
                          "@payloads p JOIN @calls c ON c.id = p.call WHERE p.call = $1",
                          PARAMS(integer(id)), reduce_payload);
    if (result < 0)
        return result;
    return for_each(run, actions_of_call(run), PARAMS(text(call_id)), clean_callers_action);
}

static const char *column_of(const struct run *run, const char *value)
{
    return forgetting_is(run->forgetting, value) ? run->forgetting->token : value;
}

/* Its columns last: they are what says whose it is, if this is given up before. */
static int write_call(struct run *run, int64_t id, const struct row *row)
{
    const char *const *column = (const char *const *)row->text;
    run->forgotten->calls++;
    return change(run,
                  "UPDATE @calls SET their_number = $2, our_number = $3, actor = $4 WHERE id = $1",
                  PARAMS(integer(id), text(column_of(run, column[1])),
                         text(column_of(run, column[2])), text(column_of(run, column[3]))));
}

/* Texts: call_id, their_number, our_number, actor. 1 when it is done with, 0 when events are left. */
static int forget_call(struct run *run, const struct row *row)
{
    const struct forgetting *forgetting = run->forgetting;
    int goes_whole = is_forgotten_call(run, row->text[1]);
    int is_written = forgetting_is(forgetting, row->text[1]) ||
                     forgetting_is(forgetting, row->text[2]) ||
                     forgetting_is(forgetting, row->text[3]);
    run->is_before = forgetting_is_token(row->text[1]);
    int result = goes_whole ? reduce_events(run, row->text[0]) : 1;
    if (result <= 0)
        return result;
    if (goes_whole)
        result = reduce_rest(run, row->id, row->text[0]);
    if (result >= 0 && is_written)
        result = write_call(run, row->id, row);
    return result < 0 ? result : 1;
}

static int count_active(struct run *run, const struct row *row)
{
    if (forgetting_is(run->forgetting, row->text[0]))
        run->forgotten->active++;
    return 0;
}

/* The calls up to this id that may be his, until the step has no room: the rest is the next step's. */
static int forget_calls(struct run *run, int64_t upto)
{
    struct store_forgotten *forgotten = run->forgotten;
    struct rows rows;
    int result = find(
        run,
        "SELECT id, call_id, their_number, our_number, actor FROM @calls "
        "WHERE id > $1 AND id <= $2 "
        "AND ([their_number] = $3 OR [our_number] = $3 OR [actor] = $3 "
        "OR their_number LIKE '" FORGETTING_TOKEN_PREFIX "%') ORDER BY id~",
        PARAMS(integer(forgotten->after_id), integer(upto), text(run->forgetting->bare)), &rows);
    int done = 1;
    for (const struct row *row = rows.first; row != NULL && result >= 0 && done; row = row->next) {
        /* Counted where it is begun: a call of many events takes several steps. */
        if (forgotten->after_event == 0)
            result = for_each(run,
                              "SELECT id, their_number FROM @calls WHERE id = $1 AND "
                              "status IS NOT NULL AND status <> 'call.finished'",
                              PARAMS(integer(row->id)), count_active);
        if (result >= 0)
            result = done = forget_call(run, row);
        if (result == 1) {
            forgotten->after_id = row->id;
            forgotten->after_event = 0;
            done = --run->rows_left > 0 || row->next == NULL;
        }
    }
    free_rows(&rows);
    if (result >= 0 && done)
        forgotten->after_id = upto;
    return result < 0 ? result : 0;
}

/* ---- What others have that holds the number --------------------------------------------------------------- */

/* Texts: type, call_id, body. */
static int clean_event(struct run *run, const struct row *row)
{
    char *body = NULL;
    int counted = is_counted(run, "SELECT id, their_number FROM @calls WHERE call_id = $1",
                             text(row->text[1]));
    if (counted != 0)
        return counted;
    int found =
        forgetting_clean_event(run->forgetting, row->text[0], row->text[1], row->text[2], &body);
    int result = found < 0 ? no_memory(run) : 0;
    if (found > 0) {
        run->forgotten->events++;
        result = write_event(run, row->id, body);
    }
    free(body);
    return result;
}

/* Text: payload. */
static int clean_payload(struct run *run, const struct row *row)
{
    char *payload = NULL;
    int counted =
        is_counted(run, "SELECT id, their_number FROM @calls WHERE id = $1", integer(row->id));
    if (counted != 0)
        return counted;
    int found = forgetting_clean_json(run->forgetting, row->text[0], &payload);
    int result = found < 0 ? no_memory(run) : 0;
    if (found > 0) {
        run->forgotten->payloads++;
        result = write_payload(run, row->id, payload);
    }
    free(payload);
    return result;
}

/* Texts: plugin, error, body, if the handling keeps one. */
static int clean_handling(struct run *run, const struct row *row)
{
    char *body = NULL;
    int counted = is_counted(run,
                             "SELECT c.id, c.their_number FROM @events e JOIN @calls c "
                             "ON c.call_id = e.call_id WHERE e.id = $1",
                             integer(row->id));
    if (counted != 0)
        return counted;
    int in_error = forgetting_is_in(run->forgetting, row->text[1]);
    int in_body = forgetting_clean_json(run->forgetting, row->text[2], &body);
    int result = in_body < 0 ? no_memory(run) : 0;
    const char *error = in_error ? FORGETTING_TEXT : row->text[1];
    if (in_error || in_body > 0) {
        run->forgotten->handlings++;
        if (in_body > 0)
            result = change(run,
                            "UPDATE @handlings SET error = $3, body = $4 "
                            "WHERE event_id = $1 AND plugin = $2",
                            PARAMS(integer(row->id), text(row->text[0]), text(error), text(body)));
        else
            result =
                change(run, "UPDATE @handlings SET error = $3 WHERE event_id = $1 AND plugin = $2",
                       PARAMS(integer(row->id), text(row->text[0]), text(error)));
    }
    free(body);
    return result;
}

/* ---- Steps ----------------------------------------------------------------------------------------------- */

/* By id from $1 to $2; $3 is the bare number. Handlings have no id of their own: theirs is the event's. */
static const struct table {
    const char *next; /* the last of the next $2 ids behind $1 */
    const char *find, *find_on_sqlite;
    row_fn forget;
} tables[KIND_COUNT] = {
    [USERS] =
        {"SELECT max(id) FROM (SELECT id FROM @users WHERE id > $1 ORDER BY id LIMIT $2) AS w",
         "SELECT id, number FROM @users WHERE id > $1 AND id <= $2 AND [number] = $3", NULL,
         forget_user},
    [CALLS] =
        {"SELECT max(id) FROM (SELECT id FROM @calls WHERE id > $1 ORDER BY id LIMIT $2) AS w",
         NULL, NULL, NULL},
    [EVENTS] = {"SELECT max(id) FROM (SELECT id FROM @events WHERE id > $1 ORDER BY id LIMIT $2) "
                "AS w",
                "SELECT id, type, call_id, CAST(body AS text) FROM @events "
                "WHERE id > $1 AND id <= $2 AND {body}",
                NULL, clean_event},
    [PAYLOADS] = {"SELECT max(call) FROM (SELECT call FROM @payloads WHERE call > $1 ORDER BY call "
                  "LIMIT $2) AS w",
                  "SELECT call, CAST(payload AS text) FROM @payloads "
                  "WHERE call > $1 AND call <= $2 AND {payload}",
                  NULL, clean_payload},
    [ACTIONS] = {"SELECT max(id) FROM (SELECT id FROM @actions WHERE id > $1 ORDER BY id LIMIT $2) "
                 "AS w",
                 "SELECT id, state, body, detail FROM @actions "
                 "WHERE id > $1 AND id <= $2 AND ({body} OR {detail})",
                 NULL, clean_any_action},
    [HANDLINGS] = {"SELECT max(event_id) FROM (SELECT event_id FROM @handlings "
                   "WHERE event_id > $1 ORDER BY event_id LIMIT $2) AS w",
                   "SELECT event_id, plugin, error, coalesce(body, '') FROM @handlings "
                   "WHERE event_id > $1 AND event_id <= $2 AND ({error} OR {body})",
                   "SELECT event_id, plugin, error, '' FROM @handlings "
                   "WHERE event_id > $1 AND event_id <= $2 AND {error}",
                   clean_handling},
};

static int take_integer(void *arg, const struct store_value *values, uint32_t count)
{
    struct store_value *out = arg;
    (void)count;
    *out = values[0];
    return 0;
}

static int step(struct run *run)
{
    struct store_forgotten *forgotten = run->forgotten;
    const struct table *table = &tables[forgotten->kind];
    struct store_value upto = {.type = STORE_NULL};
    int result =
        ask(run, table->next, PARAMS(integer(forgotten->after_id), integer(run->rows_left)),
            take_integer, &upto);
    if (result < 0)
        return result;
    if (upto.type != STORE_INT64) {
        forgotten->kind++;
        forgotten->after_id = 0;
        return 0;
    }
    if (forgotten->kind == CALLS)
        return forget_calls(run, upto.as.integer);
    const char *find_them =
        is_sqlite(run) && table->find_on_sqlite != NULL ? table->find_on_sqlite : table->find;
    result = for_each(run, find_them,
                      PARAMS(integer(forgotten->after_id), upto, text(run->forgetting->bare)),
                      table->forget);
    forgotten->after_id = upto.as.integer;
    return result;
}

int store_forget(struct store *store, const struct forgetting *forgetting, int max_rows,
                 int dry_run, struct store_forgotten *forgotten)
{
    struct run run = {.store = store,
                      .forgetting = forgetting,
                      .forgotten = forgotten,
                      .dry_run = dry_run,
                      .rows_left = max_rows};
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (max_rows < 1)
        return store_fail(store, STORE_E_ARGUMENT, "max_rows is out of range");
    if (forgotten->kind >= KIND_COUNT)
        return 0;
    result = step(&run);
    return result < 0 ? result : forgotten->kind < KIND_COUNT;
}

int store_scrub(struct store *store)
{
    if (store->mode != STORE_WRITE || store->transaction != STORE_IDLE)
        return store_fail(store, STORE_E_ARGUMENT, "a transaction is open, or nothing is written");
    return store->backend->scrub == NULL ? 1 : store->backend->scrub(store);
}
