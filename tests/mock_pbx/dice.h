/*
 * dice.h: the random numbers of mock-pbx. Deterministic for a seed, so that a run can be repeated;
 * one set of dice belongs to one thread. Not for secrets.
 */
#ifndef MOCK_PBX_DICE_H
#define MOCK_PBX_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state[4];
};

/* A seed of the system's, for runs without --seed. */
uint64_t dice_get_seed(void);

void dice_open(struct dice *dice, uint64_t seed);

uint64_t dice_roll(struct dice *dice);

/* 0 <= result < limit; limit > 0. */
uint64_t dice_roll_below(struct dice *dice, uint64_t limit);

/* min <= result <= max. */
uint64_t dice_roll_between(struct dice *dice, uint64_t min, uint64_t max);

/* True in so many of 100 cases; 0 never, 100 always. */
bool dice_hits(struct dice *dice, double percent);

#endif
