/*
 * postgres_retries.c: handlings that failed: to be tried again, or dead letters. Called through store.c. Of
 * several workers one gets each: its row is locked until the batch's end.
 */
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "store/postgres_internal.h"

/* The event that this transaction has stored under the id; NULL: it was stored before. */
static const struct pg_event *find_event(const struct pg_store *store, int64_t id)
{
    for (struct pg_entry *at = store->image.events.newest; at != NULL; at = at->all) {
        const struct pg_event *event = (const struct pg_event *)at;
        if (event->id == id && event->is_ours && !at->is_stale)
            return event;
    }
    return NULL;
}

static int add_handling(struct pg_store *store, const struct pg_handling *handling)
{
    struct pg_handling *slot = pg_vector_add(&store->image.handlings, sizeof(*slot));
    if (slot == NULL)
        return pg_no_memory(store);
    if (!handling->is_done && !handling->dead && handling->due_ms < store->image.retry_due_ms)
        store->image.retry_due_ms = handling->due_ms;
    *slot = *handling;
    char *error = pg_arena_text(&store->image.arena, handling->error);
    slot->plugin = pg_arena_text(&store->image.arena, handling->plugin);
    slot->error = error;
    if (slot->plugin == NULL || error == NULL)
        return pg_no_memory(store);
    utf8_repair(
        error); /* a reason that was cut to fit, say: it must not cost what it is the reason of */
    return 0;
}

/* The body is kept as it came when the event is stored by this very transaction. */
static int put(struct pg_store *store, struct pg_handling *handling)
{
    const struct pg_event *event = find_event(store, handling->event_id);
    handling->body = event == NULL ? NULL : event->body;
    handling->body_size = event == NULL ? 0 : event->body_size;
    return add_handling(store, handling);
}

int pg_retry_put(struct store *base, int64_t event_id, const char *plugin, int attempts, int dead,
                 int64_t due_ms, int64_t now_ms, const char *error)
{
    struct pg_handling handling = {.event_id = event_id,
                                   .plugin = plugin,
                                   .attempts = attempts,
                                   .dead = dead,
                                   .due_ms = due_ms,
                                   .now_ms = now_ms,
                                   .error = error};
    return put(pg_of(base), &handling);
}

int pg_retry_suspect(struct store *base, int64_t event_id, const char *plugin, int attempts,
                     int strikes, int64_t due_ms, int64_t now_ms, const char *error)
{
    struct pg_handling handling = {.event_id = event_id,
                                   .plugin = plugin,
                                   .attempts = attempts,
                                   .strikes = strikes,
                                   .due_ms = due_ms,
                                   .now_ms = now_ms,
                                   .error = error};
    return put(pg_of(base), &handling);
}

static int take_changed(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int *)arg = (int)strtol(PQcmdTuples((PGresult *)result), NULL, 10);
    return 0;
}

int pg_retry_claim(struct store *base, int64_t event_id, const char *plugin, int64_t until_ms)
{
    struct pg_store *store = pg_of(base);
    int claimed = 0;
    int result = pg_flush(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, event_id);
    pg_one_text(&store->params, plugin);
    pg_one_time(&store->params, until_ms);
    pg_one_text(&store->params, store->owner);
    result = pg_query(store, PG_RETRY_CLAIM, &store->params, take_changed, &claimed);
    return result < 0 ? result : claimed > 0;
}

int pg_retries_release(struct store *base, int64_t now_ms, int untried)
{
    struct pg_store *store = pg_of(base);
    int released = 0;
    int result = pg_flush(store);
    if (result < 0)
        return result;
    store->image.knows_retry_due = 0;
    pg_params_clear(&store->params);
    pg_one_time(&store->params, now_ms);
    pg_one_text(&store->params, store->owner);
    pg_one_int8(&store->params, untried != 0);
    result = pg_query(store, PG_RETRIES_RELEASE, &store->params, take_changed, &released);
    return result < 0 ? result : released;
}

int pg_retry_done(struct store *base, int64_t event_id, const char *plugin)
{
    const struct pg_handling handling = {
        .event_id = event_id, .plugin = plugin, .is_done = 1, .error = ""};
    return add_handling(pg_of(base), &handling);
}

static int take_next(struct pg_store *store, const PGresult *result, void *arg)
{
    int64_t *due_ms = arg;
    (void)store;
    if (PQntuples(result) > 0)
        *due_ms = pg_get_time(result, 0, 0);
    return 0;
}

int pg_retry_next_due(struct store *base, int64_t *due_ms)
{
    struct pg_store *store = pg_of(base);
    int64_t due = INT64_MAX;
    int result = pg_connect(store);
    if (result == 0)
        result = pg_flush(store);
    if (result == 0)
        result = pg_query(store, PG_RETRIES_NEXT_DUE, NULL, take_next, &due);
    if (result < 0 || due == INT64_MAX)
        return result;
    *due_ms = due;
    return 1;
}

int pg_retries_bring_forward(struct store *base, int64_t now_ms, int64_t longest_ms,
                             int64_t claim_ms)
{
    struct pg_store *store = pg_of(base);
    int changed = 0;
    int result = pg_flush(store);
    if (result < 0)
        return result;
    store->image.knows_retry_due = 0;
    pg_params_clear(&store->params);
    pg_one_time(&store->params, now_ms);
    pg_one_time(&store->params, now_ms + longest_ms);
    pg_one_time(&store->params, now_ms + claim_ms);
    return pg_query(store, PG_RETRIES_FORWARD, &store->params, take_changed, &changed);
}

/* ---- The event of a handling, as it was ------------------------------------------------------------ */

/* The body was accepted once; if a later pbxhook reads it otherwise, the stored columns still tell
 * what the event was. NULL when out of memory. */
static struct event *make_event(const PGresult *result, int row, int64_t received_ms)
{
    const char *body = PQgetvalue(result, row, 9);
    size_t size = (size_t)PQgetlength(result, row, 9);
    struct event *event = NULL;
    struct event_problem problem;
    if (event_parse(body, size, received_ms, &event, &problem) == 0)
        return event;
    if (problem.status == 503)
        return NULL;
    const char *const field[EVENT_FIELD_COUNT] = {
        [EVENT_CALL_ID] = pg_get_text(result, row, 4),
        [EVENT_TYPE] = pg_get_text(result, row, 5),
    };
    return event_new(field, body, size);
}

static int take_retry(const PGresult *result, int row, struct store_retry *out)
{
    int64_t received_ms = pg_get_time(result, row, 7);
    out->event_id = pg_get_int8(result, row, 0);
    out->plugin = strdup(pg_get_text(result, row, 1));
    out->attempts = pg_get_int4(result, row, 2);
    out->strikes = pg_get_int4(result, row, 10);
    out->error = strdup(pg_get_text(result, row, 11));
    out->event = make_event(result, row, received_ms);
    if (out->plugin == NULL || out->error == NULL || out->event == NULL)
        return -1;
    memcpy(out->event->identity, PQgetvalue(result, row, 3), EVENT_IDENTITY_SIZE);
    out->event->time_ms = pg_get_time(result, row, 6);
    out->event->received_ms = received_ms;
    out->event->seq = pg_get_int8(result, row, 8);
    return 0;
}

struct due {
    struct store_retry *retries;
    int count;
};

static int take_due(struct pg_store *store, const PGresult *result, void *arg)
{
    struct due *due = arg;
    int rows = PQntuples(result);
    if (rows == 0)
        return 0;
    due->retries = calloc((size_t)rows, sizeof(*due->retries));
    if (due->retries == NULL)
        return pg_no_memory(store);
    while (due->count < rows) {
        int row = due->count++;
        if (take_retry(result, row, &due->retries[row]) < 0)
            return pg_no_memory(store);
    }
    return 0;
}

int pg_retries_due(struct store *base, int64_t now_ms, int max, struct store_retry **out,
                   int *count)
{
    struct pg_store *store = pg_of(base);
    struct due due = {0};
    int in_batch = base->transaction == STORE_OPEN;
    /* Most of the time nothing is due, and the batch's beginning has asked. */
    int is_idle = in_batch && store->image.knows_retry_due && store->image.retry_due_ms > now_ms;
    int result = is_idle ? 0 : pg_connect(store);
    if (result == 0 && !is_idle)
        result = pg_flush(store);
    if (result == 0 && !is_idle) {
        pg_params_clear(&store->params);
        pg_one_time(&store->params, now_ms);
        pg_one_int8(&store->params, max);
        result = pg_query(store, PG_RETRIES_DUE, &store->params, take_due, &due);
    }
    if (result < 0) {
        store_retries_free(due.retries, due.count);
        return result;
    }
    *out = due.retries;
    *count = due.count;
    return 0;
}

int pg_retry_find(struct store *base, int64_t event_id, const char *plugin, struct store_retry *out)
{
    struct pg_store *store = pg_of(base);
    struct due due = {0};
    int result = pg_connect(store);
    if (result == 0)
        result = pg_flush(store);
    if (result == 0) {
        pg_params_clear(&store->params);
        pg_one_int8(&store->params, event_id);
        pg_one_text(&store->params, plugin);
        result = pg_query(store, PG_RETRY_FIND, &store->params, take_due, &due);
    }
    if (result == 0 && due.count > 0) {
        *out = due.retries[0];
        free(due.retries);
        return 1;
    }
    store_retries_free(due.retries, due.count);
    return result;
}
