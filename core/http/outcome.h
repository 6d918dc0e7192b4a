/*
 * outcome.h: what the end of an attempt at a delivery means: its state, and when it is due again. Pure but for
 * the clock and the dice; any thread.
 */
#ifndef PBXHOOK_OUTCOME_H
#define PBXHOOK_OUTCOME_H

#include <stdint.h>

#include "common/config.h"
#include "http/deliveries.h"
#include "http/transfer.h"

/* Between two attempts, if the target does not ask for more: at most TRANSFER_MOST_RETRY_AFTER_S. */
#define OUTCOME_LONGEST_DELAY_MS (5 * 60 * 1000)

/* Of one that has ended with this answer. */
void outcome_judge(const struct config_target *target, struct delivery *delivery,
                   const struct transfer_answer *answer);

/* Of one that never began, for lack of time, of memory or of a place on the disk: surely not received. */
void outcome_put_off(struct delivery *delivery, int64_t now_ms);

#endif
