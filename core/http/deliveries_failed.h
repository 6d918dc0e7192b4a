/*
 * deliveries_failed.h: the deliveries that did not arrive, or of which nobody knows: rejected, expired,
 * unknown. What an operator does with them. All functions need an open transaction and the table
 * (deliveries_prepare()); 0 or more, or a STORE_E_...
 */
#ifndef PBXHOOK_DELIVERIES_FAILED_H
#define PBXHOOK_DELIVERIES_FAILED_H

#include <stdint.h>

#include "store/store.h"

#define DELIVERIES_FAILED_BODY 16384 /* characters of a body that are shown */

/* Texts are borrowed; "" where there is none. */
struct delivery_failed {
    const char *id, *target, *plugin, *call_id, *path, *file, *state, *detail;
    const char *body; /* JSON; "" in a list, and for a download */
    int is_download;
    int64_t body_length; /* of all of it, characters */
    int64_t created_ms, ended_ms, attempts, http_status;
};
/* 0 to go on. */
typedef int (*delivery_failed_fn)(void *arg, const struct delivery_failed *failed);

/* How many there are. */
int deliveries_failed_count(struct store *store, int64_t *count);
/* Up to max, the newest first, behind the one that ended then with this id; NULL: from the newest. */
int deliveries_failed_list(struct store *store, int64_t ended_ms, const char *id, int max,
                           delivery_failed_fn fn, void *arg);
/* With its body: 1, or 0 when there is none. */
int deliveries_failed_find(struct store *store, const char *id, delivery_failed_fn fn, void *arg);

/*
 * Due at once, as if it were asked for now: with all the time and tries that it had, under the same key. What
 * was unknown is in doubt from here on. 1, or 0 when there is none.
 */
int deliveries_failed_retry(struct store *store, const char *id, int64_t now_ms);
/* Up to max of those that ended before then and surely did not arrive: not the unknown. Their number. */
int deliveries_failed_retry_all(struct store *store, int64_t before_ms, int max, int64_t now_ms);

/* Forgets it: 1, or 0 when there is none. */
int deliveries_failed_drop(struct store *store, const char *id);

#endif
