/*
 * postgres_batch.c: the beginning of a batch: its events are stored, and what they are about is read into the
 * image, in one round trip when the events are new and the plugins ask for nothing unforeseen. The same
 * functions read what was not foreseen.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "store/postgres_internal.h"

#define IDS_AT_ONCE         16
#define PARTITIONS_EVERY_MS ((int64_t)3600 * 1000)

/* ---- Events ---------------------------------------------------------------------------------------- */

/* Of a batch that is being stored: the events that are not in the image yet. */
static int put_events(struct pg_store *store, const struct event *const *events, size_t count)
{
    static const enum pg_type types[] = {PG_BYTEA, PG_TEXT, PG_TEXT, PG_TIME,
                                         PG_TIME,  PG_INT8, PG_TEXT};
    struct pg_params *params = &store->params;
    int put = 0;
    pg_params_clear(params);
    pg_one_text(params, store->spool);
    pg_params_arrays(params, types, 7);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = events[i];
        if (pg_image_find(&store->image.events, event->identity, EVENT_IDENTITY_SIZE) != NULL)
            continue;
        pg_put_bytes(params, 1, event->identity, EVENT_IDENTITY_SIZE);
        pg_put_text(params, 2, event->field[EVENT_CALL_ID]);
        pg_put_text(params, 3, event->field[EVENT_TYPE]);
        pg_put_time(params, 4, event->time_ms);
        pg_put_time(params, 5, event->received_ms);
        pg_put_int8(params, 6, event->seq);
        pg_put_bytes(params, 7, event->body, event->body_size);
        put++;
    }
    return put;
}

/* Rows of PG_EVENTS_ADD: what is new. */
static int take_new_events(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        struct pg_event *event =
            pg_image_add(&store->image, &store->image.events, PQgetvalue(result, row, 0),
                         EVENT_IDENTITY_SIZE, sizeof(*event));
        if (event == NULL)
            return pg_no_memory(store);
        event->id = pg_get_int8(result, row, 1);
        event->is_ours = 1;
    }
    return 0;
}

/* Rows of PG_EVENTS_FIND: what was there. */
static int take_known_events(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        struct pg_event *event =
            pg_image_add(&store->image, &store->image.events, PQgetvalue(result, row, 0),
                         EVENT_IDENTITY_SIZE, sizeof(*event));
        if (event == NULL)
            return pg_no_memory(store);
        event->id = pg_get_int8(result, row, 1);
        event->is_same_spool = pg_get_bool(result, row, 2);
        event->seq = pg_get_int8(result, row, 3);
        event->received_ms = pg_get_time(result, row, 4);
    }
    return 0;
}

static int queue_events(struct pg_store *store, const struct event *const *events, size_t count)
{
    if (put_events(store, events, count) == 0)
        return 0;
    return pg_queue(store, store->image.bodies_are_odd ? PG_EVENTS_ADD_SAFELY : PG_EVENTS_ADD,
                    &store->params, take_new_events, NULL);
}

/* The events that PG_EVENTS_ADD left out: their identity is taken. */
static int find_known_events(struct pg_store *store, const struct event *const *events,
                             size_t count)
{
    static const enum pg_type types[] = {PG_BYTEA};
    int missing = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (size_t i = 0; i < count; i++) {
        if (pg_image_find(&store->image.events, events[i]->identity, EVENT_IDENTITY_SIZE) != NULL)
            continue;
        pg_put_bytes(&store->params, 0, events[i]->identity, EVENT_IDENTITY_SIZE);
        missing++;
    }
    if (missing == 0)
        return 0;
    pg_one_text(&store->params, store->spool);
    return pg_query(store, PG_EVENTS_FIND, &store->params, take_known_events, NULL);
}

/* Gives what is ours its event's own data: the first of an identity is the one that was stored. */
static int describe_events(struct pg_store *store, const struct event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pg_event *stored =
            pg_image_find(&store->image.events, events[i]->identity, EVENT_IDENTITY_SIZE);
        if (stored == NULL)
            return store_fail(&store->base, STORE_E_AGAIN,
                              "%s: an event was deleted while it was looked up", store->place);
        if (!stored->is_ours || stored->body != NULL)
            continue;
        stored->is_same_spool = 1;
        stored->seq = events[i]->seq;
        stored->received_ms = events[i]->received_ms;
        stored->body = events[i]->body;
        stored->body_size = events[i]->body_size;
    }
    return 0;
}

int pg_load_events(struct pg_store *store, const struct event *const *events, size_t count)
{
    /* One by one, a body is given to the function that takes any. */
    store->image.bodies_are_odd = 1;
    int result = queue_events(store, events, count);
    if (result == 0 && store->queued > 0)
        result = pg_run(store);
    if (result == 0)
        result = find_known_events(store, events, count);
    return result < 0 ? result : describe_events(store, events, count);
}

/* ---- What is not in the image ------------------------------------------------------------------------ */

/* Makes entries of those keys that the table has not, and the one array of the parameters: their number. */
static int put_missing(struct pg_store *store, struct pg_table *table, size_t entry_size,
                       const char *const *keys, size_t count)
{
    static const enum pg_type types[] = {PG_TEXT};
    int missing = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(keys[i]);
        if (size == 0 || pg_image_find(table, keys[i], size) != NULL)
            continue;
        if (pg_image_add(&store->image, table, keys[i], size, entry_size) == NULL)
            return pg_no_memory(store);
        pg_put_bytes(&store->params, 0, keys[i], size);
        missing++;
    }
    return missing;
}

/* ---- Calls ----------------------------------------------------------------------------------------- */

void pg_take_call(const PGresult *result, int row, struct store_call *out)
{
    char **const texts[] = {&out->call_id,      &out->code,  &out->direction, &out->our_number,
                            &out->their_number, &out->queue, &out->actor};
    for (int i = 0; i < 7; i++)
        *texts[i] = PQgetvalue(result, row, i);
    int has_status = !PQgetisnull(result, row, 7);
    out->state = has_status ? lifecycle_from_type(pg_get_text(result, row, 7)) : LIFECYCLE_NONE;
    out->created_ms = pg_get_time(result, row, 8);
    out->status_ms = has_status ? pg_get_time(result, row, 9) : 0;
    out->id = pg_get_int8(result, row, 10);
}

/* Copies the texts out of the result. */
static int keep_call(struct pg_arena *arena, struct store_call *call)
{
    char **const texts[] = {&call->code,         &call->direction, &call->our_number,
                            &call->their_number, &call->queue,     &call->actor};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = (*texts[i])[0] == '\0' ? (char *)"" : pg_arena_text(arena, *texts[i]);
        if (*texts[i] == NULL)
            return -1;
    }
    return 0;
}

/* Columns 11 to 15 of a row: the call's milestones. */
static void take_times(const PGresult *result, int row, struct kpi_times *out)
{
    int64_t *const times[] = {&out->waiting_ms, &out->answered_ms, &out->left_ms, &out->ended_ms};
    for (int i = 0; i < 4; i++)
        *times[i] = PQgetisnull(result, row, 11 + i) ? KPI_NEVER : pg_get_time(result, row, 11 + i);
    snprintf(out->queue, sizeof(out->queue), "%s", pg_get_text(result, row, 15));
}

static int take_calls(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        struct pg_call *call = pg_image_find(&store->image.calls, PQgetvalue(result, row, 0),
                                             (size_t)PQgetlength(result, row, 0));
        if (call == NULL)
            continue;
        pg_take_call(result, row, &call->call);
        call->call.call_id = (char *)call->entry.key;
        call->exists = call->is_stored = 1;
        take_times(result, row, &call->times);
        if (keep_call(&store->image.arena, &call->call) < 0)
            return pg_no_memory(store);
    }
    return 0;
}

static int queue_calls(struct pg_store *store, const char *const *call_ids, size_t count)
{
    int missing = put_missing(store, &store->image.calls, sizeof(struct pg_call), call_ids, count);
    return missing <= 0 ? missing
                        : pg_queue(store, PG_CALLS_LOCK, &store->params, take_calls, NULL);
}

int pg_load_calls(struct pg_store *store, const char *const *call_ids, size_t count)
{
    int result = queue_calls(store, call_ids, count);
    return result < 0 || store->queued == 0 ? result : pg_run(store);
}

/* ---- Users ----------------------------------------------------------------------------------------- */

static int take_users(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        struct pg_user *user = pg_image_find(&store->image.users, PQgetvalue(result, row, 0),
                                             (size_t)PQgetlength(result, row, 0));
        if (user == NULL)
            continue;
        user->exists = 1;
        user->id = pg_get_int8(result, row, 1);
        user->created_ms = pg_get_time(result, row, 2);
    }
    return 0;
}

static int take_user_ids(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t *id = pg_vector_add(&store->user_ids, sizeof(*id));
        if (id == NULL)
            return pg_no_memory(store);
        *id = pg_get_int8(result, row, 0);
    }
    return 0;
}

/* Ids for as many new users as these numbers may need: those left over serve the next batch. */
static int queue_user_ids(struct pg_store *store, size_t wanted)
{
    if (wanted <= store->user_ids.count || store->base.mode != STORE_WRITE)
        return 0;
    pg_params_clear(&store->params);
    pg_one_int8(&store->params, (int64_t)(wanted - store->user_ids.count));
    return pg_queue(store, PG_USER_IDS, &store->params, take_user_ids, NULL);
}

static int queue_users(struct pg_store *store, const char *const *numbers, size_t count)
{
    int missing = put_missing(store, &store->image.users, sizeof(struct pg_user), numbers, count);
    if (missing <= 0)
        return missing;
    int result = pg_queue(store, PG_USERS_FIND, &store->params, take_users, NULL);
    return result < 0 ? result : queue_user_ids(store, (size_t)missing);
}

int pg_fetch_user_ids(struct pg_store *store)
{
    int result = queue_user_ids(store, IDS_AT_ONCE);
    return result < 0 || store->queued == 0 ? result : pg_run(store);
}

int pg_load_users(struct pg_store *store, const char *const *numbers, size_t count)
{
    int result = queue_users(store, numbers, count);
    return result < 0 || store->queued == 0 ? result : pg_run(store);
}

/* ---- Actions that call.waiting confirms --------------------------------------------------------------- */

static int take_unsettled(struct pg_store *store, const PGresult *result, void *arg)
{
    struct pg_image *image = &store->image;
    (void)arg;
    for (int row = 0; row < PQntuples(result); row++) {
        struct pg_unsettled *action = pg_arena_alloc(&image->arena, sizeof(*action));
        if (action == NULL)
            return pg_no_memory(store);
        *action = (struct pg_unsettled){
            .next = image->unsettled,
            .id = pg_get_int8(result, row, 0),
            .call_id = pg_arena_text(&image->arena, pg_get_text(result, row, 1)),
            .is_open = 1};
        if (action->call_id == NULL)
            return pg_no_memory(store);
        image->unsettled = action;
    }
    return 0;
}

static int queue_unsettled(struct pg_store *store, const char *const *call_ids, size_t count)
{
    int missing =
        put_missing(store, &store->image.waiting, sizeof(struct pg_entry), call_ids, count);
    return missing <= 0
               ? missing
               : pg_queue(store, PG_ACTIONS_UNSETTLED, &store->params, take_unsettled, NULL);
}

int pg_load_unsettled(struct pg_store *store, const char *const *call_ids, size_t count)
{
    int result = queue_unsettled(store, call_ids, count);
    return result < 0 || store->queued == 0 ? result : pg_run(store);
}

/* ---- Beginning ------------------------------------------------------------------------------------------ */

static int take_retry_due(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)arg;
    store->image.knows_retry_due = 1;
    store->image.retry_due_ms = PQntuples(result) == 0 ? INT64_MAX : pg_get_time(result, 0, 0);
    return 0;
}

/*
 * A commit was not answered: the events tell whether it happened, but the actions that it claimed were
 * certainly not sent, and would stay claimed. They are locked first, so that a commit that is still under way
 * has come to its end.
 */
static int queue_lost_claims(struct pg_store *store)
{
    static const enum pg_type types[] = {PG_INT8};
    const int64_t *ids = store->claimed.items;
    store->claimed_lost = store->claimed.count;
    if (store->claimed_lost == 0)
        return 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (size_t i = 0; i < store->claimed_lost; i++)
        pg_put_int8(&store->params, 0, ids[i]);
    int result = pg_queue(store, PG_ACTIONS_LOCK, &store->params, NULL, NULL);
    if (result < 0)
        return result;
    pg_one_text(&store->params, store->owner);
    return pg_queue(store, PG_CLAIMS_UNDO, &store->params, NULL, NULL);
}

/* What the events of the batch are about: texts of them that are wanted, in `out`; their number. */
static size_t pick(const struct event *const *events, size_t count, enum event_field field,
                   enum lifecycle state, const char **out)
{
    size_t picked = 0;
    for (size_t i = 0; i < count; i++) {
        if (state == LIFECYCLE_NONE || events[i]->state == state)
            out[picked++] = events[i]->field[field];
    }
    return picked;
}

static int queue_batch(struct pg_store *store, const struct event *const *events, size_t count)
{
    const char **texts = count == 0 ? NULL : calloc(count, sizeof(*texts));
    if (count > 0 && texts == NULL)
        return pg_no_memory(store);
    int result = pg_queue(store, PG_BEGIN, NULL, NULL, NULL);
    if (result == 0)
        result = queue_lost_claims(store);
    if (result == 0)
        result = queue_events(store, events, count);
    if (result == 0)
        result =
            queue_calls(store, texts, pick(events, count, EVENT_CALL_ID, LIFECYCLE_NONE, texts));
    if (result == 0)
        result = queue_users(store, texts,
                             pick(events, count, EVENT_THEIR_NUMBER, LIFECYCLE_STANDBY, texts));
    if (result == 0)
        result = queue_unsettled(store, texts,
                                 pick(events, count, EVENT_CALL_ID, LIFECYCLE_WAITING, texts));
    if (result == 0)
        result = pg_queue(store, PG_RETRIES_NEXT_DUE, NULL, take_retry_due, NULL);
    free(texts);
    return result < 0 ? result : pg_run(store);
}

static void roll_back(struct pg_store *store)
{
    char error[STORE_ERROR_SIZE];
    memcpy(error, store->base.error, sizeof(error));
    store->queued = 0;
    if (store->conn != NULL)
        pg_query(store, PG_ROLLBACK, NULL, NULL, NULL);
    memcpy(store->base.error, error, sizeof(error));
    pg_image_clear(&store->image);
    store->claimed.count = store->claimed_lost;
}

/* Once an hour is enough for what is made months ahead. A failure costs nothing now: what has no partition
 * of its own goes to the default one, and is moved when it gets one. */
static void keep_partitions(struct pg_store *store)
{
    int64_t now_ms = clock_wall_ms();
    if (now_ms < store->partitions_ms)
        return;
    store->partitions_ms = now_ms + PARTITIONS_EVERY_MS;
    (void)pg_make_partitions(store, now_ms);
}

int pg_batch_begin(struct store *base, const struct event *const *events, size_t count)
{
    struct pg_store *store = pg_of(base);
    int result = pg_connect(store);
    if (result < 0)
        return result;
    pg_image_clear(&store->image);
    store->image.is_single = count == 1;
    keep_partitions(store);
    result = queue_batch(store, events, count);
    if (result == STORE_E_REFUSED && store->fault.which == PG_EVENTS_ADD) {
        /* Some body is no JSON. */
        roll_back(store);
        store->image.bodies_are_odd = 1;
        store->image.is_single = count == 1;
        result = queue_batch(store, events, count);
    }
    if (result == 0)
        result = find_known_events(store, events, count);
    if (result == 0)
        result = describe_events(store, events, count);
    if (result < 0)
        roll_back(store);
    return result;
}
