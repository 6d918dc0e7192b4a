/*
 * postgres_actions.c: the outbox's table, for several workers on several machines: an action is claimed by its
 * owner for as long as a lease, and only its owner settles it. Called through store.c, inside a transaction.
 * It never sends anything.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "store/postgres_internal.h"

/* Most actions that one claim lets expire, so that a long outage's backlog does not become one long
 * transaction. */
#define EXPIRE_MAX 1000

static const char *const state_name[] = {
    [STORE_ACTION_PENDING] = "pending",
    [STORE_ACTION_SENDING] = "sending",
    [STORE_ACTION_DELIVERED] = "delivered",
    [STORE_ACTION_CONFIRMED] = "confirmed",
    [STORE_ACTION_REJECTED] = "rejected",
    [STORE_ACTION_EXPIRED] = "expired",
    [STORE_ACTION_UNKNOWN] = "unknown",
    [STORE_ACTION_DOUBTFUL] = "pending", /* and doubtful is true */
};

/* One whose JSON has a member "destination". */
static int is_delegate(const char *body)
{
    json_t *json = json_loads(body, JSON_DECODE_ANY, NULL);
    int has = json_object_get(json, "destination") != NULL;
    json_decref(json);
    return has;
}

int pg_action_add(struct store *base, const char *key, const char *call_id, const char *body,
                  int64_t event_id, int64_t received_ms, int64_t expires_ms)
{
    struct pg_store *store = pg_of(base);
    struct pg_arena *arena = &store->image.arena;
    struct pg_new_action *action = pg_vector_add(&store->image.actions, sizeof(*action));
    if (action == NULL)
        return pg_no_memory(store);
    *action = (struct pg_new_action){.key = pg_arena_text(arena, key),
                                     .call_id = pg_arena_text(arena, call_id),
                                     .body = pg_arena_text(arena, body),
                                     .event_id = event_id,
                                     .received_ms = received_ms,
                                     .expires_ms = expires_ms,
                                     .is_delegate = is_delegate(body)};
    return action->key == NULL || action->call_id == NULL || action->body == NULL
               ? pg_no_memory(store)
               : 0;
}

/* ---- Claiming ------------------------------------------------------------------------------------ */

struct claimed_action {
    int64_t due_ms;
    struct store_action action;
};

struct claim {
    struct pg_vector actions; /* struct claimed_action */
    struct store_expired expired;
    int looked_at; /* by the last statement */
};

static int take_leases(struct pg_store *store, const PGresult *result, void *arg)
{
    struct claim *claim = arg;
    (void)store;
    for (int row = 0; row < PQntuples(result); row++)
        claim->expired.unknown += pg_get_bool(result, row, 0);
    return 0;
}

static int take_claimed(struct pg_store *store, const PGresult *result, void *arg)
{
    struct claim *claim = arg;
    claim->looked_at = PQntuples(result);
    for (int row = 0; row < claim->looked_at; row++) {
        if (pg_get_bool(result, row, 8)) {
            claim->expired.unknown += pg_get_bool(result, row, 9);
            claim->expired.expired += !pg_get_bool(result, row, 9);
            continue;
        }
        struct claimed_action *slot = pg_vector_add(&claim->actions, sizeof(*slot));
        int64_t *id = slot == NULL ? NULL : pg_vector_add(&store->claimed, sizeof(*id));
        if (id == NULL)
            return pg_no_memory(store);
        slot->due_ms = pg_get_time(result, row, 7);
        slot->action = (struct store_action){.id = pg_get_int8(result, row, 0),
                                             .key = strdup(pg_get_text(result, row, 1)),
                                             .call_id = strdup(pg_get_text(result, row, 2)),
                                             .body = strdup(pg_get_text(result, row, 3)),
                                             .received_ms = pg_get_time(result, row, 4),
                                             .expires_ms = pg_get_time(result, row, 5),
                                             .attempts = pg_get_int4(result, row, 6)};
        *id = slot->action.id;
        if (slot->action.key == NULL || slot->action.call_id == NULL || slot->action.body == NULL)
            return pg_no_memory(store);
    }
    return 0;
}

static int compare_claimed(const void *a, const void *b)
{
    const struct claimed_action *one = a;
    const struct claimed_action *other = b;
    if (one->due_ms != other->due_ms)
        return one->due_ms < other->due_ms ? -1 : 1;
    return one->action.id < other->action.id ? -1 : one->action.id > other->action.id;
}

static int queue_leases(struct pg_store *store, int64_t now_ms, struct claim *claim)
{
    pg_params_clear(&store->params);
    pg_one_time(&store->params, now_ms);
    pg_one_bool(&store->params, store->repeatable);
    return pg_queue(store, PG_ACTIONS_LEASES, &store->params, take_leases, claim);
}

static int queue_claim(struct pg_store *store, int64_t now_ms, int max, struct claim *claim)
{
    struct pg_params *params = &store->params;
    pg_params_clear(params);
    pg_one_time(params, now_ms);
    pg_one_int8(params, max);
    pg_one_text(params, store->owner);
    pg_one_time(params, now_ms + store->lease_ms);
    pg_one_time(params, now_ms + store->base.deadline_ms);
    return pg_queue(store, PG_ACTIONS_CLAIM, params, take_claimed, claim);
}

/*
 * How many of the new actions are claimed as they are made: none while older ones may be due, which come first,
 * and none that a savepoint might still undo.
 */
static size_t count_direct(const struct pg_store *store, int64_t now_ms, int max)
{
    const struct pg_new_action *action = store->image.actions.items;
    size_t count = 0;
    if (!store->has_no_backlog || store->base.has_savepoint)
        return 0;
    while (count < store->image.actions.count && count < (size_t)max &&
           action[count].expires_ms > now_ms)
        count++;
    return count;
}

static int queue_direct(struct pg_store *store, int64_t now_ms, struct claim *claim)
{
    if (store->image.direct == 0)
        return 0;
    pg_put_actions(store, 0, store->image.direct);
    pg_one_time(&store->params, now_ms);
    pg_one_text(&store->params, store->owner);
    pg_one_time(&store->params, now_ms + store->lease_ms);
    return pg_queue(store, PG_ACTIONS_ADD_CLAIMED, &store->params, take_claimed, claim);
}

/* Goes on where expired ones took the places of those that are to be sent. */
static int claim_rest(struct pg_store *store, int64_t now_ms, int max, int wanted,
                      struct claim *claim)
{
    int result = 0;
    while (result == 0 && claim->looked_at == wanted && (int)claim->actions.count < max &&
           claim->expired.expired + claim->expired.unknown < EXPIRE_MAX) {
        wanted = max - (int)claim->actions.count;
        result = queue_claim(store, now_ms, wanted, claim);
        if (result == 0)
            result = pg_run(store);
    }
    store->has_no_backlog = claim->looked_at < wanted;
    return result;
}

/* In the order in which they are due, as an array of the caller's. */
static int hand_out(struct pg_store *store, const struct claim *claim, struct store_action **out)
{
    struct claimed_action *claimed = claim->actions.items;
    size_t count = claim->actions.count;
    struct store_action *actions = count == 0 ? NULL : calloc(count, sizeof(*actions));
    if (count > 0 && actions == NULL)
        return pg_no_memory(store);
    if (count > 0)
        qsort(claimed, count, sizeof(*claimed), compare_claimed);
    for (size_t i = 0; i < count; i++)
        actions[i] = claimed[i].action;
    *out = actions;
    return 0;
}

static void drop_claim(struct claim *claim)
{
    struct claimed_action *claimed = claim->actions.items;
    for (size_t i = 0; i < claim->actions.count; i++) {
        free(claimed[i].action.key);
        free(claimed[i].action.call_id);
        free(claimed[i].action.body);
    }
    pg_vector_free(&claim->actions);
}

int pg_actions_claim(struct store *base, int64_t now_ms, int max, struct store_action **out,
                     int *count, struct store_expired *expired)
{
    struct pg_store *store = pg_of(base);
    struct claim claim = {0};
    int result = 0;
    if (base->has_savepoint)
        result = pg_flush(store);
    store->image.direct = count_direct(store, now_ms, max);
    int wanted = max - (int)store->image.direct; /* from what was there before */
    if (result == 0)
        result = pg_flush_queue(store);
    if (result == 0)
        result = queue_direct(store, now_ms, &claim);
    if (result == 0 && max > 0)
        result = queue_leases(store, now_ms, &claim);
    if (result == 0 && wanted > 0)
        result = queue_claim(store, now_ms, wanted, &claim);
    if (result == 0 && store->queued > 0)
        result = pg_run(store);
    if (result == 0)
        pg_flushed(store);
    if (result == 0 && wanted > 0)
        result = claim_rest(store, now_ms, max, wanted, &claim);
    else
        store->has_no_backlog = 0; /* nobody has looked */
    if (result == 0) {
        result = hand_out(store, &claim, out);
    }
    if (result < 0) {
        drop_claim(&claim);
        return result;
    }
    *count = (int)claim.actions.count;
    *expired = claim.expired;
    pg_vector_free(&claim.actions);
    return 0;
}

struct next_due {
    int64_t action_ms, lease_ms; /* INT64_MAX: there is none */
};

static int take_due(struct pg_store *store, const PGresult *result, void *arg)
{
    struct next_due *due = arg;
    (void)store;
    due->action_ms = PQgetisnull(result, 0, 0) ? INT64_MAX : pg_get_time(result, 0, 0);
    due->lease_ms = PQgetisnull(result, 0, 1) ? INT64_MAX : pg_get_time(result, 0, 1);
    return 0;
}

int pg_action_next_due(struct store *base, int64_t *due_ms)
{
    struct pg_store *store = pg_of(base);
    struct next_due due;
    int result = pg_connect(store);
    if (result == 0)
        result = pg_flush(store);
    if (result == 0)
        result = pg_query(store, PG_ACTIONS_NEXT_DUE, NULL, take_due, &due);
    if (result < 0 || (due.action_ms == INT64_MAX && due.lease_ms == INT64_MAX))
        return result;
    *due_ms = due.lease_ms < due.action_ms ? due.lease_ms : due.action_ms;
    return due.lease_ms < due.action_ms ? STORE_DUE_LEASE : STORE_DUE_ACTION;
}

static int queue_forward(struct pg_store *store, enum pg_statement statement, int64_t time_ms,
                         int64_t limit_ms)
{
    pg_params_clear(&store->params);
    pg_one_time(&store->params, time_ms);
    pg_one_time(&store->params, limit_ms);
    return pg_queue(store, statement, &store->params, NULL, NULL);
}

int pg_actions_bring_forward(struct store *base, int64_t now_ms, int64_t longest_lease_ms)
{
    struct pg_store *store = pg_of(base);
    int result = pg_flush(store);
    if (result == 0)
        result = queue_forward(store, PG_ACTIONS_FORWARD, now_ms, now_ms + base->deadline_ms);
    if (result == 0)
        result = queue_forward(store, PG_LEASES_FORWARD, now_ms + store->lease_ms,
                               now_ms + longest_lease_ms);
    if (result == 0)
        result = pg_run(store);
    store->has_no_backlog = 0; /* here it is */
    return result;
}

/* ---- Settling ------------------------------------------------------------------------------------ */

struct settling {
    const struct store_settlement *settlements;
    int count;
    unsigned char *changed;
};

/* What call.waiting could confirm in this transaction no longer waits for it. */
static int close_unsettled(struct pg_store *store, int64_t id)
{
    for (struct pg_unsettled *at = store->image.unsettled; at != NULL; at = at->next) {
        if (at->id != id || !at->is_open)
            continue;
        if (pg_image_save(&store->image, at, sizeof(*at)) < 0)
            return pg_no_memory(store);
        at->is_open = 0;
    }
    return 0;
}

static int take_settled(struct pg_store *store, const PGresult *result, void *arg)
{
    const struct settling *settling = arg;
    int code = 0;
    for (int row = 0; row < PQntuples(result) && code == 0; row++) {
        int64_t id = pg_get_int8(result, row, 0);
        for (int i = 0; i < settling->count; i++) {
            if (settling->settlements[i].id == id)
                settling->changed[i] = 1;
        }
        if (!pg_get_bool(result, row, 1))
            code = close_unsettled(store, id);
    }
    return code;
}

int pg_lock_actions(struct pg_store *store, const struct store_settlement *settlements, int count)
{
    static const enum pg_type types[] = {PG_INT8};
    int rows = count;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 1);
    for (int i = 0; i < count; i++)
        pg_put_int8(&store->params, 0, settlements[i].id);
    for (struct pg_unsettled *at = store->image.unsettled; at != NULL; at = at->next) {
        if (at->is_locked)
            continue;
        pg_put_int8(&store->params, 0, at->id);
        at->is_locked = 1;
        rows++;
    }
    return rows == 0 ? 0 : pg_queue(store, PG_ACTIONS_LOCK, &store->params, NULL, NULL);
}

static int queue_settlements(struct pg_store *store, struct settling *settling)
{
    static const enum pg_type types[] = {PG_INT8, PG_TEXT, PG_TIME, PG_TIME,
                                         PG_INT4, PG_TEXT, PG_BOOL};
    struct pg_params *params = &store->params;
    pg_params_clear(params);
    pg_params_arrays(params, types, 7);
    for (int i = 0; i < settling->count; i++) {
        const struct store_settlement *one = &settling->settlements[i];
        pg_put_int8(params, 0, one->id);
        pg_put_text(params, 1, state_name[one->state]);
        pg_put_time(params, 2, one->now_ms);
        pg_put_time(params, 3, one->due_ms);
        if (one->http_status == 0)
            pg_put_null(params, 4);
        else
            pg_put_int4(params, 4, one->http_status);
        pg_put_text(params, 5, one->detail == NULL || one->detail[0] == '\0' ? NULL : one->detail);
        pg_put_bool(params, 6, one->state == STORE_ACTION_DOUBTFUL);
    }
    pg_one_text(params, store->owner);
    return pg_queue(store, PG_ACTIONS_SETTLE, params, take_settled, settling);
}

/* One that was confirmed in the meantime stays so; what the PBX answered is worth knowing. */
static int queue_annotations(struct pg_store *store, const struct settling *settling)
{
    static const enum pg_type types[] = {PG_INT8, PG_INT4, PG_TEXT};
    int rows = 0;
    pg_params_clear(&store->params);
    pg_params_arrays(&store->params, types, 3);
    for (int i = 0; i < settling->count; i++) {
        const struct store_settlement *one = &settling->settlements[i];
        if (one->http_status == 0 || settling->changed[i])
            continue;
        pg_put_int8(&store->params, 0, one->id);
        pg_put_int4(&store->params, 1, one->http_status);
        pg_put_text(&store->params, 2, one->detail);
        rows++;
    }
    return rows == 0 ? 0 : pg_queue(store, PG_ACTIONS_ANNOTATE, &store->params, NULL, NULL);
}

int pg_actions_settle(struct store *base, const struct store_settlement *settlements, int count,
                      unsigned char *changed)
{
    struct pg_store *store = pg_of(base);
    struct settling settling = {.settlements = settlements, .count = count, .changed = changed};
    int result = 0;
    if (base->has_savepoint && !store->image.has_real_savepoint)
        result = pg_make_savepoint(store);
    if (result == 0)
        result = pg_flush(store);
    if (result == 0)
        result = pg_lock_actions(store, settlements, count);
    if (result == 0)
        result = queue_settlements(store, &settling);
    if (result == 0)
        result = pg_run(store);
    if (result == 0)
        result = queue_annotations(store, &settling);
    return result < 0 || store->queued == 0 ? result : pg_run(store);
}

int pg_actions_confirm(struct store *base, const char *call_id, int64_t now_ms)
{
    struct pg_store *store = pg_of(base);
    int confirmed = 0;
    int result = pg_load_unsettled(store, &call_id, 1);
    if (result < 0)
        return result;
    for (struct pg_unsettled *at = store->image.unsettled; at != NULL; at = at->next) {
        if (!at->is_open || strcmp(at->call_id, call_id) != 0)
            continue;
        struct pg_confirmed *one = pg_vector_add(&store->image.confirmed, sizeof(*one));
        if (one == NULL || pg_image_save(&store->image, at, sizeof(*at)) < 0)
            return pg_no_memory(store);
        *one = (struct pg_confirmed){.id = at->id, .now_ms = now_ms};
        at->is_open = 0;
        confirmed++;
    }
    return confirmed;
}

struct abandoned {
    struct store_action *actions;
    int count;
};

static int take_abandoned(struct pg_store *store, const PGresult *result, void *arg)
{
    struct abandoned *unknown = arg;
    int count = PQntuples(result);
    unknown->actions = count == 0 ? NULL : calloc((size_t)count, sizeof(*unknown->actions));
    if (count > 0 && unknown->actions == NULL)
        return pg_no_memory(store);
    for (; unknown->count < count; unknown->count++) {
        struct store_action *action = &unknown->actions[unknown->count];
        action->id = pg_get_int8(result, unknown->count, 0);
        action->call_id = strdup(pg_get_text(result, unknown->count, 1));
        action->attempts = pg_get_int4(result, unknown->count, 2);
        if (action->call_id == NULL)
            return pg_no_memory(store);
    }
    return 0;
}

int pg_actions_abandon(struct store *base, int64_t now_ms, int repeatable,
                       struct store_action **out)
{
    struct pg_store *store = pg_of(base);
    struct abandoned unknown = {0};
    int result = pg_flush(store);
    pg_params_clear(&store->params);
    pg_one_time(&store->params, now_ms);
    pg_one_bool(&store->params, repeatable);
    pg_one_text(&store->params, store->owner);
    if (result == 0)
        result = pg_queue(store, PG_ACTIONS_ABANDON, &store->params, take_abandoned, &unknown);
    if (result == 0 && repeatable) {
        pg_params_clear(&store->params);
        pg_one_time(&store->params, now_ms);
        pg_one_text(&store->params, store->owner);
        result = pg_queue(store, PG_ACTIONS_DOUBT, &store->params, NULL, NULL);
    }
    if (result == 0)
        result = pg_run(store);
    if (result < 0) {
        store_actions_free(unknown.actions, unknown.count);
        return result;
    }
    *out = unknown.actions;
    return unknown.count;
}
