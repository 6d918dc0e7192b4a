/*
 * mock_server_test.c: mock-pbx's own HTTP side when the main thread does not keep up: an action that there was no
 * room for is turned away, and its repetition is the first one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <curl/curl.h>

#include "server.h"

struct scene {
    struct options options;
    struct inbox inbox;
    struct server *server;
    char url[64];
};

static void wake_nobody(void *context)
{
    (void)context;
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){.options = {.listen = "127.0.0.1:0"}};
    inbox_open(&scene->inbox, wake_nobody, NULL);
    scene->server = server_open(&scene->options, &scene->inbox);
    assert_non_null(scene->server);
    snprintf(scene->url, sizeof scene->url, "%s/api/client/actions", server_get_url(scene->server));
}

static void close_scene(struct scene *scene)
{
    server_close(scene->server);
    inbox_close(&scene->inbox);
}

static void fill(struct inbox *inbox)
{
    const struct inbox_message message = {.kind = INBOX_ACTION};
    while (inbox_put(inbox, &message))
        continue;
}

/* Takes all that is in there: how many, and the last one. */
static size_t empty(struct inbox *inbox, struct inbox_message *last)
{
    size_t count;
    uint64_t turned_away;
    const struct inbox_message *messages = inbox_take(inbox, &count, &turned_away);
    if (count > 0)
        *last = messages[count - 1];
    return count;
}

/* Posts the same action as ever: the answer's status. */
static long act(const struct scene *scene)
{
    struct curl_slist *key = curl_slist_append(NULL, "Idempotency-Key: k-1");
    CURL *easy = curl_easy_init();
    FILE *answer = tmpfile();
    long status = 0;
    assert_non_null(easy);
    assert_non_null(answer);
    curl_easy_setopt(easy, CURLOPT_URL, scene->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, key);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                     "{\"type\":\"call.waiting\",\"call_id\":\"c-1\",\"destination\":\"901\"}");
    assert_int_equal(curl_easy_perform(easy), CURLE_OK);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(key);
    fclose(answer);
    return status;
}

static void test_turned_away_is_not_taken(void **state)
{
    struct scene scene;
    struct inbox_message message = {.kind = INBOX_STATS};
    (void)state;
    open_scene(&scene);
    fill(&scene.inbox);
    assert_int_equal(act(&scene), 503);
    assert_int_equal(empty(&scene.inbox, &message), INBOX_CAPACITY);

    assert_int_equal(act(&scene), 200);
    assert_int_equal(empty(&scene.inbox, &message), 1);
    assert_int_equal(message.fate, ACTION_TAKEN);
    assert_string_equal(message.call_id, "c-1");

    assert_int_equal(act(&scene), 200);
    assert_int_equal(empty(&scene.inbox, &message), 1);
    assert_int_equal(message.fate, ACTION_REPEATED);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turned_away_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
