/*
 * numbers.h: whose number calls: a new one, or one that called before in this run and is known to
 * the server by now. Bounded memory. Belongs to the thread of the calls.
 */
#ifndef MOCK_PBX_NUMBERS_H
#define MOCK_PBX_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "dice.h"

#define NUMBERS_KNOWN 65536

struct numbers {
    char prefix[CALL_NUMBER_SIZE];
    double returning_percent;
    uint64_t made;                 /* new numbers so far          */
    uint64_t known_count;          /* ever; the ring holds the last NUMBERS_KNOWN */
    uint64_t known[NUMBERS_KNOWN]; /* the serial numbers of known callers */
};

/* prefix NULL: a random one. */
struct numbers *numbers_new(const char *prefix, double returning_percent, struct dice *dice);
void numbers_free(struct numbers *numbers); /* accepts NULL */

/* Writes the number of the next caller; *serial is to be given to numbers_add_known() once the
 * server surely knows it. True when it is a returning caller. */
bool numbers_pick(struct numbers *numbers, struct dice *dice, char out[CALL_NUMBER_SIZE],
                  uint64_t *serial);

void numbers_add_known(struct numbers *numbers, uint64_t serial);

#endif
