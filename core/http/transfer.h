/*
 * transfer.h: one request to a target with libcurl: a post, or a download into a file. Used by the
 * courier's thread only. It sends and tells how it went; what that means is taxonomy.h's.
 */
#ifndef PBXHOOK_TRANSFER_H
#define PBXHOOK_TRANSFER_H

#include <stddef.h>

#include <curl/curl.h>

#include "common/config.h"
#include "common/secret_file.h"
#include "http/deliveries.h"

/* A target with what logs one in there. */
struct transfer_target {
    const struct config_target *config;
    const char *download_dir;
    struct secret_file file;
    char *secret; /* the file's first line, password or token; NULL: none */
};

struct transfer; /* one on its way */

/* Reads the password's or the token's file: 0, or -1 and `error`. */
int transfer_target_open(const struct config_target *config, const char *download_dir,
                         struct transfer_target *out, char *error, size_t error_size);
void transfer_target_close(struct transfer_target *target); /* wipes the secret */

/* Adds the request to `multi`: the delivery (borrowed) and timeout_ms are of this attempt. NULL and
 * delivery->detail when it can't be begun. */
struct transfer *transfer_begin(CURLM *multi, const struct transfer_target *target,
                                struct delivery *delivery, int timeout_ms);

/* The one that an easy handle belongs to. */
struct transfer *transfer_of(CURL *easy);
struct delivery *transfer_delivery(const struct transfer *transfer);
/* 1: some of the request may have left, of this attempt. */
int transfer_has_sent(const struct transfer *transfer);

#define TRANSFER_MOST_RETRY_AFTER_S 3600 /* a target that asks for more is asked again then */

struct transfer_answer {
    CURLcode code;
    int http_status;    /* 0: none                                         */
    int sent;           /* 1: some of the request may have left            */
    int retry_after_ms; /* 0: not asked for                                */
    int too_large;      /* of a download: it was broken off                */
};

/* Breaks it off and frees it; its delivery stays the caller's. */
void transfer_drop(CURLM *multi, struct transfer *transfer);

/* Takes it out of `multi` and frees it. A whole download is put in its place; one that is not, is
 * removed. Sets the delivery's http_status, size and detail. */
void transfer_end(CURLM *multi, struct transfer *transfer, CURLcode code,
                  struct transfer_answer *answer);

#endif
