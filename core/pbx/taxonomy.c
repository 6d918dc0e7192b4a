/*
 * taxonomy.c: see taxonomy.h. The rule: a retry must never make the PBX do a thing twice, so only what
 * was surely not done is tried again.
 */
#include "pbx/taxonomy.h"

#define FIRST_DELAY_MS   100
#define LONGEST_DELAY_MS 2000
#define LAST_CHANCE_MS   250 /* before the deadline */

enum receipt { RECEIVED, REFUSED, NOT_RECEIVED, NOBODY_KNOWS };

static enum receipt judge_status(int status)
{
    if (status >= 200 && status < 300)
        return RECEIVED;
    switch (status) {
    case 408: /* it did not get the whole request                 */
    case 425: /* too early: it did not act on it                  */
    case 429: /* too many: it did not act on it                   */
    case 503: /* unavailable: it did not act on it                */
        return NOT_RECEIVED;
    default:
        break;
    }
    /* A gateway's 502 and 504 tell nothing of the server behind it; a 500 broke somewhere on the way. */
    return status >= 500 ? NOBODY_KNOWS : REFUSED;
}

static enum receipt judge_failure(const struct attempt *attempt)
{
    /* Not by libcurl's code: when a kept connection died it makes a new one, before it finds that the body is
     * gone, and may end with "couldn't connect" after the request was received. */
    return attempt->sent ? NOBODY_KNOWS : NOT_RECEIVED;
}

/* Doubling, half of it by chance, so that many actions do not come back in one wave. */
static int64_t retry_delay_ms(const struct attempt *attempt)
{
    int64_t longest = attempt->longest_delay_ms > 0 ? attempt->longest_delay_ms : LONGEST_DELAY_MS;
    int64_t delay = FIRST_DELAY_MS;
    for (int i = 1; i < attempt->number && delay < longest; i++)
        delay *= 2;
    if (delay > longest)
        delay = longest;
    delay = delay / 2 + (int64_t)(attempt->random % (uint32_t)(delay / 2 + 1));
    return attempt->retry_after_ms > delay ? attempt->retry_after_ms : delay;
}

/* One more try is made shortly before the deadline, however long the delay would be; but not sooner than
 * the PBX has asked for. */
static struct verdict try_again(const struct attempt *attempt, enum store_action_state state,
                                enum store_action_state too_late)
{
    int64_t due_ms = attempt->now_ms + retry_delay_ms(attempt);
    int64_t last_ms = attempt->expires_ms - LAST_CHANCE_MS;
    if (due_ms > last_ms && attempt->retry_after_ms == 0 && last_ms > attempt->now_ms)
        due_ms = last_ms;
    if (due_ms >= attempt->expires_ms)
        return (struct verdict){.state = too_late, .due_ms = 0};
    return (struct verdict){.state = state, .due_ms = due_ms};
}

struct verdict taxonomy_judge(const struct attempt *attempt)
{
    /* An answer's status counts even when its body broke off. */
    enum receipt receipt =
        attempt->http_status >= 200 ? judge_status(attempt->http_status) : judge_failure(attempt);
    switch (receipt) {
    case RECEIVED:
        return (struct verdict){.state = STORE_ACTION_DELIVERED, .due_ms = 0};
    case REFUSED:
        return (struct verdict){.state = STORE_ACTION_REJECTED, .due_ms = 0};
    case NOT_RECEIVED:
        return try_again(attempt, STORE_ACTION_PENDING, STORE_ACTION_EXPIRED);
    case NOBODY_KNOWS:
        break;
    }
    if (attempt->repeatable)
        return try_again(attempt, STORE_ACTION_DOUBTFUL, STORE_ACTION_UNKNOWN);
    return (struct verdict){.state = STORE_ACTION_UNKNOWN, .due_ms = 0};
}
