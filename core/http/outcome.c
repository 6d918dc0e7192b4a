/*
 * outcome.c: see outcome.h. The rules are those of the PBX's actions (taxonomy.h); here is what differs for a
 * download, and for a login that is refused.
 */
#include "http/outcome.h"

#include <stdio.h>
#include <sys/random.h>

#include "common/clock.h"
#include "pbx/taxonomy.h"

#define FIRST_DELAY_MS 1000

static uint32_t random_number(void)
{
    uint32_t number = 0;

    return getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number ? number : 0;
}

/* The status as the rules of retry shall see it: 0 for none. A login that is refused is the operator's to
 * mend, and there is a day for that: the target has done nothing so far. */
static int status_of(const struct delivery *delivery, const struct transfer_answer *answer)
{
    if (delivery->body == NULL && answer->code != CURLE_OK)
        return 0;
    return answer->http_status == 401 || answer->http_status == 407 ? 503 : answer->http_status;
}

/* What the end of an attempt means, by the PBX's own rules. Asking for a file again does no harm; a file
 * that broke off is none, whatever its status was. */
void outcome_judge(const struct config_target *target, struct delivery *delivery,
                   const struct transfer_answer *answer)
{
    int is_download = delivery->body == NULL;
    struct attempt attempt = {.code = answer->code,
                              .http_status = status_of(delivery, answer),
                              .sent = answer->sent,
                              .retry_after_ms = answer->retry_after_ms,
                              .number = delivery->attempts,
                              .now_ms = clock_wall_ms(),
                              .expires_ms = delivery->expires_ms,
                              .repeatable = is_download || target->idempotent,
                              .longest_delay_ms = OUTCOME_LONGEST_DELAY_MS,
                              .random = random_number()};
    struct verdict verdict = taxonomy_judge(&attempt);

    delivery->finished_ms = attempt.now_ms;
    delivery->state = verdict.state;
    delivery->due_ms = verdict.due_ms;
    if (answer->too_large)
        delivery->state = STORE_ACTION_REJECTED;
    else if (is_download && verdict.state == STORE_ACTION_UNKNOWN)
        delivery->state = STORE_ACTION_EXPIRED;
    else if (!is_download && verdict.state == STORE_ACTION_EXPIRED && delivery->doubtful)
        delivery->state = STORE_ACTION_UNKNOWN;
}

void outcome_put_off(struct delivery *delivery, int64_t now_ms)
{
    int late = delivery->expires_ms <= now_ms;
    int64_t delay_ms = (int64_t)FIRST_DELAY_MS << (delivery->attempts < 8 ? delivery->attempts : 8);
    int is_unknown = delivery->doubtful && delivery->body != NULL; /* a download is none */

    delivery->state = !late        ? STORE_ACTION_PENDING
                      : is_unknown ? STORE_ACTION_UNKNOWN
                                   : STORE_ACTION_EXPIRED;
    delivery->due_ms = now_ms + delay_ms;
    if (delivery->due_ms > delivery->expires_ms)
        delivery->due_ms = delivery->expires_ms;
    delivery->finished_ms = now_ms;
    delivery->took_us = 0;
    if (late)
        snprintf(delivery->detail, sizeof delivery->detail, "its deadline has passed");
}
