/*
 * access_test.c: strangers stay out and friends come in: each kind of credential, right, wrong, missing
 * and rotated; senders and readers; proxies; and a server that does not open itself to the world.
 */
#include "world.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sign.h"

#define EVENT       "{\"type\":\"call.new\",\"call_id\":\"c-1\"}"
#define OTHER_EVENT "{\"type\":\"call.new\",\"call_id\":\"c-2\"}"

#define OLD_SECRET  "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define NEW_SECRET  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define BAD_SECRET  "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

#define SENDER      "Authorization: Basic cGJ4OnMzY3JldA==" /* pbx:s3cret  */
#define SENDER_NEW  "Authorization: Basic cGJ4Om4zdw=="     /* pbx:n3w     */
#define READER      "Authorization: Basic d2FsbDpyM2FkZXI=" /* wall:r3ader */
#define SENDER_KEY  "Authorization: Bearer sender-t0ken-one"
#define READER_KEY  "Authorization: Bearer reader-t0ken-one"

/* Whatever holds data of callers. */
static const char *const readers_routes[] = {
    "/api/dashboard/count", "/api/dashboard/kpi", "/api/calls", "/api/calls/active",
    "/api/events",          "/api/dead-letters",  "/metrics"};
#define READERS_ROUTES ((int)(sizeof readers_routes / sizeof readers_routes[0]))

/* ---- Setting up ---------------------------------------------------------------------------------- */

/* Writes a secret file and names it in the server's environment. */
static void set_secret(struct world *world, const char *variable, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, variable, path);
    scratch_write_secret(path, text);
    world_set(world, variable, path);
}

static void set_sender_password(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_USER", "pbx");
    set_secret(world, "PBXHOOK_WEBHOOK_PASSWORD_FILE", "s3cret\nn3w\n");
}

static void set_sender_token(struct world *world)
{
    set_secret(world, "PBXHOOK_WEBHOOK_TOKEN_FILE", "sender-t0ken-one\nsender-t0ken-two\n");
}

static void set_sender_secret(struct world *world)
{
    set_secret(world, "PBXHOOK_WEBHOOK_SECRET_FILE", OLD_SECRET "\n" NEW_SECRET "\n");
}

static void set_reader_password(struct world *world)
{
    world_set(world, "PBXHOOK_DASHBOARD_USER", "wall");
    set_secret(world, "PBXHOOK_DASHBOARD_PASSWORD_FILE", "r3ader\n");
}

static void set_reader_token(struct world *world)
{
    set_secret(world, "PBXHOOK_DASHBOARD_TOKEN_FILE", "reader-t0ken-one\n");
}

/* ---- Asking -------------------------------------------------------------------------------------- */

/* POSTs the event with one header more, NULL for none: the status. */
static int post(struct world *world, const char *header)
{
    return client_post_with(world->client, ROUTE_FLAT, EVENT, header);
}

static int get(struct world *world, const char *path, const char *header)
{
    const char *const headers[] = {header, NULL};
    return client_send(world->client, "GET", path, NULL, 0, headers);
}

/* Wants the last answer to be a refusal in good form, with this challenge. */
static void check_unauthorized(struct world *world, const char *challenge)
{
    assert_int_equal(world->client->status, 401);
    assert_string_equal(client_header(world->client, "Content-Type"), "application/problem+json");
    assert_string_equal(client_header(world->client, "WWW-Authenticate"), challenge);
    assert_non_null(strstr(world->client->body, "\"reason\":\"unauthorized\""));
}

/* Whether a text is anywhere in the log of all runs. */
static int is_in_log(struct world *world, const char *text)
{
    char *log = scratch_read(world->server.log_path);
    int found = strstr(log, text) != NULL;
    free(log);
    return found;
}

/* ---- Senders ------------------------------------------------------------------------------------- */

static void test_basic(struct world *world)
{
    static const char challenge[] = "Basic realm=\"pbxhook\", charset=\"UTF-8\"";
    set_sender_password(world);
    world_start(world);
    assert_int_equal(post(world, SENDER), 200);
    assert_int_equal(post(world, SENDER_NEW), 200); /* rotated: both hold */
    post(world, NULL);
    check_unauthorized(world, challenge);
    post(world, "Authorization: Basic cGJ4OnMzY3JldHg=");
    check_unauthorized(world, challenge);
    post(world, SENDER_KEY);
    check_unauthorized(world, challenge);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"unauthorized\"}", 3);
    store_await_events(world, 1);
}

static void test_bearer(struct world *world)
{
    set_sender_token(world);
    world_start(world);
    assert_int_equal(post(world, SENDER_KEY), 200);
    assert_int_equal(post(world, "Authorization: Bearer sender-t0ken-two"), 200);
    post(world, NULL);
    check_unauthorized(world, "Bearer realm=\"pbxhook\"");
    post(world, "Authorization: Bearer sender-t0ken");
    check_unauthorized(world, "Bearer realm=\"pbxhook\"");
    post(world, SENDER);
    check_unauthorized(world, "Bearer realm=\"pbxhook\"");
}

static void test_signature(struct world *world)
{
    static const char challenge[] = "Standard-Webhooks realm=\"pbxhook\"";
    struct client *client = NULL;
    int64_t now_s = time(NULL);
    set_sender_secret(world);
    world_start(world);
    client = world->client;
    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, OLD_SECRET, "m-1", now_s), 200);
    assert_int_equal(sign_post(client, ROUTE_SEED, OTHER_EVENT, NEW_SECRET, "m-2", now_s), 204);
    /* The clocks may differ, but not by much; a replay is one whose time is over. */
    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, NEW_SECRET, "m-3", now_s - 240), 200);
    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, NEW_SECRET, "m-4", now_s + 240), 200);
    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, NEW_SECRET, "m-5", now_s - 400), 401);
    assert_non_null(strstr(client->body, "5 minutes ago"));
    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, NEW_SECRET, "m-6", now_s + 400), 401);
    assert_non_null(strstr(client->body, "5 minutes ahead"));

    assert_int_equal(sign_post(client, ROUTE_FLAT, EVENT, BAD_SECRET, "m-7", now_s), 401);
    check_unauthorized(world, challenge);
    /* What is signed is not what is sent. */
    client_send(client, "POST", ROUTE_FLAT, OTHER_EVENT, strlen(OTHER_EVENT),
                sign_headers(EVENT, NEW_SECRET, "m-8", now_s));
    check_unauthorized(world, challenge);
    post(world, NULL);
    check_unauthorized(world, challenge);
    assert_int_equal(post(world, "webhook-id: m-9"), 401);
    store_await_events(world, 4);
    metric_check(world, "pbxhook_events_rejected_total{reason=\"unauthorized\"}", 6);
}

/* The id that is signed is the event's identity: what was said once is not handled twice. */
static void test_a_signed_id_is_the_identity(struct world *world)
{
    int64_t now_s = time(NULL);
    set_sender_secret(world);
    world_start(world);
    sign_post(world->client, ROUTE_FLAT, EVENT, NEW_SECRET, "the-same", now_s);
    assert_int_equal(world->client->status, 200);
    sign_post(world->client, ROUTE_FLAT, OTHER_EVENT, NEW_SECRET, "the-same", now_s - 1);
    assert_int_equal(world->client->status, 200);
    metric_await(world, "pbxhook_events_duplicate_total", 1);
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 1);
    store_check_status(world, "c-2", "");
}

/* An event that is not JSON at all is still told apart from a stranger's. */
static void test_the_signature_comes_before_the_json(struct world *world)
{
    int64_t now_s = time(NULL);
    set_sender_secret(world);
    world_start(world);
    assert_int_equal(sign_post(world->client, ROUTE_FLAT, "{", NEW_SECRET, "m-1", now_s), 400);
    assert_int_equal(sign_post(world->client, ROUTE_FLAT, "{", BAD_SECRET, "m-1", now_s), 401);
}

static void test_any_of_several_kinds(struct world *world)
{
    set_sender_password(world);
    set_sender_token(world);
    set_sender_secret(world);
    world_start(world);
    assert_int_equal(post(world, SENDER), 200);
    assert_int_equal(post(world, SENDER_KEY), 200);
    assert_int_equal(sign_post(world->client, ROUTE_FLAT, EVENT, OLD_SECRET, "m-1", time(NULL)),
                     200);
    assert_int_equal(post(world, NULL), 401);
    check_unauthorized(world,
                       "Basic realm=\"pbxhook\", charset=\"UTF-8\", Bearer realm=\"pbxhook\"");
}

/* Nobody makes us read a megabyte before he has shown who he is. */
static void test_refused_before_the_body(struct world *world)
{
    static const char request[] =
        "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n";
    char answer[4096];
    set_sender_token(world);
    world_start(world);
    int fd = socket_connect(world->server.port);
    socket_write_text(fd, request);
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 401);
    close(fd);
}

/* Two of them may be read in two ways, by a proxy and by us. */
static void test_repeated_credentials(struct world *world)
{
    static const char *const fields[] = {"Authorization: Bearer x\r\n" SENDER_KEY "\r\n",
                                         SENDER_KEY "\r\n" SENDER_KEY "\r\n",
                                         SENDER_KEY "\r\nwebhook-id: 1\r\nwebhook-id: 2\r\n"};
    set_sender_token(world);
    world_start(world);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char request[512], answer[4096];
        snprintf(request, sizeof request,
                 "POST " ROUTE_FLAT " HTTP/1.1\r\nHost: x\r\n%sContent-Length: 2\r\n\r\n{}",
                 fields[i]);
        int fd = socket_connect(world->server.port);
        socket_write_text(fd, request);
        assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 400);
        close(fd);
    }
}

/* ---- Addresses ----------------------------------------------------------------------------------- */

static void test_addresses(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_ALLOW_FROM", "192.0.2.0/24");
    world_set(world, "PBXHOOK_WEBHOOK_TRUSTED_PROXIES", "127.0.0.1");
    world_start(world);
    assert_int_equal(post(world, "X-Forwarded-For: 192.0.2.7"), 200);
    assert_int_equal(post(world, "Forwarded: for=192.0.2.7;proto=https"), 200);
    assert_int_equal(post(world, "X-Forwarded-For: 192.0.2.7, 198.51.100.1"), 403);
    assert_non_null(strstr(world->client->body, "\"reason\":\"forbidden\""));
    assert_string_equal(client_header(world->client, "WWW-Authenticate"), "");
    assert_int_equal(post(world, "X-Forwarded-For: rubbish"), 403);
    assert_int_equal(post(world, NULL), 403); /* the proxy itself is not in the list */
    metric_check(world, "pbxhook_events_rejected_total{reason=\"forbidden\"}", 3);
}

static void test_proxies_are_not_trusted_by_themselves(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_ALLOW_FROM", "192.0.2.0/24");
    world_start(world);
    assert_int_equal(post(world, "X-Forwarded-For: 192.0.2.7"), 403);
    assert_int_equal(post(world, "Forwarded: for=192.0.2.7"), 403);
}

static void test_address_and_credential(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_ALLOW_FROM", "127.0.0.0/8, ::1");
    set_sender_token(world);
    world_start(world);
    assert_int_equal(post(world, SENDER_KEY), 200);
    assert_int_equal(post(world, NULL), 401);
}

/* ---- Readers ------------------------------------------------------------------------------------- */

static void test_readers(struct world *world)
{
    set_reader_password(world);
    set_reader_token(world);
    world_start(world);
    for (int i = 0; i < READERS_ROUTES; i++) {
        assert_int_equal(get(world, readers_routes[i], READER), 200);
        assert_int_equal(get(world, readers_routes[i], READER_KEY), 200);
        assert_int_equal(get(world, readers_routes[i], SENDER), 401);
        get(world, readers_routes[i], NULL);
        check_unauthorized(world,
                           "Basic realm=\"pbxhook\", charset=\"UTF-8\", Bearer realm=\"pbxhook\"");
    }
    assert_int_equal(post(world, NULL), 200); /* the webhook is another matter */
    assert_int_equal(get(world, "/healthz", NULL), 200);
    await(get(world, "/readyz", NULL) == 200);
}

/* Answers that are not 200, or do not end. */
static void test_readers_of_a_call_and_of_the_stream(struct world *world)
{
    const char *const reader[] = {READER, NULL};
    set_reader_password(world);
    world_start(world);
    assert_int_equal(get(world, "/api/calls/none", READER), 404);
    assert_int_equal(get(world, "/api/calls/none", NULL), 401);
    assert_int_equal(client_send(world->client, "HEAD", "/api/dashboard/stream", NULL, 0, reader),
                     200);
    assert_int_equal(get(world, "/api/dashboard/stream", NULL), 401);
    assert_int_equal(get(world, "/api/dashboard/stream", SENDER), 401);
}

/* The page asks for the credentials itself, so it has to be there without. It holds nothing of anybody's. */
static void test_the_page_is_open(struct world *world)
{
    set_reader_token(world);
    world_start(world);
    assert_int_equal(get(world, "/", NULL), 200);
    assert_int_equal(get(world, "/assets/none", NULL), 404);
    assert_int_equal(get(world, "/api", NULL), 200);
}

static void test_senders_and_readers_are_apart(struct world *world)
{
    set_sender_password(world);
    set_sender_token(world);
    set_sender_secret(world);
    set_reader_password(world);
    set_reader_token(world);
    world_start(world);
    assert_int_equal(post(world, READER), 401);
    assert_int_equal(post(world, READER_KEY), 401);
    for (int i = 0; i < READERS_ROUTES; i++) {
        assert_int_equal(get(world, readers_routes[i], SENDER), 401);
        assert_int_equal(get(world, readers_routes[i], SENDER_KEY), 401);
        client_send(world->client, "GET", readers_routes[i], NULL, 0,
                    sign_headers("", NEW_SECRET, "m-1", time(NULL)));
        assert_int_equal(world->client->status, 401);
    }
    assert_int_equal(post(world, SENDER), 200);
    assert_int_equal(get(world, "/metrics", READER_KEY), 200);
}

static void test_public_metrics(struct world *world)
{
    set_reader_token(world);
    world_set(world, "PBXHOOK_DASHBOARD_METRICS_PUBLIC", "true");
    world_start(world);
    assert_int_equal(get(world, "/metrics", NULL), 200);
    assert_int_equal(get(world, "/api/calls/active", NULL), 401);
}

/* Callers' numbers are not shown to the world because nobody thought of a password. */
static void test_without_secrets_only_this_machine_reads(struct world *world)
{
    world_set(world, "PBXHOOK_WEBHOOK_TRUSTED_PROXIES", "127.0.0.1");
    world_start(world);
    for (int i = 0; i < READERS_ROUTES; i++) {
        assert_int_equal(get(world, readers_routes[i], NULL), 200);
        assert_int_equal(get(world, readers_routes[i], "X-Forwarded-For: 192.0.2.7"), 403);
        assert_non_null(strstr(world->client->body, "dashboard.token_file"));
    }
    assert_int_equal(get(world, "/healthz", "X-Forwarded-For: 192.0.2.7"), 200);
    server_stop(&world->server);
    world_set(world, "PBXHOOK_ALLOW_UNAUTHENTICATED", "true");
    world_start(world);
    assert_int_equal(get(world, readers_routes[0], "X-Forwarded-For: 192.0.2.7"), 200);
}

/* A browser asks first and shows nothing; its page then sends the token. */
static void test_preflight_needs_no_credentials(struct world *world)
{
    static const char *const headers[] = {"Origin: https://wall.example",
                                          "Access-Control-Request-Method: GET",
                                          "Access-Control-Request-Headers: authorization", NULL};
    static const char *const page[] = {"Origin: https://wall.example", READER_KEY, NULL};
    static const char *const stranger[] = {"Origin: https://wall.example", NULL};
    set_reader_token(world);
    world_set(world, "PBXHOOK_DASHBOARD_CORS_ORIGINS", "https://wall.example");
    world_start(world);
    client_send(world->client, "OPTIONS", readers_routes[0], NULL, 0, headers);
    assert_int_equal(world->client->status, 204);
    assert_non_null(
        strstr(client_header(world->client, "Access-Control-Allow-Headers"), "Authorization"));
    assert_int_equal(client_send(world->client, "GET", readers_routes[0], NULL, 0, page), 200);
    /* The page's author sees why it is refused. */
    assert_int_equal(client_send(world->client, "GET", readers_routes[0], NULL, 0, stranger), 401);
    assert_string_equal(client_header(world->client, "Access-Control-Allow-Origin"),
                        "https://wall.example");
}

/* ---- What is told -------------------------------------------------------------------------------- */

static struct process_result run(struct world *world, const char *command)
{
    const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", command, NULL};
    struct process_result result;
    process_run(words, &world->server.environment, world->directory, &result);
    return result;
}

static void test_secrets_are_nowhere(struct world *world)
{
    static const char *const secrets[] = {"s3cret",     "r3ader",     "sender-t0ken", "reader-t0k",
                                          "C2FVsBQIhr", "MfKQ9r8GKY", "cGJ4OnMz",     "wr0ng"};
    set_sender_password(world);
    set_sender_token(world);
    set_sender_secret(world);
    set_reader_password(world);
    set_reader_token(world);
    world_set(world, "PBXHOOK_LOG_LEVEL", "debug");
    world_start(world);
    assert_int_equal(post(world, SENDER), 200);
    assert_int_equal(post(world, SENDER_KEY), 200);
    assert_int_equal(post(world, "Authorization: Bearer wr0ng"), 401);
    assert_int_equal(get(world, "/metrics", READER_KEY), 200);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        assert_null(strstr(world->client->body, secrets[i]));
    server_stop(&world->server);
    struct process_result result = run(world, "check");
    if (result.exit_status != 0)
        fail_msg("check refuses: %s", result.errors);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        assert_false(is_in_log(world, secrets[i]));
        assert_null(strstr(result.output, secrets[i]));
        assert_null(strstr(result.errors, secrets[i]));
    }
    process_forget(&result);
}

static void test_refusals_do_not_fill_the_log(struct world *world)
{
    set_sender_token(world);
    set_reader_token(world);
    world_start(world);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(post(world, NULL), 401);
        assert_int_equal(get(world, "/metrics", SENDER_KEY), 401);
    }
    const struct server *server = &world->server;
    assert_int_equal(server_log_count(server, "access refused", "path=" ROUTE_FLAT), 1);
    assert_int_equal(server_log_count(server, "access refused", "path=/metrics"), 1);
    assert_int_equal(server_log_count(server, "access refused", "address=127.0.0.1"), 2);
}

/* ---- Starting ------------------------------------------------------------------------------------ */

/* Both commands refuse and say this. */
static void check_refused(struct world *world, const char *wanted)
{
    static const char *const commands[] = {"serve", "check"};
    for (size_t i = 0; i < 2; i++) {
        struct process_result result = run(world, commands[i]);
        assert_int_equal(result.exit_status, 1);
        if (strstr(result.errors, wanted) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", commands[i], wanted, result.errors);
        assert_null(strstr(result.errors, "msg=listening"));
        process_forget(&result);
    }
}

/* `check` finds nothing wrong; its stderr is new text. */
static char *check_valid(struct world *world)
{
    struct process_result result = run(world, "check");
    if (result.exit_status != 0)
        fail_msg("check refuses: %s", result.errors);
    free(result.output);
    return result.errors;
}

static void forget_variable(struct world *world)
{
    struct environment *environment = &world->server.environment;
    free(environment->entry[--environment->count]);
    environment->entry[environment->count] = NULL;
}

static void test_not_open_to_the_world_by_accident(struct world *world)
{
    static const char *const open_addresses[] = {"0.0.0.0:0", "[::]:0", "192.0.2.1:3000"};
    static const char *const closed_addresses[] = {"127.0.0.1:0", "127.9.9.9:0", "[::1]:0",
                                                   "localhost:0"};
    for (size_t i = 0; i < sizeof open_addresses / sizeof open_addresses[0]; i++) {
        world_set(world, "PBXHOOK_LISTEN", open_addresses[i]);
        check_refused(world, "PBXHOOK_WEBHOOK_SECRET_FILE");
        check_refused(world, "PBXHOOK_ALLOW_UNAUTHENTICATED)");
    }
    for (size_t i = 0; i < sizeof closed_addresses / sizeof closed_addresses[0]; i++) {
        world_set(world, "PBXHOOK_LISTEN", closed_addresses[i]);
        free(check_valid(world));
    }
}

static void test_open_to_the_world_on_purpose(struct world *world)
{
    world_set(world, "PBXHOOK_LISTEN", "0.0.0.0:0");
    world_set(world, "PBXHOOK_WEBHOOK_ALLOW_FROM", "0.0.0.0/0"); /* is nobody's list */
    check_refused(world, "PBXHOOK_ALLOW_UNAUTHENTICATED)");
    forget_variable(world);
    world_set(world, "PBXHOOK_WEBHOOK_ALLOW_FROM", "10.0.0.0/8");
    free(check_valid(world));
    forget_variable(world);
    set_sender_token(world);
    char *errors = check_valid(world);
    assert_null(strstr(errors, "allow_unauthenticated"));
    free(errors);
    forget_variable(world);
    world_set(world, "PBXHOOK_ALLOW_UNAUTHENTICATED", "true");
    errors = check_valid(world);
    assert_non_null(strstr(errors, "level=warning"));
    assert_non_null(strstr(errors, "allow_unauthenticated"));
    free(errors);
}

static void test_bad_secret_files(struct world *world)
{
    static const struct {
        const char *variable, *text, *wanted;
        mode_t mode;
    } cases[] = {
        {"PBXHOOK_WEBHOOK_TOKEN_FILE", "t0ken\n", "everybody can read it", 0644},
        {"PBXHOOK_WEBHOOK_TOKEN_FILE", "t0ken\n", "chmod 600", 0666},
        {"PBXHOOK_WEBHOOK_TOKEN_FILE", "", "is empty", 0600},
        {"PBXHOOK_WEBHOOK_TOKEN_FILE", "\n\n", "found 0 lines", 0600},
        {"PBXHOOK_DASHBOARD_TOKEN_FILE",
         "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17", "found 17 lines", 0600},
        {"PBXHOOK_WEBHOOK_SECRET_FILE", NEW_SECRET "\nhello\n", "secret 2", 0600},
        {"PBXHOOK_WEBHOOK_SECRET_FILE", "whsec_c2hvcnQ=\n", "openssl rand", 0600},
    };
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[SCRATCH_PATH];
        set_secret(world, cases[i].variable, cases[i].text);
        scratch_path(world->directory, cases[i].variable, path);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        check_refused(world, cases[i].wanted);
        check_refused(world, path);
        forget_variable(world);
    }
    world_set(world, "PBXHOOK_WEBHOOK_TOKEN_FILE", "/nonexistent/token");
    check_refused(world, "webhook.token_file: /nonexistent/token: No such file");
}

/* A credential of systemd: the path is in the file, the directory in the environment. */
static void test_credentials_directory(struct world *world)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "pbxhook.conf", path);
    scratch_write(path, "webhook { token_file = \"${CREDENTIALS_DIRECTORY}/webhook-token\" }\n");
    scratch_path(world->directory, "webhook-token", path);
    scratch_write(path, "sender-t0ken-one\n");
    assert_int_equal(chmod(path, 0400), 0);
    world_set(world, "CREDENTIALS_DIRECTORY", world->directory);
    world_start(world);
    assert_int_equal(post(world, SENDER_KEY), 200);
    assert_int_equal(post(world, NULL), 401);
}

/* ---- Files --------------------------------------------------------------------------------------- */

static int files_seen;

static int check_mode(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)kind;
    (void)place;
    files_seen++;
    if ((info->st_mode & 077) == 0)
        return 0;
    print_error("%s has the mode %o\n", path, (unsigned)info->st_mode);
    return 1;
}

/* Callers' numbers are in there, whatever the umask of who starts the server. */
static void test_the_state_is_for_nobody_else(struct world *world)
{
    char path[SCRATCH_PATH];
    mode_t before = umask(0);
    world_start(world);
    umask(before);
    assert_int_equal(post(world, NULL), 200);
    store_await_events(world, 1);
    scratch_path(world->directory, "state", path);
    files_seen = 0;
    assert_int_equal(nftw(path, check_mode, 16, FTW_PHYS), 0);
    assert_true(files_seen >= 4); /* the directory, the lock, the spool, the store */
}

int main(void)
{
    static const struct world_test tests[] = {
        {"Basic", test_basic},
        {"bearer", test_bearer},
        {"signature", test_signature},
        {"a signed id is the identity", test_a_signed_id_is_the_identity},
        {"the signature comes before the JSON", test_the_signature_comes_before_the_json},
        {"any of several kinds", test_any_of_several_kinds},
        {"refused before the body", test_refused_before_the_body},
        {"repeated credentials", test_repeated_credentials},
        {"addresses", test_addresses},
        {"proxies are not trusted by themselves", test_proxies_are_not_trusted_by_themselves},
        {"address and credential", test_address_and_credential},
        {"readers", test_readers},
        {"readers of a call and of the stream", test_readers_of_a_call_and_of_the_stream},
        {"the page is open", test_the_page_is_open},
        {"senders and readers are apart", test_senders_and_readers_are_apart},
        {"public metrics", test_public_metrics},
        {"without secrets only this machine reads", test_without_secrets_only_this_machine_reads},
        {"preflight needs no credentials", test_preflight_needs_no_credentials},
        {"secrets are nowhere", test_secrets_are_nowhere},
        {"refusals do not fill the log", test_refusals_do_not_fill_the_log},
        {"not open to the world by accident", test_not_open_to_the_world_by_accident},
        {"open to the world on purpose", test_open_to_the_world_on_purpose},
        {"bad secret files", test_bad_secret_files},
        {"credentials directory", test_credentials_directory},
        {"the state is for nobody else", test_the_state_is_for_nobody_else},
    };
    return WORLD_RUN("access", tests);
}
