/*
 * taxonomy.h: what the end of one attempt to tell the PBX something means: it has it, it surely does
 * not have it, or nobody knows. Pure; the one place where that is decided.
 */
#ifndef PBXHOOK_TAXONOMY_H
#define PBXHOOK_TAXONOMY_H

#include <stdint.h>

#include <curl/curl.h>

#include "store/store.h"

struct attempt {
    CURLcode code;        /* of the transfer                                             */
    int http_status;      /* 0: there was no answer                                      */
    int sent;             /* 1: some of the request may have left this machine           */
    int retry_after_ms;   /* what the PBX asked for, 0 when it did not                   */
    int number;           /* 1 for the first attempt                                     */
    int64_t now_ms;       /* wall clock                                                  */
    int64_t expires_ms;   /* the action's deadline, wall clock                           */
    int repeatable;       /* pbx.idempotent: the PBX takes one Idempotency-Key once      */
    uint32_t random;      /* for the jitter                                              */
    int longest_delay_ms; /* between two tries; 0: as the PBX's deadline wants it        */
};

struct verdict {
    enum store_action_state state; /* DELIVERED, REJECTED, EXPIRED, UNKNOWN, or PENDING */
    int64_t due_ms;                /* when to try again, for PENDING                    */
};

struct verdict taxonomy_judge(const struct attempt *attempt);

#endif
