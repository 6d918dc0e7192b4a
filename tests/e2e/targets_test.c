/*
 * targets_test.c: what plugins post to and download from other servers than the PBX, with the example
 * plugins crm_notify and recordings: each thing once, with its login, again when it may be, and never in
 * anybody's way.
 */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "targets.h"

#define RECORDING_SIZE 300000

static struct targets targets;          /* of the test that runs */
static struct fake_target *crm, *files; /* they */
static char recording[RECORDING_SIZE];

/* ---- A server with both plugins and both targets ------------------------------------------------ */

/* `more` is of the target crm. */
static void configure(struct world *world, const char *more)
{
    targets_open(world, more, NULL, &targets);
    crm = targets.crm;
    files = targets.files;
}

static void start(struct world *world, const char *more)
{
    configure(world, more);
    world_start(world);
}

static void leave(void)
{
    targets_close(&targets);
}

static void check_text(const struct world *world, const char *sql, const char *wanted)
{
    char text[512];
    assert_string_equal(store_text(world, sql, NULL, text, sizeof text), wanted);
}

static void check_file(const struct world *world)
{
    char path[SCRATCH_PATH];
    store_text(world, "SELECT file FROM recordings_list WHERE state = 'kept'", NULL, path,
               sizeof path);
    struct stat status;
    FILE *file = fopen(path, "re");
    static char found[RECORDING_SIZE + 1];
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), RECORDING_SIZE);
    fclose(file);
    assert_memory_equal(found, recording, RECORDING_SIZE);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* Neither a whole one nor a part of one. */
static void check_no_file(const struct world *world)
{
    char path[SCRATCH_PATH];
    int files_seen = 0;
    scratch_path(world->directory, "state/downloads", path);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        files_seen += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    assert_int_equal(files_seen, 0);
}

/* ---- Posts --------------------------------------------------------------------------------------- */

static void test_post(struct world *world)
{
    struct fake_target_request request;
    start(world, "");
    targets_finish_call(world, "a");
    await(targets_count(world, "delivered") == 1);
    assert_int_equal(fake_target_count(crm), 1);
    fake_target_get(crm, 0, &request);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, "/api/calls");
    assert_string_equal(request.authorization, "Bearer t0ken");
    assert_non_null(strstr(request.body, "{\"call\":\"a\",\"from\":\"+5511900000001\","));
    check_text(world, "SELECT id FROM pbxhook_deliveries", request.key);
    check_text(world, "SELECT plugin || ' ' || call_id || ' ' || attempts FROM pbxhook_deliveries",
               "crm_notify a 1");
    await(server_log_count(&world->server, "msg=post ", "outcome=delivered") == 1);
    assert_int_equal(server_log_count(&world->server, "t0ken", NULL), 0);
    leave();
}

/* What was surely not received is sent again, under the same key. */
static void test_post_again(struct world *world)
{
    struct fake_target_request first, second;
    start(world, "");
    fake_target_answer_next(crm, (struct fake_target_answer){.status = 503});
    targets_finish_call(world, "a");
    await(targets_count(world, "delivered") == 1);
    assert_int_equal(fake_target_count(crm), 2);
    fake_target_get(crm, 0, &first);
    fake_target_get(crm, 1, &second);
    assert_string_equal(first.key, second.key);
    assert_string_equal(first.body, second.body);
    check_text(world, "SELECT attempts FROM pbxhook_deliveries", "2");
    leave();
}

/* Its first line says why, however much comes behind it. */
static void test_post_refused(struct world *world)
{
    static char page[50000] = "no such field\n";
    start(world, "");
    memset(page + strlen(page), 'x', sizeof page - strlen(page) - 1);
    fake_target_answer_next(crm, (struct fake_target_answer){.status = 400, .body = page});
    targets_finish_call(world, "a");
    await(targets_count(world, "rejected") == 1);
    check_text(world, "SELECT http_status || ' ' || detail FROM pbxhook_deliveries",
               "400 no such field");
    assert_int_equal(fake_target_count(crm), 1);
    leave();
}

/* The operator has time to mend the login. */
static void test_post_with_a_wrong_login(struct world *world)
{
    start(world, "");
    fake_target_answer_next(crm, (struct fake_target_answer){.status = 401});
    fake_target_answer_next(crm, (struct fake_target_answer){.status = 401});
    targets_finish_call(world, "a");
    await(targets_count(world, "delivered") == 1);
    assert_int_equal(fake_target_count(crm), 3);
    assert_int_equal(server_log_count(&world->server, "msg=post ", "http_status=401"), 2);
    leave();
}

/* A place that can't be written to: nothing is asked for, and nothing given up. */
static void test_download_without_a_place(struct world *world)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, "downloads", path);
    world_set(world, "PBXHOOK_DOWNLOAD_DIR", path);
    start(world, "");
    assert_int_equal(rmdir(path), 0);
    targets_announce(world, &targets, "a", "/1.mp3");
    await(server_log_count(&world->server, "msg=download ", "outcome=retry") == 1);
    assert_int_equal(fake_target_count(files), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    fake_target_answer_next(
        files, (struct fake_target_answer){.body = recording, .body_size = RECORDING_SIZE});
    await(targets_recordings(world, "kept") == 1);
    check_file(world);
    leave();
}

/* Nobody knows whether it was received: not again, unless the target takes a key once. */
static void test_post_unanswered(struct world *world)
{
    start(world, "");
    fake_target_answer_next(crm, (struct fake_target_answer){.hangs_up = 1});
    targets_finish_call(world, "a");
    await(targets_count(world, "unknown") == 1);
    targets_finish_call(world, "b");
    await(targets_count(world, "delivered") == 1);
    assert_int_equal(fake_target_count(crm), 2);
    leave();
}

static void test_post_unanswered_to_an_idempotent_target(struct world *world)
{
    struct fake_target_request first, second;
    start(world, "idempotent = true");
    fake_target_answer_next(crm, (struct fake_target_answer){.hangs_up = 1});
    targets_finish_call(world, "a");
    await(targets_count(world, "delivered") == 1);
    fake_target_get(crm, 0, &first);
    fake_target_get(crm, 1, &second);
    assert_string_equal(first.key, second.key);
    leave();
}

static void test_post_past_its_deadline(struct world *world)
{
    start(world, "deadline = \"1s\"");
    for (int i = 0; i < 16; i++)
        fake_target_answer_next(crm, (struct fake_target_answer){.status = 503});
    targets_finish_call(world, "a");
    await(targets_count(world, "expired") == 1);
    leave();
}

/* A target that says nothing takes no PBX action's place, and no other target's. */
static void test_a_silent_target_is_in_nobodys_way(struct world *world)
{
    start(world, "connections = 1");
    fake_target_answer_next(crm, (struct fake_target_answer){.waits = 1});
    targets_finish_call(world, "a");
    await(fake_target_count(crm) == 1);
    targets_finish_call(world, "b");
    world_post(world, &(struct event_text){.type = "call.standby",
                                           .call_id = "c",
                                           .their_number = "+5511900000002"});
    await(fake_pbx_count_of(world->pbx, "c") == 1);
    fake_target_answer_next(files, (struct fake_target_answer){.body = "sound"});
    targets_announce(world, &targets, "d", "/1.mp3");
    await(targets_recordings(world, "kept") == 1);
    /* One connection: the second waits for the first. */
    assert_int_equal(fake_target_count(crm), 1);
    fake_target_release(crm);
    await(targets_count(world, "delivered") == 3);
    leave();
}

/* However many workers there are (SQLite has one), each post is made once. */
static void test_many_posts(struct world *world)
{
    static const int calls = 40;
    char id[16];
    world_set(world, "PBXHOOK_WORKERS", store_sql(world, "1", "3"));
    start(world, "");
    for (int i = 0; i < calls; i++) {
        snprintf(id, sizeof id, "call-%d", i);
        targets_finish_call(world, id);
    }
    await(targets_count(world, "delivered") == calls);
    assert_int_equal(fake_target_count(crm), calls);
    assert_int_equal(store_int(world, "SELECT max(attempts) FROM pbxhook_deliveries", NULL), 1);
    leave();
}

/* ---- Downloads ----------------------------------------------------------------------------------- */

static void test_download(struct world *world)
{
    struct fake_target_request request;
    start(world, "");
    fake_target_answer_next(
        files, (struct fake_target_answer){.body = recording, .body_size = RECORDING_SIZE});
    targets_announce(world, &targets, "a/1", "/rec/1.mp3?part=1");
    await(targets_recordings(world, "kept") == 1);
    fake_target_get(files, 0, &request);
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.url, "/rec/1.mp3?part=1");
    assert_string_equal(request.authorization, "Basic YW5uOnMzY3JldA=="); /* ann:s3cret */
    check_file(world);
    assert_int_equal(store_int(world, "SELECT size FROM recordings_list", NULL), RECORDING_SIZE);
    assert_int_equal(store_int(world,
                               "SELECT count(*) FROM events WHERE call_id = 'a/1' AND "
                               "type = 'pbxhook.download.finished'",
                               NULL),
                     1);
    leave();
}

/* Half a file is none, and asking again does no harm. */
static void test_download_that_breaks_off(struct world *world)
{
    start(world, "");
    fake_target_answer_next(files, (struct fake_target_answer){.body = recording,
                                                               .body_size = RECORDING_SIZE,
                                                               .cut_at = RECORDING_SIZE / 2});
    fake_target_answer_next(
        files, (struct fake_target_answer){.body = recording, .body_size = RECORDING_SIZE});
    targets_announce(world, &targets, "a", "/1.mp3");
    await(targets_recordings(world, "kept") == 1);
    assert_int_equal(fake_target_count(files), 2);
    check_file(world);
    leave();
}

static void test_download_that_is_not_there(struct world *world)
{
    start(world, "");
    fake_target_answer_next(files,
                            (struct fake_target_answer){.status = 404, .body = "no such file"});
    targets_announce(world, &targets, "a", "/1.mp3");
    await(targets_recordings(world, "lost") == 1);
    check_text(world, "SELECT error FROM recordings_list", "no such file");
    assert_int_equal(fake_target_count(files), 1);
    leave();
}

static void test_download_that_is_too_large(struct world *world)
{
    static char large[1024 * 1024 + 1];
    start(world, "");
    fake_target_answer_next(files,
                            (struct fake_target_answer){.body = large, .body_size = sizeof large});
    targets_announce(world, &targets, "a", "/1.mp3");
    await(targets_recordings(world, "lost") == 1);
    check_text(world, "SELECT error FROM recordings_list",
               "it is larger than the target's max_download");
    assert_int_equal(fake_target_count(files), 1);
    check_no_file(world);
    leave();
}

/* Somebody else's answer is not the target's, and the secret is for the target alone. */
static void test_redirection_is_not_followed(struct world *world)
{
    char elsewhere[64];
    start(world, "");
    snprintf(elsewhere, sizeof elsewhere, "http://127.0.0.1:%d/else", fake_target_port(crm));
    fake_target_answer_next(files,
                            (struct fake_target_answer){.status = 302, .location = elsewhere});
    targets_announce(world, &targets, "a", "/1.mp3");
    await(targets_recordings(world, "lost") == 1);
    assert_int_equal(fake_target_count(files), 1);
    assert_int_equal(fake_target_count(crm), 0);
    check_no_file(world);
    leave();
}

/* ---- Crashes ------------------------------------------------------------------------------------- */

/* What was under way is taken up again: the download is repeated, the post is not. */
static void test_killed(struct world *world)
{
    start(world, "");
    fake_target_answer_next(crm, (struct fake_target_answer){.waits = 1});
    fake_target_answer_next(files, (struct fake_target_answer){.waits = 1});
    targets_finish_call(world, "a");
    targets_announce(world, &targets, "b", "/1.mp3");
    await(fake_target_count(crm) == 1 && fake_target_count(files) == 1);
    server_kill(&world->server, 1);
    fake_target_answer_next(
        files, (struct fake_target_answer){.body = recording, .body_size = RECORDING_SIZE});
    world_start(world);
    await(targets_recordings(world, "kept") == 1);
    check_file(world);
    assert_int_equal(targets_count(world, "unknown"), 1);
    assert_int_equal(fake_target_count(crm), 1);
    assert_int_equal(
        store_int(world, "SELECT count(*) FROM events WHERE type LIKE 'pbxhook.download.%'", NULL),
        1);
    leave();
}

/* ---- Refusals ------------------------------------------------------------------------------------ */

/* Only the server says that a download has ended. */
static void test_forged_event(struct world *world)
{
    start(world, "");
    assert_int_equal(client_post(world->client, ROUTE_FLAT,
                                 "{\"type\":\"pbxhook.download.finished\",\"call_id\":\"a\","
                                 "\"file\":\"/etc/passwd\"}"),
                     400);
    assert_non_null(strstr(world->client->body, "the server's own"));
    assert_int_equal(store_int(world, "SELECT count(*) FROM events", NULL), 0);
    leave();
}

static void test_no_target(struct world *world)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    struct process_result result;
    char path[SCRATCH_PATH];
    configure(world, "");
    scratch_path(world->directory, "targets.conf", path);
    scratch_write(path, "");
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    process_run(words, &world->server.environment, world->directory, &result);
    assert_int_equal(result.exit_status, 1);
    assert_non_null(strstr(result.errors, "crm_notify.so"));
    assert_non_null(strstr(result.errors, "found no target"));
    process_forget(&result);
    leave();
}

int main(void)
{
    static const struct world_test tests[] = {
        {"post", test_post},
        {"post again", test_post_again},
        {"post refused", test_post_refused},
        {"post with a wrong login", test_post_with_a_wrong_login},
        {"download without a place", test_download_without_a_place},
        {"post unanswered", test_post_unanswered},
        {"post unanswered to an idempotent target", test_post_unanswered_to_an_idempotent_target},
        {"post past its deadline", test_post_past_its_deadline},
        {"a silent target is in nobody's way", test_a_silent_target_is_in_nobodys_way},
        {"many posts", test_many_posts},
        {"download", test_download},
        {"download that breaks off", test_download_that_breaks_off},
        {"download that is not there", test_download_that_is_not_there},
        {"download that is too large", test_download_that_is_too_large},
        {"redirection is not followed", test_redirection_is_not_followed},
        {"killed", test_killed},
        {"forged event", test_forged_event},
        {"no target", test_no_target},
    };
    for (size_t i = 0; i < sizeof recording; i++)
        recording[i] = (char)(i * 31 + i / 251);
    return WORLD_RUN("targets", tests);
}
