/*
 * options.h: what the command line asks for. Read once at the start, constant afterwards, so that
 * every thread may read it.
 */
#ifndef MOCK_PBX_OPTIONS_H
#define MOCK_PBX_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "payload.h"
#include "plan.h"
#include "sign.h"

/* A duration, or a range to draw from. */
struct span_ms {
    uint64_t min;
    uint64_t max;
};

struct options {
    /* calls */
    uint64_t calls; /* 0 = only serve */
    bool forever;
    double rate; /* calls started a second; 0 = as fast as max_active allows */
    uint64_t max_active;
    struct span_ms step_ms;
    struct span_ms talk_ms;
    double returning_percent;
    const char *number_prefix; /* NULL = random */
    const char *our_number;
    uint64_t seed;

    /* webhook */
    const char *webhook;  /* as given; NULL = the default */
    char *webhook_url[2]; /* by enum envelope; owned      */
    enum envelope envelope;
    uint64_t connections;
    double webhook_timeout_s;
    uint64_t webhook_retries;
    double retry_cap_s;
    bool no_retry;
    bool webhook_id;
    const char *user;
    const char *password_file;
    const char *token_file;
    const char *secret_file; /* NULL = unsigned */
    char *password;          /* owned; NULL = none */
    char *token;             /* owned; NULL = none */
    struct sign_key key;     /* of secret_file */

    /* expectation */
    const char *known_queue;
    const char *new_queue;
    const char *action_type; /* NULL = call.waiting or delegate */
    double action_timeout_s;
    uint64_t linger_ms;
    bool idempotent; /* the server may send an action again under its key */

    /* server */
    const char *listen;
    const char *port_file;
    bool stay;

    /* misbehaviour */
    struct span_ms slow_actions;
    double fail_percent;
    unsigned fail_status;
    double silent_percent;
    double silence_s;
    double drop_percent;
    bool drop_before;
    struct span_ms waiting_first;
    struct plan_misdeeds misdeeds;

    /* output */
    const char *report;
    const char *acknowledged;
    bool verbose;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_EXIT, /* --help, --version: done                   */
    OPTIONS_WRONG /* the message was written: exit code 2      */
};

/* Reads the command line and the secret files. Strings of argv are borrowed. options_free()
 * afterwards in any case. */
enum options_result options_read(struct options *options, int argc, char **argv);

void options_free(struct options *options);

/* Does it place calls? */
bool options_place_calls(const struct options *options);

/* The text of --help. */
void options_print_help(void);

#endif
