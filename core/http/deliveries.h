/*
 * deliveries.h: the table of what plugins want posted to and downloaded from targets. A plugin's
 * service adds to it in the event's transaction; the courier claims, sends and settles. It is kept with
 * the same SQL on every store, through store_sql(), so its name is no plugin's to use. All functions
 * need an open transaction; 0 or more, or a STORE_E_...
 */
#ifndef PBXHOOK_DELIVERIES_H
#define PBXHOOK_DELIVERIES_H

#include <stdint.h>

#include "store/store.h"

/* One of them; becomes its own result. All texts are owned. */
struct delivery {
    char *id; /* the Idempotency-Key too */
    char *target;
    char *plugin;  /* who asked             */
    char *call_id; /* of the event          */
    char *path;    /* behind the target's url */
    char *body;    /* JSON to post; NULL: a download */
    char *file;    /* name of the download, "" for a post */
    int64_t created_ms, expires_ms;
    int attempts; /* this one included */
    int doubtful; /* an earlier try may have been received */

    enum store_action_state state; /* as it ended; from here on of this attempt */
    int64_t due_ms;                /* PENDING: when to try again */
    int64_t finished_ms;
    int64_t took_us;
    int64_t size; /* of a whole download, bytes */
    int http_status;
    char detail[160];
    int is_settled; /* the store says so: it was this owner's */

    struct delivery *next;
};

/* Makes the table if there is none. It may wait for who writes to it, so it is for a worker's start. */
int deliveries_prepare(struct store *store);
/* 1; 0: there is no table, for there never was a target. */
int deliveries_exist(struct store *store);

/* Adds one that is due at once. body NULL: a download to `file`. */
struct delivery_request {
    const char *target, *plugin, *call_id, *path, *body, *file;
    int64_t now_ms, expires_ms;
};
int deliveries_add(struct store *store, const struct delivery_request *request);

/*
 * Claims up to max that are due for `owner`, oldest first; *list is a new list. They are his until
 * lease_ms. The table's due_ms is never behind expires_ms, so what is too late is claimed as well.
 */
int deliveries_claim(struct store *store, const char *target, const char *owner, int64_t now_ms,
                     int64_t lease_ms, int max, struct delivery **list);

/*
 * For a claim whose commit was not answered, and which was surely not sent: if it was committed all the same,
 * it waits again as it did before, with one attempt less.
 */
int deliveries_give_back(struct store *store, const char *owner, const struct delivery *claimed);

/*
 * What was claimed and never settled: another's whose lease is over, and with is_new all of this owner's (his
 * former life). What he has under way in this life stays his, whatever the clock says. Downloads, and posts to a
 * target that takes one key once, are due again; other posts are UNKNOWN. The number of those.
 */
struct delivery_recovery {
    const char *target, *owner;
    int64_t now_ms;
    int repeatable; /* the target takes one key once */
    int is_new;
};
int deliveries_recover(struct store *store, const struct delivery_recovery *recovery);

/*
 * After the wall clock was put back: what was asked for at a time that has yet to come, or is put off for longer
 * than anything is, was meant for now: due, asked for now at the latest, and with no more than its deadline left.
 * What is being sent stays so for lease_ms at most.
 */
struct delivery_forwarding {
    const char *target;
    int64_t now_ms, longest_ms, deadline_ms, lease_ms;
};
int deliveries_bring_forward(struct store *store, const struct delivery_forwarding *forwarding);

/* Writes down how an attempt ended: 1, or 0 when it is not this owner's any more. */
int deliveries_settle(struct store *store, const char *owner, const struct delivery *delivery);

/*
 * Those of this target that wait to be sent, and when the oldest was asked for; 0: there are none. It looks at
 * the first max of them, in the order of their turns: of more, count is max, and oldest_ms that of those.
 */
int deliveries_waiting(struct store *store, const char *target, int max, int64_t *count,
                       int64_t *oldest_ms);

/* How many ended before then, but at most max. */
int deliveries_count_ended(struct store *store, int64_t before_ms, int max);
/* Removes up to max that ended before then. Their number. */
int deliveries_prune(struct store *store, int64_t before_ms, int max);

/* What a run has found, and where it goes on. All zero before the first step. */
struct deliveries_forgotten {
    int64_t deliveries;
    int64_t under_way;  /* still to be delivered: left as they are */
    int64_t came_since; /* as store_forget()'s */
    char after[64];     /* deliveries_forget.c's own               */
};
/*
 * One step of forgetting a caller in deliveries that have ended (deliveries_forget.c): of those of his calls the
 * body goes; of others the values that are the number are replaced. Before store_forget(), which takes away what
 * tells whose a call is. As that one.
 */
int deliveries_forget(struct store *store, const struct forgetting *forgetting, int max_rows,
                      int dry_run, struct deliveries_forgotten *forgotten);

void deliveries_free(struct delivery *list); /* accepts NULL */

#endif
