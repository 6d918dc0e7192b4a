/*
 * postgres_letters.c: handlings that are not tried any more, for the operator: to be looked at, tried again
 * after all, or forgotten. Called through store.c.
 */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

#define LATEST_MS ((int64_t)253402300799000) /* 9999-12-31, as far as an event's time goes */

/* Who gets the rows of a result. */
struct reading {
    store_letter_fn row;
    void *arg;
    int count;
    int stopped;
};

static int prepare(struct pg_store *store)
{
    int result = pg_connect(store);
    return result < 0 || store->base.transaction != STORE_OPEN ? result : pg_flush(store);
}

static int take_letters(struct pg_store *store, const PGresult *result, void *arg)
{
    struct reading *reading = arg;
    (void)store;
    for (int row = 0; row < PQntuples(result) && !reading->stopped; row++) {
        struct store_letter letter = {.event_id = pg_get_int8(result, row, 0),
                                      .plugin = pg_get_text(result, row, 1),
                                      .error = pg_get_text(result, row, 2),
                                      .call_id = pg_get_text(result, row, 3),
                                      .type = pg_get_text(result, row, 4),
                                      .failed_ms = pg_get_time(result, row, 5),
                                      .received_ms = pg_get_time(result, row, 6),
                                      .attempts = pg_get_int4(result, row, 7)};
        if (PQnfields(result) > 8) {
            letter.body = pg_get_text(result, row, 8);
            letter.body_size = (size_t)PQgetlength(result, row, 8);
        }
        reading->count++;
        reading->stopped = reading->row(reading->arg, &letter) != 0;
    }
    return 0;
}

/* The number of rows, or negative. */
static int read_letters(struct pg_store *store, enum pg_statement which, store_letter_fn row,
                        void *arg)
{
    struct reading reading = {.row = row, .arg = arg};
    int result = pg_query(store, which, &store->params, take_letters, &reading);
    if (result < 0)
        return result;
    return reading.stopped ? store_fail(&store->base, STORE_E_STOPPED, "stopped by the caller")
                           : reading.count;
}

int pg_letters(struct store *base, const struct store_letter *before, int max, store_letter_fn row,
               void *arg)
{
    struct pg_store *store = pg_of(base);
    int result = prepare(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_time(&store->params, before == NULL ? LATEST_MS : before->failed_ms);
    pg_one_int8(&store->params, before == NULL ? 0 : before->event_id);
    pg_one_text(&store->params, before == NULL ? "" : before->plugin);
    pg_one_int8(&store->params, max);
    result = read_letters(store, PG_LETTERS_LIST, row, arg);
    return result > 0 ? 0 : result;
}

int pg_letter_find(struct store *base, int64_t event_id, const char *plugin, store_letter_fn row,
                   void *arg)
{
    struct pg_store *store = pg_of(base);
    int result = prepare(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, event_id);
    pg_one_text(&store->params, plugin);
    return read_letters(store, PG_LETTER_FIND, row, arg);
}

static int take_number(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int64_t *)arg = PQntuples(result) > 0 ? pg_get_int8(result, 0, 0) : 0;
    return 0;
}

int pg_letters_count(struct store *base, int64_t *out)
{
    struct pg_store *store = pg_of(base);
    int result = prepare(store);
    return result < 0 ? result : pg_query(store, PG_LETTERS_COUNT, NULL, take_number, out);
}

/* ---- Changing -------------------------------------------------------------------------------------- */

static int take_changed(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int *)arg = (int)strtol(PQcmdTuples((PGresult *)result), NULL, 10);
    return 0;
}

/* Runs it with the parameters at hand: how many it changed, or negative. */
static int change(struct pg_store *store, enum pg_statement which)
{
    int changed = 0;
    int result = pg_query(store, which, &store->params, take_changed, &changed);
    store->image.knows_retry_due = 0;
    return result < 0 ? result : changed;
}

int pg_letter_replay(struct store *base, int64_t event_id, const char *plugin, int64_t now_ms)
{
    struct pg_store *store = pg_of(base);
    int result = pg_flush(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, event_id);
    pg_one_text(&store->params, plugin);
    pg_one_time(&store->params, now_ms);
    return change(store, PG_LETTER_REPLAY);
}

int pg_letters_replay(struct store *base, int64_t before_ms, int max, int64_t now_ms)
{
    struct pg_store *store = pg_of(base);
    int result = pg_flush(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_time(&store->params, before_ms);
    pg_one_int8(&store->params, max);
    pg_one_time(&store->params, now_ms);
    return change(store, PG_LETTERS_REPLAY);
}

int pg_letter_drop(struct store *base, int64_t event_id, const char *plugin)
{
    struct pg_store *store = pg_of(base);
    int result = pg_flush(store);
    if (result < 0)
        return result;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, event_id);
    pg_one_text(&store->params, plugin);
    return change(store, PG_LETTER_DROP);
}
