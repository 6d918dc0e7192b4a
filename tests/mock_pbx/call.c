/*
 * call.c: see call.h.
 */
#include "call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void call_make_id(char out[CALL_ID_SIZE], struct dice *dice)
{
    uint64_t high = dice_roll(dice);
    uint64_t low = dice_roll(dice);

    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    snprintf(out, CALL_ID_SIZE,
             "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
             (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & UINT64_C(0xffffffffffff));
}

const char *call_get_fault_name(enum call_fault fault)
{
    static const char *const names[CALL_FAULTS] = {
        "right",      "no_action",  "early_action", "second_action",   "repeated_action",
        "bad_action", "wrong_type", "wrong_queue",  "webhook_refused", "webhook_unreachable",
    };

    return names[fault];
}

static void call_set_fault(struct call *call, enum call_fault fault, const char *detail)
{
    if (call->fault != CALL_FINE)
        return;
    call->fault = fault;
    snprintf(call->detail, sizeof call->detail, "%s", detail);
}

enum call_next call_get_next(const struct call *call)
{
    if (call->over || call->at >= call->plan.count)
        return CALL_IS_OVER;
    /* The second copy of an event needs no action of its own; all that follows standby does. */
    if (call->plan.steps[call->at].kind > EVENT_STANDBY && !call->acted && !call->given_up)
        return CALL_AWAITS_ACTION;
    return CALL_POSTS;
}

enum event_kind call_get_kind(const struct call *call)
{
    return call->plan.steps[call->at].kind;
}

int64_t call_get_stamp(struct call *call, enum event_kind kind, int64_t now_ms)
{
    /* An event held back happened before the one that overtakes it, so it gets its time first. */
    for (size_t i = 0; i <= (size_t)kind; i++) {
        if (call->stamp_ms[i] != 0)
            continue;
        call->last_ms = now_ms > call->last_ms ? now_ms : call->last_ms + 1;
        call->stamp_ms[i] = call->last_ms;
    }
    return call->stamp_ms[kind];
}

void call_note_posted(struct call *call)
{
    if (call_get_kind(call) == EVENT_STANDBY)
        call->standby_posted = true;
}

void call_note_acknowledged(struct call *call)
{
    if (call->plan.steps[call->at].twice && !call->repeated) {
        call->repeated = true;
        return;
    }
    call->repeated = false;
    call->at++;
}

void call_note_undelivered(struct call *call, enum call_fault fault, const char *detail)
{
    call_set_fault(call, fault, detail);
    call->over = true;
}

static bool call_accepts_type(const char *type, const char *accepted_type)
{
    if (accepted_type != NULL)
        return strcmp(type, accepted_type) == 0;
    return strcmp(type, "call.waiting") == 0 || strcmp(type, "delegate") == 0;
}

void call_note_action(struct call *call, const char *type, const char *destination,
                      const char *accepted_type)
{
    char detail[CALL_DETAIL_SIZE];

    if (call->given_up)
        return; /* too late: the caller has hung up, and the call is wrong already */
    if (call->acted) {
        snprintf(detail, sizeof detail, "a second action came, to queue \"%.48s\"", destination);
        call_set_fault(call, CALL_SECOND_ACTION, detail);
    } else if (!call->standby_posted) {
        call_set_fault(call, CALL_EARLY_ACTION, "an action came before call.standby was posted");
    } else if (!call_accepts_type(type, accepted_type)) {
        snprintf(detail, sizeof detail, "the action's type is \"%.48s\", expected %s", type,
                 accepted_type != NULL ? accepted_type : "call.waiting or delegate");
        call_set_fault(call, CALL_WRONG_TYPE, detail);
    } else if (strcmp(destination, call->queue) != 0) {
        snprintf(detail, sizeof detail, "delegated to queue \"%.48s\", expected \"%.48s\"",
                 destination, call->queue);
        call_set_fault(call, CALL_WRONG_QUEUE, detail);
    }
    call->acted = true;
}

void call_note_repeated_action(struct call *call)
{
    call_set_fault(call, CALL_REPEATED_ACTION, "the action came again, under the same key");
}

void call_note_bad_action(struct call *call, const char *detail)
{
    call_set_fault(call, CALL_BAD_ACTION, detail);
}

void call_note_no_action(struct call *call)
{
    call_set_fault(call, CALL_NO_ACTION, "no action came in time");
    call->given_up = true;
    call->repeated = false;
    call->at = 0;
    call->plan.count = 1;
    call->plan.steps[0] = (struct plan_step){.kind = EVENT_FINISHED};
}
