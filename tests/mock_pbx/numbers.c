/*
 * numbers.c: see numbers.h. A number is the run's prefix and a serial number.
 */
#include "numbers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

struct numbers *numbers_new(const char *prefix, double returning_percent, struct dice *dice)
{
    struct numbers *numbers = memory_get(1, sizeof *numbers);

    numbers->returning_percent = returning_percent;
    if (prefix != NULL)
        snprintf(numbers->prefix, sizeof numbers->prefix, "%s", prefix);
    else
        snprintf(numbers->prefix, sizeof numbers->prefix, "11%06" PRIu64,
                 dice_roll_below(dice, 1000000));
    return numbers;
}

void numbers_free(struct numbers *numbers)
{
    free(numbers);
}

bool numbers_pick(struct numbers *numbers, struct dice *dice, char out[CALL_NUMBER_SIZE],
                  uint64_t *serial)
{
    uint64_t choice = numbers->known_count < NUMBERS_KNOWN ? numbers->known_count : NUMBERS_KNOWN;
    bool returning = choice > 0 && dice_hits(dice, numbers->returning_percent);

    if (returning)
        *serial = numbers->known[dice_roll_below(dice, choice)];
    else
        *serial = ++numbers->made;
    /* The prefix is at most 24 digits (options.c) and the serial 20: it always fits. */
    snprintf(out, CALL_NUMBER_SIZE, "%.24s%07" PRIu64, numbers->prefix, *serial);
    return returning;
}

void numbers_add_known(struct numbers *numbers, uint64_t serial)
{
    numbers->known[numbers->known_count % NUMBERS_KNOWN] = serial;
    numbers->known_count++;
}
