/*
 * kpi_workers_test.c: the indicators when several workers write them at the same time, on PostgreSQL: each has
 * rows of its own, and the longest wait of a minute is everybody's.
 */
#include "loop_length.h"
#include "store_fixture.h"

#include <pthread.h>

#define MINUTE     60000
#define START      (INT64_C(28000000) * MINUTE) /* a whole minute, in 2023 */
#define AT(second) (START + (int64_t)(second)*1000)

static void assert_ok(const struct store *store, int result)
{
    if (result < 0)
        fail_msg("result %d: %s", result, store_error(store));
}

static struct store *open_worker(const struct fixture *fixture, int number)
{
    char error[512], owner[32];
    struct store *store = NULL;
    snprintf(owner, sizeof(owner), "other/%d", number);
    const struct store_options options = {.url = fixture->url,
                                          .mode = STORE_WRITE,
                                          .lock_wait_ms = 10000,
                                          .spool = "other",
                                          .owner = owner,
                                          .lease_ms = 1000};
    if (store_open(&options, &store, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    return store;
}

/* What an event of queue 900 makes of its call. */
static int put(struct store *store, const char *type, const char *call_id, int64_t time_ms)
{
    struct event event = make_event(type, call_id, time_ms);
    event.field[EVENT_QUEUE] = "900";
    return store_call_advance(store, &event);
}

/* In a transaction of its own. */
static void put_alone(struct store *store, const char *type, const char *call_id, int64_t time_ms)
{
    assert_ok(store, store_begin(store, NULL, 0));
    assert_ok(store, put(store, type, call_id, time_ms));
    assert_ok(store, store_commit(store));
}

/* ---- Sums --------------------------------------------------------------------------------------------- */

static int add_row(void *arg, int64_t minute, const char *queue, const struct store_kpi *sums)
{
    struct store_kpi *all = arg;
    (void)minute;
    (void)queue; /* a call that was known by its answer first has left its row of no queue empty */
    all->offered += sums->offered;
    all->answered += sums->answered;
    all->abandoned += sums->abandoned;
    all->wait_ms += sums->wait_ms;
    all->handled += sums->handled;
    all->handle_ms += sums->handle_ms;
    if (sums->max_wait_ms > all->max_wait_ms)
        all->max_wait_ms = sums->max_wait_ms;
    return 0;
}

/* "offered answered abandoned wait handled handle max" of some minutes, in seconds. */
static void expect_sums(struct fixture *fixture, int64_t from, int64_t to, const char *wanted)
{
    struct store_kpi all = {0};
    char got[128];
    check_ok(fixture, store_kpi(fixture->store, START / MINUTE + from, START / MINUTE + to, 1,
                                add_row, &all));
    snprintf(got, sizeof(got), "%lld %lld %lld %lld %lld %lld %lld", (long long)all.offered,
             (long long)all.answered, (long long)all.abandoned, (long long)all.wait_ms / 1000,
             (long long)all.handled, (long long)all.handle_ms / 1000,
             (long long)all.max_wait_ms / 1000);
    if (strcmp(got, wanted) != 0)
        fail_msg("wanted %s, got %s", wanted, got);
}

/* Two transactions are open at once; each call goes from one worker to the other and back. */
static void what_two_workers_write_adds_up(void **state)
{
    struct fixture *fixture = *state;
    struct store *const workers[] = {fixture->store, open_worker(fixture, 1)};
    static const char *const calls[] = {"a", "b"};
    static const char *const types[] = {"call.waiting", "call.ongoing", "call.finished"};
    static const int seconds[] = {1, 11, 31};
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 2; i++) {
            struct store *worker = workers[(step + i) % 2];
            assert_ok(worker, store_begin(worker, NULL, 0));
            assert_ok(worker, put(worker, types[step], calls[i], AT(seconds[step])));
        }
        for (int i = 0; i < 2; i++)
            assert_ok(workers[i], store_commit(workers[i]));
    }
    expect_sums(fixture, 0, 1, "2 2 0 20 2 40 10");
    assert_string_equal(database_ask(fixture->url, "SELECT count(DISTINCT shard) FROM pbxhook.kpi"),
                        "2");
    store_close(workers[1]);
}

static int note_row(void *arg, int64_t minute, const char *queue, const struct store_kpi *sums)
{
    char *seen = arg;
    size_t length = strlen(seen);
    snprintf(seen + length, 128 - length, "%lld %s %lld %lld;",
             (long long)(minute - START / MINUTE), queue, (long long)sums->offered,
             (long long)sums->max_wait_ms / 1000);
    return 0;
}

/* A long time is asked for in long steps: the database adds them up, over all workers. */
static void a_step_of_minutes_is_one_row(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_worker(fixture, 1);
    char call_id[16], seen[128] = "";
    for (int minute = 1; minute < 10; minute++) {
        struct store *worker = minute % 2 == 0 ? fixture->store : other;
        snprintf(call_id, sizeof(call_id), "%d", minute);
        put_alone(worker, "call.waiting", call_id, AT(minute * 60));
        put_alone(worker, "call.ongoing", call_id, AT(minute * 60 + minute));
    }
    check_ok(fixture,
             store_kpi(fixture->store, START / MINUTE + 1, START / MINUTE + 6, 5, note_row, seen));
    assert_string_equal(seen, "1 900 5 5;");
    store_close(other);
}

/* Both heard of a call first: the one that runs its batch again has added nothing the first time. */
static void a_batch_that_is_run_again_counts_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_worker(fixture, 1);
    begin(fixture);
    check_ok(fixture, put(fixture->store, "call.waiting", "a", AT(1)));
    put_alone(other, "call.ongoing", "a", AT(5));
    assert_int_equal(store_commit(fixture->store), STORE_E_AGAIN);
    begin(fixture);
    check_ok(fixture, put(fixture->store, "call.waiting", "a", AT(1)));
    commit(fixture);
    expect_sums(fixture, 0, 1, "1 1 0 4 0 0 4");
    store_close(other);
}

/* ---- The longest wait --------------------------------------------------------------------------------- */

/* The call that had it was counted by one worker, and the other one learns that it waited less. */
static void the_longest_wait_is_lowered_for_all(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = open_worker(fixture, 1);
    put_alone(fixture->store, "call.waiting", "x", AT(0));
    put_alone(fixture->store, "call.finished", "x", AT(65));
    put_alone(other, "call.waiting", "y", AT(10));
    put_alone(other, "call.ongoing", "y", AT(40));
    expect_sums(fixture, 0, 1, "2 1 1 30 0 0 65");
    put_alone(other, "call.ongoing", "x", AT(12)); /* late */
    expect_sums(fixture, 0, 1, "2 2 0 42 1 53 30");
    put_alone(fixture->store, "call.ongoing", "y", AT(15)); /* late, too */
    expect_sums(fixture, 0, 1, "2 2 0 17 1 53 12");
    store_close(other);
}

#define WORKERS 3
#define MINUTES loop_length(12, 3)
#define ROUNDS  loop_length(20, 2)

static pthread_barrier_t together;

struct lowerer {
    pthread_t thread;
    struct store *store;
    int number;
    int collisions;
    char error[512];
};

/* In each minute one call of this worker is answered a second earlier than it was known before. */
static int lower_once(struct lowerer *lowerer, int round)
{
    struct store *store = lowerer->store;
    char call_id[32];
    int result = store_begin(store, NULL, 0);
    for (int i = 0; i < MINUTES && result >= 0; i++) {
        int minute = lowerer->number % 2 == 0 ? i : MINUTES - 1 - i;
        snprintf(call_id, sizeof(call_id), "%d-%d", lowerer->number, minute);
        if (round == 0)
            result = put(store, "call.waiting", call_id, AT(minute * 60));
        if (result >= 0)
            result =
                put(store, "call.ongoing", call_id, AT(minute * 60 + 50 - round - lowerer->number));
    }
    if (result < 0) {
        store_rollback(store);
        return result;
    }
    return store_commit(store);
}

static void *lower(void *arg)
{
    struct lowerer *lowerer = arg;
    for (int round = 0; round < ROUNDS; round++) {
        int result = 0;
        pthread_barrier_wait(&together);
        while (lowerer->error[0] == '\0' && (result = lower_once(lowerer, round)) == STORE_E_AGAIN)
            lowerer->collisions++;
        if (result < 0)
            snprintf(lowerer->error, sizeof(lowerer->error), "%d: %s", result,
                     store_error(lowerer->store));
    }
    return NULL;
}

/* All of them at the same time in the same minutes: none waits for another in a circle, and what is left is
 * the longest wait that there is. */
static void those_who_lower_it_at_once_agree(void **state)
{
    struct fixture *fixture = *state;
    static struct lowerer
        lowerers[WORKERS]; /* one that waits for the others outlives a test that failed */
    assert_int_equal(pthread_barrier_init(&together, NULL, WORKERS), 0);
    for (int i = 0; i < WORKERS; i++) {
        lowerers[i].number = i;
        lowerers[i].store = open_worker(fixture, i);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&lowerers[i].thread, NULL, lower, &lowerers[i]), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(lowerers[i].thread, NULL);
    pthread_barrier_destroy(&together);
    for (int i = 0; i < WORKERS; i++) {
        if (lowerers[i].error[0] != '\0')
            fail_msg("%s", lowerers[i].error);
        assert_int_equal(lowerers[i].collisions, 0);
        store_close(lowerers[i].store);
    }
    /* 31, 30 and 29 s in each minute, of twenty rounds */
    const int longest = 51 - ROUNDS;
    char sums[64];
    snprintf(sums, sizeof(sums), "3 3 0 %d 0 0 %d", 3 * longest - 3, longest);
    for (int minute = 0; minute < MINUTES; minute++)
        expect_sums(fixture, minute, minute + 1, sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_two_workers_write_adds_up),
        STORE_TEST(a_step_of_minutes_is_one_row),
        STORE_TEST(a_batch_that_is_run_again_counts_once),
        STORE_TEST(the_longest_wait_is_lowered_for_all),
        STORE_TEST(those_who_lower_it_at_once_agree),
    };
    return run_for_backend("postgresql", tests, sizeof(tests) / sizeof(tests[0]));
}
