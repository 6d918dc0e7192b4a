/*
 * dice.c: xoshiro256**, seeded through splitmix64, as its authors advise. Pure but for the seed.
 */
#include "dice.h"

#include <sys/random.h>

#include "clock.h"

uint64_t dice_get_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = clock_get_mono_ns();
    return seed;
}

void dice_open(struct dice *dice, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t mixed = (seed += UINT64_C(0x9e3779b97f4a7c15));

        mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
        dice->state[i] = mixed ^ (mixed >> 31);
    }
}

static uint64_t dice_rotate(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

uint64_t dice_roll(struct dice *dice)
{
    uint64_t *s = dice->state;
    const uint64_t result = dice_rotate(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = dice_rotate(s[3], 45);
    return result;
}

uint64_t dice_roll_below(struct dice *dice, uint64_t limit)
{
    /* The modulo's bias is below 2^-32 for every limit used here. */
    return dice_roll(dice) % limit;
}

uint64_t dice_roll_between(struct dice *dice, uint64_t min, uint64_t max)
{
    return max <= min ? min : min + dice_roll_below(dice, max - min + 1);
}

bool dice_hits(struct dice *dice, double percent)
{
    if (percent <= 0)
        return false;
    return (double)(dice_roll(dice) >> 11) * 0x1p-53 * 100 < percent;
}
