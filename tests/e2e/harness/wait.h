/*
 * wait.h: waiting for a condition with a deadline, never for a time. All limits here are for a machine
 * that is not slowed down; a sanitizer's build stretches them by PBXHOOK_E2E_FACTOR.
 */
#ifndef E2E_WAIT_H
#define E2E_WAIT_H

#include <stdint.h>

/* Long enough for anything that is not broken. */
#define WAIT_LIMIT_MS 10000

/* Milliseconds of a clock that never jumps. */
int64_t wait_now_ms(void);

/* A limit as this build needs it. */
int wait_stretch(int limit_ms);

/* A pause between two looks at a condition. */
void wait_nap(void);

/* Fails the test, naming the condition. */
_Noreturn void wait_failed(const char *condition, const char *file, int line);

/* Fails the test unless the condition holds within limit_ms. */
#define await_for(limit_ms, condition)                                                             \
    do {                                                                                           \
        int64_t until_ms = wait_now_ms() + wait_stretch(limit_ms);                                 \
        while (!(condition)) {                                                                     \
            if (wait_now_ms() >= until_ms)                                                         \
                wait_failed(#condition, __FILE__, __LINE__);                                       \
            wait_nap();                                                                            \
        }                                                                                          \
    } while (0)

#define await(condition) await_for(WAIT_LIMIT_MS, condition)

#endif
