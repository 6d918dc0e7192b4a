/*
 * postgres_flush.c: writes what a transaction has changed in its image: for each table one statement on arrays,
 * the tables in one order for all, each by its key.
 */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

/* ---- Calls and users ---------------------------------------------------------------------------------- */

/* As many rows changed as were meant to; else somebody else was at them at the same time. */
static int check_rows(struct pg_store *store, const PGresult *result, void *arg)
{
    const int *wanted = arg;
    const char *changed = PQcmdTuples((PGresult *)result);
    if (strtol(changed, NULL, 10) == *wanted)
        return 0;
    return store_fail(&store->base, STORE_E_AGAIN,
                      "%s: a call or user was made or deleted by somebody else at the same time",
                      store->place);
}

static void put_milestone(struct pg_params *params, int at, int64_t ms)
{
    if (ms == KPI_NEVER)
        pg_put_null(params, at);
    else
        pg_put_time(params, at, ms);
}

static void put_times(struct pg_params *params, const struct kpi_times *times)
{
    put_milestone(params, 11, times->waiting_ms);
    put_milestone(params, 12, times->answered_ms);
    put_milestone(params, 13, times->left_ms);
    put_milestone(params, 14, times->ended_ms);
    put_milestone(params, 15, kpi_offered_ms(times));
    pg_put_text(params, 16, times->queue);
}

static void put_call(struct pg_params *params, const struct store_call *call)
{
    const char *const texts[] = {call->code,         call->direction, call->our_number,
                                 call->their_number, call->queue,     call->actor};
    pg_put_text(params, 0, call->call_id);
    if (call->state == LIFECYCLE_NONE) {
        pg_put_null(params, 1);
        pg_put_null(params, 2);
    } else {
        pg_put_text(params, 1, lifecycle_type(call->state));
        pg_put_time(params, 2, call->status_ms);
    }
    if (call->state == LIFECYCLE_FINISHED)
        pg_put_time(params, 3, call->status_ms);
    else
        pg_put_null(params, 3);
    pg_put_time(params, 4, call->created_ms);
    for (int i = 0; i < 6; i++)
        pg_put_text(params, 5 + i, texts[i]);
}

static const struct pg_call *call_of(const struct pg_entry *entry)
{
    return (const struct pg_call *)entry;
}

static int queue_calls(struct pg_store *store, int is_stored, int *rows)
{
    static const enum pg_type types[] = {PG_TEXT, PG_TEXT, PG_TIME, PG_TIME, PG_TIME, PG_TEXT,
                                         PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TIME,
                                         PG_TIME, PG_TIME, PG_TIME, PG_TIME, PG_TEXT};
    *rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 17);
    for (struct pg_entry *at = store->image.calls.newest; at != NULL; at = at->all) {
        if (at->is_stale || !call_of(at)->is_dirty || call_of(at)->is_stored != is_stored)
            continue;
        put_call(&store->params, &call_of(at)->call);
        put_times(&store->params, &call_of(at)->times);
        ++*rows;
    }
    if (*rows == 0)
        return 0;
    return pg_queue(store, is_stored ? PG_CALLS_UPDATE : PG_CALLS_ADD, &store->params, check_rows,
                    rows);
}

static int queue_payloads(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_TEXT, PG_TEXT, PG_BOOL};
    int rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 3);
    for (struct pg_entry *at = store->image.calls.newest; at != NULL; at = at->all) {
        const struct pg_call *call = call_of(at);
        if (at->is_stale || call->payload == NULL)
            continue;
        pg_put_text(&store->params, 0, at->key);
        pg_put_bytes(&store->params, 1, call->payload, call->payload_size);
        pg_put_bool(&store->params, 2, call->payload_is_plain);
        rows++;
    }
    return rows == 0 ? 0 : pg_queue(store, PG_PAYLOADS_ADD, &store->params, NULL, NULL);
}

static int queue_users(struct pg_store *store, int *rows)
{
    static const enum pg_type types[] = {PG_INT8, PG_TEXT, PG_TIME};
    *rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 3);
    for (struct pg_entry *at = store->image.users.newest; at != NULL; at = at->all) {
        const struct pg_user *user = (const struct pg_user *)at;
        if (at->is_stale || !user->is_dirty)
            continue;
        pg_put_int8(&store->params, 0, user->id);
        pg_put_text(&store->params, 1, at->key);
        pg_put_time(&store->params, 2, user->created_ms);
        ++*rows;
    }
    return *rows == 0 ? 0 : pg_queue(store, PG_USERS_ADD, &store->params, check_rows, rows);
}

/* ---- Actions and handlings ------------------------------------------------------------------------------ */

void pg_put_actions(struct pg_store *store, size_t from, size_t upto)
{
    static const enum pg_type types[] = {PG_TEXT, PG_TEXT, PG_INT8, PG_BOOL,
                                         PG_TIME, PG_TIME, PG_TEXT};
    const struct pg_new_action *action = store->image.actions.items;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 7);
    for (size_t i = from; i < upto; i++) {
        pg_put_text(&store->params, 0, action[i].key);
        pg_put_text(&store->params, 1, action[i].call_id);
        pg_put_int8(&store->params, 2, action[i].event_id);
        pg_put_bool(&store->params, 3, action[i].is_delegate);
        pg_put_time(&store->params, 4, action[i].received_ms);
        pg_put_time(&store->params, 5, action[i].expires_ms);
        pg_put_text(&store->params, 6, action[i].body);
    }
}

static int queue_actions(struct pg_store *store, size_t count)
{
    if (count <= store->image.direct)
        return 0;
    pg_put_actions(store, store->image.direct, count);
    return pg_queue(store, PG_ACTIONS_ADD, &store->params, NULL, NULL);
}

/* Those that another worker has settled since they were read are not among them. */
static int take_confirmed(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        if (kpi_action_answered(&store->base.kpi, pg_get_time(result, row, 0),
                                pg_get_time(result, row, 1)) < 0)
            return pg_no_memory(store);
        store->base.confirmed++;
    }
    return 0;
}

static int queue_confirmed(struct pg_store *store, size_t count)
{
    static const enum pg_type types[] = {PG_INT8, PG_TIME};
    const struct pg_confirmed *confirmed = store->image.confirmed.items;
    if (count == 0)
        return 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 2);
    for (size_t i = 0; i < count; i++) {
        pg_put_int8(&store->params, 0, confirmed[i].id);
        pg_put_time(&store->params, 1, confirmed[i].now_ms);
    }
    return pg_queue(store, PG_ACTIONS_CONFIRM, &store->params, take_confirmed, NULL);
}

/* Whether a later one is about the same event and plugin: that one counts. */
static int is_outdone(const struct pg_handling *handling, size_t count, size_t at)
{
    for (size_t i = at + 1; i < count; i++) {
        if (handling[i].event_id == handling[at].event_id &&
            strcmp(handling[i].plugin, handling[at].plugin) == 0)
            return 1;
    }
    return 0;
}

static void put_handling(struct pg_params *params, const struct pg_handling *handling)
{
    pg_put_int8(params, 0, handling->event_id);
    pg_put_text(params, 1, handling->plugin);
    if (handling->is_done)
        return;
    pg_put_text(params, 2, handling->dead ? "dead" : "retry");
    pg_put_int4(params, 3, handling->attempts);
    pg_put_time(params, 4, handling->due_ms);
    pg_put_time(params, 5, handling->now_ms);
    pg_put_text(params, 6, handling->error);
    if (handling->body == NULL)
        pg_put_null(params, 7);
    else
        pg_put_bytes(params, 7, handling->body, handling->body_size);
    pg_put_int4(params, 8, handling->strikes);
}

static int queue_handlings(struct pg_store *store, size_t count, int is_done)
{
    static const enum pg_type types[] = {PG_INT8, PG_TEXT, PG_TEXT, PG_INT4, PG_TIME,
                                         PG_TIME, PG_TEXT, PG_TEXT, PG_INT4};
    const struct pg_handling *handling = store->image.handlings.items;
    int rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, is_done ? 2 : 9);
    for (size_t i = 0; i < count; i++) {
        if (handling[i].is_done != is_done || is_outdone(handling, count, i))
            continue;
        put_handling(&store->params, &handling[i]);
        rows++;
    }
    if (rows == 0)
        return 0;
    return pg_queue(store, is_done ? PG_RETRIES_DONE : PG_RETRIES_PUT, &store->params, NULL, NULL);
}

/* ---- All of it ----------------------------------------------------------------------------------------- */

int pg_has_changes(const struct pg_store *store)
{
    const struct pg_image *image = &store->image;
    if (image->actions.count + image->confirmed.count + image->handlings.count > 0)
        return 1;
    for (const struct pg_entry *at = image->calls.newest; at != NULL; at = at->all) {
        if (!at->is_stale && (call_of(at)->is_dirty || call_of(at)->payload != NULL))
            return 1;
    }
    for (const struct pg_entry *at = image->users.newest; at != NULL; at = at->all) {
        if (!at->is_stale && ((const struct pg_user *)at)->is_dirty)
            return 1;
    }
    return 0;
}

static int queue_all(struct pg_store *store, const struct pg_marks *upto)
{
    int result = pg_lock_actions(store, NULL, 0);
    if (result == 0)
        result = queue_calls(store, 1, &store->rows_meant[0]);
    if (result == 0)
        result = queue_calls(store, 0, &store->rows_meant[1]);
    if (result == 0)
        result = queue_payloads(store);
    if (result == 0)
        result = queue_users(store, &store->rows_meant[2]);
    if (result == 0)
        result = queue_confirmed(store, upto->confirmed);
    if (result == 0)
        result = queue_actions(store, upto->actions);
    if (result == 0)
        result = queue_handlings(store, upto->handlings, 0);
    if (result == 0)
        result = queue_handlings(store, upto->handlings, 1);
    return result;
}

static struct pg_marks all_of(const struct pg_image *image)
{
    return (struct pg_marks){.actions = image->actions.count,
                             .confirmed = image->confirmed.count,
                             .handlings = image->handlings.count};
}

int pg_flush_queue(struct pg_store *store)
{
    const struct pg_marks all = all_of(&store->image);
    return queue_all(store, &all);
}

static void mark_written(struct pg_image *image, const struct pg_marks *upto)
{
    for (struct pg_entry *at = image->calls.newest; at != NULL; at = at->all) {
        struct pg_call *call = (struct pg_call *)at;
        call->is_stored |= call->is_dirty;
        call->is_dirty = 0;
        call->payload = NULL;
    }
    for (struct pg_entry *at = image->users.newest; at != NULL; at = at->all)
        ((struct pg_user *)at)->is_dirty = 0;
    if (upto->handlings > 0)
        image->knows_retry_due = 0;
    pg_vector_drop(&image->actions, sizeof(struct pg_new_action), upto->actions);
    image->direct = 0;
    pg_vector_drop(&image->confirmed, sizeof(struct pg_confirmed), upto->confirmed);
    pg_vector_drop(&image->handlings, sizeof(struct pg_handling), upto->handlings);
    image->marks.actions -=
        upto->actions < image->marks.actions ? upto->actions : image->marks.actions;
    image->marks.confirmed -=
        upto->confirmed < image->marks.confirmed ? upto->confirmed : image->marks.confirmed;
    image->marks.handlings -=
        upto->handlings < image->marks.handlings ? upto->handlings : image->marks.handlings;
}

void pg_flushed(struct pg_store *store)
{
    const struct pg_marks all = all_of(&store->image);
    mark_written(&store->image, &all);
}

int pg_flush(struct pg_store *store)
{
    int result;
    if (!pg_has_changes(store))
        return 0;
    /* What is written within a savepoint has to be undone with it. */
    if (store->image.in_savepoint && !store->image.has_real_savepoint)
        return pg_make_savepoint(store);
    result = pg_flush_queue(store);
    if (result == 0)
        result = pg_run(store);
    if (result == 0)
        pg_flushed(store);
    return result;
}

/* ---- A real savepoint where the caller's is -------------------------------------------------------------- */

_Static_assert(sizeof(struct pg_call) != sizeof(struct pg_event) &&
                   sizeof(struct pg_call) != sizeof(struct pg_user) &&
                   sizeof(struct pg_call) != sizeof(struct pg_unsettled),
               "a call's undo is known by its size");

/* What was before the savepoint is written now: what came after must know. */
static void tell_changed_calls(struct pg_image *image)
{
    const struct pg_undo *undo = image->undo.items;
    for (size_t i = 0; i < image->undo.count; i++) {
        struct pg_call *call = undo[i].entry;
        struct pg_call *copy = undo[i].copy;
        if (undo[i].size != sizeof(*call))
            continue;
        /* A copy is older than the entry, and the first one of an entry is what was written. */
        call->is_stored |= copy->is_stored;
        copy->is_stored = call->is_stored;
        if (copy->has_payload && copy->payload == NULL)
            call->payload = NULL;
        else if (call->has_payload && call->payload == NULL)
            copy->payload = NULL;
    }
}

/* Confirmed before the savepoint, and counted only now: they stay when it is undone. */
static void keep_confirmed(struct store *base)
{
    base->kpi.saved.answers = base->kpi.count.answers;
    base->confirmed_saved = base->confirmed;
}

int pg_make_savepoint(struct pg_store *store)
{
    struct pg_image *image = &store->image;
    const struct pg_marks before = image->marks;
    pg_image_swap(image, 1);
    int result = queue_all(store, &before);
    if (result == 0)
        result = pg_queue(store, PG_SAVEPOINT_OPEN, NULL, NULL, NULL);
    if (result == 0)
        result = pg_run(store);
    if (result == 0)
        mark_written(image, &before);
    pg_image_swap(image, 0);
    if (result < 0)
        return result;
    keep_confirmed(&store->base);
    tell_changed_calls(image);
    image->has_real_savepoint = 1;
    image->serial++;
    return pg_flush(store);
}

/* ---- What was stored ahead and not run -------------------------------------------------------------------- */

int pg_drop_events(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_BYTEA};
    int rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (struct pg_entry *at = store->image.events.newest; at != NULL; at = at->all) {
        const struct pg_event *event = (const struct pg_event *)at;
        if (at->is_stale || !event->is_ours || event->is_added)
            continue;
        pg_put_bytes(&store->params, 0, at->key, at->key_size);
        rows++;
    }
    return rows == 0 ? 0 : pg_queue(store, PG_EVENTS_DROP, &store->params, NULL, NULL);
}
