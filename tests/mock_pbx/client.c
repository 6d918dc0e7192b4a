/*
 * client.c: one curl multi handle and a fixed pool of easy handles; posts that find none free wait
 * in line. Nothing is allocated per post but libcurl's own and the list of headers with
 * --webhook-id.
 */
#include "client.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "memory.h"

#define CLIENT_MAX_ANSWER       (1024 * 1024) /* bytes; a longer one is an error */
#define CLIENT_FIRST_BACKOFF_MS 50
#define CLIENT_NOTE_NS          (5 * CLOCK_NS_PER_S)

/* One easy handle, with the post it carries. */
struct carrier {
    CURL *easy;
    struct post *post;
    struct carrier *next_idle;
    struct curl_slist *headers; /* of this post alone; NULL = the common ones */
    size_t answer_total;
    uint64_t started_ns;
    char error[CURL_ERROR_SIZE]; /* libcurl's own words, more exact than its code's */
};

struct client {
    const struct options *options;
    struct timer_heap *timers;
    struct tally *tally;
    struct progress *progress;
    struct dice dice; /* jitter */
    CURLM *multi;
    struct curl_slist *headers;
    char *bearer;
    struct carrier *carriers;
    size_t carrier_count;
    struct carrier *idle;
    struct post *first_waiting;
    struct post **last_waiting;
    int running;       /* transfers that go on, as libcurl last said */
    int busy;          /* carriers that carry; more than running: some have ended unseen */
    bool started;      /* something, since the last client_perform() */
    uint64_t noted_ns; /* of the last note about an unreachable webhook */
};

/* ---- setting up ------------------------------------------------------------------------------ */

static size_t client_take_answer(char *data, size_t size, size_t count, void *context)
{
    struct carrier *carrier = context;
    struct post *post = carrier->post;
    size_t room = POST_ANSWER_SIZE - 1 - post->answer_size;
    size_t bytes = size * count;

    carrier->answer_total += bytes;
    if (carrier->answer_total > CLIENT_MAX_ANSWER)
        return 0;
    if (room > bytes)
        room = bytes;
    memcpy(post->answer + post->answer_size, data, room);
    post->answer_size += room;
    post->answer[post->answer_size] = '\0';
    return bytes;
}

static void client_set_up_carrier(struct client *client, struct carrier *carrier)
{
    const struct options *options = client->options;
    CURL *easy = memory_check(curl_easy_init());

    carrier->easy = easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, carrier);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, carrier->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     ""); /* not the environment's: this measures the webhook */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mock-pbx/" PBXHOOK_VERSION);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(options->webhook_timeout_s * 1000));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, client_take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, carrier);
    if (options->user != NULL) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, options->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, options->password);
    }
}

/* A new list: the headers every post has, and these, NULL at the end; NULL for none. */
static struct curl_slist *client_make_headers(const struct client *client, const char *const *extra)
{
    struct curl_slist *list =
        memory_check(curl_slist_append(NULL, "Content-Type: application/json"));

    memory_check(curl_slist_append(list, "Expect:"));
    if (client->bearer != NULL)
        memory_check(curl_slist_append(list, client->bearer));
    for (; extra != NULL && *extra != NULL; extra++)
        memory_check(curl_slist_append(list, *extra));
    return list;
}

static int client_check_url(const char *url)
{
    CURLU *parsed = memory_check(curl_url());
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, 0);

    curl_url_cleanup(parsed);
    if (code == CURLUE_OK)
        return 0;
    fprintf(stderr, "mock-pbx: --webhook %s: %s\n", url, curl_url_strerror(code));
    return -1;
}

static void client_set_up_carriers(struct client *client, size_t count)
{
    client->carriers = memory_get(count, sizeof *client->carriers);
    client->carrier_count = count;
    for (size_t i = 0; i < count; i++) {
        client_set_up_carrier(client, &client->carriers[i]);
        client->carriers[i].next_idle = client->idle;
        client->idle = &client->carriers[i];
    }
}

struct client *client_open(const struct options *options, struct timer_heap *timers,
                           struct tally *tally, struct progress *progress)
{
    struct client *client;

    if (client_check_url(options->webhook_url[ENVELOPE_SEED]) != 0 ||
        client_check_url(options->webhook_url[ENVELOPE_FLAT]) != 0)
        return NULL;
    client = memory_get(1, sizeof *client);
    client->options = options;
    client->timers = timers;
    client->tally = tally;
    client->progress = progress;
    client->last_waiting = &client->first_waiting;
    dice_open(&client->dice, options->seed + 1);
    client->multi = memory_check(curl_multi_init());
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->connections);
    if (options->token != NULL) {
        size_t size = strlen(options->token) + 32;

        client->bearer = memory_get(size, 1);
        snprintf(client->bearer, size, "Authorization: Bearer %s", options->token);
    }
    client->headers = client_make_headers(client, NULL);
    client_set_up_carriers(client, options->connections);
    return client;
}

void client_close(struct client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->carrier_count; i++) {
        struct carrier *carrier = &client->carriers[i];

        if (carrier->post != NULL)
            curl_multi_remove_handle(client->multi, carrier->easy);
        curl_easy_cleanup(carrier->easy);
        curl_slist_free_all(carrier->headers);
    }
    curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->headers);
    free(client->bearer);
    free(client->carriers);
    free(client);
}

/* ---- starting -------------------------------------------------------------------------------- */

/* The headers of one post alone. A signature is of this attempt: the server looks at its time. */
static struct curl_slist *client_make_own_headers(const struct client *client,
                                                  const struct post *post)
{
    char id[POST_ID_SIZE + 16], timestamp[48], signature[SIGN_TEXT_SIZE + 32];
    char text[SIGN_TEXT_SIZE];
    const char *lines[] = {id, timestamp, signature, NULL};
    int64_t now_s = (int64_t)time(NULL);

    snprintf(id, sizeof id, "webhook-id: %s", post->id);
    if (client->options->secret_file == NULL) {
        lines[1] = NULL;
        return client_make_headers(client, lines);
    }
    sign_make(&client->options->key, post->id, now_s, post->body, post->body_size, text);
    snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %" PRId64, now_s);
    snprintf(signature, sizeof signature, "webhook-signature: %s", text);
    return client_make_headers(client, lines);
}

static void client_set_headers(struct client *client, struct carrier *carrier)
{
    if (carrier->post->id[0] != '\0')
        carrier->headers = client_make_own_headers(client, carrier->post);
    curl_easy_setopt(carrier->easy, CURLOPT_HTTPHEADER,
                     carrier->headers != NULL ? carrier->headers : client->headers);
}

static void client_start(struct client *client, struct post *post)
{
    struct carrier *carrier = client->idle;
    uint64_t now_ns = clock_get_mono_ns();

    client->idle = carrier->next_idle;
    carrier->post = post;
    carrier->answer_total = 0;
    carrier->error[0] = '\0';
    carrier->started_ns = now_ns;
    post->answer_size = 0;
    post->answer[0] = '\0';
    if (post->attempts == 0) {
        post->started_ns = now_ns;
        latency_add(&client->tally->post_queue, (now_ns - post->submitted_ns) / 1000);
    }
    post->attempts++;
    client->tally->events.attempts++;
    curl_easy_setopt(carrier->easy, CURLOPT_URL, post->url);
    curl_easy_setopt(carrier->easy, CURLOPT_POSTFIELDS, post->body);
    curl_easy_setopt(carrier->easy, CURLOPT_POSTFIELDSIZE, (long)post->body_size);
    client_set_headers(client, carrier);
    client->started = true;
    client->busy++;
    if (curl_multi_add_handle(client->multi, carrier->easy) != CURLM_OK)
        memory_check(NULL);
}

static void client_enqueue(struct client *client, struct post *post)
{
    if (client->idle != NULL && client->first_waiting == NULL) {
        client_start(client, post);
        return;
    }
    post->next = NULL;
    *client->last_waiting = post;
    client->last_waiting = &post->next;
}

static void client_start_waiting(struct client *client)
{
    while (client->idle != NULL && client->first_waiting != NULL) {
        struct post *post = client->first_waiting;

        client->first_waiting = post->next;
        if (post->next == NULL)
            client->last_waiting = &client->first_waiting;
        client_start(client, post);
    }
}

static void client_try_again(void *context)
{
    struct post *post = context;

    client_enqueue(post->client, post);
}

void client_submit(struct client *client, struct post *post)
{
    post->client = client;
    post->attempts = 0;
    post->submitted_ns = clock_get_mono_ns();
    post->timer = (struct timer){.fire = client_try_again, .context = post};
    client_enqueue(client, post);
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* What another attempt may mend. */
static bool client_is_passing(CURLcode code, long status)
{
    switch (code) {
    case CURLE_OK:
        return status == 429 || status == 503;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_WRITE_ERROR:
        return false;
    default:
        return true;
    }
}

/* Retry-After, capped, plus up to a quarter; or else a doubling pause of which a half is random. */
static uint64_t client_get_pause_ns(struct client *client, const struct post *post,
                                    curl_off_t retry_after_s)
{
    uint64_t cap_ns = (uint64_t)(client->options->retry_cap_s * (double)CLOCK_NS_PER_S);
    uint64_t doublings = post->attempts < 20 ? post->attempts - 1 : 19;
    uint64_t pause_ns = (CLIENT_FIRST_BACKOFF_MS * CLOCK_NS_PER_MS) << doublings;

    if (retry_after_s > 0) {
        pause_ns = (uint64_t)retry_after_s < cap_ns / CLOCK_NS_PER_S + 1
                       ? (uint64_t)retry_after_s * CLOCK_NS_PER_S
                       : cap_ns;
        pause_ns = pause_ns < cap_ns ? pause_ns : cap_ns;
        return pause_ns + dice_roll_below(&client->dice, pause_ns / 4 + 1);
    }
    pause_ns = pause_ns < cap_ns ? pause_ns : cap_ns;
    return pause_ns / 2 + dice_roll_below(&client->dice, pause_ns / 2 + 1);
}

static void client_note_failure(struct client *client, const struct post *post, CURLcode code,
                                uint64_t now_ns)
{
    if (client->noted_ns != 0 && now_ns - client->noted_ns < CLIENT_NOTE_NS)
        return;
    client->noted_ns = now_ns;
    if (code == CURLE_OK)
        progress_note(client->progress, "%s answered %ld: trying again", post->url, post->status);
    else
        progress_note(client->progress, "%s: %s: trying again", post->url, post->answer);
}

static void client_retry(struct client *client, struct post *post, CURLcode code,
                         curl_off_t retry_after_s, uint64_t now_ns)
{
    client->tally->events.retried++;
    if (code == CURLE_OK)
        client->tally->events.retried_status++;
    else
        client->tally->events.retried_transport++;
    client_note_failure(client, post, code, now_ns);
    timer_arm(client->timers, &post->timer,
              now_ns + client_get_pause_ns(client, post, retry_after_s));
}

static void client_settle(struct client *client, struct post *post, CURLcode code)
{
    if (code != CURLE_OK) {
        post->outcome = POST_UNREACHABLE;
        client->tally->events.unreachable++;
    } else if (post->status >= 200 && post->status <= 299) {
        post->outcome = POST_ACKNOWLEDGED;
        client->tally->events.acknowledged++;
    } else {
        post->outcome = POST_REFUSED;
        client->tally->events.refused++;
    }
    post->done(post, post->context);
}

static void client_end_attempt(struct client *client, struct carrier *carrier, CURLcode code)
{
    struct post *post = carrier->post;
    curl_off_t retry_after_s = 0;
    uint64_t now_ns = clock_get_mono_ns();

    post->status = 0;
    if (code == CURLE_OK) {
        curl_easy_getinfo(carrier->easy, CURLINFO_RESPONSE_CODE, &post->status);
        curl_easy_getinfo(carrier->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        latency_add(&client->tally->webhook_answer, (now_ns - carrier->started_ns) / 1000);
    } else {
        int size = snprintf(post->answer, sizeof post->answer, "%s",
                            carrier->error[0] != '\0' ? carrier->error : curl_easy_strerror(code));

        post->answer_size = size > 0 ? (size_t)size : 0;
    }
    curl_multi_remove_handle(client->multi, carrier->easy);
    curl_slist_free_all(carrier->headers);
    carrier->headers = NULL;
    carrier->post = NULL;
    client->busy--;
    carrier->next_idle = client->idle;
    client->idle = carrier;
    if (client_is_passing(code, post->status) && !post->once &&
        post->attempts <= client->options->webhook_retries)
        client_retry(client, post, code, retry_after_s, now_ns);
    else
        client_settle(client, post, code);
}

static void client_perform(struct client *client)
{
    client->started = false;
    curl_multi_perform(client->multi, &client->running);
}

void client_run(struct client *client)
{
    CURLMsg *message;
    int left;

    client_perform(client);
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        /* The message dies with the handle's removal, so its contents are taken first. */
        CURLcode code = message->data.result;
        char *owner = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        client_end_attempt(client, (struct carrier *)(void *)owner, code);
    }
    client_start_waiting(client);
}

void client_send(struct client *client)
{
    if (client->started)
        client_perform(client);
}

bool client_wait(struct client *client, int extra_fd, int timeout_ms)
{
    struct curl_waitfd extra = {.fd = extra_fd, .events = CURL_WAIT_POLLIN};

    /* client_send() may have ended transfers: their messages wake nobody. */
    if (client->busy > client->running)
        timeout_ms = 0;
    curl_multi_poll(client->multi, &extra, 1, timeout_ms, NULL);
    return (extra.revents & CURL_WAIT_POLLIN) != 0;
}

void client_wake(struct client *client)
{
    curl_multi_wakeup(client->multi);
}
