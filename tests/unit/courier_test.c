/*
 * courier_test.c: a worker's transactions about what targets are asked: nothing is on its way that was not
 * committed, and how it ended is written down even when that took two tries.
 */
#include "store_fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "cut_proxy.h"
#include "http/courier.h"
#include "http/deliveries.h"
#include "store/store_backend.h"

#define DEADLINE_MS    10000
#define FIRST_DELAY_MS 101 /* a little longer than the first pause between two attempts */
#define DETAIL_SIZE    sizeof(((struct delivery *)0)->detail)

struct scene {
    struct fixture *fixture;
    struct config config;
    struct config_target target;
    char downloads[256];
    char url[64];
    int listener;            /* 0: none */
    struct cut_proxy *proxy; /* before the store, or NULL */
    struct metrics_worker *metrics;
    struct dispatch *dispatch;
    struct courier *courier;
};

static void open_courier(struct scene *scene)
{
    char error[512] = "";
    const struct courier_options options = {.config = &scene->config,
                                            .store = scene->fixture->store,
                                            .metrics = scene->metrics,
                                            .owner = "spool/0"};
    if (courier_open(&options, &scene->courier, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static int set_up_with(void **state, void (*configure)(struct scene *scene))
{
    struct scene *scene = calloc(1, sizeof *scene);
    char error[512] = "";

    assert_non_null(scene);
    if (fixture_setup((void **)&scene->fixture) != 0)
        return -1;
    log_open("test", LOG_LEVEL_ERROR);
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    /* Nobody listens there: surely not received, and tried again. */
    scene->target = (struct config_target){.name = (char *)"crm",
                                           .url = (char *)"http://127.0.0.1:9",
                                           .user = (char *)"",
                                           .password_file = (char *)"",
                                           .token_file = (char *)"",
                                           .timeout_ms = 1000,
                                           .deadline_ms = 600000,
                                           .connections = 2};
    scene->config.plugin_dir = (char *)PBXHOOK_BUILD_DIR "/plugins";
    scene->config.pbx.action_type = (char *)"call.waiting";
    snprintf(scene->downloads, sizeof scene->downloads, "%s/downloads", scene->fixture->directory);
    scene->config.download_dir = scene->downloads;
    scene->config.targets = &scene->target;
    scene->config.target_count = 1;
    if (configure != NULL)
        configure(scene);
    if (dispatch_open(&scene->config, scene->fixture->store, scene->metrics, &scene->dispatch,
                      error, sizeof error) < 0)
        fail_msg("%s", error);
    open_courier(scene);
    *state = scene;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, NULL);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    courier_stop(scene->courier, 0);
    courier_free(scene->courier);
    dispatch_close(scene->dispatch);
    if (scene->listener > 0)
        close(scene->listener);
    free(scene->metrics);
    fixture_teardown((void **)&scene->fixture);
    if (scene->proxy != NULL)
        cut_proxy_stop(scene->proxy);
    free(scene);
    return 0;
}

static void add(struct scene *scene, const char *body, int64_t now_ms, int64_t deadline_ms)
{
    const struct delivery_request request = {.target = "crm",
                                             .plugin = "p",
                                             .call_id = "c",
                                             .path = "/x",
                                             .body = body,
                                             .file = body == NULL ? "f.mp3" : NULL,
                                             .now_ms = now_ms,
                                             .expires_ms = now_ms + deadline_ms};
    begin(scene->fixture);
    check_ok(scene->fixture, deliveries_add(scene->fixture->store, &request));
    commit(scene->fixture);
}

static void ask(struct scene *scene)
{
    add(scene, "{}", clock_wall_ms(), 600000);
}

static int64_t count(struct scene *scene, const char *where)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pbxhook_deliveries WHERE %s", where);
    begin(scene->fixture);
    int64_t number = query_integer(scene->fixture, sql);
    commit(scene->fixture);
    return number;
}

/* A commit that fails, whatever it was for. */
static const struct store_backend *whole_backend;

static int fail_commit(struct store *store)
{
    whole_backend->rollback(store);
    return store_fail(store, STORE_E_FAILED, "no commit");
}

/* One that has happened, and nobody says so. */
static int leave_commit_unanswered(struct store *store)
{
    assert_int_equal(whole_backend->commit(store), 0);
    return store_fail(store, STORE_E_FAILED, "no answer");
}

static int work_with(struct scene *scene, int (*commit_otherwise)(struct store *store))
{
    struct store *store = scene->fixture->store;
    whole_backend = store->backend;
    struct store_backend backend = *whole_backend;
    backend.commit = commit_otherwise;
    store->backend = &backend;
    int code = courier_work(scene->courier, scene->dispatch);
    store->backend = whole_backend;
    return code;
}

static int work_in_vain(struct scene *scene)
{
    return work_with(scene, fail_commit);
}

/* Works, and works well, until there is something of this kind. */
static void work_until(struct scene *scene, const char *where)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    do {
        assert_true(clock_mono_us() < until_us);
        check_ok(scene->fixture, courier_work(scene->courier, scene->dispatch));
        poll(NULL, 0, 1);
    } while (count(scene, where) == 0);
}

/* Works until the one post has an ended attempt written down. */
static void work_until_retry(struct scene *scene)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    while (metrics_get(&scene->metrics->target[0].retries) == 0) {
        assert_true(clock_mono_us() < until_us);
        check_ok(scene->fixture, courier_work(scene->courier, scene->dispatch));
        poll(NULL, 0, 1);
    }
}

static int64_t on_their_way(const struct scene *scene)
{
    return atomic_load(&scene->metrics->target[0].open_posts);
}

static void claimed_post_is_sent_behind_the_commit(void **state)
{
    struct scene *scene = *state;

    ask(scene);
    assert_int_equal(work_in_vain(scene), STORE_E_FAILED);
    assert_int_equal(on_their_way(scene), 0);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(on_their_way(scene), 1);
    work_until_retry(scene);
}

static void end_is_written_down_when_a_commit_failed_first(void **state)
{
    struct scene *scene = *state;
    struct pollfd ended = {.fd = courier_event_fd(scene->courier), .events = POLLIN};

    ask(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(poll(&ended, 1, DEADLINE_MS), 1);
    assert_int_equal(work_in_vain(scene), STORE_E_FAILED);
    assert_int_equal(metrics_get(&scene->metrics->target[0].retries), 0);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(metrics_get(&scene->metrics->target[0].retries), 1);
}

/* What it claimed was never sent: it is no former life's, and sent once the store answers again. */
static void claim_of_a_commit_without_an_answer_is_sent(void **state)
{
    struct scene *scene = *state;

    ask(scene);
    assert_int_equal(work_with(scene, leave_commit_unanswered), STORE_E_FAILED);
    assert_int_equal(on_their_way(scene), 0);
    assert_int_equal(count(scene, "state = 'sending' AND attempts = 1"), 1);
    /* The next one may end so as well. */
    assert_int_equal(work_with(scene, leave_commit_unanswered), STORE_E_FAILED);
    assert_int_equal(work_in_vain(scene), STORE_E_FAILED);
    assert_int_equal(count(scene, "state = 'sending' AND attempts = 1"), 1);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(on_their_way(scene), 1);
    assert_int_equal(count(scene, "state = 'sending' AND attempts = 1"), 1);
    work_until_retry(scene);
}

static struct cut_proxy *proxy;

static int cut_off_commit(struct store *store)
{
    cut_proxy_arm(proxy, CUT_AFTER);
    return whole_backend->commit(store);
}

static void go_through_proxy(struct scene *scene)
{
    struct fixture *fixture = scene->fixture;
    const char *name = strchr(fixture->url + strlen("postgresql://"), '/') + 1;
    struct fixture through = {.store = NULL};
    if (strcmp(current_backend->name, "postgresql") != 0)
        return;
    proxy = scene->proxy = cut_proxy_start(fixture->directory, database_socket_dir());
    snprintf(through.url, sizeof through.url, "postgresql://pbxhook@/%.*s?host=%s",
             (int)strcspn(name, "?"), name, fixture->directory);
    store_close(fixture->store);
    fixture->store = fixture_open(&through, STORE_WRITE);
}

static int set_up_proxy(void **state)
{
    return set_up_with(state, go_through_proxy);
}

/* The same, when it is the connection that was lost. */
static void claim_of_a_connection_that_was_lost_is_sent(void **state)
{
    struct scene *scene = *state;

    if (scene->proxy == NULL)
        skip(); /* SQLite has none */
    ask(scene);
    assert_int_equal(work_with(scene, cut_off_commit), STORE_E_FAILED);
    assert_int_equal(count(scene, "state = 'sending' AND attempts = 1"), 1);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(on_their_way(scene), 1);
    work_until_retry(scene);
    assert_int_equal(count(scene, "attempts = 1"), 1);
}

/* The first attempt has ended and is due again by now, so it is settled and claimed in one transaction. What
 * is given back is that claim, and not the attempt that was made. */
static void settle_and_claim_at_once(struct scene *scene, int (*commit_otherwise)(struct store *))
{
    struct pollfd ended = {.fd = courier_event_fd(scene->courier), .events = POLLIN};

    ask(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(poll(&ended, 1, DEADLINE_MS), 1);
    for (int64_t due_ms = clock_wall_ms() + FIRST_DELAY_MS; clock_wall_ms() < due_ms;)
        poll(NULL, 0, 1);
    assert_int_equal(work_with(scene, commit_otherwise), STORE_E_FAILED);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(count(scene, "state = 'sending' AND attempts = 2"), 1);
}

static void attempt_outlives_a_claim_that_failed(void **state)
{
    settle_and_claim_at_once(*state, fail_commit);
}

static void attempt_outlives_a_claim_that_was_not_answered(void **state)
{
    settle_and_claim_at_once(*state, leave_commit_unanswered);
}

/* ---- The worker leaves --------------------------------------------------------------------------- */

/* A target that takes connections and says nothing. */
static void post_to_silence(struct scene *scene, const char *scheme)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(scene->listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(scene->listener, 8), 0);
    assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(scene->url, sizeof scene->url, "%s://127.0.0.1:%d", scheme, ntohs(address.sin_port));
    scene->target.url = scene->url;
    scene->target.timeout_ms = 60000;
}

/* It hears no more than the beginning of a TLS handshake. */
static void shake_no_hands(struct scene *scene)
{
    post_to_silence(scene, "https");
}

static int set_up_unshaken(void **state)
{
    return set_up_with(state, shake_no_hands);
}

static void hear_all_of_it(struct scene *scene)
{
    post_to_silence(scene, "http");
}

static int set_up_heard(void **state)
{
    return set_up_with(state, hear_all_of_it);
}

static void unsent_post_waits_for_the_next_worker(void **state)
{
    struct scene *scene = *state;

    ask(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    courier_stop(scene->courier, 0);
    check_ok(scene->fixture, courier_work(scene->courier, scene->dispatch));
    assert_int_equal(count(scene, "state = 'pending' AND attempts = 1 AND doubtful = 0"), 1);
}

/* It may have been received: so what is known is that it was sent. */
static void sent_post_stays_sent(void **state)
{
    struct scene *scene = *state;
    struct pollfd ready = {.fd = scene->listener, .events = POLLIN};
    char request[16];

    ask(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    ready.fd = accept4(scene->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    assert_true(recv(ready.fd, request, sizeof request, 0) > 0);
    courier_stop(scene->courier, 0);
    check_ok(scene->fixture, courier_work(scene->courier, scene->dispatch));
    assert_int_equal(count(scene, "state = 'sending'"), 1);
    close(ready.fd);
}

/* ---- The clock jumps ----------------------------------------------------------------------------- */

static void change(struct scene *scene, const char *sql)
{
    begin(scene->fixture);
    check_ok(scene->fixture, store_sql(scene->fixture->store, sql, NULL, 0, NULL, NULL, NULL));
    commit(scene->fixture);
}

/* Put back before this life began; clock_test.c has the other case. */
static void asked_for_in_an_hour_is_sent_now(void **state)
{
    struct scene *scene = *state;

    add(scene, "{}", clock_wall_ms() + 3600000, 600000);
    courier_stop(scene->courier, 0);
    courier_free(scene->courier);
    open_courier(scene);
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(on_their_way(scene), 1);
}

/* Put forward: others' leases may be over, what is under way here is not. */
static void what_is_under_way_outlives_its_lease(void **state)
{
    struct scene *scene = *state;

    ask(scene);
    change(scene, "UPDATE pbxhook_deliveries SET state = 'sending', owner = 'spool/0'");
    ask(scene);
    change(scene, "UPDATE pbxhook_deliveries SET state = 'sending', owner = 'spool/1'"
                  " WHERE state = 'pending'");
    assert_int_equal(courier_work(scene->courier, scene->dispatch), 1);
    assert_int_equal(count(scene, "state = 'sending' AND owner = 'spool/0'"), 1);
    assert_int_equal(count(scene, "state = 'unknown' AND owner = 'spool/1'"), 1);
}

/* ---- What a store does not take ------------------------------------------------------------------ */

/* One whose name, with half a character, is cut in the words of what went wrong in it. */
static void download_into_a_long_name(struct scene *scene)
{
    size_t length = strlen(scene->downloads);
    size_t left = DETAIL_SIZE - 1 - length;
    if (left % 2 == 0) /* of characters of two bytes */
        scene->downloads[length++] = 'x';
    for (int i = 0; i < 70; i++, length += 2)
        memcpy(scene->downloads + length, "\xc3\xa9", 3);
}

static int set_up_long_name(void **state)
{
    return set_up_with(state, download_into_a_long_name);
}

static int take_detail(void *arg, const struct store_value *values, uint32_t count)
{
    assert_int_equal(count, 1);
    snprintf(arg, DETAIL_SIZE, "%.*s", (int)values[0].size, values[0].as.text);
    return 0;
}

static void words_that_were_cut_are_kept(void **state)
{
    struct scene *scene = *state;
    char detail[DETAIL_SIZE] = "";
    assert_int_equal(rmdir(scene->downloads), 0);
    add(scene, NULL, clock_wall_ms(), 600000);
    work_until(scene, "detail IS NOT NULL");
    begin(scene->fixture);
    check_ok(scene->fixture,
             store_sql(scene->fixture->store, "SELECT detail FROM pbxhook_deliveries", NULL, 0,
                       take_detail, detail, NULL));
    commit(scene->fixture);
    assert_int_equal(strlen(detail), sizeof detail - 1);
    assert_string_equal(detail + sizeof detail - 4, "\xc3\xa9?");
}

static void download_into_no_utf8(struct scene *scene)
{
    strcat(scene->downloads, "-\xff");
}

static int set_up_no_utf8(void **state)
{
    return set_up_with(state, download_into_no_utf8);
}

static void plugin_is_told_whatever_the_directorys_name_is(void **state)
{
    struct scene *scene = *state;
    add(scene, NULL, clock_wall_ms(), 0);
    work_until(scene, "state = 'expired'");
    begin(scene->fixture);
    assert_int_equal(
        query_integer(scene->fixture,
                      either("SELECT count(*) FROM events WHERE type = 'pbxhook.download.failed'",
                             "SELECT count(*) FROM pbxhook.events WHERE type ="
                             " 'pbxhook.download.failed'")),
        1);
    commit(scene->fixture);
}

/* Refuses for ever what is told of the end of the delivery with the least id. */
static int refuse_one(struct store *store, const char *sql, const struct store_value *params,
                      uint32_t number, store_row_fn row, void *arg, int64_t *changed)
{
    static char least[64];
    if (strncmp(sql, "UPDATE pbxhook_deliveries SET state = $1,", 41) == 0) {
        int code = whole_backend->sql(store, "SELECT min(id) FROM pbxhook_deliveries", NULL, 0,
                                      take_detail, least, NULL);
        assert_int_equal(code, 0);
        if (strcmp(params[6].as.text, least) == 0 &&
            strstr(params[4].as.text, "refused to") == NULL)
            return store_fail(store, STORE_E_SQL, "nothing of that kind");
    }
    return whole_backend->sql(store, sql, params, number, row, arg, changed);
}

static void one_that_is_refused_holds_up_no_other(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene->fixture->store;
    static struct store_backend backend; /* tear_down() uses it when this fails */
    whole_backend = store->backend;
    backend = *whole_backend;
    backend.sql = refuse_one;
    ask(scene);
    ask(scene);
    store->backend = &backend;
    work_until(scene, "detail = 'the store refused to keep it'");
    work_until(scene, "detail LIKE '%onnect%'");
    assert_int_equal(count(scene, "detail = 'the store refused to keep it'"), 1);
    store->backend = whole_backend;
}

#define SCENE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(claimed_post_is_sent_behind_the_commit),
        SCENE(end_is_written_down_when_a_commit_failed_first),
        SCENE(claim_of_a_commit_without_an_answer_is_sent),
        cmocka_unit_test_setup_teardown(claim_of_a_connection_that_was_lost_is_sent, set_up_proxy,
                                        tear_down),
        SCENE(attempt_outlives_a_claim_that_failed),
        SCENE(attempt_outlives_a_claim_that_was_not_answered),
        cmocka_unit_test_setup_teardown(unsent_post_waits_for_the_next_worker, set_up_unshaken,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sent_post_stays_sent, set_up_heard, tear_down),
        SCENE(asked_for_in_an_hour_is_sent_now),
        SCENE(what_is_under_way_outlives_its_lease),
        cmocka_unit_test_setup_teardown(words_that_were_cut_are_kept, set_up_long_name, tear_down),
        cmocka_unit_test_setup_teardown(plugin_is_told_whatever_the_directorys_name_is,
                                        set_up_no_utf8, tear_down),
        SCENE(one_that_is_refused_holds_up_no_other),
    };
    return run_for_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
