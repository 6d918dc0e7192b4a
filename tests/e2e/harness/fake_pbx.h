/*
 * fake_pbx.h: a PBX that does what a script says: takes actions on a port of its own, writes each one
 * down and answers it, late, wrongly or never. It has threads of its own; all functions are for the
 * test's thread.
 */
#ifndef E2E_FAKE_PBX_H
#define E2E_FAKE_PBX_H

#include <stdint.h>

struct fake_pbx;

enum fake_pbx_conduct {
    FAKE_PBX_ANSWERS,
    FAKE_PBX_HANGS_UP, /* reads the action and closes the connection without an answer */
    FAKE_PBX_IS_SILENT /* reads the action and says nothing, ever                      */
};

/* How one action is answered. */
struct fake_pbx_answer {
    enum fake_pbx_conduct conduct;
    int status; /* 0: 200 */
    int delay_ms;
    int retry_after_s; /* 0: none */
    int waiting_first; /* 1: posts call.waiting to the webhook before it answers */
};

/* One action as it was received. */
struct fake_pbx_action {
    char body[512];
    char content_type[64];
    char key[128]; /* Idempotency-Key */
    char type[64];
    char call_id[256];
    char destination[64];
    int64_t arrived_ms; /* monotonic */
};

/* Takes a port; connections are refused until fake_pbx_open(). */
struct fake_pbx *fake_pbx_new(void);
void fake_pbx_open(struct fake_pbx *pbx);
/* Before it is opened: it speaks TLS with these, PEM, borrowed until it is freed. */
void fake_pbx_use_tls(struct fake_pbx *pbx, const char *certificate, const char *key);
void fake_pbx_free(struct fake_pbx *pbx); /* accepts NULL */

/* "http://127.0.0.1:PORT/api/client/actions"; borrowed. */
const char *fake_pbx_url(const struct fake_pbx *pbx);

/* The next action gets this answer; several calls make a queue. When it is empty: 200. */
void fake_pbx_answer_next(struct fake_pbx *pbx, struct fake_pbx_answer answer);

/* Where call.waiting goes. */
void fake_pbx_set_webhook(struct fake_pbx *pbx, int port);

/* Actions received, all and of one call. */
int fake_pbx_count(struct fake_pbx *pbx);
int fake_pbx_count_of(struct fake_pbx *pbx, const char *call_id);
/* call.waiting events that it posted and that were acknowledged. */
int fake_pbx_waiting_posted(struct fake_pbx *pbx);

/* The index-th action, from 0; fails the test when there is none. */
void fake_pbx_get(struct fake_pbx *pbx, int index, struct fake_pbx_action *out);
/* The last one of a call. */
void fake_pbx_get_of(struct fake_pbx *pbx, const char *call_id, struct fake_pbx_action *out);

#endif
