/*
 * power_test.c: what a power cut would take is what was not brought to the disk. No test can cut the power, but one
 * can see what the server asks of the kernel, and that it asks before it says that something is safe.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "targets.h"

#define EVENTS 5

static char report_path[SCRATCH_PATH]; /* of the preloaded library */

static void watch(struct world *world)
{
    scratch_path(world->directory, "disk", report_path);
    world_set(world, "WATCHED_DISK", report_path);
    world_preload(world, "watched_disk");
}

/* The lines that begin and end so; *last is the number of the last one among all lines. */
static int count_lines(const char *beginning, const char *end, int *last)
{
    char *text = scratch_read(report_path);
    int count = 0, number = 0;
    size_t end_size = strlen(end);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1, number++) {
        size_t size = strcspn(line, "\n");
        if (size < end_size || strncmp(line, beginning, strlen(beginning)) != 0 ||
            strncmp(line + size - end_size, end, end_size) != 0)
            continue;
        *last = number;
        count++;
    }
    free(text);
    return count;
}

static int count_synced(const char *file)
{
    int last = 0;
    return count_lines("synced ", file, &last);
}

static void post(struct world *world, int number)
{
    char call_id[32];
    snprintf(call_id, sizeof call_id, "call-%d", number);
    world_post(world, &(struct event_text){.type = "call.new", .call_id = call_id});
}

/* Each of them by itself, so that none rides on another's commit. */
static void test_acknowledged_is_on_the_disk(struct world *world)
{
    watch(world);
    world_start(world);
    for (int i = 0; i < EVENTS; i++) {
        int before = count_synced("/spool.db-wal");
        post(world, i);
        assert_true(count_synced("/spool.db-wal") > before);
        metric_await(world, "pbxhook_spool_events", 0); /* that is the spool's own commit, too */
    }
}

/* The spool lets go of an event when the store has it for good. */
static void test_handled_is_on_the_disk(struct world *world)
{
    watch(world);
    world_start(world);
    for (int i = 0; i < EVENTS; i++) {
        int before = count_synced("/pbxhook.db-wal");
        post(world, i);
        metric_await(world, "pbxhook_spool_events", 0);
        assert_true(count_synced("/pbxhook.db-wal") > before);
    }
}

/* Before the plugin is told: the whole file, then its name, then the directory with that name. */
static void test_downloaded_is_on_the_disk(struct world *world)
{
    struct targets targets;
    char path[SCRATCH_PATH], directory[SCRATCH_PATH], part[SCRATCH_PATH + 32];
    int synced = -1, renamed = -1, entered = -1;
    watch(world);
    targets_open(world, "", NULL, &targets);
    world_start(world);
    fake_target_answer_next(targets.files, (struct fake_target_answer){.body = "a recording"});
    targets_announce(world, &targets, "a", "/rec/1.mp3");
    await(targets_recordings(world, "kept") == 1);
    targets_close(&targets);
    store_text(world, "SELECT file FROM recordings_list", NULL, path, sizeof path);
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    snprintf(part, sizeof part, "synced %s/.part-", directory);
    assert_int_equal(count_lines(part, "", &synced), 1);
    assert_int_equal(count_lines("renamed ", ".mp3", &renamed), 1);
    assert_int_equal(count_lines("synced ", directory, &entered), 1);
    assert_true(synced < renamed && renamed < entered);
}

/* Of a directory of its own, where nobody else brings a name to the disk: before anything of the file itself. */
static void test_new_store_is_in_its_directory(struct world *world)
{
    char directory[SCRATCH_PATH], url[SCRATCH_PATH + 32], entered[SCRATCH_PATH + 16],
        written[SCRATCH_PATH + 16];
    scratch_path(world->directory, "own", directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    snprintf(url, sizeof url, "sqlite:%s/store.db", directory);
    watch(world);
    world_set(world, "PBXHOOK_STORE_URL", url);
    world_start(world);
    snprintf(entered, sizeof entered, "synced %s\n", directory);
    snprintf(written, sizeof written, "synced %s/store.db", directory);
    char *report = scratch_read(report_path);
    const char *entered_at = strstr(report, entered), *written_at = strstr(report, written);
    assert_non_null(entered_at);
    assert_non_null(written_at);
    assert_true(entered_at < written_at);
    free(report);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"acknowledged is on the disk", test_acknowledged_is_on_the_disk},
        {"handled is on the disk", test_handled_is_on_the_disk},
        {"downloaded is on the disk", test_downloaded_is_on_the_disk},
        {"new store is in its directory", test_new_store_is_in_its_directory},
    };
    return WORLD_RUN_ON("power", WORLD_SQLITE, tests);
}
