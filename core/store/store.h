/*
 * store.h: the database of calls, users, events and actions, behind one door: SQLite or PostgreSQL.
 * A store is used by one thread.
 *
 * A worker opens it with STORE_WRITE and does everything in batches: store_begin() with the events
 * of the batch (so that a store on a network can fetch ahead), the functions for each event,
 * store_commit(). The receiver's reader thread opens it with STORE_READ and uses only the functions
 * under "Reading". On SQLite exactly one STORE_WRITE exists at any time: it holds PATH.lock. On PostgreSQL
 * one of each owner does.
 *
 * Results: 0 or more, or one of the negative STORE_E_..., with the text in store_error(). Inside a
 * transaction STORE_E_ARGUMENT, STORE_E_SQL and STORE_E_STOPPED leave it as it was; every other error
 * costs it: what follows is STORE_E_FAILED until store_rollback(), store_commit() included.
 */
#ifndef PBXHOOK_STORE_H
#define PBXHOOK_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"
#include "common/forgetting.h"
#include "common/lifecycle.h"

enum store_mode { STORE_READ, STORE_WRITE };

#define STORE_E_ARGUMENT (-1)
#define STORE_E_BUSY     (-2) /* locked by another process for longer than the time-out         */
#define STORE_E_MEMORY   (-3)
#define STORE_E_FAILED   (-4) /* the database failed; the transaction is lost, try again        */
#define STORE_E_SQL      (-5) /* a statement of a plugin was refused; the transaction goes on   */
#define STORE_E_CORRUPT  (-6) /* the file is no database, or damaged, or made by a newer pbxhook */
#define STORE_E_STOPPED  (-7) /* the row callback asked to stop                                 */
#define STORE_E_AGAIN    (-8) /* another transaction was in the way; the same again will do     */
#define STORE_E_REFUSED  (-9) /* the database will not have this data, ever                     */

struct store; /* opaque */

struct store_options {
    const char *url; /* "sqlite:PATH", "postgresql://..." or "postgres://..." */
    enum store_mode mode;
    int lock_wait_ms; /* for the former writer to let go */
    /* The rest is what a store that several workers share wants to know; NULL is "". */
    const char *password_file; /* its first line is the password; "" none                        */
    const char *spool;         /* the spool whose events these are: seq counts within it         */
    const char *owner;         /* who claims actions: the same for this worker's next life        */
    int64_t lease_ms;          /* a claim that is not settled for so long is nobody's any more    */
    int64_t deadline_ms;       /* no action has longer than this from now; 0: however long       */
    int repeatable;            /* what is left so may be sent again: see store_actions_abandon() */
};

/*
 * STORE_WRITE makes the database's tables if there are none and migrates them. On failure *out is NULL and
 * `error` says why and what to do. An unknown scheme is STORE_E_ARGUMENT. The options are copied.
 */
int store_open(const struct store_options *options, struct store **out, char *error,
               size_t error_size);
void store_close(struct store *store); /* rolls back what is open; accepts NULL */

/* The last failure's text; borrowed until the next call. */
const char *store_error(const struct store *store);
/* What cost the last transaction: the STORE_E_... of the first failure, 0 when nothing did. */
int store_failure(const struct store *store);
/*
 * Called with 1 before this store waits for a server's word, and with 0 behind it, in the middle of any other
 * function: the time between is not the caller's. Such a wait is never without a limit. fn NULL: nobody.
 */
typedef void (*store_wait_fn)(void *arg, int waiting);
void store_watch_waits(struct store *store, store_wait_fn fn, void *arg);
/* 1 while there is no connection to its database: what fails now fails for that, whatever its text says. */
int store_is_away(const struct store *store);
/* "sqlite" or "postgresql". */
const char *store_dialect(const struct store *store);

/* ---- Transactions (STORE_WRITE) ---------------------------------------------------------------- */

/*
 * events, those of the batch in their order, stay as they are until the transaction has ended; NULL with
 * count 0. The counts are kept by the store: see store_counts().
 */
int store_begin(struct store *store, const struct event *const *events, size_t count);
/* Durable when it returns 0; otherwise it was rolled back (but for STORE_E_ARGUMENT: no transaction, or
 * a savepoint is still open). */
int store_commit(struct store *store);
void store_rollback(struct store *store);

/* One savepoint at a time, inside a transaction: undoes one plugin's work for one event. */
int store_savepoint(struct store *store);
/* STORE_E_SQL: what a plugin wrote can't be kept, found out only now, as a full text index does; the
 * savepoint is still open, for store_undo(). */
int store_release(struct store *store);
int store_undo(struct store *store); /* rolls back to the savepoint and releases it */

/* ---- Events ------------------------------------------------------------------------------------ */

enum store_event_result {
    STORE_EVENT_NEW = 0,
    STORE_EVENT_DUPLICATE =
        1,                 /* another event of the same identity is stored                     */
    STORE_EVENT_REPLAY = 2 /* this very event (seq and received_ms) is stored: a crash came between
                                  the commit and its report */
};
/* Stores the event's record. *id is its row, also for a duplicate and a replay. */
int store_event_add(struct store *store, const struct event *event, int64_t *id);

/* ---- Calls and users: what pbxhook_db_api promises ---------------------------------------------- */

struct store_call {
    char *call_id, *code, *direction, *our_number, *their_number, *queue, *actor;
    enum lifecycle state; /* LIFECYCLE_NONE: known only by events outside the seven */
    int64_t created_ms, status_ms;
    int64_t id; /* its row: with created_ms its place among the calls */
};
/* All strings are in the store's own memory until the next call of the same function. */

/* The first one's body is the call's payload. */
int store_call_save(struct store *store, const struct event *event);
int store_call_advance(struct store *store, const struct event *event);
int store_call_find(struct store *store, const char *call_id,
                    const struct store_call **out); /* 1, 0 */

struct store_user {
    int64_t id, created_ms;
    const char *number;
};
int store_user_find(struct store *store, const char *number,
                    const struct store_user **out); /* 1, 0 */
/* 1 made, 0 was there; *out (out may be NULL) either way. now_ms is its creation time. */
int store_user_create(struct store *store, const char *number, int64_t now_ms,
                      const struct store_user **out);

/* ---- A plugin's own SQL ------------------------------------------------------------------------- */

struct store_value {
    enum { STORE_NULL, STORE_INT64, STORE_DOUBLE, STORE_TEXT } type;
    uint32_t size; /* bytes of a text; as a parameter 0 means up to its NUL */
    union {
        int64_t integer;
        double number;
        const char *text;
    } as;
};
typedef int (*store_row_fn)(void *arg, const struct store_value *values, uint32_t count);

#define STORE_SQL_PARAMS_MOST 65535 /* PostgreSQL's protocol has room for no more */

/*
 * One statement with $1... bound, at most STORE_SQL_PARAMS_MOST; row may be NULL. *changed may be NULL. Refused with STORE_E_SQL are
 * transaction control (the word ROLLBACK outside a parameter too: ON CONFLICT ROLLBACK), PRAGMA, ATTACH
 * and DETACH, writing to pbxhook's own tables, more than one statement, and another number of parameters
 * than the statement has. STORE_E_STOPPED when `row` stopped it. A binary column is handed out as a
 * text, its bytes as they are. `row` may call back into the store, but not end or undo anything.
 * On PostgreSQL refused are, besides, what changes the session and COPY, CALL, DO, LOCK; see plugin.h for
 * its types.
 */
int store_sql(struct store *store, const char *sql, const struct store_value *params,
              uint32_t count, store_row_fn row, void *arg, int64_t *changed);
/* The same for a plugin, which may not write to the tables either that pbxhook itself makes by store_sql(). */
int store_plugin_sql(struct store *store, const char *sql, const struct store_value *params,
                     uint32_t count, store_row_fn row, void *arg, int64_t *changed);

/* ---- Outbox ------------------------------------------------------------------------------------- */

/*
 * An action's life: PENDING (surely not received by the PBX; due at due_ms) -> SENDING (claimed: from
 * here to its settling nobody knows what the PBX got) -> one of the ends, or PENDING again.
 * UNKNOWN becomes CONFIRMED when the call's call.waiting event arrives. DOUBTFUL is due to be sent again,
 * to a PBX that takes one key once, though it may have been received: it is claimed as PENDING is, but it
 * is confirmed as UNKNOWN is, and past its deadline it is UNKNOWN and not EXPIRED. What was DOUBTFUL once
 * stays so through SENDING and further tries, until it has ended.
 */
enum store_action_state {
    STORE_ACTION_PENDING,
    STORE_ACTION_SENDING,
    STORE_ACTION_DELIVERED,
    STORE_ACTION_CONFIRMED,
    STORE_ACTION_REJECTED,
    STORE_ACTION_EXPIRED,
    STORE_ACTION_UNKNOWN,
    STORE_ACTION_DOUBTFUL
};

struct store_action {
    int64_t id;
    char *key; /* the Idempotency-Key: "pbxhook-<random hex>" */
    char *call_id;
    char *body;          /* the JSON to post                   */
    int64_t received_ms; /* of the event that asked for it     */
    int64_t expires_ms;  /* wall clock                          */
    int attempts;        /* this one included                   */
};

/*
 * Adds one, PENDING and due at once. One whose JSON has a member "destination" is a delegate action: see
 * store_actions_confirm().
 */
int store_action_add(struct store *store, const char *key, const char *call_id, const char *body,
                     int64_t event_id, int64_t received_ms, int64_t expires_ms);

/*
 * Claims up to max actions that are due at now_ms, oldest first, as SENDING, one attempt more. They
 * are the caller's to send once the transaction is committed. The deadline of one that was made before the wall clock
 * was put back is no further away than the options' deadline_ms. *out is an array of *count, freed with
 * store_actions_free(). What is due and past its deadline is made EXPIRED, or UNKNOWN if it was DOUBTFUL,
 * on the way; *expired (not NULL) counts those. A long backlog expires in several calls:
 * store_action_next_due() tells.
 */
struct store_expired {
    int expired, unknown;
};

int store_actions_claim(struct store *store, int64_t now_ms, int max, struct store_action **out,
                        int *count, struct store_expired *expired);
void store_actions_free(struct store_action *actions, int count);

#define STORE_DUE_ACTION 1
#define STORE_DUE_LEASE  2
/*
 * When the next PENDING or DOUBTFUL action is due or expires: STORE_DUE_ACTION and *due_ms; STORE_DUE_LEASE when
 * it is the end of a lease that comes before, on a store that is shared; or 0 when there is neither.
 */
int store_action_next_due(struct store *store, int64_t *due_ms);
/*
 * After the wall clock was put back: what is put off for longer than the options' deadline_ms was meant for now, and
 * is due then; its own deadline is no further away either. What somebody else is sending stays his: if his lease is
 * longer than longest_lease_ms, he has one from now on.
 */
int store_actions_bring_forward(struct store *store, int64_t now_ms, int64_t longest_lease_ms);

/*
 * Writes down how sent actions ended: DELIVERED, REJECTED, EXPIRED, UNKNOWN, or PENDING or DOUBTFUL with
 * due_ms to try again (at its deadline at the latest). What was DOUBTFUL before is DOUBTFUL with PENDING,
 * and UNKNOWN with EXPIRED. changed[i] becomes 1 when the state was changed; 0 when the action is not SENDING.
 * One that was CONFIRMED in the meantime stays so, whatever its end: 0, and http_status and detail are written
 * down if it was answered.
 */
struct store_settlement {
    int64_t id;
    enum store_action_state state;
    int http_status;     /* 0: no answer */
    int64_t received_ms; /* the action's own: the indicators tell how long it took */
    int64_t due_ms, now_ms;
    const char *detail; /* one line for people; may be NULL */
};
int store_actions_settle(struct store *store, const struct store_settlement *settlements, int count,
                         unsigned char *changed);

/*
 * call.waiting came: SENDING, UNKNOWN and DOUBTFUL delegate actions of this call become CONFIRMED. Their number.
 * Other actions of the call are left: call.waiting says nothing about them. On a store that is shared another worker
 * may settle one of them before the commit, which then stays as it was settled: see store_confirmed().
 */
int store_actions_confirm(struct store *store, const char *call_id, int64_t now_ms);
/* How many actions the last transaction has confirmed, once it is committed. */
int store_confirmed(const struct store *store);

/*
 * At a worker's start: what this owner's former life left SENDING becomes UNKNOWN; with repeatable (pbx.idempotent)
 * DOUBTFUL and due at once, while its deadline has not passed. Without it, what was DOUBTFUL can't be sent
 * again and becomes UNKNOWN too. The number of those that became UNKNOWN; *out (out may be NULL) is an array of them
 * with nothing but id, call_id and attempts, freed with store_actions_free().
 */
int store_actions_abandon(struct store *store, int64_t now_ms, int repeatable,
                          struct store_action **out);

/* ---- Handlings that failed ---------------------------------------------------------------------- */

/*
 * An event that a plugin did not handle: to be tried again (RETRY, due at due_ms) or dead. The
 * event's record and the other plugins' work stand.
 *
 * A try is claimed before it is made, in a transaction of its own or an earlier batch's: that counts it,
 * durably, as an attempt and as a strike. A plugin that comes back, whatever it answers, has the strikes
 * taken away with the answer; one that takes its worker down keeps them, and so they are counted.
 */
struct store_retry {
    int64_t event_id;
    char *plugin;
    char *error;         /* of the last try */
    int attempts;        /* made so far, a claimed one included                   */
    int strikes;         /* of them, in a row: those that took the worker along */
    struct event *event; /* as it was handled first; its spooled_us is 0 */
};
/* Upserts (event_id, plugin), which ends its claim. dead 1: never again, a dead letter. */
int store_retry_put(struct store *store, int64_t event_id, const char *plugin, int attempts,
                    int dead, int64_t due_ms, int64_t now_ms, const char *error);
/* The same for one whose worker did not come back, or may not if it is tried: to be tried again alone. */
int store_retry_suspect(struct store *store, int64_t event_id, const char *plugin, int attempts,
                        int strikes, int64_t due_ms, int64_t now_ms, const char *error);
/*
 * Claims it for this worker, one attempt and one strike more: 1; 0 when it is not to be tried any more. It is
 * due for nobody else before until_ms, unless a worker with the same owner starts again.
 */
int store_retry_claim(struct store *store, int64_t event_id, const char *plugin, int64_t until_ms);
/* What has this worker's owner and is in nobody's hand is due at once: at a worker's start what its former life
 * had claimed, or, untried 1, what a commit claimed whose answer was lost: its attempt and strike are taken
 * back. Their number. */
int store_retries_release(struct store *store, int64_t now_ms, int untried);
int store_retry_done(struct store *store, int64_t event_id, const char *plugin);
/* One that is to be tried again: 1 and *out, for store_retry_clear(); 0 when there is none. */
int store_retry_find(struct store *store, int64_t event_id, const char *plugin,
                     struct store_retry *out);
void store_retry_clear(struct store_retry *retry);
/* Up to max that are due; freed with store_retries_free(). */
int store_retries_due(struct store *store, int64_t now_ms, int max, struct store_retry **out,
                      int *count);
void store_retries_free(struct store_retry *retries, int count);
int store_retry_next_due(struct store *store, int64_t *due_ms); /* as store_action_next_due() */
/* As store_actions_bring_forward(); what is claimed stays so until now_ms + claim_ms. */
int store_retries_bring_forward(struct store *store, int64_t now_ms, int64_t longest_ms,
                                int64_t claim_ms);

/* ---- Dead letters ------------------------------------------------------------------------------- */

/* Handlings that are not tried any more. Texts are borrowed for the callback. */
struct store_letter {
    int64_t event_id;
    const char *plugin, *error;
    const char *call_id, *type; /* of the event */
    const char *body;           /* NULL in a list; NUL behind it */
    size_t body_size;
    int64_t failed_ms, received_ms;
    int attempts;
};
/* Nonzero stops. */
typedef int (*store_letter_fn)(void *arg, const struct store_letter *letter);

/*
 * Up to max, the newest first; of those that are older than `before` when it is not NULL: its failed_ms,
 * event_id and plugin are looked at. 0; STORE_E_STOPPED. Either mode, as the next two.
 */
int store_letters(struct store *store, const struct store_letter *before, int max,
                  store_letter_fn row, void *arg);
/* One, with its event's body: 1; 0 when there is none. */
int store_letter_find(struct store *store, int64_t event_id, const char *plugin,
                      store_letter_fn row, void *arg);
int store_letters_count(struct store *store, int64_t *out);
/* To be handled again at now_ms, as if for the first time: 1; 0 when there is none. */
int store_letter_replay(struct store *store, int64_t event_id, const char *plugin, int64_t now_ms);
/* The same for up to max of those that failed before before_ms: their number. */
int store_letters_replay(struct store *store, int64_t before_ms, int max, int64_t now_ms);
/* Forgets it; the event's record stays. 1; 0 when there is none. */
int store_letter_drop(struct store *store, int64_t event_id, const char *plugin);

/* ---- Old records -------------------------------------------------------------------------------- */

/* What a run has removed so far, and where it goes on. All zero before the first step. */
struct store_pruned {
    int64_t events, calls, actions, dead_letters;
    int begun, kind; /* from here on the backend's own */
    int64_t after_ms, after_id;
};

/*
 * One step of removing what is older than before_ms: events by their arrival, with their dead letters;
 * finished calls, with their payloads, by their end; ended actions by their end. Users stay. So does,
 * however old, what is still going on: active calls and their events, events that are to be handled
 * again and their calls, actions without an end (UNKNOWN among them) and their calls. On SQLite the newest
 * event stays too, until there is a newer one: ids are not given twice. Looks at up to max_rows records. 1: there is more to do; 0: done. A repeated event whose record was removed is a new
 * one, so before_ms must be older than what may still be in a spool.
 * When the transaction is not committed, *pruned must be as it was before the step.
 */
int store_prune(struct store *store, int64_t before_ms, int max_rows, struct store_pruned *pruned);
/* The same without removing anything. */
int store_prune_count(struct store *store, int64_t before_ms, int max_rows,
                      struct store_pruned *pruned);

/* ---- Forgetting a caller (store_forget.c) --------------------------------------------------------- */

/* What a run has found, and where it goes on. All zero before the first step. */
struct store_forgotten {
    int64_t users;
    int64_t calls;  /* the caller's, or with the number in another column */
    int64_t active; /* of the caller's calls: still going on              */
    int64_t events; /* whose body was written anew                        */
    int64_t payloads, actions, handlings;
    int64_t under_way; /* actions with the number that are still to be sent: left as they are */
    /* Records without the number that came for calls whose callers, he or others, were forgotten before. */
    int64_t came_since;
    int kind; /* from here on store_forget.c's own */
    int64_t after_id, after_event;
};

/*
 * One step of putting forgetting->token in the place of a number, wherever the store keeps it: the user goes; of
 * calls with it in a column the column is changed; the bodies of all events of the caller's calls are reduced
 * (forgetting_reduce_event()), with their payloads, and the texts of their actions and handlings go; in what
 * belongs to others the values that are the number are replaced. Events keep their identity, so a repeated one
 * is still recognised. Looks at about max_rows records, or, with a call of many events, at these. dry_run: only
 * counts. 1: there is more to do; 0: done. When the transaction is not committed, *forgotten must be as it was
 * before the step.
 */
int store_forget(struct store *store, const struct forgetting *forgetting, int max_rows,
                 int dry_run, struct store_forgotten *forgotten);

/*
 * Outside a transaction: what was overwritten or deleted and is committed leaves the database's log too, where
 * that is ours (SQLite's WAL). 1; 0 when somebody reads just now: try again. Never waits.
 */
int store_scrub(struct store *store);

/* ---- Reading (either mode) ---------------------------------------------------------------------- */

struct store_counts {
    int64_t users;
    int64_t calls[LIFECYCLE_COUNT]; /* whose present status is it */
};
/* Does not scan: the numbers are kept with each commit. Those of the open transaction are in it. */
int store_counts(struct store *store, struct store_counts *out);

/*
 * Calls that are not finished, in the order of call_id; the call is borrowed for the callback, nonzero
 * stops: STORE_E_STOPPED. As in store_counts(), a call without a state (LIFECYCLE_NONE) is not among them.
 */
int store_active_calls(struct store *store, int (*row)(void *arg, const struct store_call *call),
                       void *arg);

/* A row is borrowed for its callback; nonzero stops: STORE_E_STOPPED. */
typedef int (*store_call_fn)(void *arg, const struct store_call *call);

struct store_call_filter {
    unsigned states;    /* 1 << LIFECYCLE_..., several; 0: any            */
    int64_t from_ms;    /* created at this time or later                  */
    int64_t before_ms;  /* and before this place: (created_ms, id) is less */
    int64_t before_id;  /* 0 for the first page                           */
    const char *queue;  /* "": any                                        */
    const char *number; /* their_number; "": any                          */
    int limit;
};
/*
 * The newest first, by (created_ms, id): the last one's is the next page's place. Whatever is asked, no
 * more is read than an index picks out: the number's calls, the unfinished ones, the queue's, the time's.
 */
int store_calls(struct store *store, const struct store_call_filter *filter, store_call_fn row,
                void *arg);

/* Where an event stands in the order in which events became readable. {0, 0}: before all. */
struct store_place {
    int64_t tx; /* 0 where one process writes: there the ids are in that order */
    int64_t id;
};

struct store_event {
    struct store_place place; /* its id is the event's */
    const char *call_id, *type;
    int64_t time_ms, received_ms;
    const char *body;
};
typedef int (*store_event_fn)(void *arg, const struct store_event *event);

/*
 * Up to limit events behind a place, in the order in which they became readable: who asks with the last
 * place that he has misses none.
 */
int store_events_after(struct store *store, const struct store_place *after, int limit,
                       store_event_fn row, void *arg);
/* The place behind which the newest `count` events are; {0, 0} when there are no more than these. */
int store_events_newest(struct store *store, int count, struct store_place *before);
/* A call's events, by the time at which they happened. */
int store_call_events(struct store *store, const char *call_id, int limit, store_event_fn row,
                      void *arg);

struct store_past_action {
    int64_t id, event_id;
    const char *state; /* "pending", "sending", "delivered", "confirmed", ... */
    int64_t state_ms;  /* since when                                          */
    int64_t received_ms;
    int attempts;
    int http_status;    /* of the last answer; 0: there was none */
    const char *detail; /* one line for people, or ""            */
    const char *body;
};
typedef int (*store_past_action_fn)(void *arg, const struct store_past_action *action);

/* What the PBX was told about a call, in the order in which it was asked for. */
int store_call_actions(struct store *store, const char *call_id, int limit,
                       store_past_action_fn row, void *arg);

/* ---- Indicators ---------------------------------------------------------------------------------- */

/* The waits that calls are counted within, in seconds. */
#define STORE_KPI_LIMITS 7
extern const int store_kpi_seconds[STORE_KPI_LIMITS];

/* Sums over calls; what a call counts as is said in core/receiver/kpi_json.c. */
struct store_kpi {
    int64_t offered, answered, abandoned;
    int64_t wait_ms; /* of the answered */
    int64_t max_wait_ms;
    int64_t talked, talk_ms;    /* calls whose talk has ended, and how long they were */
    int64_t handled, handle_ms; /* answered calls that have ended                     */
    int64_t answered_within[STORE_KPI_LIMITS], abandoned_within[STORE_KPI_LIMITS];
};
typedef int (*store_kpi_fn)(void *arg, int64_t minute, const char *queue,
                            const struct store_kpi *sums);

/*
 * Rows for each minute (since 1970) and queue in which a call was offered, from one minute to before another;
 * several of one, if several workers wrote them. Those of step_minutes from from_minute on, and so forth, may be
 * summed up in one row, of any minute of these. They are kept with each event: no call is looked at.
 */
int store_kpi(struct store *store, int64_t from_minute, int64_t to_minute, int64_t step_minutes,
              store_kpi_fn row, void *arg);
/* How many users were made then. */
int store_kpi_callers(struct store *store, int64_t from_minute, int64_t to_minute, int64_t *count);

/* How long actions took from their event's arrival to the PBX's answer: buckets, the shortest first. */
#define STORE_KPI_ACTION_BUCKETS 16
typedef int (*store_kpi_action_fn)(void *arg, int64_t upper_ms, int64_t count, int64_t max_ms);
int store_kpi_actions(struct store *store, int64_t from_minute, int64_t to_minute,
                      store_kpi_action_fn row, void *arg);

/* How many events arrived in this minute and since. */
int store_kpi_events(struct store *store, int64_t from_minute, int64_t *count);

#endif
