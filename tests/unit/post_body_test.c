/*
 * post_body_test.c: an action to the PBX and a plugin's post to a target, sent to a peer that reads them and hangs
 * up: it sees each once, and whether it has acted on it nobody knows. Both ways, the outbox's and the
 * sender's, go through the same cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "http/sender.h"
#include "mute_peer.h"
#include "pbx/outbox.h"

#define DEADLINE_MS 10000
#define ATTEMPT_MS  60000 /* until it is too late */
#define KEPT        3     /* connections */

struct scene {
    struct mute_peer peer;
    struct config config;
    struct config_target target;
    char url[64], directory[64], password_file[128];
    const char *body;
    struct outbox *outbox; /* one of the two */
    struct sender *sender;
};

/* How one ended. */
struct end {
    enum store_action_state state;
    int64_t due_ms;
    char detail[160];
};

static void prepare(struct scene *scene, int answers, enum hanging_up manner)
{
    mute_peer_start(&scene->peer, answers, manner);
    snprintf(scene->url, sizeof scene->url, "http://127.0.0.1:%d", scene->peer.port);
    scene->config.pbx.url = scene->target.url = scene->url;
    scene->config.pbx.connections = scene->target.connections = KEPT + 1;
    scene->config.pbx.timeout_ms = scene->target.timeout_ms = 5000;
    scene->config.pbx.user = scene->target.user = (char *)"";
    scene->config.pbx.password_file = scene->target.password_file = (char *)"";
    scene->target.token_file = (char *)"";
    scene->target.name = (char *)"crm";
    scene->config.targets = &scene->target;
    scene->config.target_count = 1;
    scene->config.download_dir = scene->directory;
    scene->body = "{\"type\":\"call.waiting\"}";
}

/* ---- The two ways ---------------------------------------------------------------------------- */

static void start_outbox(struct scene *scene)
{
    char error[256] = "";

    if (outbox_start(&scene->config, &scene->outbox, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static void submit_action(struct scene *scene)
{
    int64_t now_ms = clock_wall_ms();
    struct store_action action = {.id = 1,
                                  .key = strdup("pbxhook-1"),
                                  .call_id = strdup("call-1"),
                                  .body = strdup(scene->body),
                                  .received_ms = now_ms,
                                  .expires_ms = now_ms + ATTEMPT_MS,
                                  .attempts = 1};

    assert_true(action.key != NULL && action.call_id != NULL && action.body != NULL);
    outbox_submit(scene->outbox, &action, 1);
}

static int take_actions(struct scene *scene, struct end *end)
{
    struct outbox_result *result = outbox_take(scene->outbox);
    int count = 0;

    for (struct outbox_result *next; result != NULL; result = next, count++) {
        next = result->next;
        *end = (struct end){.state = result->state, .due_ms = result->due_ms};
        snprintf(end->detail, sizeof end->detail, "%s", result->detail);
        outbox_result_free(result);
    }
    return count;
}

static void start_sender(struct scene *scene)
{
    char error[256] = "";

    if (sender_start(&scene->config, &scene->sender, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static void submit_post(struct scene *scene)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    int64_t now_ms = clock_wall_ms();

    assert_non_null(delivery);
    *delivery = (struct delivery){.id = strdup("pbxhook-1"),
                                  .target = strdup("crm"),
                                  .plugin = strdup("p"),
                                  .call_id = strdup("call-1"),
                                  .path = strdup("/calls"),
                                  .body = strdup(scene->body),
                                  .file = strdup(""),
                                  .created_ms = now_ms,
                                  .expires_ms = now_ms + ATTEMPT_MS,
                                  .attempts = 1};
    assert_true(delivery->id != NULL && delivery->target != NULL && delivery->plugin != NULL &&
                delivery->call_id != NULL && delivery->path != NULL && delivery->body != NULL &&
                delivery->file != NULL);
    sender_submit(scene->sender, delivery);
}

static int take_posts(struct scene *scene, struct end *end)
{
    struct delivery *list = sender_take(scene->sender);
    int count = 0;

    for (const struct delivery *delivery = list; delivery != NULL; delivery = delivery->next) {
        *end = (struct end){.state = delivery->state, .due_ms = delivery->due_ms};
        snprintf(end->detail, sizeof end->detail, "%s", delivery->detail);
        count++;
    }
    deliveries_free(list);
    return count;
}

static const struct way {
    void (*start)(struct scene *scene);
    void (*submit)(struct scene *scene);
    int (*take)(struct scene *scene, struct end *end);
} ways[] = {
    {start_outbox, submit_action, take_actions},
    {start_sender, submit_post, take_posts},
};

static int event_fd(const struct scene *scene)
{
    return scene->outbox != NULL ? outbox_event_fd(scene->outbox) : sender_event_fd(scene->sender);
}

/* So many at a time, until all have ended; the last one's end. */
static struct end send_some(struct scene *scene, const struct way *way, int count)
{
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;
    struct end end = {.state = STORE_ACTION_SENDING};

    for (int i = 0; i < count; i++)
        way->submit(scene);
    while (count > 0) {
        struct pollfd ready = {.fd = event_fd(scene), .events = POLLIN};

        assert_true(clock_mono_us() < until_us);
        poll(&ready, 1, 100);
        count -= way->take(scene, &end);
    }
    return end;
}

/* ---- The cases ------------------------------------------------------------------------------- */

static void stop_sending(struct scene *scene)
{
    outbox_stop(scene->outbox, 0);
    outbox_free(scene->outbox);
    sender_free(scene->sender);
    scene->outbox = NULL;
    scene->sender = NULL;
}

static void finish(struct scene *scene)
{
    stop_sending(scene);
    mute_peer_stop(&scene->peer);
}

static void check_sent_once(struct scene *scene, const struct way *way, enum hanging_up manner,
                            int is_idempotent)
{
    prepare(scene, KEPT, manner);
    scene->config.pbx.idempotent = scene->target.idempotent = is_idempotent;
    way->start(scene);
    assert_int_equal(send_some(scene, way, KEPT).state, STORE_ACTION_DELIVERED);
    assert_int_equal(scene->peer.connections, KEPT);

    struct end end = send_some(scene, way, 1);
    finish(scene);
    assert_int_equal(scene->peer.requests, KEPT + 1);
    assert_int_equal(end.state, is_idempotent ? STORE_ACTION_DOUBTFUL : STORE_ACTION_UNKNOWN);
    assert_true(is_idempotent ? end.due_ms > 0 : end.due_ms == 0);
    if (manner != HANGS_UP_FOR_EVER)
        assert_string_equal(end.detail, "the connection ended without an answer");
}

/* libcurl would try each kept connection, and then a new one. Where nobody listens any more it ends with
 * "couldn't connect", and yet the peer may have acted on it. */
static void test_unanswered_on_a_kept_connection_is_sent_once(void **state)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int idempotent = 0; idempotent < 2; idempotent++) {
            check_sent_once(*state, &ways[i], HANGS_UP, idempotent);
            check_sent_once(*state, &ways[i], HANGS_UP_WITH_RESET, idempotent);
            check_sent_once(*state, &ways[i], HANGS_UP_FOR_EVER, idempotent);
        }
    }
}

static void test_unanswered_on_a_new_connection_is_sent_once(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        prepare(scene, 0, HANGS_UP);
        ways[i].start(scene);
        assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_UNKNOWN);
        finish(scene);
        assert_int_equal(scene->peer.requests, 1);
    }
}

/* Nothing is sent on it: nothing is unknown. */
static void test_connection_closed_while_idle_is_not_used(void **state)
{
    struct scene *scene = *state;
    int64_t until_us = clock_mono_us() + DEADLINE_MS * 1000;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        prepare(scene, 1, HANGS_UP_BEHIND_THE_ANSWER);
        ways[i].start(scene);
        assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_DELIVERED);
        while (scene->peer.hung_up == 0) {
            assert_true(clock_mono_us() < until_us);
            poll(NULL, 0, 1);
        }
        scene->peer.answers = 2;
        assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_DELIVERED);
        finish(scene);
        assert_int_equal(scene->peer.requests, 2);
        assert_int_equal(scene->peer.connections, 2);
    }
}

static void test_peer_that_is_gone_has_received_nothing(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        prepare(scene, 1, HANGS_UP);
        ways[i].start(scene);
        assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_DELIVERED);
        mute_peer_stop(&scene->peer);
        struct end end = send_some(scene, &ways[i], 1);
        assert_int_equal(end.state, STORE_ACTION_PENDING);
        assert_true(end.due_ms > 0);
        stop_sending(scene);
    }
}

/* Whatever its size: with its length, in one piece, and without asking whether it may. */
static void test_request_is_whole(void **state)
{
    static const size_t sizes[] = {2, 300, 70000, 300000};
    struct scene *scene = *state;
    char *body = malloc(300001), wanted[64];

    assert_non_null(body);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            memset(body, ' ', sizes[j]);
            body[sizes[j]] = '\0';
            prepare(scene, 1, HANGS_UP);
            scene->body = body;
            ways[i].start(scene);
            assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_DELIVERED);
            finish(scene);
            assert_memory_equal(scene->peer.head, "POST /", 6);
            snprintf(wanted, sizeof wanted, "\r\nContent-Length: %zu\r\n", sizes[j]);
            assert_non_null(strstr(scene->peer.head, wanted));
            assert_null(strcasestr(scene->peer.head, "Transfer-Encoding"));
            assert_null(strcasestr(scene->peer.head, "Expect"));
            assert_non_null(strstr(scene->peer.head, "\r\nContent-Type: application/json\r\n"));
            assert_int_equal(scene->peer.body_bytes, sizes[j]);
        }
    }
    free(body);
}

static void write_secret(struct scene *scene)
{
    FILE *file = fopen(scene->password_file, "w");

    assert_non_null(file);
    assert_true(fputs("open sesame\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_return_code(chmod(scene->password_file, 0600), 0);
}

/* With the first request, not after a refusal: there is no second time. */
static void test_login_is_sent_at_once(void **state)
{
    struct scene *scene = *state;

    write_secret(scene);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int is_token = 0; is_token < (ways[i].start == start_sender ? 2 : 1); is_token++) {
            prepare(scene, 1, HANGS_UP);
            scene->config.pbx.user = scene->target.user = (char *)(is_token ? "" : "ali");
            scene->config.pbx.password_file = scene->password_file;
            *(is_token ? &scene->target.token_file : &scene->target.password_file) =
                scene->password_file;
            ways[i].start(scene);
            assert_int_equal(send_some(scene, &ways[i], 1).state, STORE_ACTION_DELIVERED);
            finish(scene);
            assert_int_equal(scene->peer.requests, 1);
            assert_non_null(strstr(scene->peer.head,
                                   is_token ? "\r\nAuthorization: Bearer open sesame\r\n"
                                            : "\r\nAuthorization: Basic YWxpOm9wZW4gc2VzYW1l\r\n"));
        }
    }
    unlink(scene->password_file);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    snprintf(scene->directory, sizeof scene->directory, "/tmp/pbxhook-post-XXXXXX");
    assert_non_null(mkdtemp(scene->directory));
    snprintf(scene->password_file, sizeof scene->password_file, "%s/password", scene->directory);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    rmdir(scene->directory);
    free(scene);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_unanswered_on_a_kept_connection_is_sent_once),
        TEST(test_unanswered_on_a_new_connection_is_sent_once),
        TEST(test_connection_closed_while_idle_is_not_used),
        TEST(test_peer_that_is_gone_has_received_nothing),
        TEST(test_request_is_whole),
        TEST(test_login_is_sent_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
