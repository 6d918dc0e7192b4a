/*
 * fake_target.h: another server than the PBX, as a target of plugins: writes each request down and
 * answers as a script says. It has threads of its own; all functions are for the test's thread.
 */
#ifndef E2E_FAKE_TARGET_H
#define E2E_FAKE_TARGET_H

#include <stddef.h>

struct fake_target;

/* How one request is answered. */
struct fake_target_answer {
    int status;           /* 0: 200                                                     */
    int hangs_up;         /* 1: reads the request and closes the connection             */
    int waits;            /* 1: says nothing before fake_target_release()               */
    const char *body;     /* a constant; NULL: ""                                       */
    size_t body_size;     /* 0: strlen()                                                */
    const char *location; /* a constant: where to go instead; NULL: not said                */
    size_t cut_at;        /* not 0: the connection breaks after so many bytes of the body */
};

struct fake_target_request {
    char method[16];
    char url[256]; /* as it was asked for */
    char authorization[256];
    char key[128]; /* Idempotency-Key */
    char body[1024];
};

/* Open, on a port of its own. */
struct fake_target *fake_target_new(void);
void fake_target_free(struct fake_target *target); /* accepts NULL */

int fake_target_port(const struct fake_target *target);

/* The next request gets this answer; several calls make a queue. When it is empty: 200, "". */
void fake_target_answer_next(struct fake_target *target, struct fake_target_answer answer);
/* Requests that wait, and those to come, are answered. */
void fake_target_release(struct fake_target *target);

int fake_target_count(struct fake_target *target);
/* The index-th, from 0; fails the test when there is none. */
void fake_target_get(struct fake_target *target, int index, struct fake_target_request *out);

#endif
