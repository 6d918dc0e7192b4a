/*
 * batch_test.c: a worker's transactions with the real plugins and a real PostgreSQL: what the database refuses is
 * found, kept without its work, and costs the others nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "cut_proxy.h"
#include "postgres/database.h"
#include "store/store_backend.h"
#include "worker/batch.h"

struct scene {
    char directory[32];
    struct cut_proxy *proxy; /* the store is behind it */
    char url[DATABASE_URL_SIZE];
    struct config config;
    struct metrics_worker *metrics;
    struct batch_parts parts;
    struct suspects suspects;
    struct batch batch;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char error[1024], url[DATABASE_URL_SIZE];

    assert_non_null(scene);
    database_make(scene->url);
    snprintf(scene->directory, sizeof scene->directory, "/tmp/pbxhook-batch-XXXXXX");
    assert_non_null(mkdtemp(scene->directory));
    scene->proxy = cut_proxy_start(scene->directory, database_socket_dir());
    snprintf(url, sizeof url, "%.*shost=%s", (int)(strchr(scene->url, '?') + 1 - scene->url),
             scene->url, scene->directory);
    const struct store_options options = {
        .url = url, .mode = STORE_WRITE, .spool = "s", .owner = "s/0"};
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    scene->config.plugin_dir = (char *)PBXHOOK_BUILD_DIR "/plugins";
    scene->config.pbx.url = (char *)"http://127.0.0.1:9/nobody";
    scene->config.pbx.action_type = (char *)"call.waiting";
    scene->config.pbx.user = scene->config.pbx.password_file = (char *)"";
    scene->config.pbx.deadline_ms = 10000;
    scene->config.pbx.timeout_ms = 1000;
    scene->config.pbx.connections = 4;
    log_open("test", LOG_LEVEL_ERROR);
    if (store_open(&options, &scene->parts.store, error, sizeof error) < 0 ||
        outbox_start(&scene->config, &scene->parts.outbox, error, sizeof error) < 0 ||
        dispatch_open(&scene->config, scene->parts.store, scene->metrics, &scene->parts.dispatch,
                      error, sizeof error) < 0)
        fail_msg("%s", error);
    scene->parts.metrics = scene->metrics;
    suspects_init(&scene->suspects, &scene->metrics->life, BATCH_MAX_EVENTS);
    scene->parts.suspects = &scene->suspects;
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    batch_clear(&scene->batch);
    dispatch_close(scene->parts.dispatch);
    outbox_stop(scene->parts.outbox, 0);
    outbox_free(scene->parts.outbox);
    store_close(scene->parts.store);
    cut_proxy_stop(scene->proxy);
    rmdir(scene->directory);
    database_drop(scene->url);
    free(scene->metrics);
    free(scene);
    return 0;
}

static void add_event(struct scene *scene, const char *type, const char *call_id, const char *extra)
{
    char body[256];
    struct event *event = NULL;
    struct event_problem problem;
    int size = snprintf(body, sizeof body,
                        "{\"type\":\"%s\",\"call_id\":\"%s\",\"their_number\":\"119\","
                        "\"timestamp\":\"2026-11-01T10:00:00.000Z\"%s}",
                        type, call_id, extra);

    if (event_parse(body, (size_t)size, 1793527200000, &event, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_int_equal(event_identify_by_content(event), 0);
    event->seq = scene->batch.event_count + 1;
    scene->batch.event[scene->batch.event_count++] = event;
}

/* Runs until all is done; the number of transactions that were refused. */
static int run_to_the_end(struct scene *scene)
{
    int refused = 0;

    for (int i = 0; batch_has_work(&scene->batch); i++) {
        int code = batch_run(&scene->batch, &scene->parts);
        refused += code == STORE_E_REFUSED;
        if ((code < 0 && code != STORE_E_REFUSED) || i > 100)
            fail_msg("%d: %s", code, store_error(scene->parts.store));
    }
    return refused;
}

static void assert_asked(const struct scene *scene, const char *sql, const char *expected)
{
    const char *answer = database_ask(scene->url, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s: %s", sql, answer);
}

static void one_that_is_refused_costs_the_others_nothing(void **state)
{
    struct scene *scene = *state;

    database_ask(scene->url, "ALTER TABLE pbxhook.calls ADD CONSTRAINT no_bad_ones "
                             "CHECK (call_id <> 'bad')");
    add_event(scene, "call.new", "a", "");
    add_event(scene, "call.new", "bad", "");
    add_event(scene, "call.new", "b", "");
    add_event(scene, "call.finished", "bad", "");
    add_event(scene, "call.new", "c", "");
    assert_int_equal(run_to_the_end(scene), 1);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.events", "5");
    assert_asked(scene, "SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM pbxhook.calls",
                 "a b c");
    assert_asked(scene,
                 "SELECT string_agg(plugin || ':' || state, ' ' ORDER BY plugin) "
                 "FROM pbxhook.handlings WHERE error LIKE '%no_bad_ones%'",
                 "call_finished:dead call_new:dead");
    assert_asked(scene, "SELECT body::json ->> 'call_id' FROM pbxhook.handlings LIMIT 1", "bad");
    assert_asked(scene, "SELECT sum(n) FROM pbxhook.counts WHERE name = 'call.new'", "3");
    /* What was rolled back is not counted. */
    assert_int_equal(atomic_load(&metrics_plugin_slot(scene->metrics, "call_new")->handled), 3);
    assert_int_equal(scene->batch.apart, 0);
    /* The next one is a whole again, and so is what comes behind it. */
    add_event(scene, "call.standby", "a", "");
    add_event(scene, "call.standby", "b", "");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.calls WHERE status = 'call.standby'", "2");
}

/* Tried again, and refused then: the retry is the culprit, not the events of its batch. */
static void retry_that_is_refused_is_dead(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.new", "bad", "");
    assert_int_equal(run_to_the_end(scene), 0);
    database_ask(
        scene->url,
        "DELETE FROM pbxhook.calls; ALTER TABLE pbxhook.calls ADD CONSTRAINT no_bad_ones "
        "CHECK (call_id <> 'bad'); INSERT INTO pbxhook.handlings (event_id, plugin, state, "
        "attempts, due_at, failed_at, error, body) SELECT id, 'call_new', "
        "'retry', 1, now() - interval '1 s', now(), 'later', NULL FROM pbxhook.events");
    add_event(scene, "call.new", "a", "");
    add_event(scene, "call.new", "b", "");
    assert_int_equal(run_to_the_end(scene), 1);
    assert_asked(scene, "SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM pbxhook.calls",
                 "a b");
    assert_asked(scene, "SELECT plugin || ' ' || state || ' ' || attempts FROM pbxhook.handlings",
                 "call_new dead 2");
}

/* JSON for jansson, a number beyond all bounds for jsonb: found out with the call's payload. */
static void body_that_is_no_jsonb_is_kept(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.new", "plain", "");
    add_event(scene, "call.new", "odd", ",\"x\":1e-400000");
    assert_int_equal(run_to_the_end(scene), 1);
    assert_asked(scene,
                 "SELECT string_agg(json_typeof(body), ' ' ORDER BY call_id) FROM pbxhook.events",
                 "object object");
    assert_asked(scene,
                 "SELECT string_agg(jsonb_typeof(payload), ' ' ORDER BY call_id) "
                 "FROM pbxhook.payloads p JOIN pbxhook.calls c ON c.id = p.call",
                 "string object");
    assert_asked(scene, "SELECT body ->> 'x' FROM pbxhook.events WHERE call_id = 'odd'",
                 "1e-400000");
    assert_asked(scene, "SELECT count(*) FROM pbxhook.handlings", "0");
}

/* A reason that ends within a character is no fault of the data: only the reason is mended. */
static void reason_is_kept_whatever_it_is(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene->parts.store;

    add_event(scene, "call.new", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_int_equal(store_begin(store, NULL, 0), 0);
    assert_int_equal(store_retry_put(store, 1, "p", 1, 1, 0, 0, "cut off: \xc3"), 0);
    assert_int_equal(store_commit(store), 0);
    assert_asked(scene, "SELECT error FROM pbxhook.handlings", "cut off: ?");
}

/* What the commit of the next batch is to meet. */
static const struct store_backend *whole_backend;
static struct cut_proxy *cutting_proxy;
static enum cut next_cut;

static int commit_and_cut(struct store *store)
{
    cut_proxy_arm(cutting_proxy, next_cut);
    return whole_backend->commit(store);
}

static int run_and_cut(struct scene *scene, enum cut cut)
{
    struct store *store = scene->parts.store;
    whole_backend = store->backend;
    cutting_proxy = scene->proxy;
    next_cut = cut;
    struct store_backend backend = *whole_backend;
    backend.commit = commit_and_cut;
    store->backend = &backend;
    int code = batch_run(&scene->batch, &scene->parts);
    store->backend = whole_backend;
    return code;
}

/*
 * The commit of a handling that was tried again happened, and its answer was lost: it is not tried once more, which
 * would delegate the call twice.
 */
static void retry_that_was_committed_unheard_is_not_run_again(void **state)
{
    static const enum cut cuts[] = {CUT_AFTER, CUT_BEFORE};
    struct scene *scene = *state;

    for (int i = 0; i < 2; i++) {
        add_event(scene, "call.standby", "a", i == 0 ? ",\"n\":1" : ",\"n\":2");
        assert_int_equal(run_to_the_end(scene), 0);
        database_ask(
            scene->url,
            "DELETE FROM pbxhook.actions; INSERT INTO pbxhook.handlings (event_id, plugin, "
            "state, attempts, due_at, failed_at, error) SELECT max(id), 'call_standby', "
            "'retry', 1, now() - interval '1 s', now(), 'later' FROM pbxhook.events");
        assert_int_equal(batch_run(&scene->batch, &scene->parts), 0); /* claims it */
        assert_int_equal(scene->batch.retry_count, 1);
        assert_int_equal(run_and_cut(scene, cuts[i]), STORE_E_FAILED);
        assert_int_equal(run_to_the_end(scene), 0);
        assert_asked(scene, "SELECT count(*) FROM pbxhook.actions", "1");
        assert_asked(scene, "SELECT count(*) FROM pbxhook.handlings", "0");
    }
}

/* A handling that waits for its turn, of the newest event. */
static void add_retry(const struct scene *scene, const char *plugin, int strikes, int late_s)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO pbxhook.handlings (event_id, plugin, state, attempts, strikes, due_at, "
             "failed_at, error) SELECT max(id), '%s', 'retry', 1, %d, now() - interval '%d s', "
             "now(), 'later' FROM pbxhook.events",
             plugin, strikes, late_s);
    database_ask(scene->url, sql);
}

/* It was run and put back, and nobody has heard of that commit: its next time is not now. */
static void retry_that_was_put_back_unheard_is_not_run_again(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    database_ask(scene->url, "DELETE FROM pbxhook.actions");
    add_retry(scene, "call_standby", 0, 1);
    assert_int_equal(batch_run(&scene->batch, &scene->parts), 0); /* claims it */
    assert_int_equal(run_and_cut(scene, CUT_BEFORE), STORE_E_FAILED);
    /* As that commit would have left it. */
    database_ask(scene->url, "UPDATE pbxhook.handlings SET strikes = 0, owner = NULL, "
                             "due_at = now() + interval '1 hour'");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.actions", "0");
    assert_asked(scene, "SELECT state || attempts FROM pbxhook.handlings", "retry2");
}

/* Claimed by a commit that nobody has heard of: it is not left to the end of that claim, and was not tried. */
static void claim_that_was_lost_is_taken_up_again(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    add_retry(scene, "call_standby", 0, 1);
    assert_int_equal(run_and_cut(scene, CUT_AFTER), STORE_E_FAILED);
    assert_asked(scene, "SELECT owner || attempts || strikes FROM pbxhook.handlings", "s/021");
    assert_true(batch_has_work(&scene->batch)); /* though nothing else is to be done */
    assert_int_equal(batch_run(&scene->batch, &scene->parts), 0);
    assert_int_equal(scene->batch.retry_count, 1);
    assert_asked(scene, "SELECT owner || attempts || strikes FROM pbxhook.handlings", "s/021");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_false(batch_has_work(&scene->batch));
    assert_asked(scene, "SELECT count(*) FROM pbxhook.handlings", "0");
}

/* The same when the next transaction is refused, and its pieces are run one by one: they do not look for it. */
static void claim_that_was_lost_outlives_a_refused_batch(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    add_retry(scene, "call_standby", 0, 1);
    assert_int_equal(run_and_cut(scene, CUT_AFTER), STORE_E_FAILED);
    database_ask(scene->url, "ALTER TABLE pbxhook.calls ADD CONSTRAINT no_bad_ones "
                             "CHECK (call_id <> 'bad')");
    add_event(scene, "call.new", "bad", "");
    assert_int_equal(run_to_the_end(scene), 1);
    assert_asked(scene, "SELECT string_agg(plugin || ' ' || state, ' ') FROM pbxhook.handlings",
                 "call_new dead");
}

/* And when there is nothing else to do. */
static void claim_that_was_lost_is_work(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    add_retry(scene, "call_standby", 0, 1);
    assert_int_equal(run_and_cut(scene, CUT_AFTER), STORE_E_FAILED);
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.handlings", "0");
}

/* Nothing goes down with one that may take the worker along, and it gets its turn. */
static void suspect_is_run_alone(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.new", "a", "");
    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    add_retry(scene, "call_standby", 0, 3);
    add_retry(scene, "call_waiting", 1, 2);
    add_retry(scene, "call_new", 0, 1);
    assert_int_equal(batch_run(&scene->batch, &scene->parts), 0);
    assert_int_equal(scene->batch.retry_count, 1); /* those before the suspect */
    assert_false(scene->batch.retry_alone);
    add_event(scene, "call.new", "b", "");
    assert_int_equal(batch_run(&scene->batch, &scene->parts), 0);
    assert_int_equal(scene->batch.event_count, 0);
    assert_int_equal(scene->batch.retry_count, 1);
    assert_true(scene->batch.retry_alone);
    add_event(scene, "call.new", "c", "");
    assert_int_equal(batch_run(&scene->batch, &scene->parts), 0);
    assert_int_equal(scene->batch.event_count, 1); /* it was not run beside it */
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.handlings", "0");
    assert_asked(scene, "SELECT count(*) FROM pbxhook.calls", "3");
}

/* Posted again, or read from the spool again: it is not handled again, and the former alone is a duplicate. */
static void event_that_comes_again_is_handled_once(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.actions", "1");
    assert_int_equal(metrics_get(&scene->metrics->events_handled), 1);
    assert_int_equal(metrics_get(&scene->metrics->events_duplicate), 1);
    add_event(scene, "call.standby", "a", "");
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT count(*) FROM pbxhook.actions", "1");
    assert_int_equal(metrics_get(&scene->metrics->events_handled), 1);
    assert_int_equal(metrics_get(&scene->metrics->events_duplicate), 1);
}

static int64_t seq_at_commit;
static struct life *watched_life;

static int commit_and_note(struct store *store)
{
    seq_at_commit = atomic_load(&watched_life->batch_seq);
    return whole_backend->commit(store);
}

/* For the receiver, should the worker not come out of it. */
static void what_is_under_way_is_told(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene->parts.store;

    whole_backend = store->backend;
    watched_life = &scene->metrics->life;
    struct store_backend backend = *whole_backend;
    backend.commit = commit_and_note;
    store->backend = &backend;
    add_event(scene, "call.new", "a", "");
    add_event(scene, "call.new", "b", "");
    int code = batch_run(&scene->batch, &scene->parts);
    store->backend = whole_backend;
    assert_int_equal(code, 0);
    assert_int_equal(seq_at_commit, 2);
    assert_int_equal(atomic_load(&watched_life->batch_seq), 0);
}

/* What a transaction has claimed is with the outbox once that is committed, and not before. */
static void claimed_action_is_sent_behind_the_commit(void **state)
{
    struct scene *scene = *state;
    int slots = outbox_free_slots(scene->parts.outbox);

    add_event(scene, "call.standby", "a", "");
    scene->batch.event[0]->received_ms = clock_wall_ms(); /* there is time for it */
    assert_int_equal(run_and_cut(scene, CUT_BEFORE), STORE_E_FAILED);
    assert_int_equal(outbox_free_slots(scene->parts.outbox), slots);
    assert_int_equal(run_to_the_end(scene), 0);
    assert_int_equal(outbox_free_slots(scene->parts.outbox), slots - 1);
}

/* The PBX's answer, as the outbox hands it over. */
static void add_result(struct scene *scene, int64_t action)
{
    struct outbox_result *result = calloc(1, sizeof *result);

    assert_non_null(result);
    result->action.id = action;
    result->action.attempts = 1;
    result->action.call_id = strdup("a");
    result->action.body = strdup("{}");
    result->action.key = strdup("key");
    result->state = STORE_ACTION_DELIVERED;
    result->http_status = 200;
    result->finished_ms = clock_wall_ms();
    scene->batch.results = result;
}

/* What the PBX has answered is written down even if an event of the same batch is refused. */
static void last_batch_that_is_refused_keeps_the_results(void **state)
{
    struct scene *scene = *state;

    add_event(scene, "call.standby", "a", "");
    scene->batch.event[0]->received_ms = clock_wall_ms();
    assert_int_equal(run_to_the_end(scene), 0);
    assert_asked(scene, "SELECT state FROM pbxhook.actions", "sending");
    database_ask(scene->url, "ALTER TABLE pbxhook.calls ADD CONSTRAINT no_bad_ones "
                             "CHECK (call_id <> 'bad')");
    add_event(scene, "call.new", "bad", "");
    add_result(scene, atoll(database_ask(scene->url, "SELECT id FROM pbxhook.actions")));
    assert_int_equal(batch_run_last(&scene->batch, &scene->parts), 0);
    assert_asked(scene, "SELECT state FROM pbxhook.actions", "delivered");
    assert_int_equal(scene->batch.event_count, 1); /* it waits in the spool */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_that_is_refused_costs_the_others_nothing),
        CASE(retry_that_is_refused_is_dead),
        CASE(body_that_is_no_jsonb_is_kept),
        CASE(reason_is_kept_whatever_it_is),
        CASE(retry_that_was_committed_unheard_is_not_run_again),
        CASE(retry_that_was_put_back_unheard_is_not_run_again),
        CASE(claim_that_was_lost_is_taken_up_again),
        CASE(claim_that_was_lost_outlives_a_refused_batch),
        CASE(claim_that_was_lost_is_work),
        CASE(suspect_is_run_alone),
        CASE(event_that_comes_again_is_handled_once),
        CASE(what_is_under_way_is_told),
        CASE(claimed_action_is_sent_behind_the_commit),
        CASE(last_batch_that_is_refused_keeps_the_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
