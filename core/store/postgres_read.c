/*
 * postgres_read.c: what is read out of the store for plugins and for the dashboard: the counts, one call, the
 * active calls. Called through store.c in either mode. It never writes, but for what the open transaction
 * holds back.
 */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

int pg_prepare_reading(struct pg_store *store)
{
    int result = pg_connect(store);
    return result < 0 || store->base.transaction != STORE_OPEN ? result : pg_flush(store);
}

static int take_counts(struct pg_store *store, const PGresult *result, void *arg)
{
    struct store_counts *counts = arg;
    (void)store;
    for (int row = 0; row < PQntuples(result); row++) {
        enum lifecycle state = lifecycle_from_type(pg_get_text(result, row, 0));
        int64_t n = pg_get_int8(result, row, 1);
        if (state == LIFECYCLE_NONE)
            counts->users = n;
        else
            counts->calls[state] = n;
    }
    return 0;
}

int pg_counts(struct store *base, struct store_counts *out)
{
    struct pg_store *store = pg_of(base);
    int result = pg_connect(store);
    return result < 0 ? result : pg_query(store, PG_COUNTS_LIST, NULL, take_counts, out);
}

/* ---- Calls ----------------------------------------------------------------------------------------- */

/* Copies the call and its texts, one behind the other, into memory of the store's own. */
static int keep(struct pg_store *store, const struct store_call *call)
{
    struct pg_record *record = &store->found_call;
    struct store_call *copy = &record->call;
    const char *const from[] = {call->call_id,      call->code,  call->direction, call->our_number,
                                call->their_number, call->queue, call->actor};
    char **const to[] = {&copy->call_id,      &copy->code,  &copy->direction, &copy->our_number,
                         &copy->their_number, &copy->queue, &copy->actor};
    size_t size = 0;
    for (int i = 0; i < 7; i++)
        size += strlen(from[i]) + 1;
    if (size > record->capacity) {
        char *grown = malloc(size);
        if (grown == NULL)
            return pg_no_memory(store);
        free(record->text);
        record->text = grown;
        record->capacity = size;
    }
    char *end = record->text;
    for (int i = 0; i < 7; i++) {
        size_t length = strlen(from[i]) + 1;
        *to[i] = memcpy(end, from[i], length);
        end += length;
    }
    copy->state = call->state;
    copy->created_ms = call->created_ms;
    copy->status_ms = call->status_ms;
    copy->id = call->id;
    return 0;
}

static int take_found(struct pg_store *store, const PGresult *result, void *arg)
{
    struct store_call call;
    if (PQntuples(result) == 0)
        return 0;
    *(int *)arg = 1;
    pg_take_call(result, 0, &call);
    return keep(store, &call);
}

int pg_call_find(struct store *base, const char *call_id, const struct store_call **out)
{
    struct pg_store *store = pg_of(base);
    int found = 0;
    int result = 0;
    const struct pg_call *known = base->transaction == STORE_OPEN
                                      ? pg_image_find(&store->image.calls, call_id, strlen(call_id))
                                      : NULL;
    if (known != NULL) {
        found = known->exists;
        result = found ? keep(store, &known->call) : 0;
    } else {
        result = pg_connect(store);
        pg_params_clear(&store->params);
        pg_one_text(&store->params, call_id);
        if (result == 0)
            result = pg_query(store, PG_CALL_FIND, &store->params, take_found, &found);
    }
    if (result < 0 || !found)
        return result;
    *out = &store->found_call.call;
    return 1;
}

struct listing {
    PGresult *result; /* kept: the row callback may use the store */
};

static int take_listing(struct pg_store *store, const PGresult *result, void *arg)
{
    struct listing *listing = arg;
    listing->result = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    return listing->result == NULL ? pg_no_memory(store) : 0;
}

int pg_active_calls(struct store *base, int (*row)(void *arg, const struct store_call *call),
                    void *arg)
{
    struct pg_store *store = pg_of(base);
    struct listing listing = {0};
    int result = pg_prepare_reading(store);
    if (result == 0)
        result = pg_query(store, PG_CALLS_ACTIVE, NULL, take_listing, &listing);
    for (int i = 0; result == 0 && i < PQntuples(listing.result); i++) {
        struct store_call call;
        pg_take_call(listing.result, i, &call);
        if (row(arg, &call) != 0)
            result = STORE_E_STOPPED;
    }
    PQclear(listing.result);
    return result;
}
