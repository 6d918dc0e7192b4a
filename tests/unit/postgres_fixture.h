/*
 * postgres_fixture.h: what the tests of PostgreSQL's store say often, beside store_fixture.h.
 */
#ifndef TEST_POSTGRES_FIXTURE_H
#define TEST_POSTGRES_FIXTURE_H

#include "store_fixture.h"

/* NULL with the reason in error, of 512 bytes. */
static inline struct store *open_as(const char *url, enum store_mode mode, const char *owner,
                                    int64_t lease_ms, char *error)
{
    struct store *store = NULL;
    const struct store_options options = {.url = url,
                                          .mode = mode,
                                          .lock_wait_ms = 10000,
                                          .spool = "spool",
                                          .owner = owner,
                                          .lease_ms = lease_ms};
    if (store_open(&options, &store, error, 512) < 0)
        return NULL;
    return store;
}

static inline void assert_ok(const struct store *store, int result)
{
    if (result < 0)
        fail_msg("result %d: %s", result, store_error(store));
}

static inline void assert_asked(const struct fixture *fixture, const char *sql,
                                const char *expected)
{
    const char *answer = database_ask(fixture->url, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s: \"%s\"", sql, answer);
}

static inline struct event event_of_time(const char *call_id, int64_t time_ms)
{
    struct event event = make_event("call.new", call_id, time_ms);
    for (int i = 0; i < 6; i++)
        event.identity[i] = (uint8_t)((uint64_t)time_ms >> (8 * (5 - i)));
    event.identity[6] = (uint8_t)event.seq;
    event.identity[7] = (uint8_t)(event.seq >> 8);
    return event;
}

#endif
