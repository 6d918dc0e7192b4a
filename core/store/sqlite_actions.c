/*
 * sqlite_actions.c: the outbox's table: actions are added, claimed, settled, confirmed. Called through
 * store.c, inside a transaction. It never sends anything.
 */
#include "store/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

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
    [STORE_ACTION_DOUBTFUL] = "pending", /* and doubtful is 1 */
};

int sqlite_action_add(struct store *store, const char *key, const char *call_id, const char *body,
                      int64_t event_id, int64_t received_ms, int64_t expires_ms)
{
    return sqlite_run(sqlite_of(store), SQL_ACTION_ADD,
                      SQL_PARAMS(param_text(key), param_text(call_id), param_int(event_id),
                                 param_int(received_ms), param_int(expires_ms), param_text(body)));
}

/* ---- Claiming ------------------------------------------------------------------------------------ */

struct claim {
    struct store_action *actions;
    int count;
    int capacity;
    struct store_expired expired;
};

/* Room for one more, zeroed; NULL when out of memory. */
static struct store_action *claim_slot(struct claim *claim)
{
    if (claim->count == claim->capacity) {
        int capacity = claim->capacity == 0 ? 16 : claim->capacity * 2;
        struct store_action *grown =
            realloc(claim->actions, (size_t)capacity * sizeof(*claim->actions));
        if (grown == NULL)
            return NULL;
        claim->actions = grown;
        claim->capacity = capacity;
    }
    struct store_action *slot = &claim->actions[claim->count];
    memset(slot, 0, sizeof(*slot));
    return slot;
}

/* The row of SQL_ACTION_DUE as one more action of the claim. */
static int take_action(struct claim *claim, sqlite3_stmt *stmt, int64_t latest_ms)
{
    struct store_action *action = claim_slot(claim);
    if (action == NULL)
        return -1;
    claim->count++;
    action->id = sqlite3_column_int64(stmt, 0);
    action->key = strdup(sqlite_column_string(stmt, 1));
    action->call_id = strdup(sqlite_column_string(stmt, 2));
    action->body = strdup(sqlite_column_string(stmt, 3));
    action->received_ms = sqlite3_column_int64(stmt, 4);
    action->expires_ms = sqlite3_column_int64(stmt, 5);
    if (action->expires_ms > latest_ms)
        action->expires_ms = latest_ms;
    action->attempts = sqlite3_column_int(stmt, 6) + 1;
    return action->key == NULL || action->call_id == NULL || action->body == NULL ? -1 : 0;
}

/* Claims the action that is due first, or lets it expire: 1; 0 when none is due. */
static int claim_first(struct sqlite_store *store, int64_t now_ms, struct claim *claim)
{
    sqlite3_stmt *stmt;
    int result = sqlite_query(store, SQL_ACTION_DUE, SQL_PARAMS(param_int(now_ms)), &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result <= 0)
        return result;
    int64_t id = sqlite3_column_int64(stmt, 0);
    int is_expired = sqlite3_column_int64(stmt, 5) <= now_ms;
    int is_doubtful = sqlite3_column_int(stmt, 7);
    int64_t latest_ms = now_ms + store->base.deadline_ms;
    int failed = is_expired ? 0 : take_action(claim, stmt, latest_ms);
    sqlite3_reset(stmt);
    if (failed < 0)
        return sqlite_out_of_memory(store);
    claim->expired.expired += is_expired && !is_doubtful;
    claim->expired.unknown += is_expired && is_doubtful;
    if (is_expired)
        result = sqlite_run(store, SQL_ACTION_EXPIRE, SQL_PARAMS(param_int(id), param_int(now_ms)));
    else
        result = sqlite_run(store, SQL_ACTION_CLAIM,
                            SQL_PARAMS(param_int(id), param_int(now_ms), param_int(latest_ms)));
    return result < 0 ? result : 1;
}

int sqlite_actions_claim(struct store *store, int64_t now_ms, int max, struct store_action **out,
                         int *count, struct store_expired *expired)
{
    struct claim claim = {0};
    int result = 1;
    while (result == 1 && claim.count < max &&
           claim.expired.expired + claim.expired.unknown < EXPIRE_MAX)
        result = claim_first(sqlite_of(store), now_ms, &claim);
    if (result < 0) {
        store_actions_free(claim.actions, claim.count);
        return result;
    }
    *out = claim.actions;
    *count = claim.count;
    *expired = claim.expired;
    return 0;
}

int sqlite_action_next_due(struct store *store, int64_t *due_ms)
{
    int result = sqlite_query_int(sqlite_of(store), SQL_ACTION_NEXT_DUE, due_ms);
    return result == 1 ? STORE_DUE_ACTION : result;
}

/* There is nobody else: what is being sent is the caller's own. */
int sqlite_actions_bring_forward(struct store *store, int64_t now_ms, int64_t longest_lease_ms)
{
    (void)longest_lease_ms;
    return sqlite_run(sqlite_of(store), SQL_ACTIONS_FORWARD,
                      SQL_PARAMS(param_int(now_ms), param_int(now_ms + store->deadline_ms)));
}

/* ---- Settling ------------------------------------------------------------------------------------ */

static int settle_one(struct sqlite_store *sqlite, const struct store_settlement *settlement)
{
    const char *detail = settlement->detail == NULL ? "" : settlement->detail;
    int http_status = settlement->http_status;
    const struct sqlite_param status =
        http_status == 0 ? (struct sqlite_param){.type = PARAM_NULL} : param_int(http_status);
    int result =
        sqlite_run(sqlite, SQL_ACTION_SETTLE,
                   SQL_PARAMS(param_int(settlement->id), param_text(state_name[settlement->state]),
                              param_int(settlement->now_ms), param_int(settlement->due_ms), status,
                              param_text(detail[0] == '\0' ? NULL : detail),
                              param_int(settlement->state == STORE_ACTION_DOUBTFUL)));
    if (result < 0)
        return result;
    if (sqlite3_changes(sqlite->db) > 0)
        return 1;
    /* It was confirmed in the meantime and stays so; what the PBX answered is worth knowing. */
    return http_status == 0
               ? 0
               : sqlite_run(sqlite, SQL_ACTION_ANNOTATE,
                            SQL_PARAMS(param_int(settlement->id), status, param_text(detail)));
}

int sqlite_actions_settle(struct store *store, const struct store_settlement *settlements,
                          int count, unsigned char *changed)
{
    int result = 0;
    for (int i = 0; i < count && result >= 0; i++) {
        result = settle_one(sqlite_of(store), &settlements[i]);
        if (result >= 0)
            changed[i] = (unsigned char)result;
    }
    return result < 0 ? result : 0;
}

/* Confirms one delegate action of the call: 1; 0 when there is none that waits for it. */
static int confirm_one(struct sqlite_store *store, const char *call_id, int64_t now_ms)
{
    sqlite3_stmt *stmt;
    int result =
        sqlite_query(store, SQL_ACTION_UNCONFIRMED, SQL_PARAMS(param_text(call_id)), &stmt);
    if (result == 0)
        result = sqlite_next(store, stmt);
    if (result <= 0)
        return result;
    int64_t id = sqlite3_column_int64(stmt, 0);
    int64_t received_ms = sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    if (kpi_action_answered(&store->base.kpi, received_ms, now_ms) < 0)
        return sqlite_out_of_memory(store);
    result = sqlite_run(store, SQL_ACTION_CONFIRM, SQL_PARAMS(param_int(id), param_int(now_ms)));
    if (result < 0)
        return result;
    store->base.confirmed++;
    return 1;
}

int sqlite_actions_confirm(struct store *store, const char *call_id, int64_t now_ms)
{
    int confirmed = 0;
    int result;
    while ((result = confirm_one(sqlite_of(store), call_id, now_ms)) == 1)
        confirmed++;
    return result < 0 ? result : confirmed;
}

/* A row of SQL_ACTION_ABANDON as one more action of the list. */
static int take_abandoned(struct claim *unknown, sqlite3_stmt *stmt)
{
    struct store_action *action = claim_slot(unknown);
    if (action == NULL)
        return -1;
    unknown->count++;
    action->id = sqlite3_column_int64(stmt, 0);
    action->call_id = strdup(sqlite_column_string(stmt, 1));
    action->attempts = sqlite3_column_int(stmt, 2);
    return action->call_id == NULL ? -1 : 0;
}

int sqlite_actions_abandon(struct store *store, int64_t now_ms, int repeatable,
                           struct store_action **out)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct claim unknown = {0};
    sqlite3_stmt *stmt;
    int result = sqlite_query(sqlite, SQL_ACTION_ABANDON,
                              SQL_PARAMS(param_int(now_ms), param_int(repeatable != 0)), &stmt);
    while (result >= 0 && (result = sqlite_next(sqlite, stmt)) == 1) {
        if (take_abandoned(&unknown, stmt) < 0) {
            sqlite3_reset(stmt);
            result = sqlite_out_of_memory(sqlite);
        }
    }
    if (result == 0 && repeatable)
        result = sqlite_run(sqlite, SQL_ACTION_DOUBT, SQL_PARAMS(param_int(now_ms)));
    if (result < 0) {
        store_actions_free(unknown.actions, unknown.count);
        return result;
    }
    *out = unknown.actions;
    return unknown.count;
}
