/* http_signature_test.c: what a sender is told of his signature, also when there is no memory to look at it. */
#include "webhook_fixture.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "common/clock.h"

static struct {
    int no_memory;
    char path[64];
} scene;

/* In place of libcrypto's. */
EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac)
{
    EVP_MAC_CTX *(*real)(EVP_MAC * mac);
    *(void **)&real = dlsym(RTLD_NEXT, "EVP_MAC_CTX_new");
    assert_non_null(real);
    return scene.no_memory ? NULL : real(mac);
}

static int set_up(void **state)
{
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    struct http_server *server = malloc(sizeof *server);
    snprintf(scene.path, sizeof scene.path, "/tmp/pbxhook-secret-XXXXXX");
    int fd = mkstemp(scene.path); /* for this user alone */
    scene.no_memory = 0;
    if (server == NULL || fd < 0 || write(fd, secret, strlen(secret)) < 0 || close(fd) < 0)
        return -1;
    http_server_prepare(server);
    server->config.webhook.secret_file = scene.path;
    http_server_start(server);
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    unlink(scene.path);
    return http_server_tear_down(state);
}

static int post_signed(struct http_server *server, char *reason, size_t size)
{
    struct client_answer answer;
    char fields[256];
    snprintf(fields, sizeof fields,
             "webhook-id: m-1\r\nwebhook-timestamp: %lld\r\n"
             "webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
             (long long)(clock_wall_ms() / 1000));
    int fd = client_connect(server->address);
    post_on(fd, "/webhook", fields, BODY);
    client_read(fd, 0, &answer);
    int status = answer.status;
    client_check_field(&answer, "Retry-After", status == 503 ? "1" : NULL);
    problem_text(&answer, "reason", reason, size);
    client_answer_free(&answer);
    close(fd);
    return status;
}

static void does_not_blame_the_sender_for_want_of_memory(void **state)
{
    struct http_server *server = *state;
    char reason[64];

    scene.no_memory = 1;
    assert_int_equal(post_signed(server, reason, sizeof reason), 503);
    assert_string_equal(reason, "no_memory");
    assert_int_equal(rejected(server, METRICS_REJECT_NO_MEMORY), 1);
    assert_int_equal(rejected(server, METRICS_REJECT_UNAUTHORIZED), 0);
    scene.no_memory = 0;
    assert_int_equal(post_signed(server, reason, sizeof reason), 401);
    assert_string_equal(reason, "unauthorized");
    assert_int_equal(rejected(server, METRICS_REJECT_UNAUTHORIZED), 1);
    assert_int_equal(fakes_submitted(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(does_not_blame_the_sender_for_want_of_memory, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
