/* loop_length.h: loops that make a test sure, and are short in tests/alloc/run.sh (SHORT_LOOPS is set), where every
 * allocation of theirs costs a run of the whole case. */
#ifndef PBXHOOK_TESTS_UNIT_LOOP_LENGTH_H
#define PBXHOOK_TESTS_UNIT_LOOP_LENGTH_H

#include <stdlib.h>

static inline int loop_length(int usual, int few)
{
    return getenv("SHORT_LOOPS") == NULL ? usual : few;
}

#endif
