/*
 * call.h: one call as the PBX sees it: what it posts next, which action it expects, and whether it
 * went right. A state machine without I/O or clock: the caller drives it.
 */
#ifndef MOCK_PBX_CALL_H
#define MOCK_PBX_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "payload.h"
#include "plan.h"

#define CALL_ID_SIZE     37
#define CALL_NUMBER_SIZE 48
#define CALL_DETAIL_SIZE 160

/* Why a call is wrong. The first reason counts. */
enum call_fault {
    CALL_FINE,
    CALL_NO_ACTION,       /* none within the time-out                          */
    CALL_EARLY_ACTION,    /* before call.standby was posted                    */
    CALL_SECOND_ACTION,   /* another one, with another key or none             */
    CALL_REPEATED_ACTION, /* the same key again, without --idempotent          */
    CALL_BAD_ACTION,      /* malformed: answered 400                           */
    CALL_WRONG_TYPE,      /* of the action                                     */
    CALL_WRONG_QUEUE,     /* not the one of a known (or new) caller            */
    CALL_REFUSED,         /* the webhook answered an event with an error       */
    CALL_UNREACHABLE,     /* an event could not be delivered, retries included */
    CALL_FAULTS
};

enum call_next { CALL_POSTS, CALL_AWAITS_ACTION, CALL_IS_OVER };

struct call {
    char call_id[CALL_ID_SIZE];
    char their_number[CALL_NUMBER_SIZE];
    const char *queue; /* the one expected, borrowed */
    struct plan plan;
    size_t at;     /* the plan's step that is posted now or next */
    bool repeated; /* the step's first copy was acknowledged     */
    bool standby_posted;
    bool acted;    /* an action came */
    bool given_up; /* no action came in time */
    bool over;
    int64_t last_ms;               /* the newest timestamp given     */
    int64_t stamp_ms[EVENT_KINDS]; /* 0 = not happened yet           */
    enum call_fault fault;
    char detail[CALL_DETAIL_SIZE]; /* of the fault, for people */
};

/* A random UUID, version 4. */
void call_make_id(char out[CALL_ID_SIZE], struct dice *dice);

/* "no_action", ... as in the report. A constant. */
const char *call_get_fault_name(enum call_fault fault);

enum call_next call_get_next(const struct call *call);

/* The event that is posted now or next; only when the next is CALL_POSTS. */
enum event_kind call_get_kind(const struct call *call);

/* The event's timestamp. Each event of a call has its own, in the order of the call's life, even
 * when they are posted in another; the same each time it is asked. */
int64_t call_get_stamp(struct call *call, enum event_kind kind, int64_t now_ms);

/* The event is on its way. */
void call_note_posted(struct call *call);

/* The event was acknowledged. */
void call_note_acknowledged(struct call *call);

/* The event was not, for good: the call ends here. */
void call_note_undelivered(struct call *call, enum call_fault fault, const char *detail);

/* An action came. accepted_type NULL: "call.waiting" or "delegate". */
void call_note_action(struct call *call, const char *type, const char *destination,
                      const char *accepted_type);

/* The action came again, under its key: it is none, but nobody may send it twice. */
void call_note_repeated_action(struct call *call);

/* A malformed action came: it is none, but it is wrong. */
void call_note_bad_action(struct call *call, const char *detail);

/* No action came in time: the caller hangs up, so only call.finished is left to post. */
void call_note_no_action(struct call *call);

#endif
