/*
 * client.h: posts actions to the PBX over HTTP, many at a time, on kept connections. Used by the
 * outbox's thread only; curl_wakeup is for others. It sends and tells how it went; whether to send
 * again is taxonomy.h's.
 */
#ifndef PBXHOOK_PBX_CLIENT_H
#define PBXHOOK_PBX_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "common/config.h"

#define PBX_CLIENT_DETAIL 160

struct pbx_client;

/* How one post ended. */
struct pbx_answer {
    CURLcode code;
    int http_status;                /* 0: none                                              */
    int sent;                       /* 1: some of the request may have left this machine    */
    int retry_after_ms;             /* 0: not asked for                                     */
    char detail[PBX_CLIENT_DETAIL]; /* one line for people                                  */
};

typedef void (*pbx_client_done)(void *arg, void *post, const struct pbx_answer *answer);

/* Reads the password file. On failure -1 and `error` says what to do. */
int pbx_client_open(const struct config *config, struct pbx_client **out, char *error,
                    size_t error_size);
/* Nothing may be on its way: see pbx_client_abort(). Accepts NULL. */
void pbx_client_close(struct pbx_client *client);

/*
 * Starts posting `body` (JSON, borrowed until done) under the Idempotency-Key `key`. post is handed to
 * done. 0, or -1 when out of memory or at pbx.connections posts already.
 */
int pbx_client_post(struct pbx_client *client, const char *key, const char *body, int timeout_ms,
                    void *post);

/* Works for at most wait_ms, or until pbx_client_wake(): calls done for each post that ended. */
void pbx_client_run(struct pbx_client *client, int wait_ms, pbx_client_done done, void *arg);

/* Ends each post that is on its way: as one that was not sent if no connection stood yet, else as one of which
 * nobody knows what the PBX got. */
void pbx_client_abort(struct pbx_client *client, pbx_client_done done, void *arg);

/* [any thread] Makes a waiting pbx_client_run() return. */
void pbx_client_wake(struct pbx_client *client);

/* Posts on their way. */
int pbx_client_busy(const struct pbx_client *client);

#endif
