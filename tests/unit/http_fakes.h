/*
 * http_fakes.h: the neighbours of the receiver's HTTP side as its tests want them: a spool thread, a
 * supervisor and a store that answer, wait, fail or are full when told to. Linked into a test in place of
 * the real ones; one HTTP side at a time.
 */
#ifndef PBXHOOK_TEST_HTTP_FAKES_H
#define PBXHOOK_TEST_HTTP_FAKES_H

#include "receiver/http.h"
#include "receiver/spool_thread.h"
#include "store/store.h"

enum fake_spool {
    FAKE_SPOOL_SAFE,   /* every group is safe at once            */
    FAKE_SPOOL_FAILED, /* no group can be written                */
    FAKE_SPOOL_FULL,   /* nothing is taken                       */
    FAKE_SPOOL_HELD    /* groups wait for fakes_release_spool()  */
};

/* Everything works, nothing was counted. http is woken when tickets are decided. */
void fakes_reset(void);
void fakes_attach(struct http *http);
struct spool_thread *fakes_spool(void);

void fakes_set_spool(enum fake_spool how);
/* Decides all that is held. */
void fakes_release_spool(enum spool_result result);
/* Waits until so many tickets are held; fails the test after 10 s. */
void fakes_await_held(int count);

/* Called on the HTTP loop when it waits for nobody any longer; NULL: nothing is. */
void fakes_on_give_up(void (*call)(void *arg), void *arg);

/* How many events were submitted, and a copy of the last one's fields of interest. */
int fakes_submitted(void);
void fakes_last_identity(uint8_t out[EVENT_IDENTITY_SIZE]);
void fakes_last_body(char *out, size_t size);

void fakes_set_workers_ready(int count);
/* The one type that supervisor_takes() knows besides none; NULL: none. Borrowed. */
void fakes_set_taken_type(const char *type);

/* The store: what it answers, and whether it can be read at all. */
void fakes_set_store_works(int works);
void fakes_set_counts(const struct store_counts *counts);
void fakes_set_active_calls(const struct store_call *calls, int count);
/* What store_calls() was asked last. Its texts are the copies. */
struct fake_filter {
    struct store_call_filter filter;
    char queue[64], number[64];
};
void fakes_last_filter(struct fake_filter *out);
/* Reads wait until they are released. */
void fakes_hold_store(int hold);
/* Waits until a read is held; fails the test after 10 s. */
void fakes_await_read(void);
int fakes_store_reads(void);
int fakes_store_opens(void);

#endif
