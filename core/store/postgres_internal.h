/*
 * postgres_internal.h: what the files of the PostgreSQL backend share. Private to core/store/postgres*.c and
 * its tests. One connection, one thread.
 *
 * A batch is one transaction of three round trips: begin() stores its events and reads, under row locks,
 * what they are about into an image; the functions of store.h then answer from the image and note what is to
 * be written; the claim of actions writes all that, a statement a table; commit() adds the counts. So the
 * database's work for an event is a share of a few statements on arrays.
 */
#ifndef PBXHOOK_POSTGRES_INTERNAL_H
#define PBXHOOK_POSTGRES_INTERNAL_H

#include <libpq-fe.h>

#include "store/store_backend.h"

/* The numbered migrations of schema/postgres, in order, NULL at the end; made by the build. */
extern const char *const postgres_schema[];

/* Held while tables are made: one key for all pbxhooks of a database. "pbxhook" in ASCII. */
#define PG_ADVISORY_KEY "31633466679324523"

/* A wait for the server's next word: longer than its own limit of a statement. */
#define PG_STATEMENT_LIMIT_MS 30000
#define PG_SILENCE_LIMIT_MS   40000

struct pg_store;

/* ---- Memory of one transaction (postgres_memory.c) ------------------------------------------------ */

struct pg_chunk;

struct pg_arena {
    struct pg_chunk *chunks;
};

void *pg_arena_alloc(struct pg_arena *arena,
                     size_t size); /* aligned, zeroed; NULL: out of memory */
char *pg_arena_text(struct pg_arena *arena, const char *text);
char *pg_arena_bytes(struct pg_arena *arena, const char *bytes, size_t size); /* NUL behind it */
void pg_arena_clear(struct pg_arena *arena);

/* A growing array of items of one size. */
struct pg_vector {
    void *items;
    size_t count, capacity;
};

/* A new item at the end, zeroed; NULL: out of memory. */
void *pg_vector_add(struct pg_vector *vector, size_t item_size);
/* Takes the first items out. */
void pg_vector_drop(struct pg_vector *vector, size_t item_size, size_t count);
void pg_vector_free(struct pg_vector *vector);

/* ---- Parameters, in binary (postgres_params.c) ------------------------------------------------------ */

#define PG_MAX_PARAMS 26

enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_TIME = 1184
};

struct pg_param {
    char *bytes;
    size_t size, capacity;
    int elements; /* of an array; -1: a single value */
};

/* Parameters of one statement: opened one after the other, then filled row by row. */
struct pg_params {
    struct pg_param param[PG_MAX_PARAMS];
    int count;
    int no_memory;
};

void pg_params_clear(struct pg_params *params);
void pg_params_free(struct pg_params *params);

/* Opens the next parameters, arrays of these types. */
void pg_params_arrays(struct pg_params *params, const enum pg_type *types, int count);
/* One more element of array `at`. */
void pg_put_text(struct pg_params *params, int at,
                 const char *text); /* NULL: the database's NULL */
void pg_put_bytes(struct pg_params *params, int at, const void *bytes, size_t size);
void pg_put_int8(struct pg_params *params, int at, int64_t value);
void pg_put_int4(struct pg_params *params, int at, int32_t value);
void pg_put_bool(struct pg_params *params, int at, int value);
void pg_put_time(struct pg_params *params, int at, int64_t ms);
void pg_put_null(struct pg_params *params, int at);
/* The next parameter, a single value. */
void pg_one_text(struct pg_params *params, const char *text);
void pg_one_bytes(struct pg_params *params, const void *bytes, size_t size);
void pg_one_int8(struct pg_params *params, int64_t value);
void pg_one_bool(struct pg_params *params, int value);
void pg_one_time(struct pg_params *params, int64_t ms);

int64_t pg_get_int8(const PGresult *result, int row, int column);
int32_t pg_get_int4(const PGresult *result, int row, int column);
int pg_get_bool(const PGresult *result, int row, int column);
int64_t pg_get_time(const PGresult *result, int row, int column);
static inline const char *pg_get_text(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column);
}

/* ---- Statements (postgres_statements.c) ------------------------------------------------------------- */

enum pg_statement {
    PG_BEGIN,
    PG_COMMIT,
    PG_ROLLBACK,
    PG_SAVEPOINT_OPEN,
    PG_SAVEPOINT_RELEASE,
    PG_SAVEPOINT_UNDO,
    PG_STATEMENT_OPEN,
    PG_STATEMENT_RELEASE,
    PG_STATEMENT_UNDO,
    PG_GUARD_ON,
    PG_GUARD_OFF,
    PG_DDL_LOCK,
    PG_EVENTS_ADD,
    PG_EVENTS_ADD_SAFELY,
    PG_EVENTS_FIND,
    PG_EVENTS_DROP,
    PG_EVENTS_LIST,
    PG_EVENTS_NEWEST,
    PG_EVENTS_OF_CALL,
    PG_CALLS_LOCK,
    PG_CALLS_ADD,
    PG_CALLS_UPDATE,
    PG_CALL_FIND,
    PG_CALLS_ACTIVE,
    PG_CALLS_LIST,
    PG_CALLS_LIST_BY_NUMBER,
    PG_CALLS_LIST_BY_QUEUE,
    PG_CALLS_LIST_UNFINISHED,
    PG_PAYLOADS_ADD,
    PG_USERS_FIND,
    PG_USERS_ADD,
    PG_USER_IDS,
    PG_COUNTS_ADD,
    PG_COUNTS_LIST,
    PG_KPI_ADD,
    PG_KPI_LOCK,
    PG_KPI_LOWER,
    PG_KPI_ADD_MINUTES,
    PG_KPI_ADD_ANSWERS,
    PG_KPI_LIST,
    PG_KPI_CALLERS,
    PG_KPI_EVENTS,
    PG_KPI_ACTIONS,
    PG_ACTIONS_UNSETTLED,
    PG_ACTIONS_OF_CALL,
    PG_ACTIONS_ADD,
    PG_ACTIONS_ADD_CLAIMED,
    PG_ACTIONS_CONFIRM,
    PG_ACTIONS_CLAIM,
    PG_ACTIONS_LEASES,
    PG_ACTIONS_SETTLE,
    PG_ACTIONS_ANNOTATE,
    PG_ACTIONS_ABANDON,
    PG_ACTIONS_DOUBT,
    PG_ACTIONS_NEXT_DUE,
    PG_ACTIONS_FORWARD,
    PG_LEASES_FORWARD,
    PG_ACTIONS_LOCK,
    PG_CLAIMS_UNDO,
    PG_RETRIES_PUT,
    PG_RETRIES_DONE,
    PG_RETRY_FIND,
    PG_RETRY_CLAIM,
    PG_RETRIES_RELEASE,
    PG_LETTERS_LIST,
    PG_LETTER_FIND,
    PG_LETTERS_COUNT,
    PG_LETTER_REPLAY,
    PG_LETTERS_REPLAY,
    PG_LETTER_DROP,
    PG_RETRIES_DUE,
    PG_RETRIES_NEXT_DUE,
    PG_RETRIES_FORWARD,
    PG_PRUNE_MONTHS,
    PG_PRUNE_MONTH_NEEDED,
    PG_PRUNE_EVENTS,
    PG_PRUNE_STRAY_EVENTS,
    PG_PRUNE_CALLS,
    PG_PRUNE_ACTIONS,
    PG_PRUNE_LETTERS,
    PG_PRUNE_HANDLINGS,
    PG_PRUNE_PAYLOADS_REMOVE,
    PG_PRUNE_CALLS_REMOVE,
    PG_PRUNE_ACTIONS_REMOVE,
    PG_STATEMENT_COUNT
};

const char *pg_statement_sql(enum pg_statement which);

/* ---- The pipeline (postgres_wire.c) ------------------------------------------------------------------ */

#define PG_QUEUE_MAX 48

/* Reads a statement's result: 0, or a negative STORE_E_... with its text set. */
typedef int (*pg_take_fn)(struct pg_store *store, const PGresult *result, void *arg);

struct pg_queued {
    int which; /* enum pg_statement, or -1: a statement that is not ours           */
    int prepares;
    pg_take_fn take; /* NULL: there is nothing to read */
    void *arg;
};

/* What the first statement that failed said. */
struct pg_fault {
    int which; /* as in struct pg_queued  */
    int is_preparing;
    char sqlstate[6]; /* "" when nothing failed */
    char message[STORE_ERROR_SIZE];
};

/*
 * Sends a statement of ours, prepared on this connection when it is used first; params may be NULL.
 * Nothing is heard of it before pg_run(). 0, or negative: nothing more can be sent.
 */
int pg_queue(struct pg_store *store, enum pg_statement which, const struct pg_params *params,
             pg_take_fn take, void *arg);
/* Notes that a statement which is not ours was sent with one of libpq's own functions (`sent`: its result). */
int pg_queue_foreign(struct pg_store *store, int sent, int prepares, pg_take_fn take, void *arg);
/* A statement that is no constant because it names a partition. `sql` is copied; params may be NULL. */
int pg_queue_text(struct pg_store *store, const char *sql, const struct pg_params *params,
                  pg_take_fn take, void *arg);
/*
 * One round trip: reads all results. 0; or the first failure as negative STORE_E_..., with the text set and
 * store->fault. What follows a failed statement is not executed.
 */
int pg_run(struct pg_store *store);
/* Queue and run. */
int pg_query(struct pg_store *store, enum pg_statement which, const struct pg_params *params,
             pg_take_fn take, void *arg);

/* Statements without parameters, before the pipeline is entered. NULL on failure, with the text set. */
PGresult *pg_simple(struct pg_store *store, const char *sql);

/* What an SQLSTATE means for the batch: STORE_E_... */
int pg_classify(const char *sqlstate);
int pg_fail_connection(struct pg_store *store); /* the connection is of no use any more */
int pg_no_memory(struct pg_store *store);
/* Forgets the connection and what was prepared on it. */
void pg_disconnect(struct pg_store *store);

/* ---- The image of a transaction (postgres_image.c) --------------------------------------------------- */

#define PG_BUCKETS 1024 /* a power of two */

struct pg_entry {
    struct pg_entry *next; /* in its bucket                       */
    struct pg_entry *all;  /* the one made before it              */
    const char *key;
    size_t key_size;
    uint32_t hash;
    int serial;   /* when it was read: see struct pg_image */
    int is_stale; /* read under a lock that was undone     */
};

struct pg_table {
    struct pg_entry *bucket[PG_BUCKETS];
    struct pg_entry *newest;
};

struct pg_event {
    struct pg_entry entry; /* by identity */
    int64_t id;
    int is_ours;  /* inserted by this transaction */
    int is_added; /* store_event_add() was called for it; else it is deleted again */
    int is_same_spool;
    int64_t seq, received_ms; /* of the one that is stored */
    const char *body;
    size_t body_size;
};

struct pg_call {
    struct pg_entry entry; /* by call_id */
    struct store_call call;
    struct kpi_times times;
    int exists;
    int is_stored; /* in the database, perhaps with an older state */
    int is_dirty;
    int has_payload;     /* it was stored, or is about to be    */
    const char *payload; /* to be stored; NULL: nothing */
    size_t payload_size;
    int payload_is_plain; /* it is known to be JSON that jsonb holds */
};

struct pg_user {
    struct pg_entry entry; /* by number */
    int64_t id, created_ms;
    int exists, is_dirty;
};

/* A delegate action that call.waiting would confirm. */
struct pg_unsettled {
    struct pg_unsettled *next;
    int64_t id;
    const char *call_id;
    int is_open;
    int is_locked; /* its row is, or is about to be with what is queued */
};

struct pg_new_action {
    const char *key, *call_id, *body;
    int64_t event_id, received_ms, expires_ms;
    int is_delegate;
};

struct pg_confirmed {
    int64_t id, now_ms;
};

struct pg_handling {
    int64_t event_id;
    const char *plugin;
    int is_done; /* else it is put */
    int attempts, strikes, dead;
    int64_t due_ms, now_ms;
    const char *error;
    const char *body; /* NULL: as it is stored */
    size_t body_size;
};

/* An entry as it was before it was changed within the savepoint. */
struct pg_undo {
    void *entry;
    size_t size;
    void *copy;
};

struct pg_marks {
    size_t actions, confirmed, handlings;
};

struct pg_image {
    struct pg_arena arena;
    struct pg_table events, calls, users;
    struct pg_table waiting; /* calls whose unsettled actions were read; struct pg_entry alone */
    struct pg_unsettled *unsettled;
    struct pg_vector actions, confirmed, handlings; /* what is to be written */
    size_t direct; /* so many actions, the first ones, are claimed as they are written */
    struct pg_vector undo;
    struct pg_marks marks;
    int in_savepoint;
    int has_real_savepoint;
    int serial; /* counts real savepoints: what was read since is stale when one is undone */
    int bodies_are_odd; /* some body of the batch is no JSON */
    int is_single;      /* its one event may have a body that jsonb does not hold */
    int knows_retry_due;
    int64_t retry_due_ms;
};

/* NULL when it is not there, or stale. */
void *pg_image_find(const struct pg_table *table, const void *key, size_t key_size);
/* A new entry of that size, its key copied; NULL: out of memory. */
void *pg_image_add(struct pg_image *image, struct pg_table *table, const void *key, size_t key_size,
                   size_t size);
/* Before an entry is changed: remembers it as it is. 0 or -1: out of memory. */
int pg_image_save(struct pg_image *image, void *entry, size_t size);
void pg_image_open_savepoint(struct pg_image *image);
void pg_image_undo(struct pg_image *image);
/* Exchanges what was changed within the savepoint with what was before, and back. */
void pg_image_swap(struct pg_image *image, int backwards);
void pg_image_clear(struct pg_image *image);
void pg_image_free(struct pg_image *image);

/* ---- The store ---------------------------------------------------------------------------------------- */

#define PG_PLUGIN_STATEMENTS 64

/* A statement of a plugin, found again by its text; its name on the server is its place here. */
struct pg_plugin_statement {
    char *sql;       /* NULL: free                                          */
    int is_inferred; /* the server chooses the parameters' types            */
    int is_prepared; /* the name is taken on the server                     */
    int is_other;    /* ... by another text, or for parameters of other types */
    int is_unknown; /* a run failed: PREPARE may have come through, and no rollback takes it back */
    uint32_t signature; /* of the parameters' types                            */
    uint64_t used;
};

struct pg_answer {
    PGresult *rows;
    int64_t changed;
};

struct pg_record {
    struct store_call call;
    char *text;
    size_t capacity;
};

struct pg_store {
    struct store base; /* first */
    PGconn *conn;      /* NULL: to be connected */
    char *url, *password_file, *spool, *owner;
    int lock_wait_ms;
    int64_t lease_ms;
    int silence_limit_ms; /* PG_SILENCE_LIMIT_MS; a test does not wait for so long */
    int repeatable;
    int shard;
    int rows_meant[3]; /* of the statements of a flush: see postgres_flush.c */
    char place[160];   /* host and database, for messages */

    unsigned char is_prepared[PG_STATEMENT_COUNT];
    struct pg_queued queue[PG_QUEUE_MAX];
    int queued;
    struct pg_fault fault;
    struct pg_params params; /* of the statement that is being put together */

    struct pg_plugin_statement plugin_statement[PG_PLUGIN_STATEMENTS];
    uint64_t plugin_clock;

    struct pg_image image;
    struct pg_vector user_ids; /* of new users, fetched ahead; int64_t */
    struct pg_vector
        claimed; /* by this transaction, and by such whose commit was not answered; int64_t */
    size_t claimed_lost;   /* of the latter, the first ones */
    int has_no_backlog;    /* the last claim left nothing that was due */
    int64_t partitions_ms; /* when they are to be looked at again */

    struct pg_record found_call;
    struct store_user found_user;
    char *found_number;
};

static inline struct pg_store *pg_of(struct store *store)
{
    return (struct pg_store *)store;
}

/* ---- Connecting (postgres_connect.c), the tables (postgres_migrate.c, postgres_partitions.c) ---------- */

int pg_open(const char *place, const struct store_options *options, struct store **out, char *error,
            size_t error_size);
void pg_close(struct store *store);
/* Connects if need be: 0, or STORE_E_... */
int pg_connect(struct pg_store *store);

int pg_migrate(struct pg_store *store, const char *const *scripts);
/* A reader's look: 0 when the schema is the one that this pbxhook knows. */
int pg_check_schema(struct pg_store *store, const char *const *scripts);
/* Makes the partitions of events for the last month, this one and the next two, if they are not there. */
int pg_make_partitions(struct pg_store *store, int64_t now_ms);

/* ---- Batches (postgres_batch.c, postgres_flush.c) ------------------------------------------------------ */

int pg_batch_begin(struct store *store, const struct event *const *events, size_t count);
/* Reads into the image what is not there yet. */
int pg_load_events(struct pg_store *store, const struct event *const *events, size_t count);
int pg_load_calls(struct pg_store *store, const char *const *call_ids, size_t count);
int pg_load_users(struct pg_store *store, const char *const *numbers, size_t count);
int pg_fetch_user_ids(struct pg_store *store);
int pg_load_unsettled(struct pg_store *store, const char *const *call_ids, size_t count);

int pg_has_changes(const struct pg_store *store);
/* Puts the image's actions from..upto - 1 into the parameters. */
void pg_put_actions(struct pg_store *store, size_t from, size_t upto);
/* Queues what is to be written; pg_flushed() when pg_run() has succeeded. */
int pg_flush_queue(struct pg_store *store);
void pg_flushed(struct pg_store *store);
int pg_flush(struct pg_store *store);
/* Writes all, so that a real savepoint can be opened where the caller's is, and opens it. */
int pg_make_savepoint(struct pg_store *store);
/* Deletes the events that were stored ahead and not run. */
int pg_drop_events(struct pg_store *store);

/* ---- The rest of the backend's table -------------------------------------------------------------------- */

int pg_event_add(struct store *store, const struct event *event, int64_t *id);
int pg_call_put(struct store *store, const struct event *event, int with_payload);
int pg_call_find(struct store *store, const char *call_id, const struct store_call **out);
int pg_user_find(struct store *store, const char *number, const struct store_user **out);
int pg_user_create(struct store *store, const char *number, int64_t now_ms,
                   const struct store_user **out);

int pg_plugin_sql(struct store *store, const char *sql, const struct store_value *params,
                  uint32_t count, store_row_fn row, void *arg, int64_t *changed);
void pg_plugin_forget(struct pg_store *store); /* what was prepared; with the connection */
/* What a plugin's text is, before the server sees it (postgres_plugin_words.c): NULL when it may be run,
 * else why not, for its author. `where`: whose tables it may not change, OWN_... of own_tables.h. */
struct pg_words {
    int is_ddl;
    uint32_t parameters; /* the greatest $n   */
    uint64_t used;       /* bit n - 1, up to 64 */
};
const char *pg_plugin_check(const char *sql, unsigned where, struct pg_words *words);

int pg_action_add(struct store *store, const char *key, const char *call_id, const char *body,
                  int64_t event_id, int64_t received_ms, int64_t expires_ms);
int pg_actions_claim(struct store *store, int64_t now_ms, int max, struct store_action **out,
                     int *count, struct store_expired *expired);
int pg_action_next_due(struct store *store, int64_t *due_ms);
int pg_actions_bring_forward(struct store *store, int64_t now_ms, int64_t longest_lease_ms);
int pg_actions_settle(struct store *store, const struct store_settlement *settlements, int count,
                      unsigned char *changed);
/*
 * Queues the locking of actions: those that are settled, and those that may be confirmed, together and in one
 * order, before a row that somebody else could be waiting for is inserted. One server settles what another
 * confirms, so anything else ends in a circle. settlements may be NULL with count 0.
 */
int pg_lock_actions(struct pg_store *store, const struct store_settlement *settlements, int count);
int pg_actions_confirm(struct store *store, const char *call_id, int64_t now_ms);
int pg_actions_abandon(struct store *store, int64_t now_ms, int repeatable,
                       struct store_action **out);

int pg_retry_put(struct store *store, int64_t event_id, const char *plugin, int attempts, int dead,
                 int64_t due_ms, int64_t now_ms, const char *error);
int pg_retry_suspect(struct store *store, int64_t event_id, const char *plugin, int attempts,
                     int strikes, int64_t due_ms, int64_t now_ms, const char *error);
int pg_retry_claim(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms);
int pg_retries_release(struct store *store, int64_t now_ms, int untried);
int pg_retry_done(struct store *store, int64_t event_id, const char *plugin);
int pg_retry_find(struct store *store, int64_t event_id, const char *plugin,
                  struct store_retry *out);
int pg_retries_due(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                   int *count);
int pg_retry_next_due(struct store *store, int64_t *due_ms);
int pg_retries_bring_forward(struct store *store, int64_t now_ms, int64_t longest_ms,
                             int64_t claim_ms);
int pg_letters(struct store *store, const struct store_letter *before, int max, store_letter_fn row,
               void *arg);
int pg_letter_find(struct store *store, int64_t event_id, const char *plugin, store_letter_fn row,
                   void *arg);
int pg_letters_count(struct store *store, int64_t *out);
int pg_letter_replay(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms);
int pg_letters_replay(struct store *store, int64_t before_ms, int max, int64_t now_ms);
int pg_letter_drop(struct store *store, int64_t event_id, const char *plugin);

int pg_prune(struct store *store, int64_t before_ms, int max_rows, int remove,
             struct store_pruned *pruned);

int pg_counts(struct store *store, struct store_counts *out);
int pg_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                    void *arg);
/* Connects, and what was changed in this transaction is where it can be read. */
int pg_prepare_reading(struct pg_store *store);

int pg_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
             void *arg);
int pg_events_after(struct store *store, const struct store_place *after, int limit,
                    store_event_fn row, void *arg);
int pg_events_newest(struct store *store, int count, struct store_place *before);
int pg_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                   void *arg);
int pg_call_actions(struct store *store, const char *call_id, int limit, store_past_action_fn row,
                    void *arg);
/* Queues what the transaction adds to the sums; the last thing before its commit. */
int pg_kpi_queue(struct pg_store *store);
int pg_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
           store_kpi_fn row, void *arg);
int pg_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count);
int pg_kpi_events(struct store *store, int64_t from_minute, int64_t *count);
int pg_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                   store_kpi_action_fn row, void *arg);
/* Columns 0 to 9 of a row: the call; its texts are borrowed from the result. */
void pg_take_call(const PGresult *result, int row, struct store_call *out);

#endif
