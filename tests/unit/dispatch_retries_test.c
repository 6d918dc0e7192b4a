/*
 * dispatch_retries_test.c: what is tried again, given up, counted when a plugin fails, or did not survive its
 * event, or is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "dispatch_scene.h"

static void commit(struct scene *scene)
{
    assert_int_equal(store_commit(scene->store), 0);
    dispatch_committed(scene->dispatch);
}

/* Claims everything that is due by then: how many; those that were not are taken out of the list. */
static int claim_due(struct scene *scene, int64_t now_ms, struct store_retry **due)
{
    int count = 0, claimed = 0;

    *due = NULL;
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_retries_due(scene->store, now_ms, 100, due, &count), 0);
    for (int i = 0; i < count; i++) {
        int result = dispatch_claim(scene->dispatch, &(*due)[i]);

        assert_in_range(result, 0, 1);
        if (result == 1)
            (*due)[claimed++] = (*due)[i];
        else
            store_retry_clear(&(*due)[i]);
    }
    commit(scene);
    return claimed;
}

/* Everything that is due by then, claimed and then run, each in a batch of its own: how many. */
static int run_retries(struct scene *scene, int64_t now_ms)
{
    struct store_retry *due;
    int count = claim_due(scene, now_ms, &due);

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    for (int i = 0; i < count; i++)
        assert_true(dispatch_retry(scene->dispatch, &due[i]) >= 0);
    store_retries_free(due, count);
    commit(scene);
    return count;
}

/* The worker dies in the middle of what it has claimed, and another one begins. */
static void die_with_claimed(struct scene *scene, const char *plugin, const char *reason)
{
    struct store_retry *due;
    int count = claim_due(scene, INT64_MAX, &due);

    assert_int_equal(count, 1);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_retries_release(scene->store, clock_wall_ms(), 0), 1);
    assert_int_equal(dispatch_strike(scene->dispatch, due->event_id, plugin, reason), 0);
    commit(scene);
    store_retries_free(due, count);
}

/* One plugin's failure undoes its own work and nothing else. */
static void test_retry_undoes_only_its_own(void **state)
{
    struct scene *scene = *state;
    int64_t due_ms = 0;
    int64_t before_ms = clock_wall_ms();

    open_dispatch(scene);
    assert_int_equal(
        dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}"),
        2);
    assert_said(scene, "puppet_two call.new 1; ");
    assert_counted(scene, "puppet_one", 0, 1, 0);
    assert_counted(scene, "puppet_two", 1, 0, 0);
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 1);
    assert_in_range(due_ms - before_ms, 500, 60000);
    assert_int_equal(run_retries(scene, before_ms), 0);
}

static void test_retry_until_it_succeeds(void **state)
{
    struct scene *scene = *state;
    int64_t due_ms;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"until\":3}}");
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_counted(scene, "puppet_one", 0, 2, 0);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_counted(scene, "puppet_one", 1, 2, 0);
    assert_counted(scene, "puppet_two", 1, 0, 0);
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 0);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 3; ");
}

static int64_t failed_ms(const struct scene *scene)
{
    char *rows;
    int64_t result;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    rows = rows_of(scene, "SELECT failed_ms FROM handlings");
    store_rollback(scene->store);
    result = strtoll(rows, NULL, 10);
    free(rows);
    return result;
}

/* Each wait is up to twice the one before, and five minutes at most; the twentieth failure is the
 * last. */
static void test_retries_end(void **state)
{
    struct scene *scene = *state;
    int64_t wait_ms = 1000;
    int64_t due_ms;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}");
    for (int attempts = 1; attempts < 20; attempts++) {
        assert_int_equal(store_retry_next_due(scene->store, &due_ms), 1);
        assert_in_range(due_ms - failed_ms(scene), wait_ms / 2, wait_ms);
        wait_ms = wait_ms * 2 < 300000 ? wait_ms * 2 : 300000;
        assert_int_equal(run_retries(scene, INT64_MAX), 1);
    }
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 0);
    assert_failed(scene, "puppet_one dead 20 not today; ");
    assert_counted(scene, "puppet_one", 0, 19, 1);
}

static void test_reject_is_dead_at_once(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2,\"error\":\"no such queue\"}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":-3}}");
    assert_counted(scene, "puppet_one", 0, 0, 3);
    assert_failed(scene,
                  "puppet_one dead 1 no such queue; "
                  "puppet_one dead 1 handle() answered PBXHOOK_REJECT (2) and gave no reason; "
                  "puppet_one dead 1 handle() answered an unknown value (-3) and gave no reason; ");
    assert_said(scene, "puppet_two call.new 1; puppet_two call.new 1; puppet_two call.new 1; ");
}

/* A reason of an earlier call is not taken for one of this. */
static void test_reason_is_of_this_call(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"error\":\"said, and yet handled\"}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1}}");
    assert_failed(scene,
                  "puppet_one retry 1 handle() answered PBXHOOK_RETRY (1) and gave no reason; ");
}

static void test_retry_of_a_plugin_that_is_gone(void **state)
{
    struct scene *scene = *state;
    struct event *event;
    int64_t id;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, "call.new", "{}", &id);
    assert_true(store_retry_put(scene->store, id, "gone", 4, 0, 0, 0, "x") >= 0);
    assert_int_equal(store_commit(scene->store), 0);
    event_free(event);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_failed(scene, "gone retry 5 no plugin of this name is loaded; ");
}

/* One event whose plugin, or all of them, the former life did not survive. */
static void dispatch_blamed(struct scene *scene, const char *plugin)
{
    const struct dispatch_blame blame = {
        .plugin = plugin, .reason = "killed by SIGSEGV", .strikes = 1};
    struct event *event;
    int64_t id;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, "call.new", "{}", &id);
    assert_int_equal(dispatch_event(scene->dispatch, event, id, &blame), 2);
    commit(scene);
    event_free(event);
}

static void test_blamed_plugin_is_not_called_and_the_other_is(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    assert_said(scene, "puppet_two call.new 1; ");
    assert_failed(scene, "puppet_one retry 1 killed by SIGSEGV; ");
    /* At once, alone, and it was not its fault. */
    assert_int_equal(run_retries(scene, clock_wall_ms()), 1);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 2; ");
    assert_failed(scene, "");
}

static void test_all_plugins_are_suspected_when_none_is_known(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_blamed(scene, NULL);
    assert_said(scene, "");
    assert_failed(scene,
                  "puppet_one retry 0 killed by SIGSEGV; puppet_two retry 0 killed by SIGSEGV; ");
    assert_int_equal(run_retries(scene, clock_wall_ms()), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

static void test_three_strikes(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    die_with_claimed(scene, "puppet_one", "killed by SIGABRT");
    assert_failed(scene, "puppet_one retry 2 killed by SIGABRT; ");
    assert_int_equal(claim_due(scene, clock_wall_ms(), &due), 0); /* later, the second time */
    die_with_claimed(scene, "puppet_one", "killed by SIGSEGV");
    assert_failed(scene, "puppet_one dead 3 killed by SIGSEGV; "
                         "its worker did not survive it 3 times; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    assert_said(scene, "puppet_two call.new 1; ");
}

/* The whole server died with it each time, so that nobody could say why. */
static void test_three_strikes_without_a_reason(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    for (int strikes = 2; strikes <= 3; strikes++) {
        assert_int_equal(claim_due(scene, INT64_MAX, &due), 1);
        assert_int_equal(due->strikes, strikes);
        store_retries_free(due, 1);
        assert_int_equal(store_begin(scene->store, NULL, 0), 0);
        assert_int_equal(store_retries_release(scene->store, clock_wall_ms(), 0), 1);
        commit(scene);
    }
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    free(due);
    assert_failed(scene, "puppet_one dead 3 killed by SIGSEGV; "
                         "its worker did not survive it 3 times; ");
}

/* Strikes count in a row: one that comes back and says RETRY begins anew. */
static void test_coming_back_takes_the_strikes_away(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}");
    die_with_claimed(scene, "puppet_one", "killed by SIGSEGV");
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_failed(scene, "puppet_one retry 3 not today; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 1);
    assert_int_equal(due->strikes, 1);
    store_retries_free(due, 1);
}

static void test_parked_plugin_is_left_alone(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    atomic_store(&metrics_of(scene, "puppet_one")->parked_until_us, clock_mono_us() + 60000000);
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_two call.new 1; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    free(due);
    assert_failed(scene, "puppet_one retry 0 waits: the plugin is parked, it took its worker down "
                         "repeatedly; ");
    atomic_store(&metrics_of(scene, "puppet_one")->parked_until_us, clock_mono_us() - 1);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 1; ");
    assert_failed(scene, "");
}

/* The store did not take what the plugins made of it: dead letters, and no call of theirs. */
static void test_giving_up_is_no_call(void **state)
{
    struct scene *scene = *state;
    struct event *event;
    int64_t id;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = add_event(scene, "call.new", "{}", &id);
    assert_int_equal(dispatch_give_up(scene->dispatch, event, id, "refused"), 2);
    commit(scene);
    event_free(event);
    assert_said(scene, "");
    assert_failed(scene, "puppet_one dead 1 refused; puppet_two dead 1 refused; ");
    assert_counted(scene, "puppet_one", 0, 0, 0);
    assert_int_equal(metrics_get(&metrics_of(scene, "puppet_one")->dead), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        dispatch_case(test_retry_undoes_only_its_own),
        dispatch_case(test_retry_until_it_succeeds),
        dispatch_case(test_retries_end),
        dispatch_case(test_reject_is_dead_at_once),
        dispatch_case(test_reason_is_of_this_call),
        dispatch_case(test_retry_of_a_plugin_that_is_gone),
        dispatch_case(test_blamed_plugin_is_not_called_and_the_other_is),
        dispatch_case(test_all_plugins_are_suspected_when_none_is_known),
        dispatch_case(test_three_strikes),
        dispatch_case(test_three_strikes_without_a_reason),
        dispatch_case(test_coming_back_takes_the_strikes_away),
        dispatch_case(test_parked_plugin_is_left_alone),
        dispatch_case(test_giving_up_is_no_call),
    };

    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
