/*
 * store.c: opens a store by its URL's scheme and forwards to that backend. Here is what no backend
 * needs to know: which arguments make sense, whether a transaction is open and still good, the
 * savepoint, and the counts' changes that wait for the commit. It never speaks SQL. What only reads is in
 * store_read.c.
 */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "store/store_backend.h"
#include "store/store_forks.h"

static const struct store_backend *const backends[] = {&sqlite_backend, &postgres_backend,
                                                       &postgres_short_backend};

#define BACKEND_COUNT (sizeof(backends) / sizeof(backends[0]))

int store_fail(struct store *store, int code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(store->error, sizeof(store->error), format, values);
    va_end(values);
    return code;
}

void store_tell_migration(int version)
{
    log_info("an older version's store is brought up to date; this may take minutes",
             log_int("from_schema", version));
}

int store_open(const struct store_options *options, struct store **out, char *error,
               size_t error_size)
{
    const char *url = options->url;
    *out = NULL;
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        size_t length = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, length) != 0)
            continue;
        int result = backends[i]->open(url + length, options, out, error, error_size);
        if (result < 0)
            return result;
        (*out)->deadline_ms =
            options->deadline_ms > 0 ? options->deadline_ms : STORE_NO_DEADLINE_MS;
        store_forks_watch(*out);
        return result;
    }
    /* Only the scheme is shown: what follows may hold a password. */
    snprintf(error, error_size,
             "store.url: unknown scheme \"%.*s\"; known are sqlite:PATH and postgresql://...",
             (int)strcspn(url, ":"), url);
    return STORE_E_ARGUMENT;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_rollback(store);
    store_forks_forget(store);
    kpi_free(&store->kpi);
    store->backend->close(store);
}

const char *store_error(const struct store *store)
{
    return store->error;
}

int store_failure(const struct store *store)
{
    return store->failure;
}

void store_watch_waits(struct store *store, store_wait_fn fn, void *arg)
{
    store->wait_fn = fn;
    store->wait_arg = arg;
}

int store_is_away(const struct store *store)
{
    return store->backend->is_away != NULL && store->backend->is_away(store);
}

const char *store_dialect(const struct store *store)
{
    return store->backend->dialect;
}

/* ---- What every function asks first, and does last --------------------------------------------- */

int store_bad_argument(struct store *store, const char *name)
{
    return store_fail(store, STORE_E_ARGUMENT, "the argument %s is missing, empty or out of range",
                      name);
}

static int out_of_memory(struct store *store)
{
    return store_fail(store, STORE_E_MEMORY, "out of memory");
}

int store_check_reading(const struct store *store)
{
    return store->transaction == STORE_LOST ? STORE_E_FAILED : 0;
}

int store_check_writing(struct store *store)
{
    if (store->mode != STORE_WRITE)
        return store_fail(store, STORE_E_ARGUMENT, "the store was opened for reading");
    if (store->transaction == STORE_IDLE)
        return store_fail(store, STORE_E_ARGUMENT, "no transaction is open");
    return store_check_reading(store);
}

int store_settle(struct store *store, int result)
{
    int keeps = result >= 0 || result == STORE_E_ARGUMENT || result == STORE_E_SQL ||
                result == STORE_E_STOPPED;
    if (!keeps && store->transaction == STORE_OPEN) {
        store->transaction = STORE_LOST;
        store->failure = result;
    }
    return result;
}

/* ---- Transactions ------------------------------------------------------------------------------- */

static void forget_transaction(struct store *store)
{
    store->transaction = STORE_IDLE;
    store->has_savepoint = 0;
    memset(&store->delta, 0, sizeof(store->delta));
    kpi_clear(&store->kpi);
}

int store_begin(struct store *store, const struct event *const *events, size_t count)
{
    if (store->mode != STORE_WRITE)
        return store_fail(store, STORE_E_ARGUMENT, "the store was opened for reading");
    if (store->transaction != STORE_IDLE)
        return store_fail(store, STORE_E_ARGUMENT, "a transaction is open already");
    int result = store->backend->begin(store, events, count);
    store->failure = result;
    if (result == 0) {
        forget_transaction(store);
        store->confirmed = 0;
        store->transaction = STORE_OPEN;
    }
    return result;
}

int store_commit(struct store *store)
{
    int result = store_check_writing(store);
    if (result == STORE_E_ARGUMENT)
        return result;
    if (result == 0 && store->has_savepoint)
        return store_fail(store, STORE_E_ARGUMENT, "a savepoint is still open");
    if (result == 0)
        store->failure = result = store->backend->commit(store);
    else
        store->backend->rollback(store);
    forget_transaction(store);
    return result;
}

void store_rollback(struct store *store)
{
    if (store->transaction == STORE_IDLE)
        return;
    store->backend->rollback(store);
    forget_transaction(store);
}

int store_savepoint(struct store *store)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (store->has_savepoint)
        return store_fail(store, STORE_E_ARGUMENT, "a savepoint is open already");
    result = store_settle(store, store->backend->savepoint(store));
    if (result == 0) {
        store->has_savepoint = 1;
        store->delta_saved = store->delta;
        store->confirmed_saved = store->confirmed;
        kpi_savepoint(&store->kpi);
    }
    return result;
}

static int check_savepoint(struct store *store)
{
    int result = store_check_writing(store);
    if (result == 0 && !store->has_savepoint)
        return store_fail(store, STORE_E_ARGUMENT, "no savepoint is open");
    return result;
}

int store_release(struct store *store)
{
    int result = check_savepoint(store);
    if (result < 0)
        return result;
    result = store_settle(store, store->backend->release(store));
    if (result != STORE_E_SQL)
        store->has_savepoint = 0;
    return result;
}

int store_undo(struct store *store)
{
    int result = check_savepoint(store);
    if (result < 0)
        return result;
    store->has_savepoint = 0;
    store->delta = store->delta_saved;
    store->confirmed = store->confirmed_saved;
    kpi_undo(&store->kpi);
    return store_settle(store, store->backend->undo(store));
}

/* ---- Events, calls, users ------------------------------------------------------------------------ */

int store_event_add(struct store *store, const struct event *event, int64_t *id)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    result = store_settle(store, store->backend->event_add(store, event, id));
    if (result == STORE_EVENT_NEW && kpi_event_stored(&store->kpi, event->received_ms) < 0)
        return store_settle(store, out_of_memory(store));
    return result;
}

static int call_put(struct store *store, const struct event *event, int with_payload)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (event->field[EVENT_CALL_ID][0] == '\0')
        return store_bad_argument(store, "call_id");
    return store_settle(store, store->backend->call_put(store, event, with_payload));
}

int store_call_save(struct store *store, const struct event *event)
{
    return call_put(store, event, 1);
}

int store_call_advance(struct store *store, const struct event *event)
{
    return call_put(store, event, 0);
}

int store_call_find(struct store *store, const char *call_id, const struct store_call **out)
{
    if (call_id == NULL)
        return store_bad_argument(store, "call_id");
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->call_find(store, call_id, out));
}

int store_user_find(struct store *store, const char *number, const struct store_user **out)
{
    if (number == NULL)
        return store_bad_argument(store, "number");
    int result = store_check_reading(store);
    if (result < 0 || number[0] == '\0')
        return result;
    return store_settle(store, store->backend->user_find(store, number, out));
}

int store_user_create(struct store *store, const char *number, int64_t now_ms,
                      const struct store_user **out)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (number == NULL || number[0] == '\0')
        return store_bad_argument(store, "number");
    result = store_settle(store, store->backend->user_create(store, number, now_ms, out));
    if (result != 1)
        return result;
    store->delta.users++;
    return kpi_caller_made(&store->kpi, now_ms) < 0 ? store_settle(store, out_of_memory(store)) : 1;
}

static int run_sql(struct store *store, int is_plugins, const char *sql,
                   const struct store_value *params, uint32_t count, store_row_fn row, void *arg,
                   int64_t *changed)
{
    const int before = store->is_plugins; /* a row of a plugin's query may have called */
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (sql == NULL || (params == NULL && count > 0))
        return store_bad_argument(store, "sql");
    if (count > STORE_SQL_PARAMS_MOST)
        return store_fail(store, STORE_E_ARGUMENT,
                          "%u parameters were given, at most %d are possible: %.200s", count,
                          STORE_SQL_PARAMS_MOST, sql);
    store->is_plugins = is_plugins;
    result = store->backend->sql(store, sql, params, count, row, arg, changed);
    store->is_plugins = before;
    return store_settle(store, result);
}

int store_sql(struct store *store, const char *sql, const struct store_value *params,
              uint32_t count, store_row_fn row, void *arg, int64_t *changed)
{
    return run_sql(store, 0, sql, params, count, row, arg, changed);
}

int store_plugin_sql(struct store *store, const char *sql, const struct store_value *params,
                     uint32_t count, store_row_fn row, void *arg, int64_t *changed)
{
    return run_sql(store, 1, sql, params, count, row, arg, changed);
}

/* ---- Outbox -------------------------------------------------------------------------------------- */

int store_action_add(struct store *store, const char *key, const char *call_id, const char *body,
                     int64_t event_id, int64_t received_ms, int64_t expires_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (key == NULL || key[0] == '\0' || call_id == NULL || body == NULL)
        return store_bad_argument(store, "action");
    return store_settle(store, store->backend->action_add(store, key, call_id, body, event_id,
                                                          received_ms, expires_ms));
}

int store_actions_claim(struct store *store, int64_t now_ms, int max, struct store_action **out,
                        int *count, struct store_expired *expired)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (max < 0)
        return store_bad_argument(store, "max");
    return store_settle(store,
                        store->backend->actions_claim(store, now_ms, max, out, count, expired));
}

void store_actions_free(struct store_action *actions, int count)
{
    for (int i = 0; i < count; i++) {
        free(actions[i].key);
        free(actions[i].call_id);
        free(actions[i].body);
    }
    free(actions);
}

int store_action_next_due(struct store *store, int64_t *due_ms)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->action_next_due(store, due_ms));
}

int store_actions_bring_forward(struct store *store, int64_t now_ms, int64_t longest_lease_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    return store_settle(store,
                        store->backend->actions_bring_forward(store, now_ms, longest_lease_ms));
}

/* For the indicators: the PBX has answered. */
static int note_answer(struct store *store, const struct store_settlement *settlement)
{
    if (settlement->state != STORE_ACTION_DELIVERED && settlement->state != STORE_ACTION_REJECTED)
        return 0;
    return kpi_action_answered(&store->kpi, settlement->received_ms, settlement->now_ms) < 0
               ? out_of_memory(store)
               : 0;
}

int store_actions_settle(struct store *store, const struct store_settlement *settlements, int count,
                         unsigned char *changed)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    for (int i = 0; i < count; i++) {
        if (settlements[i].state == STORE_ACTION_SENDING ||
            settlements[i].state == STORE_ACTION_CONFIRMED)
            return store_bad_argument(store, "state");
        changed[i] = 0;
    }
    if (count == 0)
        return 0;
    result =
        store_settle(store, store->backend->actions_settle(store, settlements, count, changed));
    for (int i = 0; i < count && result >= 0; i++) {
        if (changed[i])
            result = store_settle(store, note_answer(store, &settlements[i]));
    }
    return result;
}

int store_actions_confirm(struct store *store, const char *call_id, int64_t now_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (call_id == NULL || call_id[0] == '\0')
        return store_bad_argument(store, "call_id");
    return store_settle(store, store->backend->actions_confirm(store, call_id, now_ms));
}

int store_confirmed(const struct store *store)
{
    return store->confirmed;
}

int store_actions_abandon(struct store *store, int64_t now_ms, int repeatable,
                          struct store_action **out)
{
    struct store_action *unknown = NULL;
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    result =
        store_settle(store, store->backend->actions_abandon(store, now_ms, repeatable, &unknown));
    if (result >= 0 && out != NULL)
        *out = unknown;
    else
        store_actions_free(unknown, result);
    return result;
}

/* ---- Handlings that failed ----------------------------------------------------------------------- */

int store_retry_put(struct store *store, int64_t event_id, const char *plugin, int attempts,
                    int dead, int64_t due_ms, int64_t now_ms, const char *error)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL || plugin[0] == '\0')
        return store_bad_argument(store, "plugin");
    return store_settle(store,
                        store->backend->retry_put(store, event_id, plugin, attempts, dead, due_ms,
                                                  now_ms, error == NULL ? "" : error));
}

int store_retry_suspect(struct store *store, int64_t event_id, const char *plugin, int attempts,
                        int strikes, int64_t due_ms, int64_t now_ms, const char *error)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL || plugin[0] == '\0')
        return store_bad_argument(store, "plugin");
    if (strikes < 0)
        return store_bad_argument(store, "strikes");
    return store_settle(store,
                        store->backend->retry_suspect(store, event_id, plugin, attempts, strikes,
                                                      due_ms, now_ms, error == NULL ? "" : error));
}

int store_retry_claim(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->retry_claim(store, event_id, plugin, until_ms));
}

int store_retries_release(struct store *store, int64_t now_ms, int untried)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->retries_release(store, now_ms, untried));
}

int store_retry_find(struct store *store, int64_t event_id, const char *plugin,
                     struct store_retry *out)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->retry_find(store, event_id, plugin, out));
}

void store_retry_clear(struct store_retry *retry)
{
    free(retry->plugin);
    free(retry->error);
    event_free(retry->event);
    *retry = (struct store_retry){.event_id = 0};
}

int store_retry_done(struct store *store, int64_t event_id, const char *plugin)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->retry_done(store, event_id, plugin));
}

int store_retries_due(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                      int *count)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (max < 0)
        return store_bad_argument(store, "max");
    return store_settle(store, store->backend->retries_due(store, now_ms, max, out, count));
}

void store_retries_free(struct store_retry *retries, int count)
{
    for (int i = 0; i < count; i++)
        store_retry_clear(&retries[i]);
    free(retries);
}

int store_retry_next_due(struct store *store, int64_t *due_ms)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->retry_next_due(store, due_ms));
}

int store_retries_bring_forward(struct store *store, int64_t now_ms, int64_t longest_ms,
                                int64_t claim_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    return store_settle(store,
                        store->backend->retries_bring_forward(store, now_ms, longest_ms, claim_ms));
}

/* ---- Dead letters -------------------------------------------------------------------------------- */

int store_letters(struct store *store, const struct store_letter *before, int max,
                  store_letter_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (max < 1 || (before != NULL && before->plugin == NULL))
        return store_bad_argument(store, max < 1 ? "max" : "before");
    return store_settle(store, store->backend->letters(store, before, max, row, arg));
}

int store_letter_find(struct store *store, int64_t event_id, const char *plugin,
                      store_letter_fn row, void *arg)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->letter_find(store, event_id, plugin, row, arg));
}

int store_letters_count(struct store *store, int64_t *out)
{
    int result = store_check_reading(store);
    if (result < 0)
        return result;
    return store_settle(store, store->backend->letters_count(store, out));
}

int store_letter_replay(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->letter_replay(store, event_id, plugin, now_ms));
}

int store_letters_replay(struct store *store, int64_t before_ms, int max, int64_t now_ms)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (max < 1)
        return store_bad_argument(store, "max");
    return store_settle(store, store->backend->letters_replay(store, before_ms, max, now_ms));
}

int store_letter_drop(struct store *store, int64_t event_id, const char *plugin)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (plugin == NULL)
        return store_bad_argument(store, "plugin");
    return store_settle(store, store->backend->letter_drop(store, event_id, plugin));
}

/* ---- Old records --------------------------------------------------------------------------------- */

static int prune(struct store *store, int64_t before_ms, int max_rows, int remove,
                 struct store_pruned *pruned)
{
    int result = store_check_writing(store);
    if (result < 0)
        return result;
    if (max_rows < 1)
        return store_bad_argument(store, "max_rows");
    return store_settle(store, store->backend->prune(store, before_ms, max_rows, remove, pruned));
}

int store_prune(struct store *store, int64_t before_ms, int max_rows, struct store_pruned *pruned)
{
    return prune(store, before_ms, max_rows, 1, pruned);
}

int store_prune_count(struct store *store, int64_t before_ms, int max_rows,
                      struct store_pruned *pruned)
{
    return prune(store, before_ms, max_rows, 0, pruned);
}
