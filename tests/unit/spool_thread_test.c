/* spool_thread_test.c: group commit, the cap, failure and recovery, with real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/clock.h"
#include "receiver/spool_thread.h"

#define DEADLINE_MS 10000

struct fixture {
    char dir[64];
    int http_fd;    /* what notify_http writes to    */
    int workers_fd; /* what notify_workers writes to */
    struct metrics_receiver metrics;
    struct spool_thread *thread;
};

static void notify(void *arg)
{
    eventfd_write(*(int *)arg, 1);
}

/* stored_timeout_ms 0: a ticket is decided when it is in the spool. */
static void start_waiting(struct fixture *fixture, int64_t max_bytes, int stored_timeout_ms)
{
    char error[256] = "";
    struct spool_thread_options options = {.state_dir = fixture->dir,
                                           .max_bytes = max_bytes,
                                           .workers = 1,
                                           .acknowledge_stored = stored_timeout_ms > 0,
                                           .acknowledge_timeout_ms = stored_timeout_ms,
                                           .metrics = &fixture->metrics,
                                           .notify_http = notify,
                                           .notify_workers = notify,
                                           .http_arg = &fixture->http_fd,
                                           .workers_arg = &fixture->workers_fd};
    if (spool_thread_start(&options, &fixture->thread, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static void start(struct fixture *fixture, int64_t max_bytes)
{
    start_waiting(fixture, max_bytes, 0);
}

static int make_dir(struct fixture *fixture, const char *parent)
{
    snprintf(fixture->dir, sizeof fixture->dir, "%s/pbxhook-spool-thread-XXXXXX", parent);
    return mkdtemp(fixture->dir) == NULL ? -1 : 0;
}

/* In memory where that can be, so that a commit takes less time than a group that gathers. */
static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    if (make_dir(fixture, "/dev/shm") < 0 && make_dir(fixture, "/tmp") < 0)
        return -1;
    fixture->http_fd = eventfd(0, EFD_NONBLOCK);
    fixture->workers_fd = eventfd(0, EFD_NONBLOCK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    spool_thread_stop(fixture->thread);
    close(fixture->http_fd);
    close(fixture->workers_fd);
    DIR *dir = opendir(fixture->dir);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(fixture->dir);
    free(fixture);
    return 0;
}

static struct spool_ticket *make_ticket(size_t body_size)
{
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = "call.new", [EVENT_CALL_ID] = "c"};
    struct spool_ticket *ticket = calloc(1, sizeof *ticket);
    char *body = malloc(body_size + 1);
    assert_non_null(ticket);
    assert_non_null(body);
    memset(body, 'x', body_size);
    body[body_size] = '\0';
    ticket->event = event_new(field, body, body_size);
    assert_non_null(ticket->event);
    free(body);
    return ticket;
}

static void free_ticket(struct spool_ticket *ticket)
{
    event_free(ticket->event);
    free(ticket);
}

/* Waits until `count` tickets are decided; frees them; returns how many are safe. */
static int take_all(struct fixture *fixture, int count, int64_t *last_seq)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    int safe = 0;
    while (count > 0 && clock_mono_us() < until_us) {
        struct pollfd ready = {.fd = fixture->http_fd, .events = POLLIN};
        eventfd_t ignored;
        poll(&ready, 1, 100);
        eventfd_read(fixture->http_fd, &ignored);
        for (struct spool_ticket *ticket = spool_thread_take(fixture->thread); ticket != NULL;) {
            struct spool_ticket *next = ticket->next;
            safe += ticket->result == SPOOL_SAFE;
            if (ticket->result == SPOOL_SAFE && last_seq != NULL) {
                assert_int_equal(ticket->event->seq, *last_seq + 1); /* in order, without a gap */
                *last_seq = ticket->event->seq;
            }
            free_ticket(ticket);
            ticket = next;
            count--;
        }
    }
    assert_int_equal(count, 0);
    return safe;
}

/* Waits until the spool holds so many events. */
static void wait_for_depth(struct fixture *fixture, int64_t events)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    struct spool_depth depth;
    do {
        spool_thread_depth(fixture->thread, &depth);
        if (depth.events == events)
            return;
        poll(NULL, 0, 1);
    } while (clock_mono_us() < until_us);
    fail_msg("spool holds %lld events, wanted %lld", (long long)depth.events, (long long)events);
}

static void test_groups_are_committed_in_order(void **state)
{
    struct fixture *fixture = *state;
    int64_t last_seq = 0;
    start(fixture, 1 << 26);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++)
            assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
        spool_thread_kick(fixture->thread);
    }
    assert_int_equal(take_all(fixture, 1000, &last_seq), 1000);
    assert_int_equal(last_seq, 1000);
    assert_in_range(metrics_get(&fixture->metrics.spool_commits), 1, 20);
    eventfd_t woken = 0;
    assert_int_equal(eventfd_read(fixture->workers_fd, &woken), 0);
}

/* Behind a group of several events the next one has time to come together. */
static void test_group_under_load_gathers(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 1 << 26);
    int64_t since_us = clock_mono_us();
    for (int i = 0; i < 8; i++)
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 8, NULL), 8);
    assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 1, NULL), 1);
    assert_in_range(clock_mono_us() - since_us, 600, DEADLINE_MS * 1000);
    assert_int_equal(metrics_get(&fixture->metrics.spool_commits), 2);
}

static void test_done_leaves_without_new_events(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 1 << 26);
    for (int i = 0; i < 10; i++)
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 10, NULL), 10);
    spool_thread_done(fixture->thread, 0, 7);
    wait_for_depth(fixture, 3);
    spool_thread_done(fixture->thread, 0, 5); /* an older report changes nothing */
    spool_thread_done(fixture->thread, 0, 10);
    wait_for_depth(fixture, 0);
}

/* How often SQLite has waited: it does so for a lock only. */
static _Atomic int waits;
static sqlite3_vfs *system_files;

static int count_wait(sqlite3_vfs *files, int us)
{
    (void)files;
    atomic_fetch_add(&waits, 1);
    return system_files->xSleep(system_files, us);
}

static int count_waits(void **state)
{
    static sqlite3_vfs counted;
    (void)state;
    system_files = sqlite3_vfs_find(NULL);
    if (system_files == NULL)
        return -1;
    counted = *system_files;
    counted.zName = "counted";
    counted.xSleep = count_wait;
    return sqlite3_vfs_register(&counted, 1) == SQLITE_OK ? 0 : -1;
}

/* Until a commit waits for the connection that holds it up. */
static void await_held_commit(void)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    while (atomic_load(&waits) == 0) {
        assert_true(clock_mono_us() < until_us);
        poll(NULL, 0, 1);
    }
}

/* Another connection that writes holds the commit up, for as long as the test likes. */
static sqlite3 *hold_commits(const struct fixture *fixture)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/spool.db", fixture->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&waits, 0);
    return db;
}

/* Whether or not there is a later report: nothing else would have those events removed. */
static void test_done_during_a_commit_is_not_forgotten(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 1 << 26);
    for (int i = 0; i < 2; i++)
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 2, NULL), 2);
    sqlite3 *other = hold_commits(fixture);
    assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    await_held_commit(); /* the third is in its hands */
    spool_thread_done(fixture->thread, 0, 2);
    sqlite3_close(other);
    assert_int_equal(take_all(fixture, 1, NULL), 1);
    wait_for_depth(fixture, 1);
}

/* A disk that hangs must not look like a spool with less in it. */
static void test_what_is_being_committed_counts(void **state)
{
    struct fixture *fixture = *state;
    struct spool_depth depth;
    start(fixture, 1 << 26);
    sqlite3 *other = hold_commits(fixture);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    await_held_commit();
    assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_depth(fixture->thread, &depth);
    assert_int_equal(depth.events, 4);
    sqlite3_close(other);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 4, NULL), 4);
    wait_for_depth(fixture, 4);
}

static void test_cap_refuses_and_gives_way(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 256 * 1024);
    int accepted = 0;
    for (int i = 0; i < 1000; i++) {
        struct spool_ticket *ticket = make_ticket(4000);
        if (spool_thread_submit(fixture->thread, ticket) == 0) {
            accepted++;
            continue;
        }
        free_ticket(ticket);
    }
    assert_in_range(accepted, 30, 64);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, accepted, NULL), accepted);

    spool_thread_done(fixture->thread, 0, accepted);
    wait_for_depth(fixture, 0);
    assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(4000)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 1, NULL), 1);
}

static void test_what_was_submitted_is_kept_by_a_stop(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 1 << 26);
    struct spool_ticket *ticket = make_ticket(100);
    assert_int_equal(spool_thread_submit(fixture->thread, ticket), 0);
    spool_thread_stop(fixture->thread); /* not even kicked */
    fixture->thread = NULL;
    assert_int_equal(ticket->result, SPOOL_SAFE);
    assert_int_equal(ticket->event->seq, 1);
    free_ticket(ticket);

    start(fixture, 1 << 26);
    struct spool_depth depth;
    spool_thread_depth(fixture->thread, &depth);
    assert_int_equal(depth.events, 1);
}

/* A file that may not grow stands for a full disk. */
static void test_full_disk_refuses_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit usual, tight;
    start(fixture, 1 << 26);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &usual);
    tight = usual;
    tight.rlim_cur = 64 * 1024;
    setrlimit(RLIMIT_FSIZE, &tight);
    int64_t last_seq = 0;
    int safe = 0;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(8000)), 0);
        spool_thread_kick(fixture->thread);
        safe += take_all(fixture, 1, &last_seq);
    }
    assert_in_range(safe, 1, 39);
    assert_int_equal(spool_thread_failing(fixture->thread), 1);

    setrlimit(RLIMIT_FSIZE, &usual);
    assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(8000)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(take_all(fixture, 1, &last_seq), 1);
    assert_int_equal(spool_thread_failing(fixture->thread), 0);
    wait_for_depth(fixture, safe + 1); /* what was refused is not in it */
}

/* Waits until they are committed: the workers are told then. */
static void submit(struct fixture *fixture, int count)
{
    struct pollfd committed = {.fd = fixture->workers_fd, .events = POLLIN};
    eventfd_t ignored;
    for (int i = 0; i < count; i++)
        assert_int_equal(spool_thread_submit(fixture->thread, make_ticket(100)), 0);
    spool_thread_kick(fixture->thread);
    assert_int_equal(poll(&committed, 1, DEADLINE_MS), 1);
    eventfd_read(fixture->workers_fd, &ignored);
}

static void test_tickets_wait_for_the_store(void **state)
{
    struct fixture *fixture = *state;
    int64_t last_seq = 0;
    start_waiting(fixture, 1 << 26, DEADLINE_MS * 6);
    submit(fixture, 10);
    assert_null(spool_thread_take(fixture->thread));
    spool_thread_done(fixture->thread, 0, 7);
    assert_int_equal(take_all(fixture, 7, &last_seq), 7);
    assert_int_equal(last_seq, 7);
    spool_thread_done(fixture->thread, 0, 10);
    assert_int_equal(take_all(fixture, 3, &last_seq), 3);
    wait_for_depth(fixture, 0);
}

/* Nothing else happens that would wake the thread. */
static void test_time_to_wait_for_the_store_ends(void **state)
{
    struct fixture *fixture = *state;
    start_waiting(fixture, 1 << 26, 50);
    submit(fixture, 3);
    assert_int_equal(take_all(fixture, 3, NULL), 0); /* decided, and none of them is safe */
    struct spool_depth depth;
    spool_thread_depth(fixture->thread, &depth);
    assert_int_equal(depth.events, 3); /* kept */
    spool_thread_done(fixture->thread, 0, 3);
    wait_for_depth(fixture, 0);
}

static void test_nobody_waits_for_the_store_at_a_stop(void **state)
{
    struct fixture *fixture = *state;
    start_waiting(fixture, 1 << 26, DEADLINE_MS * 6);
    submit(fixture, 2);
    spool_thread_give_up_waiting(fixture->thread);
    assert_int_equal(take_all(fixture, 2, NULL), 0);
    submit(fixture, 1); /* nor does who comes later */
    assert_int_equal(take_all(fixture, 1, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_groups_are_committed_in_order),
        TEST(test_group_under_load_gathers),
        TEST(test_done_leaves_without_new_events),
        TEST(test_done_during_a_commit_is_not_forgotten),
        TEST(test_what_is_being_committed_counts),
        TEST(test_cap_refuses_and_gives_way),
        TEST(test_what_was_submitted_is_kept_by_a_stop),
        TEST(test_full_disk_refuses_and_recovers),
        TEST(test_tickets_wait_for_the_store),
        TEST(test_time_to_wait_for_the_store_ends),
        TEST(test_nobody_waits_for_the_store_at_a_stop),
    };
    return cmocka_run_group_tests(tests, count_waits, NULL);
}
