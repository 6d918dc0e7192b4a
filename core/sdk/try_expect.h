/*
 * try_expect.h: what an events file expects, against what a plugin did. Pure.
 */
#ifndef PBXHOOK_TRY_EXPECT_H
#define PBXHOOK_TRY_EXPECT_H

#include <stddef.h>

#include <jansson.h>

#include "sdk/try_result.h"

/* Whether this is an "expect" that can be checked: 0, or -1 and the reason in `wrong`. */
int try_expect_validate(const json_t *expect, char *wrong, size_t wrong_size);

/* Appends a text to result->failures for each thing that did not come as result->event expects it.
 * 0, or -1 when out of memory. */
int try_expect_check(struct try_result *result);

#endif
