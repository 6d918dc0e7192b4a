/*
 * caller.c: see caller.h. Each call has at most one post under way and at most one timer: the pause
 * before its next event, or the time-out of its action.
 */
#include "caller.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "dice.h"
#include "memory.h"
#include "numbers.h"
#include "recall.h"

/* Ended calls stay known this long, for second actions: nine minutes at 500 calls a second. */
#define CALLER_REMEMBERED   262144
#define CALLER_NOTED_FAULTS 20 /* wrong calls that are told of without --verbose */

/* Between the seeds of two calls' dice: large and odd, to keep clear of the other dice's seeds. */
#define CALLER_SEED_STEP UINT64_C(0xd1342543de82ef95)

/* The note of a call that has ended. */
#define CALLER_ACTED 1u
#define CALLER_RIGHT 2u

enum live_state { LIVE_POSTS, LIVE_PAUSES, LIVE_AWAITS_ACTION };

struct live_call {
    struct caller *caller;
    struct dice dice; /* its own, so that its choices do not depend on what other calls do */
    struct call call;
    enum live_state state;
    struct post post;
    struct timer timer;
    uint64_t serial; /* of the number */
    bool returning;
    uint64_t standby_started_ns;
    uint64_t proceed_ns; /* nothing is posted before */
    char destination[INBOX_TEXT_SIZE];
    char actor[32];
    char extension[8];
    char time[PAYLOAD_TIME_SIZE]; /* of the event under way */
    struct live_call *previous, *next;
};

struct caller {
    const struct options *options;
    struct timer_heap *timers;
    struct client *client;
    struct tally *tally;
    struct journal *journal;
    struct progress *progress;
    struct numbers *numbers;
    struct recall *calls; /* thing: the live call; note: of an ended one */
    struct live_call *live;
    uint64_t active;
    uint64_t noted;
};

static void caller_go_on(struct live_call *live);

struct caller *caller_new(const struct options *options, struct timer_heap *timers,
                          struct client *client, struct tally *tally, struct journal *journal,
                          struct progress *progress)
{
    struct caller *caller = memory_get(1, sizeof *caller);
    struct dice dice;

    caller->options = options;
    caller->timers = timers;
    caller->client = client;
    caller->tally = tally;
    caller->journal = journal;
    caller->progress = progress;
    dice_open(&dice, options->seed);
    caller->numbers = numbers_new(options->number_prefix, options->returning_percent, &dice);
    caller->calls = recall_new(CALLER_REMEMBERED);
    return caller;
}

static void caller_free_live(struct live_call *live)
{
    struct caller *caller = live->caller;

    if (live->previous != NULL)
        live->previous->next = live->next;
    else
        caller->live = live->next;
    if (live->next != NULL)
        live->next->previous = live->previous;
    caller->active--;
    free(live->post.body);
    free(live);
}

void caller_free(struct caller *caller)
{
    if (caller == NULL)
        return;
    while (caller->live != NULL)
        caller_free_live(caller->live);
    numbers_free(caller->numbers);
    recall_free(caller->calls);
    free(caller);
}

uint64_t caller_get_active(const struct caller *caller)
{
    return caller->active;
}

/* ---- the end of a call ----------------------------------------------------------------------- */

static void caller_count_fault(struct caller *caller, const char *call_id, enum call_fault fault,
                               const char *detail)
{
    caller->tally->calls.wrong++;
    caller->tally->calls.faults[fault]++;
    caller->noted++;
    if (caller->options->verbose || caller->noted <= CALLER_NOTED_FAULTS)
        progress_note(caller->progress, "call %s is wrong: %s: %s", call_id,
                      call_get_fault_name(fault), detail);
    else if (caller->noted == CALLER_NOTED_FAULTS + 1)
        progress_note(caller->progress, "further wrong calls are only counted (see --verbose)");
}

static void caller_end(struct live_call *live)
{
    struct caller *caller = live->caller;
    struct recall_value *known = recall_find(caller->calls, live->call.call_id);

    if (live->call.fault == CALL_FINE)
        caller->tally->calls.right++;
    else
        caller_count_fault(caller, live->call.call_id, live->call.fault, live->call.detail);
    if (known != NULL) {
        known->thing = NULL;
        known->note = (live->call.acted ? CALLER_ACTED : 0) |
                      (live->call.fault == CALL_FINE ? CALLER_RIGHT : 0);
    }
    timer_disarm(caller->timers, &live->timer);
    caller_free_live(live);
}

/* ---- posting --------------------------------------------------------------------------------- */

static void caller_note_refusal(struct live_call *live)
{
    const char *type = payload_get_type(call_get_kind(&live->call));
    char detail[CALL_DETAIL_SIZE];

    if (live->post.outcome == POST_REFUSED)
        snprintf(detail, sizeof detail, "%s was answered %ld: %.100s", type, live->post.status,
                 live->post.answer);
    else
        snprintf(detail, sizeof detail, "%s: %.100s", type, live->post.answer);
    detail[strcspn(detail, "\r\n")] = '\0';
    call_note_undelivered(
        &live->call, live->post.outcome == POST_REFUSED ? CALL_REFUSED : CALL_UNREACHABLE, detail);
}

static void caller_end_post(struct post *post, void *context)
{
    struct live_call *live = context;
    struct caller *caller = live->caller;

    if (call_get_kind(&live->call) == EVENT_STANDBY && live->standby_started_ns == 0)
        live->standby_started_ns = post->started_ns;
    if (post->outcome == POST_ACKNOWLEDGED) {
        if (!live->call.repeated)
            journal_write(caller->journal, live->call.call_id,
                          payload_get_type(call_get_kind(&live->call)), live->call.their_number,
                          live->time);
        call_note_acknowledged(&live->call);
    } else {
        caller_note_refusal(live);
    }
    caller_go_on(live);
}

static enum envelope caller_choose_envelope(struct live_call *live)
{
    const struct caller *caller = live->caller;

    if (caller->options->envelope != ENVELOPE_MIXED)
        return caller->options->envelope;
    return dice_hits(&live->dice, 50) ? ENVELOPE_SEED : ENVELOPE_FLAT;
}

static void caller_make_body(struct live_call *live, enum event_kind kind)
{
    struct caller *caller = live->caller;
    enum envelope envelope = caller_choose_envelope(live);
    bool with_actor = kind >= EVENT_ENTERED && kind <= EVENT_LEFT;
    struct payload payload = {
        .type = payload_get_type(kind),
        .call_id = live->call.call_id,
        .our_number = caller->options->our_number,
        .their_number = live->call.their_number,
        .actor = with_actor ? live->actor : NULL,
        .number = with_actor ? live->extension : NULL,
        .queue = kind >= EVENT_WAITING && live->destination[0] != '\0' ? live->destination : NULL,
        .time_ms = call_get_stamp(&live->call, kind, clock_get_wall_ms()),
    };

    free(live->post.body);
    payload_write_time(payload.time_ms, live->time);
    live->post.url = caller->options->webhook_url[envelope];
    live->post.body = memory_check(payload_make(&payload, envelope));
    live->post.body_size = strlen(live->post.body);
    if (caller->options->webhook_id)
        snprintf(live->post.id, sizeof live->post.id, "%s.%s", live->call.call_id, payload.type);
}

static void caller_post(struct live_call *live)
{
    struct caller *caller = live->caller;

    /* The second copy is the first one's bytes. */
    if (!live->call.repeated)
        caller_make_body(live, call_get_kind(&live->call));
    else
        caller->tally->events.duplicated++;
    live->state = LIVE_POSTS;
    call_note_posted(&live->call);
    caller->tally->events.posted++;
    client_submit(caller->client, &live->post);
}

static uint64_t caller_draw_pause_ms(struct live_call *live)
{
    const struct options *options = live->caller->options;
    enum event_kind kind = call_get_kind(&live->call);
    struct span_ms span = kind == EVENT_LEFT ? options->talk_ms : options->step_ms;

    /* A copy follows at once, and so does call.waiting after the action. */
    if (live->call.at == 0 || live->call.repeated || kind == EVENT_WAITING)
        return 0;
    return dice_roll_between(&live->dice, span.min, span.max);
}

static void caller_pause_or_post(struct live_call *live)
{
    uint64_t now_ns = clock_get_mono_ns();
    uint64_t due_ns = now_ns + caller_draw_pause_ms(live) * CLOCK_NS_PER_MS;

    if (due_ns < live->proceed_ns)
        due_ns = live->proceed_ns;
    if (due_ns <= now_ns) {
        caller_post(live);
        return;
    }
    live->state = LIVE_PAUSES;
    timer_arm(live->caller->timers, &live->timer, due_ns);
}

/* Whatever comes next for the call. May free it. */
static void caller_go_on(struct live_call *live)
{
    switch (call_get_next(&live->call)) {
    case CALL_POSTS:
        caller_pause_or_post(live);
        break;
    case CALL_AWAITS_ACTION:
        live->state = LIVE_AWAITS_ACTION;
        timer_arm(live->caller->timers, &live->timer,
                  clock_get_mono_ns() +
                      (uint64_t)(live->caller->options->action_timeout_s * (double)CLOCK_NS_PER_S));
        break;
    case CALL_IS_OVER:
        caller_end(live);
        break;
    }
}

static void caller_fire(void *context)
{
    struct live_call *live = context;

    if (live->state == LIVE_AWAITS_ACTION) {
        call_note_no_action(&live->call);
        caller_go_on(live);
    } else {
        caller_post(live);
    }
}

/* ---- placing --------------------------------------------------------------------------------- */

static struct live_call *caller_new_live(struct caller *caller)
{
    struct live_call *live = memory_get(1, sizeof *live);

    live->caller = caller;
    live->post.done = caller_end_post;
    live->post.context = live;
    live->timer.fire = caller_fire;
    live->timer.context = live;
    live->next = caller->live;
    if (live->next != NULL)
        live->next->previous = live;
    caller->live = live;
    caller->active++;
    return live;
}

static void caller_choose_actor(struct live_call *live)
{
    unsigned which = (unsigned)dice_roll_below(&live->dice, 40);

    snprintf(live->actor, sizeof live->actor, "agent-%02u", which);
    snprintf(live->extension, sizeof live->extension, "%u", 2000 + which);
}

static void caller_count_plan(struct tally *tally, const struct plan *plan)
{
    tally->events.late += plan->late ? 1 : 0;
    tally->events.missing += plan->missing ? 1 : 0;
    tally->events.shuffled += plan->shuffled ? 1 : 0;
}

void caller_place(struct caller *caller)
{
    const struct options *options = caller->options;
    struct live_call *live = caller_new_live(caller);

    dice_open(&live->dice, options->seed + CALLER_SEED_STEP * (caller->tally->calls.placed + 1));
    call_make_id(live->call.call_id, &live->dice);
    plan_make(&live->call.plan, &options->misdeeds, &live->dice);
    caller_choose_actor(live);
    live->returning =
        numbers_pick(caller->numbers, &live->dice, live->call.their_number, &live->serial);
    live->call.queue = live->returning ? options->known_queue : options->new_queue;
    recall_put(caller->calls, live->call.call_id)->thing = live;
    caller->tally->calls.placed++;
    caller->tally->calls.returning += live->returning ? 1 : 0;
    caller_count_plan(caller->tally, &live->call.plan);
    caller_go_on(live);
}

/* ---- actions --------------------------------------------------------------------------------- */

static void caller_measure_action(struct live_call *live, uint64_t arrived_ns)
{
    uint64_t started_ns = live->standby_started_ns;

    /* It may come while call.standby's answer is still on its way. */
    if (started_ns == 0 && live->call.standby_posted && live->state == LIVE_POSTS)
        started_ns = live->post.started_ns;
    if (started_ns != 0 && arrived_ns >= started_ns)
        latency_add(&live->caller->tally->standby_to_action, (arrived_ns - started_ns) / 1000);
}

static void caller_act(struct live_call *live, const struct inbox_message *message)
{
    struct caller *caller = live->caller;
    bool first = !live->call.acted && !live->call.given_up;

    caller->tally->actions.second += live->call.acted ? 1 : 0;
    caller->tally->actions.late += live->call.given_up ? 1 : 0;
    call_note_action(&live->call, message->type, message->destination,
                     caller->options->action_type);
    if (!first)
        return;
    caller_measure_action(live, message->arrived_ns);
    live->proceed_ns = message->proceed_ns;
    memcpy(live->destination, message->destination, sizeof live->destination);
    /* From here on the server surely knows the number. */
    if (!live->returning && live->call.fault == CALL_FINE)
        numbers_add_known(caller->numbers, live->serial);
    if (live->state == LIVE_AWAITS_ACTION) {
        timer_disarm(caller->timers, &live->timer);
        caller_go_on(live);
    }
}

/* An action for a call that has ended: at best late, at worst a second one. */
static void caller_act_after_end(struct caller *caller, struct recall_value *known,
                                 const struct inbox_message *message, enum call_fault fault)
{
    char detail[CALL_DETAIL_SIZE];

    if ((known->note & CALLER_RIGHT) == 0)
        return;
    known->note &= ~(uint64_t)CALLER_RIGHT;
    caller->tally->calls.right--;
    if (fault == CALL_BAD_ACTION)
        snprintf(detail, sizeof detail, "after its end: %s", message->detail);
    else if (fault == CALL_REPEATED_ACTION)
        snprintf(detail, sizeof detail, "its action came again after its end, under the same key");
    else
        snprintf(detail, sizeof detail, "a second action came after its end, to queue \"%.48s\"",
                 message->destination);
    caller_count_fault(caller, message->call_id, fault, detail);
}

static void caller_take_taken(struct caller *caller, const struct inbox_message *message,
                              bool driven)
{
    struct recall_value *known = recall_find(caller->calls, message->call_id);

    caller->tally->actions.slow += message->manner == ACTION_SLOW ? 1 : 0;
    caller->tally->actions.waiting_first += message->manner == ACTION_WAITING_FIRST ? 1 : 0;
    caller->tally->actions.silent += message->manner == ACTION_SILENT ? 1 : 0;
    caller->tally->actions.dropped += message->manner == ACTION_DROPPED ? 1 : 0;
    if (known == NULL && !driven) {
        caller->tally->actions.unknown_calls++;
        return;
    }
    caller->tally->actions.accepted++;
    if (known == NULL)
        return;
    if (known->thing != NULL) {
        caller_act(known->thing, message);
        return;
    }
    caller->tally->actions.second += (known->note & CALLER_ACTED) != 0 ? 1 : 0;
    caller->tally->actions.late += (known->note & CALLER_ACTED) == 0 ? 1 : 0;
    caller_act_after_end(caller, known, message, CALL_SECOND_ACTION);
}

/* Whether the server has got an answer to the first copy makes no difference: it can't know what became of it, so
 * it sends no second one, unless it was told that its PBX takes a key once. */
static void caller_take_repeated(struct caller *caller, const struct inbox_message *message)
{
    struct recall_value *known = recall_find(caller->calls, message->call_id);

    caller->tally->actions.repeated_by_key++;
    if (caller->options->idempotent || known == NULL)
        return;
    if (known->thing != NULL)
        call_note_repeated_action(&((struct live_call *)known->thing)->call);
    else
        caller_act_after_end(caller, known, message, CALL_REPEATED_ACTION);
}

static void caller_take_bad(struct caller *caller, const struct inbox_message *message)
{
    struct recall_value *known = recall_find(caller->calls, message->call_id);

    caller->tally->actions.bad++;
    if (known == NULL)
        return;
    if (known->thing != NULL)
        call_note_bad_action(&((struct live_call *)known->thing)->call, message->detail);
    else
        caller_act_after_end(caller, known, message, CALL_BAD_ACTION);
}

void caller_take_action(struct caller *caller, const struct inbox_message *message, bool driven)
{
    caller->tally->actions.received++;
    switch (message->fate) {
    case ACTION_TAKEN:
        caller_take_taken(caller, message, driven);
        break;
    case ACTION_REPEATED:
        caller_take_repeated(caller, message);
        break;
    case ACTION_BAD:
        caller_take_bad(caller, message);
        break;
    case ACTION_FAILED:
        caller->tally->actions.failed++;
        break;
    case ACTION_DROPPED_BEFORE:
        caller->tally->actions.dropped_before++;
        break;
    }
}
