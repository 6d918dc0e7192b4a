/*
 * tally.h: all that is counted and measured in a run. Plain numbers, owned by the main thread: the
 * server thread's share comes to it through the inbox.
 */
#ifndef MOCK_PBX_TALLY_H
#define MOCK_PBX_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "latency.h"

struct tally {
    uint64_t started_ns;
    uint64_t ended_ns; /* of the calls; 0 while they go on */
    bool complete;     /* all calls asked for were placed and ended */

    struct {
        uint64_t placed, right, wrong, returning;
        uint64_t started_late; /* more than 100 ms after schedule: --max-active, or no time */
        uint64_t faults[CALL_FAULTS];
    } calls;

    struct {
        /* posted = acknowledged + refused + unreachable + still under way */
        uint64_t posted, acknowledged, refused, unreachable;
        uint64_t attempts, retried, retried_status, retried_transport;
        uint64_t duplicated, late, missing,
            shuffled; /* misbehaviour: events, calls, calls, calls */
        uint64_t driven;
    } events;

    struct {
        uint64_t received; /* all below together */
        /* For calls of this run, wrong and driven ones too; slow ... dropped are of these. */
        uint64_t accepted;
        uint64_t unknown_calls, repeated_by_key, bad, failed, dropped_before, turned_away;
        uint64_t second, late;
        uint64_t slow, waiting_first, silent, dropped;
    } actions;

    struct latency webhook_answer;
    struct latency standby_to_action;
    struct latency post_queue;
};

#endif
