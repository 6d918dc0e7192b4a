/*
 * plan.c: see plan.h. Each event keeps the timestamp of its place in the call's life, so whatever
 * the order of posting, the call's last state is well defined.
 */
#include "plan.h"

#include <string.h>

/* In a shuffled call the first two change places this often. */
#define PLAN_SWAP_PERCENT 50

static void plan_take_out(struct plan *plan, size_t at)
{
    plan->count--;
    memmove(&plan->steps[at], &plan->steps[at + 1], (plan->count - at) * sizeof plan->steps[0]);
}

static void plan_put_in(struct plan *plan, size_t at, struct plan_step step)
{
    memmove(&plan->steps[at + 1], &plan->steps[at], (plan->count - at) * sizeof plan->steps[0]);
    plan->steps[at] = step;
    plan->count++;
}

static void plan_swap(struct plan *plan, size_t one, size_t other)
{
    struct plan_step kept = plan->steps[one];

    plan->steps[one] = plan->steps[other];
    plan->steps[other] = kept;
}

static void plan_shuffle(struct plan *plan, struct dice *dice)
{
    const size_t first = EVENT_WAITING;

    for (size_t i = plan->count - 1; i > first; i--)
        plan_swap(plan, i, first + dice_roll_below(dice, i - first + 1));
    if (dice_hits(dice, PLAN_SWAP_PERCENT))
        plan_swap(plan, EVENT_NEW, EVENT_STANDBY);
    plan->shuffled = true;
}

/* Any event but call.standby, as a place in the plan. The last place only when with_last. */
static size_t plan_pick(const struct plan *plan, struct dice *dice, bool with_last)
{
    size_t at;

    do {
        at = dice_roll_below(dice, plan->count - (with_last ? 0 : 1));
    } while (plan->steps[at].kind == EVENT_STANDBY);
    return at;
}

static void plan_delay_one(struct plan *plan, struct dice *dice)
{
    size_t at = plan_pick(plan, dice, false);
    struct plan_step step = plan->steps[at];

    plan_take_out(plan, at);
    plan_put_in(plan, dice_roll_between(dice, at + 1, plan->count), step);
    plan->late = true;
}

void plan_make(struct plan *plan, const struct plan_misdeeds *misdeeds, struct dice *dice)
{
    *plan = (struct plan){.count = EVENT_KINDS};
    for (size_t i = 0; i < EVENT_KINDS; i++)
        plan->steps[i].kind = (enum event_kind)i;
    if (misdeeds->shuffle)
        plan_shuffle(plan, dice);
    if (dice_hits(dice, misdeeds->late_percent))
        plan_delay_one(plan, dice);
    if (dice_hits(dice, misdeeds->missing_percent)) {
        plan_take_out(plan, plan_pick(plan, dice, true));
        plan->missing = true;
    }
    for (size_t i = 0; i < plan->count; i++) {
        plan->steps[i].twice = dice_hits(dice, misdeeds->duplicate_percent);
        plan->duplicates += plan->steps[i].twice ? 1 : 0;
    }
}
