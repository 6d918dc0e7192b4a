/* door_test.c: what a reload would open is read and checked as a whole, and changes nothing by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/door.h"

static struct {
    char directory[64], tokens[96], other[96];
} scene;

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(scene.directory, "/tmp/pbxhook-door-XXXXXX");
    assert_non_null(mkdtemp(scene.directory));
    snprintf(scene.tokens, sizeof scene.tokens, "%s/tokens", scene.directory);
    snprintf(scene.other, sizeof scene.other, "%s/other", scene.directory);
    write_file(scene.tokens, "one-token-000\n", 0600);
    write_file(scene.other, "one-token-000\n", 0600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(scene.tokens);
    unlink(scene.other);
    return rmdir(scene.directory);
}

static struct door *open_well(const struct config *config)
{
    char error[512] = "";
    struct door *door = NULL;
    if (door_open(config, "127.0.0.1:3000", &door, error, sizeof error) < 0)
        fail_msg("%s", error);
    return door;
}

static void check_refused(const struct config *config, const char *listen, const char *reason)
{
    char error[1024] = "";
    struct door *const untouched = (struct door *)&scene;
    struct door *door = untouched;
    assert_int_equal(door_open(config, listen, &door, error, sizeof error), -1);
    assert_ptr_equal(door, untouched);
    if (strstr(error, reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, error);
}

static void test_more_than_loopback_wants_a_secret(void **state)
{
    struct config config = {.listen = NULL};
    (void)state;
    check_refused(&config, "0.0.0.0:3000", "the webhook has no authentication");
    door_free(open_well(&config));
    config.webhook.token_file = scene.tokens;
    char error[512];
    struct door *door = NULL;
    assert_int_equal(door_open(&config, "0.0.0.0:3000", &door, error, sizeof error), 0);
    assert_true(access_has_secrets(door->access));
    assert_null(door->tls);
    door_free(door);
}

static void test_a_file_is_named(void **state)
{
    struct config config = {.dashboard.token_file = scene.tokens};
    (void)state;
    write_file(scene.tokens, "\n", 0600);
    check_refused(&config, "127.0.0.1:3000", scene.tokens);
    write_file(scene.tokens, "one-token-000\n", 0644);
    check_refused(&config, "127.0.0.1:3000", "everybody can read it");
    config = (struct config){.tls = {.certificate_file = scene.tokens, .key_file = scene.other}};
    check_refused(&config, "127.0.0.1:3000", "holds no certificate in PEM");
}

/* All of them, a line each. */
static void test_every_file_is_named(void **state)
{
    struct config config = {
        .webhook.token_file = (char *)"/nonexistent/tokens",
        .dashboard.token_file = (char *)"/nonexistent/readers",
        .tls = {.certificate_file = scene.tokens, .key_file = (char *)"/nonexistent/key"}};
    (void)state;
    check_refused(&config, "127.0.0.1:3000",
                  "webhook.token_file: /nonexistent/tokens: No such file or directory\n"
                  "dashboard.token_file: /nonexistent/readers: No such file or directory\n"
                  "tls.key_file: /nonexistent/key: No such file or directory");
}

/* By what they may show, not by the files' names. */
static void test_same_readers(void **state)
{
    struct config config = {.dashboard.token_file = scene.tokens};
    struct config named = {.dashboard.token_file = scene.other};
    struct config user = {.dashboard = {.token_file = scene.tokens, .user = (char *)"wall"}};
    (void)state;
    struct door *first = open_well(&config), *second = open_well(&named);
    struct door *third = open_well(&user);
    assert_true(access_has_same_readers(first->access, second->access));
    assert_false(access_has_same_readers(first->access, third->access));
    write_file(scene.tokens, "one-token-000\ntwo-token-000\n", 0600);
    struct door *fourth = open_well(&config);
    assert_false(access_has_same_readers(first->access, fourth->access));
    struct config none = {.listen = NULL};
    struct door *fifth = open_well(&none);
    assert_false(access_has_same_readers(first->access, fifth->access));
    fifth->before = first; /* with those before it */
    door_free(fifth);
    door_free(second);
    door_free(third);
    door_free(fourth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_more_than_loopback_wants_a_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_file_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_readers, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
