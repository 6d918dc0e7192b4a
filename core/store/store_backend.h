/*
 * store_backend.h: what store.c asks of a database, one table of functions for each. Private to
 * core/store. What holds for every database is done once, in store.c, before a function here is
 * called: arguments are checked, a writing function is called only inside a transaction that is still
 * good, and the counts' changes are kept in `delta`.
 */
#ifndef PBXHOOK_STORE_BACKEND_H
#define PBXHOOK_STORE_BACKEND_H

#include "store/kpi.h"
#include "store/store.h"

#define STORE_ERROR_SIZE     512
#define STORE_NO_DEADLINE_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

enum store_transaction {
    STORE_IDLE,
    STORE_OPEN,
    STORE_LOST /* something failed: only rolling back is left */
};

/* The first member of each backend's own struct. */
struct store {
    const struct store_backend *backend;
    enum store_mode mode;
    enum store_transaction transaction;
    int failure; /* what lost this transaction, or the last one */
    int has_savepoint;
    int64_t deadline_ms; /* of the options; STORE_NO_DEADLINE_MS for 0 */
    int owns_sql;        /* what sql() is asked now is pbxhook's own: it may write to every table */
    int is_plugins;      /* ... a plugin's: it may not write to those of pbxhook's services either */
    struct store_counts delta;       /* of the open transaction, applied by commit() */
    struct store_counts delta_saved; /* as it was at the savepoint                   */
    struct kpi_changes kpi;          /* of the open transaction, applied by commit() */
    int confirmed;                   /* actions, by the open transaction or the last one */
    int confirmed_saved;             /* as it was at the savepoint                   */
    char error[STORE_ERROR_SIZE];
    struct store *next_open; /* store_forks.c's */
    store_wait_fn wait_fn;   /* NULL: nobody wants to know */
    void *wait_arg;
};

/* For a backend that waits for a server. */
static inline void store_note_wait(const struct store *store, int waiting)
{
    if (store->wait_fn != NULL)
        store->wait_fn(store->wait_arg, waiting);
}

struct store_backend {
    const char *scheme; /* with its colon: "sqlite:" */
    const char *dialect;

    /* `place` is what follows the scheme. As store_open(); *out has all of struct store set. */
    int (*open)(const char *place, const struct store_options *options, struct store **out,
                char *error, size_t error_size);
    void (*close)(struct store *store);        /* nothing is open any more */
    int (*is_away)(const struct store *store); /* NULL: never */
    void (*let_go)(
        struct store *store); /* in a forked child: of lock or session; see store_forks.h */

    int (*begin)(struct store *store, const struct event *const *events, size_t count);
    int (*commit)(struct store *store); /* applies delta and kpi; has rolled back when it fails */
    void (*rollback)(struct store *store);
    int (*savepoint)(struct store *store);
    int (*release)(struct store *store);
    int (*undo)(struct store *store);

    int (*event_add)(struct store *store, const struct event *event, int64_t *id);
    int (*call_put)(struct store *store, const struct event *event, int with_payload);
    int (*call_find)(struct store *store, const char *call_id, const struct store_call **out);
    int (*user_find)(struct store *store, const char *number, const struct store_user **out);
    int (*user_create)(struct store *store, const char *number, int64_t now_ms,
                       const struct store_user **out);
    int (*sql)(struct store *store, const char *sql, const struct store_value *params,
               uint32_t count, store_row_fn row, void *arg, int64_t *changed);

    int (*action_add)(struct store *store, const char *key, const char *call_id, const char *body,
                      int64_t event_id, int64_t received_ms, int64_t expires_ms);
    int (*actions_claim)(struct store *store, int64_t now_ms, int max, struct store_action **out,
                         int *count, struct store_expired *expired);
    int (*action_next_due)(struct store *store, int64_t *due_ms);
    int (*actions_bring_forward)(struct store *store, int64_t now_ms, int64_t longest_lease_ms);
    int (*actions_settle)(struct store *store, const struct store_settlement *settlements,
                          int count, unsigned char *changed); /* zeroed */
    int (*actions_confirm)(struct store *store, const char *call_id, int64_t now_ms);
    int (*actions_abandon)(struct store *store, int64_t now_ms, int repeatable,
                           struct store_action **out); /* not NULL */

    int (*retry_put)(struct store *store, int64_t event_id, const char *plugin, int attempts,
                     int dead, int64_t due_ms, int64_t now_ms, const char *error);
    int (*retry_suspect)(struct store *store, int64_t event_id, const char *plugin, int attempts,
                         int strikes, int64_t due_ms, int64_t now_ms, const char *error);
    int (*retry_claim)(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms);
    int (*retries_release)(struct store *store, int64_t now_ms, int untried);
    int (*retry_done)(struct store *store, int64_t event_id, const char *plugin);
    int (*retry_find)(struct store *store, int64_t event_id, const char *plugin,
                      struct store_retry *out);
    int (*retries_due)(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                       int *count);
    int (*retry_next_due)(struct store *store, int64_t *due_ms);
    int (*retries_bring_forward)(struct store *store, int64_t now_ms, int64_t longest_ms,
                                 int64_t claim_ms);

    int (*letters)(struct store *store, const struct store_letter *before, int max,
                   store_letter_fn row, void *arg);
    int (*letter_find)(struct store *store, int64_t event_id, const char *plugin,
                       store_letter_fn row, void *arg);
    int (*letters_count)(struct store *store, int64_t *out);
    int (*letter_replay)(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms);
    int (*letters_replay)(struct store *store, int64_t before_ms, int max, int64_t now_ms);
    int (*letter_drop)(struct store *store, int64_t event_id, const char *plugin);

    /* store_prune(), or with remove 0 store_prune_count(). max_rows is positive. */
    int (*prune)(struct store *store, int64_t before_ms, int max_rows, int remove,
                 struct store_pruned *pruned);

    /* Outside a transaction: what was overwritten leaves the database's own logs as well, as far as it is this
     * store's to say so. 1; 0: somebody is in the way. NULL: it never is. */
    int (*scrub)(struct store *store);

    int (*counts)(struct store *store, struct store_counts *out); /* without delta */
    int (*active_calls)(struct store *store, int (*row)(void *arg, const struct store_call *call),
                        void *arg);
    int (*calls)(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                 void *arg);
    int (*events_after)(struct store *store, const struct store_place *after, int limit,
                        store_event_fn row, void *arg);
    int (*events_newest)(struct store *store, int count, struct store_place *before);
    int (*call_events)(struct store *store, const char *call_id, int limit, store_event_fn row,
                       void *arg);
    int (*call_actions)(struct store *store, const char *call_id, int limit,
                        store_past_action_fn row, void *arg);

    int (*kpi)(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
               store_kpi_fn row, void *arg);
    int (*kpi_callers)(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count);
    int (*kpi_actions)(struct store *store, int64_t from_minute, int64_t to_minute,
                       store_kpi_action_fn row, void *arg);
    int (*kpi_events)(struct store *store, int64_t from_minute, int64_t *count);
};

extern const struct store_backend sqlite_backend;
extern const struct store_backend postgres_backend;
extern const struct store_backend postgres_short_backend; /* "postgres://" */

/* The states of a store_call_filter as ",call.new,call.ongoing,", "" for any: a statement looks for ",status,". */
#define STORE_STATES_SIZE (LIFECYCLE_COUNT * 16)
void store_write_states(unsigned states, char out[STORE_STATES_SIZE]);

/* What is asked before a function reads, or writes: 0, or negative. The text of what lost the transaction stays. */
int store_check_reading(const struct store *store);
int store_check_writing(struct store *store);

/* Passes a backend's result on; a failure of the database itself costs the transaction. */
int store_settle(struct store *store, int result);

/* Sets the text, and returns STORE_E_ARGUMENT. */
int store_bad_argument(struct store *store, const char *name);

/* Sets the text of store_error() and returns `code`. */
int store_fail(struct store *store, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Logs that a store of this version is about to be brought up to date: with large tables it takes its time. */
void store_tell_migration(int version);

#endif
