/*
 * deliveries.c: see deliveries.h. Called by services_http.c and courier.c; it never sends anything.
 */
#include "http/deliveries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "http/deliveries_sql.h"

#define KEY_BYTES  16
#define KEY_PREFIX "pbxhook-"
#define KEY_SIZE   (sizeof KEY_PREFIX + (size_t)KEY_BYTES * 2)

/* state is pending, sending, delivered, rejected, expired or unknown, as of an action of the PBX's. */
int deliveries_prepare(struct store *store)
{
    static const char *const statements[] = {
        "CREATE TABLE IF NOT EXISTS pbxhook_deliveries (id TEXT PRIMARY KEY, target TEXT NOT NULL,"
        " plugin TEXT NOT NULL, call_id TEXT NOT NULL, path TEXT NOT NULL, body TEXT,"
        " file TEXT NOT NULL, state TEXT NOT NULL, created_ms BIGINT NOT NULL,"
        " due_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, attempts BIGINT NOT NULL,"
        " doubtful BIGINT NOT NULL, owner TEXT NOT NULL, lease_ms BIGINT NOT NULL,"
        " ended_ms BIGINT, http_status BIGINT, detail TEXT)",
        "CREATE INDEX IF NOT EXISTS pbxhook_deliveries_pending ON pbxhook_deliveries"
        " (target, due_ms, created_ms) WHERE state = 'pending'",
        "CREATE INDEX IF NOT EXISTS pbxhook_deliveries_sending ON pbxhook_deliveries (lease_ms)"
        " WHERE state = 'sending'",
        "CREATE INDEX IF NOT EXISTS pbxhook_deliveries_ended ON pbxhook_deliveries (ended_ms)"
        " WHERE ended_ms IS NOT NULL",
        "CREATE INDEX IF NOT EXISTS pbxhook_deliveries_failed ON pbxhook_deliveries (ended_ms, id)"
        " WHERE state IN ('rejected', 'expired', 'unknown')",
    };
    int result = 0;

    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && result >= 0; i++)
        result = store_sql(store, statements[i], NULL, 0, NULL, NULL, NULL);
    return result;
}

struct numbers {
    int64_t first, second;
};

static int take_numbers(void *arg, const struct store_value *values, uint32_t count)
{
    struct numbers *numbers = arg;

    numbers->first = values[0].type == STORE_INT64 ? values[0].as.integer : 0;
    if (count > 1)
        numbers->second = values[1].type == STORE_INT64 ? values[1].as.integer : 0;
    return 0;
}

int deliveries_exist(struct store *store)
{
    struct numbers numbers = {.first = 0};
    int is_postgresql = strcmp(store_dialect(store), "postgresql") == 0;
    int result = store_sql(
        store,
        is_postgresql ? "SELECT count(to_regclass('pbxhook_deliveries'))"
                      : "SELECT count(*) FROM sqlite_schema WHERE name = 'pbxhook_deliveries'",
        NULL, 0, take_numbers, &numbers, NULL);

    return result < 0 ? result : numbers.first > 0;
}

/* Unique without asking anyone. */
static int make_key(char key[KEY_SIZE])
{
    unsigned char random[KEY_BYTES];
    char *at = key + sizeof KEY_PREFIX - 1;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    memcpy(key, KEY_PREFIX, sizeof KEY_PREFIX);
    for (size_t i = 0; i < sizeof random; i++, at += 2)
        snprintf(at, 3, "%02x", random[i]);
    return 0;
}

int deliveries_add(struct store *store, const struct delivery_request *request)
{
    char key[KEY_SIZE];

    if (make_key(key) < 0)
        return STORE_E_MEMORY;
    return store_sql(
        store,
        "INSERT INTO pbxhook_deliveries (id, target, plugin, call_id, path, body, file, state,"
        " created_ms, due_ms, expires_ms, attempts, doubtful, owner, lease_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, 0, 0, '', 0)",
        PARAMS(text(key), text(request->target), text(request->plugin), text(request->call_id),
               text(request->path), text(request->body),
               text(request->file == NULL ? "" : request->file), integer(request->now_ms),
               integer(request->now_ms), integer(request->expires_ms)),
        NULL, NULL, NULL);
}

/* ---- Claiming -------------------------------------------------------------------------------- */

struct claim {
    struct delivery *first, **last;
    int failed;
};

static char *copy_text(const struct store_value *value)
{
    return value->type == STORE_TEXT ? strndup(value->as.text, value->size) : strdup("");
}

static int take_row(void *arg, const struct store_value *values, uint32_t count)
{
    struct claim *claim = arg;
    struct delivery *delivery = calloc(1, sizeof *delivery);

    (void)count;
    if (delivery == NULL) {
        claim->failed = 1;
        return 1;
    }
    *claim->last = delivery;
    claim->last = &delivery->next;
    delivery->id = copy_text(&values[0]);
    delivery->target = copy_text(&values[1]);
    delivery->plugin = copy_text(&values[2]);
    delivery->call_id = copy_text(&values[3]);
    delivery->path = copy_text(&values[4]);
    delivery->body = values[5].type == STORE_TEXT ? copy_text(&values[5]) : NULL;
    delivery->file = copy_text(&values[6]);
    delivery->created_ms = values[7].as.integer;
    delivery->expires_ms = values[8].as.integer;
    delivery->attempts = (int)values[9].as.integer;
    delivery->doubtful = (int)values[10].as.integer;
    claim->failed = delivery->id == NULL || delivery->target == NULL || delivery->plugin == NULL ||
                    delivery->call_id == NULL || delivery->path == NULL || delivery->file == NULL ||
                    (values[5].type == STORE_TEXT && delivery->body == NULL);
    return claim->failed;
}

/* Two statements: a row's turn comes by its due time, and what an UPDATE gives back has no order. Between
 * several workers SKIP LOCKED keeps them out of each other's way. */
static const char *claim_statement(const struct store *store)
{
    if (strcmp(store_dialect(store), "postgresql") == 0)
        return "UPDATE pbxhook_deliveries SET state = 'sending', attempts = attempts + 1,"
               " owner = $1, lease_ms = $2 WHERE id IN (SELECT id FROM pbxhook_deliveries"
               " WHERE state = 'pending' AND target = $3 AND due_ms <= $4"
               " ORDER BY due_ms, created_ms, id LIMIT $5 FOR UPDATE SKIP LOCKED)";
    return "UPDATE pbxhook_deliveries SET state = 'sending', attempts = attempts + 1,"
           " owner = $1, lease_ms = $2 WHERE id IN (SELECT id FROM pbxhook_deliveries"
           " WHERE state = 'pending' AND target = $3 AND due_ms <= $4"
           " ORDER BY due_ms, created_ms, id LIMIT $5)";
}

int deliveries_claim(struct store *store, const char *target, const char *owner, int64_t now_ms,
                     int64_t lease_ms, int max, struct delivery **list)
{
    struct claim claim = {.last = &claim.first};
    char mark[64];
    int64_t changed = 0;
    int result;

    /* This claim's own, so that the second statement finds what the first has marked. */
    if (make_key(mark) < 0)
        return STORE_E_MEMORY;
    result = store_sql(
        store, claim_statement(store),
        PARAMS(text(mark), integer(lease_ms), text(target), integer(now_ms), integer(max)), NULL,
        NULL, &changed);
    if (result < 0 || changed == 0)
        return result < 0 ? result : 0;
    result = store_sql(store,
                       "SELECT id, target, plugin, call_id, path, body, file, created_ms,"
                       " expires_ms, attempts, doubtful FROM pbxhook_deliveries"
                       " WHERE state = 'sending' AND owner = $1 ORDER BY due_ms, created_ms, id",
                       PARAMS(text(mark)), take_row, &claim, NULL);
    if (result >= 0)
        result = store_sql(store,
                           "UPDATE pbxhook_deliveries SET owner = $1"
                           " WHERE state = 'sending' AND owner = $2",
                           PARAMS(text(owner), text(mark)), NULL, NULL, NULL);
    if (claim.failed)
        result = STORE_E_MEMORY;
    if (result < 0) {
        deliveries_free(claim.first);
        return result;
    }
    *list = claim.first;
    return 0;
}

int deliveries_give_back(struct store *store, const char *owner, const struct delivery *claimed)
{
    /* The lost commit may still be under way: who writes the row waits for its end. */
    int result = store_sql(store, "UPDATE pbxhook_deliveries SET owner = owner WHERE id = $1",
                           PARAMS(text(claimed->id)), NULL, NULL, NULL);

    if (result >= 0)
        result = store_sql(store,
                           "UPDATE pbxhook_deliveries SET state = 'pending',"
                           " attempts = attempts - 1 WHERE id = $1 AND state = 'sending'"
                           " AND owner = $2 AND attempts = $3",
                           PARAMS(text(claimed->id), text(owner), integer(claimed->attempts)), NULL,
                           NULL, NULL);
    return result < 0 ? result : 0;
}

/* ---- Settling -------------------------------------------------------------------------------- */

/* The owner, the time, 1 for his former life, the target. */
#define LEFT                                                                                       \
    " WHERE state = 'sending' AND target = $4"                                                     \
    " AND ((owner <> $1 AND lease_ms <= $2) OR (owner = $1 AND $3 = 1))"

int deliveries_recover(struct store *store, const struct delivery_recovery *recovery)
{
    static const char again[] =
        "UPDATE pbxhook_deliveries SET state = 'pending', doubtful = 1, due_ms = $2" LEFT;
    static const char downloads_again[] =
        "UPDATE pbxhook_deliveries SET state = 'pending', doubtful = 1, due_ms = $2" LEFT
        " AND body IS NULL";
    const struct store_value params[] = {text(recovery->owner), integer(recovery->now_ms),
                                         integer(recovery->is_new != 0), text(recovery->target)};
    int64_t unknown = 0;
    int result = store_sql(store, recovery->repeatable ? again : downloads_again, params, 4, NULL,
                           NULL, NULL);

    if (result >= 0)
        result = store_sql(store,
                           "UPDATE pbxhook_deliveries SET state = 'unknown', ended_ms = $2,"
                           " detail = 'its worker ended before it was answered'" LEFT,
                           params, 4, NULL, NULL, &unknown);
    return result < 0 ? result : (int)unknown;
}

int deliveries_bring_forward(struct store *store, const struct delivery_forwarding *forwarding)
{
    int64_t now_ms = forwarding->now_ms;
    int64_t lease_ms = now_ms + forwarding->lease_ms;
    /* Nothing is due before it was asked for; so the index finds what is due later. */
    int result =
        store_sql(store,
                  "UPDATE pbxhook_deliveries SET due_ms = $1,"
                  " created_ms = CASE WHEN created_ms > $1 THEN $1 ELSE created_ms END,"
                  " expires_ms = CASE WHEN expires_ms > $2 THEN $2 ELSE expires_ms END"
                  " WHERE state = 'pending' AND target = $3 AND due_ms > $1"
                  " AND (created_ms > $1 OR due_ms > $4)",
                  PARAMS(integer(now_ms), integer(now_ms + forwarding->deadline_ms),
                         text(forwarding->target), integer(now_ms + forwarding->longest_ms)),
                  NULL, NULL, NULL);

    if (result >= 0)
        result = store_sql(store,
                           "UPDATE pbxhook_deliveries SET lease_ms = $1"
                           " WHERE state = 'sending' AND target = $2 AND lease_ms > $1",
                           PARAMS(integer(lease_ms), text(forwarding->target)), NULL, NULL, NULL);
    return result < 0 ? result : 0;
}

static const char *state_name(enum store_action_state state)
{
    switch (state) {
    case STORE_ACTION_DELIVERED:
        return "delivered";
    case STORE_ACTION_REJECTED:
        return "rejected";
    case STORE_ACTION_EXPIRED:
        return "expired";
    case STORE_ACTION_PENDING:
    case STORE_ACTION_DOUBTFUL:
        return "pending";
    default:
        return "unknown";
    }
}

int deliveries_settle(struct store *store, const char *owner, const struct delivery *delivery)
{
    int again = delivery->state == STORE_ACTION_PENDING || delivery->state == STORE_ACTION_DOUBTFUL;
    const struct store_value nothing = {.type = STORE_NULL};
    int64_t changed = 0;
    int result = store_sql(
        store,
        "UPDATE pbxhook_deliveries SET state = $1, due_ms = $2, ended_ms = $3, http_status = $4,"
        " detail = $5, doubtful = $6 WHERE id = $7 AND state = 'sending' AND owner = $8",
        PARAMS(text(state_name(delivery->state)),
               integer(again ? delivery->due_ms : delivery->finished_ms),
               again ? nothing : integer(delivery->finished_ms), integer(delivery->http_status),
               text(delivery->detail),
               integer(delivery->doubtful || delivery->state == STORE_ACTION_DOUBTFUL),
               text(delivery->id), text(owner)),
        NULL, NULL, &changed);

    return result < 0 ? result : changed > 0;
}

int deliveries_waiting(struct store *store, const char *target, int max, int64_t *count,
                       int64_t *oldest_ms)
{
    struct numbers numbers = {.first = 0};
    /* In the order of the index, of which no more than max is read. */
    int result = store_sql(store,
                           "SELECT count(*), min(created_ms) FROM (SELECT created_ms"
                           " FROM pbxhook_deliveries WHERE state = 'pending' AND target = $1"
                           " ORDER BY due_ms, created_ms LIMIT $2) AS waiting",
                           PARAMS(text(target), integer(max)), take_numbers, &numbers, NULL);

    if (result < 0)
        return result;
    *count = numbers.first;
    *oldest_ms = numbers.second;
    return 0;
}

int deliveries_count_ended(struct store *store, int64_t before_ms, int max)
{
    struct numbers numbers = {.first = 0};
    int result = store_sql(store,
                           "SELECT count(*) FROM (SELECT 1 FROM pbxhook_deliveries"
                           " WHERE ended_ms IS NOT NULL AND ended_ms < $1 LIMIT $2) AS ended",
                           PARAMS(integer(before_ms), integer(max)), take_numbers, &numbers, NULL);

    return result < 0 ? result : (int)numbers.first;
}

int deliveries_prune(struct store *store, int64_t before_ms, int max)
{
    int64_t changed = 0;
    int result =
        store_sql(store,
                  "DELETE FROM pbxhook_deliveries WHERE id IN (SELECT id FROM pbxhook_deliveries"
                  " WHERE ended_ms IS NOT NULL AND ended_ms < $1 LIMIT $2)",
                  PARAMS(integer(before_ms), integer(max)), NULL, NULL, &changed);

    return result < 0 ? result : (int)changed;
}

void deliveries_free(struct delivery *list)
{
    while (list != NULL) {
        struct delivery *next = list->next;

        free(list->id);
        free(list->target);
        free(list->plugin);
        free(list->call_id);
        free(list->path);
        free(list->body);
        free(list->file);
        free(list);
        list = next;
    }
}
