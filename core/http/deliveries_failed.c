/*
 * deliveries_failed.c: see deliveries_failed.h. The states are written out in each statement as they are in the
 * index, which is found by that.
 */
#include "http/deliveries_failed.h"

#include "http/deliveries.h"
#include "http/deliveries_sql.h"

#define FAILED         "state IN ('rejected', 'expired', 'unknown')"

#define NUMBER(macro)  NUMBER_(macro)
#define NUMBER_(value) #value

#define COLUMNS                                                                                    \
    "id, target, plugin, call_id, path, file, state, detail, body IS NULL, length(body),"          \
    " created_ms, ended_ms, attempts, http_status"

/* The values are in the order of COLUMNS, then the body. */
struct reader {
    delivery_failed_fn fn;
    void *arg;
    int count, stopped;
};

static const char *text_of(const struct store_value *value)
{
    return value->type == STORE_TEXT ? value->as.text : "";
}

static int64_t integer_of(const struct store_value *value)
{
    return value->type == STORE_INT64 ? value->as.integer : 0;
}

static int read_row(void *arg, const struct store_value *values, uint32_t count)
{
    struct reader *reader = arg;
    const struct delivery_failed failed = {
        .id = text_of(&values[0]),
        .target = text_of(&values[1]),
        .plugin = text_of(&values[2]),
        .call_id = text_of(&values[3]),
        .path = text_of(&values[4]),
        .file = text_of(&values[5]),
        .state = text_of(&values[6]),
        .detail = text_of(&values[7]),
        .is_download = integer_of(&values[8]) != 0,
        .body_length = integer_of(&values[9]),
        .created_ms = integer_of(&values[10]),
        .ended_ms = integer_of(&values[11]),
        .attempts = integer_of(&values[12]),
        .http_status = integer_of(&values[13]),
        .body = count > 14 ? text_of(&values[14]) : "",
    };

    reader->count++;
    reader->stopped = reader->fn(reader->arg, &failed);
    return reader->stopped;
}

/* The number of rows; what the reader could not take is for want of memory. */
static int read_rows(struct store *store, const char *sql, const struct store_value *params,
                     uint32_t count, delivery_failed_fn fn, void *arg)
{
    struct reader reader = {.fn = fn, .arg = arg};
    int result = store_sql(store, sql, params, count, read_row, &reader, NULL);

    if (reader.stopped)
        return STORE_E_MEMORY;
    return result < 0 ? result : reader.count;
}

static int take_count(void *arg, const struct store_value *values, uint32_t count)
{
    (void)count;
    *(int64_t *)arg = integer_of(&values[0]);
    return 0;
}

int deliveries_failed_count(struct store *store, int64_t *count)
{
    return store_sql(store, "SELECT count(*) FROM pbxhook_deliveries WHERE " FAILED, NULL, 0,
                     take_count, count, NULL);
}

int deliveries_failed_list(struct store *store, int64_t ended_ms, const char *id, int max,
                           delivery_failed_fn fn, void *arg)
{
    if (id == NULL)
        return read_rows(store,
                         "SELECT " COLUMNS " FROM pbxhook_deliveries WHERE " FAILED
                         " ORDER BY ended_ms DESC, id DESC LIMIT $1",
                         PARAMS(integer(max)), fn, arg);
    return read_rows(store,
                     "SELECT " COLUMNS " FROM pbxhook_deliveries WHERE " FAILED
                     " AND (ended_ms, id) < ($1, $2) ORDER BY ended_ms DESC, id DESC LIMIT $3",
                     PARAMS(integer(ended_ms), text(id), integer(max)), fn, arg);
}

int deliveries_failed_find(struct store *store, const char *id, delivery_failed_fn fn, void *arg)
{
    return read_rows(store,
                     "SELECT " COLUMNS ", substr(body, 1, " NUMBER(
                         DELIVERIES_FAILED_BODY) ") FROM pbxhook_deliveries"
                                                 " WHERE id = $1 AND " FAILED,
                     PARAMS(text(id)), fn, arg);
}

/* Every column at the right is as it was before. */
#define AGAIN                                                                                      \
    "UPDATE pbxhook_deliveries SET state = 'pending', due_ms = $1,"                                \
    " expires_ms = $1 + expires_ms - created_ms, created_ms = $1, attempts = 0,"                   \
    " doubtful = CASE WHEN state = 'unknown' THEN 1 ELSE 0 END,"                                   \
    " ended_ms = NULL, http_status = NULL, detail = NULL "

int deliveries_failed_retry(struct store *store, const char *id, int64_t now_ms)
{
    int64_t changed = 0;
    int result = store_sql(store, AGAIN "WHERE id = $2 AND " FAILED,
                           PARAMS(integer(now_ms), text(id)), NULL, NULL, &changed);

    return result < 0 ? result : (int)changed;
}

int deliveries_failed_retry_all(struct store *store, int64_t before_ms, int max, int64_t now_ms)
{
    int64_t changed = 0;
    int result =
        store_sql(store,
                  AGAIN "WHERE id IN (SELECT id FROM pbxhook_deliveries WHERE " FAILED
                        " AND state <> 'unknown' AND ended_ms < $2 ORDER BY ended_ms, id LIMIT $3)",
                  PARAMS(integer(now_ms), integer(before_ms), integer(max)), NULL, NULL, &changed);

    return result < 0 ? result : (int)changed;
}

int deliveries_failed_drop(struct store *store, const char *id)
{
    int64_t changed = 0;
    int result = store_sql(store, "DELETE FROM pbxhook_deliveries WHERE id = $1 AND " FAILED,
                           PARAMS(text(id)), NULL, NULL, &changed);

    return result < 0 ? result : (int)changed;
}
