/*
 * sqlite_internal.h: what the files of the SQLite backend share. Private to core/store/sqlite_*.c and
 * its test. One connection, one thread: a connection is opened without SQLite's mutexes.
 */
#ifndef PBXHOOK_SQLITE_INTERNAL_H
#define PBXHOOK_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "store/store_backend.h"

/* PRAGMA application_id of a store: "PBXs". */
#define SQLITE_STORE_APPLICATION_ID 0x50425873

/* Another process may read, and recover after a crash. */
#define SQLITE_BUSY_TIMEOUT_MS 5000

/* The numbered migrations of schema/sqlite, in order, NULL at the end; made by the build. */
extern const char *const sqlite_schema[];

uint32_t sqlite_hash(const char *text); /* not for storing */

/* ---- Statements (sqlite_statements.c) ------------------------------------------------------------ */

enum sqlite_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT_OPEN,
    SQL_SAVEPOINT_RELEASE,
    SQL_SAVEPOINT_UNDO,
    SQL_SAVEPOINT_FLUSH,
    SQL_COUNT_ADD,
    SQL_COUNT_LIST,
    SQL_EVENT_ADD,
    SQL_EVENT_FIND,
    SQL_EVENT_LIST,
    SQL_EVENT_NEWEST,
    SQL_EVENT_LIST_OF_CALL,
    SQL_EVENT_LINK,
    SQL_STRAY_ADD,
    SQL_STRAY_LINK,
    SQL_STRAY_DROP,
    SQL_CALL_LOOK_UP,
    SQL_CALL_ADD,
    SQL_CALL_ADVANCE,
    SQL_CALL_FOLLOW,
    SQL_CALL_FINISH,
    SQL_CALL_TIMES,
    SQL_CALL_OFFER,
    SQL_CALL_FILL,
    SQL_CALL_ADD_PAYLOAD,
    SQL_CALL_FIND,
    SQL_CALL_LIST_ACTIVE,
    SQL_CALL_LIST,
    SQL_CALL_LIST_BY_NUMBER,
    SQL_CALL_LIST_BY_QUEUE,
    SQL_CALL_LIST_UNFINISHED,
    SQL_USER_ADD,
    SQL_USER_FIND,
    SQL_ACTION_ADD,
    SQL_ACTION_LIST_OF_CALL,
    SQL_ACTION_DUE,
    SQL_ACTION_CLAIM,
    SQL_ACTION_EXPIRE,
    SQL_ACTION_NEXT_DUE,
    SQL_ACTIONS_FORWARD,
    SQL_ACTION_SETTLE,
    SQL_ACTION_ANNOTATE,
    SQL_ACTION_UNCONFIRMED,
    SQL_ACTION_CONFIRM,
    SQL_ACTION_ABANDON,
    SQL_ACTION_DOUBT,
    SQL_RETRY_PUT,
    SQL_RETRY_DONE,
    SQL_RETRY_DUE,
    SQL_RETRY_FIND,
    SQL_RETRY_CLAIM,
    SQL_RETRIES_RELEASE,
    SQL_LETTER_LIST,
    SQL_LETTER_FIND,
    SQL_LETTER_COUNT,
    SQL_LETTER_REPLAY,
    SQL_LETTERS_REPLAY,
    SQL_LETTER_DROP,
    SQL_RETRY_NEXT_DUE,
    SQL_RETRIES_FORWARD,
    SQL_PRUNE_LIST_EVENTS,
    SQL_PRUNE_LIST_CALLS,
    SQL_PRUNE_LIST_ACTIONS,
    SQL_PRUNE_DEAD_LETTERS,
    SQL_PRUNE_HANDLINGS,
    SQL_PRUNE_EVENT_LINK,
    SQL_PRUNE_STRAY,
    SQL_PRUNE_EVENT,
    SQL_PRUNE_CALL_LINKS,
    SQL_PRUNE_CALL_UNLINK,
    SQL_PRUNE_PAYLOAD,
    SQL_PRUNE_CALL_ACTIONS,
    SQL_PRUNE_CALL,
    SQL_PRUNE_ACTION,
    SQL_KPI_ADD,
    SQL_KPI_LOWER,
    SQL_KPI_ADD_MINUTE,
    SQL_KPI_ADD_ANSWERS,
    SQL_KPI_LIST,
    SQL_KPI_CALLERS,
    SQL_KPI_EVENTS,
    SQL_KPI_ACTIONS,
    SQL_STATEMENT_COUNT
};

/* The text of one, for the test that looks at the query plans. */
const char *sqlite_statement_sql(enum sqlite_statement which);

struct sqlite_param {
    enum { PARAM_NULL, PARAM_INT, PARAM_TEXT, PARAM_BLOB } type;
    int size; /* bytes; of a text -1: up to its NUL */
    int64_t integer;
    const void *bytes;
};

static inline struct sqlite_param param_int(int64_t integer)
{
    return (struct sqlite_param){.type = PARAM_INT, .integer = integer};
}

/* NULL text is the database's NULL. */
static inline struct sqlite_param param_text(const char *text)
{
    return (struct sqlite_param){
        .type = text == NULL ? PARAM_NULL : PARAM_TEXT, .size = -1, .bytes = text};
}

static inline struct sqlite_param param_sized_text(const char *text, size_t size)
{
    return (struct sqlite_param){.type = PARAM_TEXT, .size = (int)size, .bytes = text};
}

static inline struct sqlite_param param_blob(const void *bytes, size_t size)
{
    return (struct sqlite_param){.type = PARAM_BLOB, .size = (int)size, .bytes = bytes};
}

/* The last two arguments of sqlite_run() and sqlite_query(). */
#define SQL_PARAMS(...)                                                                            \
    (const struct sqlite_param[]){__VA_ARGS__},                                                    \
        (int)(sizeof((const struct sqlite_param[]){__VA_ARGS__}) / sizeof(struct sqlite_param))

#define SQL_NO_PARAMS NULL, 0

/* ---- Calls looked up lately (sqlite_call_cache.c) ------------------------------------------------- */

/* What of a call decides what an event changes in it. */
struct sqlite_known_call {
    int64_t id;
    int64_t status_ms;
    int64_t created_ms;
    enum lifecycle state;
    unsigned filled; /* bit 1 << EVENT_...: the field has a value */
    struct kpi_times times;
};

#define SQLITE_CALL_CACHE_SLOTS   4096 /* a power of two */
#define SQLITE_CALL_CACHE_ID_SIZE 48   /* with its NUL; a longer call_id is looked up each time */

struct sqlite_call_cache {
    uint64_t generation; /* a slot of another one is empty */
    struct {
        uint64_t generation;
        char call_id[SQLITE_CALL_CACHE_ID_SIZE];
        struct sqlite_known_call call;
    } slot[SQLITE_CALL_CACHE_SLOTS];
};

/* 1 and *out, or 0: ask the database. */
int sqlite_call_cache_find(const struct sqlite_call_cache *cache, const char *call_id,
                           struct sqlite_known_call *out);
/* The call as it is in the open transaction. */
void sqlite_call_cache_put(struct sqlite_call_cache *cache, const char *call_id,
                           const struct sqlite_known_call *call);
/* Whenever work is undone. */
void sqlite_call_cache_clear(struct sqlite_call_cache *cache);

/* ---- The store ------------------------------------------------------------------------------------ */

#define SQLITE_PLUGIN_STATEMENTS 32

/*
 * Whose statement the authorizer is asked about. One that is being stepped may be prepared once more,
 * because the schema has changed, and a virtual table's own statements are prepared then: these may be
 * a PRAGMA that reads, as of pragma_table_info(). A plugin's own PRAGMA does not get as far as that.
 */
enum sqlite_guard { SQLITE_GUARD_OFF, SQLITE_GUARD_PREPARE, SQLITE_GUARD_STEP };

/* A prepared statement of a plugin, found again by its text. */
struct sqlite_plugin_statement {
    char *sql;
    uint32_t hash;
    int is_own;     /* pbxhook's: no guard was on when it was prepared, so it is no plugin's */
    int is_plugins; /* the guard was as for a plugin */
    int busy;       /* being stepped: a row callback may come back in with the same text */
    uint64_t used;
    sqlite3_stmt *stmt;
};

/* Memory for a record that is handed out, used again by the next one. */
struct sqlite_text {
    char *bytes;
    size_t capacity;
};

struct sqlite_call_record {
    struct store_call call;
    struct sqlite_text text;
};

struct sqlite_store {
    struct store base; /* first */
    sqlite3 *db;
    char *path;
    int lock_fd;                /* -1 for a reader */
    enum sqlite_guard guard;    /* on while a plugin's statement is prepared or stepped */
    int plugin_wrote;           /* since the savepoint */
    const char *plugin_refusal; /* why the authorizer refused it                        */

    sqlite3_stmt *statement[SQL_STATEMENT_COUNT]; /* prepared when first used */
    struct sqlite_plugin_statement plugin_statement[SQLITE_PLUGIN_STATEMENTS];
    uint64_t plugin_clock;

    struct sqlite_call_cache call_cache;
    struct sqlite_call_record found_call;
    struct sqlite_call_record listed_call; /* of its own: the row callback may look for another */
    struct store_user user;
    struct sqlite_text user_text;
};

/* The backend's own type back from what store.c passes. */
static inline struct sqlite_store *sqlite_of(struct store *store)
{
    return (struct sqlite_store *)store;
}

/*
 * Runs a statement that gives no rows to its end: 0, or a negative STORE_E_... with its text set.
 */
int sqlite_run(struct sqlite_store *store, enum sqlite_statement which,
               const struct sqlite_param *params, int count);

/*
 * Prepares and binds; then sqlite_next() for each row. The texts bound must live until then. A query
 * that is not stepped to its end is ended with sqlite3_reset().
 */
int sqlite_query(struct sqlite_store *store, enum sqlite_statement which,
                 const struct sqlite_param *params, int count, sqlite3_stmt **out);
int sqlite_next(struct sqlite_store *store, sqlite3_stmt *stmt); /* 1 a row; 0 or negative: ended */

/* One row, one integer: 1 and *out, 0 when there is no row. */
int sqlite_query_int(struct sqlite_store *store, enum sqlite_statement which, int64_t *out);

/* The class of the connection's last error, STORE_E_..., with a text for people. */
int sqlite_fail(struct sqlite_store *store);
int sqlite_classify(int sqlite_code);
/* What can be done about it: "; free space..." or "". A constant. */
const char *sqlite_advice(int sqlite_code);
int sqlite_out_of_memory(struct sqlite_store *store);

void sqlite_finalize_all(struct sqlite_store *store);

int sqlite_text_reserve(struct sqlite_text *text, size_t size); /* 0, or -1: out of memory */

/* A column's text: never NULL, borrowed until the next step. */
static inline const char *sqlite_column_string(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text == NULL ? "" : (const char *)text;
}

/* ---- Opening (sqlite_open.c, sqlite_migrate.c) ----------------------------------------------------- */

int sqlite_open(const char *place, const struct store_options *options, struct store **out,
                char *error, size_t error_size);
void sqlite_close(struct store *store);
void sqlite_let_go(struct store *store); /* in a forked child */

/*
 * Whether the file is a store that this pbxhook knows how to use; changes nothing in it. 0 and its
 * schema's version, 0 for an empty file; STORE_E_CORRUPT.
 */
int sqlite_identify(struct sqlite_store *store, const char *const *scripts, int *version);

/* Runs the scripts behind `version`, each in a transaction of its own with its number. */
int sqlite_migrate(struct sqlite_store *store, const char *const *scripts, int version);

/* ---- The rest of the backend's table --------------------------------------------------------------- */

int sqlite_event_add(struct store *store, const struct event *event, int64_t *id);
int sqlite_call_put(struct store *store, const struct event *event, int with_payload);
int sqlite_call_find(struct store *store, const char *call_id, const struct store_call **out);
int sqlite_user_find(struct store *store, const char *number, const struct store_user **out);
int sqlite_user_create(struct store *store, const char *number, int64_t now_ms,
                       const struct store_user **out);

int sqlite_plugin_sql(struct store *store, const char *sql, const struct store_value *params,
                      uint32_t count, store_row_fn row, void *arg, int64_t *changed);
/* Refuses to a plugin's statement what it may not do; arg is the store. For sqlite3_set_authorizer(). */
int sqlite_authorize(void *arg, int action, const char *first, const char *second,
                     const char *database, const char *trigger);
/* Makes virtual tables write what they hold back; only before the savepoint is released or undone. */
int sqlite_plugin_flush(struct sqlite_store *store);
void sqlite_plugin_finalize_all(struct sqlite_store *store);

int sqlite_action_add(struct store *store, const char *key, const char *call_id, const char *body,
                      int64_t event_id, int64_t received_ms, int64_t expires_ms);
int sqlite_actions_claim(struct store *store, int64_t now_ms, int max, struct store_action **out,
                         int *count, struct store_expired *expired);
int sqlite_action_next_due(struct store *store, int64_t *due_ms);
int sqlite_actions_bring_forward(struct store *store, int64_t now_ms, int64_t longest_lease_ms);
int sqlite_actions_settle(struct store *store, const struct store_settlement *settlements,
                          int count, unsigned char *changed);
int sqlite_actions_confirm(struct store *store, const char *call_id, int64_t now_ms);
int sqlite_actions_abandon(struct store *store, int64_t now_ms, int repeatable,
                           struct store_action **out);

int sqlite_retry_put(struct store *store, int64_t event_id, const char *plugin, int attempts,
                     int dead, int64_t due_ms, int64_t now_ms, const char *error);
int sqlite_retry_suspect(struct store *store, int64_t event_id, const char *plugin, int attempts,
                         int strikes, int64_t due_ms, int64_t now_ms, const char *error);
int sqlite_retry_claim(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms);
int sqlite_retries_release(struct store *store, int64_t now_ms, int untried);
int sqlite_retry_done(struct store *store, int64_t event_id, const char *plugin);
int sqlite_retry_find(struct store *store, int64_t event_id, const char *plugin,
                      struct store_retry *out);
int sqlite_retries_due(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                       int *count);
int sqlite_retry_next_due(struct store *store, int64_t *due_ms);
int sqlite_retries_bring_forward(struct store *store, int64_t now_ms, int64_t longest_ms,
                                 int64_t claim_ms);
int sqlite_letters(struct store *store, const struct store_letter *before, int max,
                   store_letter_fn row, void *arg);
int sqlite_letter_find(struct store *store, int64_t event_id, const char *plugin,
                       store_letter_fn row, void *arg);
int sqlite_letters_count(struct store *store, int64_t *out);
int sqlite_letter_replay(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms);
int sqlite_letters_replay(struct store *store, int64_t before_ms, int max, int64_t now_ms);
int sqlite_letter_drop(struct store *store, int64_t event_id, const char *plugin);

int sqlite_prune(struct store *store, int64_t before_ms, int max_rows, int remove,
                 struct store_pruned *pruned);

int sqlite_scrub(struct store *store);

int sqlite_counts(struct store *store, struct store_counts *out);
int sqlite_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                        void *arg);
/* A row that begins with CALL_COLUMNS, as of SQL_CALL_FIND, into *record. */
int sqlite_take_call(struct sqlite_store *store, sqlite3_stmt *stmt,
                     struct sqlite_call_record *record);

int sqlite_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                 void *arg);
int sqlite_events_after(struct store *store, const struct store_place *after, int limit,
                        store_event_fn row, void *arg);
int sqlite_events_newest(struct store *store, int count, struct store_place *before);
int sqlite_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                       void *arg);
int sqlite_call_actions(struct store *store, const char *call_id, int limit,
                        store_past_action_fn row, void *arg);

/* Adds what the transaction has changed to the sums; the last thing before it is committed. */
int sqlite_kpi_apply(struct sqlite_store *store);
int sqlite_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
               store_kpi_fn row, void *arg);
int sqlite_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count);
int sqlite_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                       store_kpi_action_fn row, void *arg);
int sqlite_kpi_events(struct store *store, int64_t from_minute, int64_t *count);

#endif
