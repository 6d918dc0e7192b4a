/*
 * dispatch_test.c: two puppets and a real store: what is kept, undone, tried again, given up,
 * counted. The puppets (tests/abi/plugins/puppet.c) do what the event's body tells them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/plugin_dir.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/dispatch.h"

struct scene {
    struct plugin_dir dir;
    char *farewell;
    struct config config;
    struct config_plugin_option set[3];
    struct metrics_worker *metrics;
    struct store *store;
    struct dispatch *dispatch;
    int events;
};

static void open_store(struct scene *scene)
{
    char *path = plugin_dir_join(&scene->dir, "pbxhook.db");
    char error[512], *url;

    assert_true(asprintf(&url, "sqlite:%s", path) > 0);
    const struct store_options options = {.url = url, .mode = STORE_WRITE};
    if (store_open(&options, &scene->store, error, sizeof error) != 0)
        fail_msg("%s", error);
    free(url);
    free(path);
}

static void set_option(struct scene *scene, const char *plugin, const char *key, char *value)
{
    assert_true(scene->config.plugin_option_count < sizeof scene->set / sizeof scene->set[0]);
    scene->set[scene->config.plugin_option_count++] = (struct config_plugin_option){
        .plugin = (char *)plugin,
        .key = (char *)key,
        .value = value,
        .origin = (char *)"test:1",
    };
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    plugin_dir_make(&scene->dir);
    plugin_dir_link(&scene->dir, "puppet_one");
    plugin_dir_link(&scene->dir, "puppet_two");
    scene->farewell = plugin_dir_join(&scene->dir, "farewell");
    scene->config.plugin_dir = scene->dir.path;
    scene->config.pbx.action_type = (char *)"call.waiting";
    scene->config.pbx.deadline_ms = 10000;
    scene->config.plugin_options = scene->set;
    set_option(scene, "puppet_one", "farewell", scene->farewell);
    set_option(scene, "puppet_two", "farewell", scene->farewell);
    scene->metrics = calloc(1, sizeof *scene->metrics);
    assert_non_null(scene->metrics);
    open_store(scene);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    dispatch_close(scene->dispatch);
    store_close(scene->store);
    plugin_dir_remove(&scene->dir);
    free(scene->metrics);
    free(scene->farewell);
    free(scene);
    return 0;
}

static void open_dispatch(struct scene *scene)
{
    char error[1024] = "";

    if (dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch, error,
                      sizeof error) != 0)
        fail_msg("%s", error);
}

/* ---- What the puppets left behind ------------------------------------------------------------ */

static int collect(void *arg, const struct store_value *values, uint32_t count)
{
    FILE *out = arg;

    for (uint32_t i = 0; i < count; i++) {
        const char *gap = i == 0 ? "" : " ";

        if (values[i].type == STORE_TEXT)
            fprintf(out, "%s%s", gap, values[i].as.text);
        else if (values[i].type == STORE_INT64)
            fprintf(out, "%s%lld", gap, (long long)values[i].as.integer);
    }
    fputs("; ", out);
    return 0;
}

/* The rows of a query, "a 1; b 2; ", to be freed. In a transaction. */
static char *rows_of(const struct scene *scene, const char *sql)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    if (store_sql(scene->store, sql, NULL, 0, collect, out, NULL) != 0)
        fail_msg("%s", store_error(scene->store));
    assert_int_equal(fclose(out), 0);
    assert_non_null(text);
    return text;
}

static void assert_said(const struct scene *scene, const char *wanted)
{
    char *said;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    said = rows_of(scene, "SELECT puppet, what, attempt FROM puppet_says "
                          "WHERE what <> 'open' ORDER BY rowid");
    store_rollback(scene->store);
    assert_string_equal(said, wanted);
    free(said);
}

/* The handlings that failed, in the events' order. */
static void assert_failed(const struct scene *scene, const char *wanted)
{
    char *rows;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    rows = rows_of(scene, "SELECT plugin, state, attempts, error FROM handlings ORDER BY event_id");
    store_rollback(scene->store);
    assert_string_equal(rows, wanted);
    free(rows);
}

/* A new event of its own call, stored in the open transaction. */
static struct event *store_new_event(struct scene *scene, const char *type, const char *body,
                                     int64_t *id)
{
    char call_id[32];
    const char *field[EVENT_FIELD_COUNT] = {[EVENT_TYPE] = type, [EVENT_CALL_ID] = call_id};
    struct event *event;

    snprintf(call_id, sizeof call_id, "c%d", ++scene->events);
    event = event_new(field, body, strlen(body));
    assert_non_null(event);
    event->seq = scene->events;
    event->received_ms = clock_wall_ms();
    event->time_ms = event->received_ms;
    assert_int_equal(event_identify_uniquely(event), 0);
    assert_int_equal(store_event_add(scene->store, event, id), STORE_EVENT_NEW);
    return event;
}

/* One event in a batch of its own that commits: what dispatch_event() returned. */
static int dispatch_one(struct scene *scene, const char *type, const char *body)
{
    struct event *event;
    int64_t id;
    int result;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = store_new_event(scene, type, body, &id);
    result = dispatch_event(scene->dispatch, event, id, NULL);
    event_free(event);
    if (result >= 0) {
        assert_int_equal(store_commit(scene->store), 0);
        dispatch_committed(scene->dispatch);
    } else {
        store_rollback(scene->store);
        dispatch_rolled_back(scene->dispatch);
    }
    return result;
}

static void commit(struct scene *scene)
{
    assert_int_equal(store_commit(scene->store), 0);
    dispatch_committed(scene->dispatch);
}

/* Claims everything that is due by then: how many; those that were not are taken out of the list. */
static int claim_due(struct scene *scene, int64_t now_ms, struct store_retry **due)
{
    int count = 0, claimed = 0;

    *due = NULL;
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_retries_due(scene->store, now_ms, 100, due, &count), 0);
    for (int i = 0; i < count; i++) {
        int result = dispatch_claim(scene->dispatch, &(*due)[i]);

        assert_in_range(result, 0, 1);
        if (result == 1)
            (*due)[claimed++] = (*due)[i];
        else
            store_retry_clear(&(*due)[i]);
    }
    commit(scene);
    return claimed;
}

/* Everything that is due by then, claimed and then run, each in a batch of its own: how many. */
static int run_retries(struct scene *scene, int64_t now_ms)
{
    struct store_retry *due;
    int count = claim_due(scene, now_ms, &due);

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    for (int i = 0; i < count; i++)
        assert_true(dispatch_retry(scene->dispatch, &due[i]) >= 0);
    store_retries_free(due, count);
    commit(scene);
    return count;
}

/* The worker dies in the middle of what it has claimed, and another one begins. */
static void die_with_claimed(struct scene *scene, const char *plugin, const char *reason)
{
    struct store_retry *due;
    int count = claim_due(scene, INT64_MAX, &due);

    assert_int_equal(count, 1);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_retries_release(scene->store, clock_wall_ms()), 1);
    assert_int_equal(dispatch_strike(scene->dispatch, due->event_id, plugin, reason), 0);
    commit(scene);
    store_retries_free(due, count);
}

static struct metrics_plugin *metric(const struct scene *scene, const char *name)
{
    return metrics_plugin_slot(scene->metrics, name);
}

static void assert_counted(const struct scene *scene, const char *name, uint64_t handled,
                           uint64_t retried, uint64_t rejected)
{
    struct metrics_plugin *slot = metric(scene, name);
    uint64_t observed = 0;

    assert_int_equal(metrics_get(&slot->handled), handled);
    assert_int_equal(metrics_get(&slot->retried), retried);
    assert_int_equal(metrics_get(&slot->rejected), rejected);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        observed += metrics_get(&slot->handle.bucket[i]);
    assert_int_equal(observed, handled + retried + rejected);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static void test_open_and_close(void **state)
{
    struct scene *scene = *state;
    char text[128] = "";
    FILE *file;

    open_dispatch(scene);
    assert_string_equal(dispatch_types(scene->dispatch), "call.*\npuppet.play");
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    dispatch_close(scene->dispatch);
    scene->dispatch = NULL;
    /* In reverse order, each having seen one event, and with the services closed to it. */
    file = fopen(scene->farewell, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, "puppet_two 1 -2\npuppet_one 1 -2\n");
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

/* One that does not open keeps the server from starting, and its own work is undone. */
static void test_open_is_refused(void **state)
{
    struct scene *scene = *state;
    char error[1024] = "";
    char *wanted, *said;

    set_option(scene, "puppet_two", "stage", (char *)"closed");
    assert_int_equal(dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch,
                                   error, sizeof error),
                     -1);
    assert_null(scene->dispatch);
    wanted = plugin_dir_expand(&scene->dir,
                               "%DIR%/puppet_two.so: found open() answering PBXHOOK_REJECT (the "
                               "stage of puppet_two is closed), wanted PBXHOOK_OK");
    assert_string_equal(error, wanted);
    free(wanted);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    said = rows_of(scene, "SELECT puppet, what FROM puppet_says");
    store_rollback(scene->store);
    assert_string_equal(said, "puppet_one open; ");
    free(said);
    assert_int_equal(access(scene->farewell, F_OK), 0);
}

static void test_load_is_refused(void **state)
{
    struct scene *scene = *state;
    char error[1024] = "";
    char *wanted;

    plugin_dir_link(&scene->dir, "bad_magic");
    plugin_dir_link(&scene->dir, "no_symbol");
    assert_int_equal(dispatch_open(&scene->config, scene->store, scene->metrics, &scene->dispatch,
                                   error, sizeof error),
                     -1);
    wanted = plugin_dir_expand(
        &scene->dir,
        "%DIR%/bad_magic.so: found magic 0x12345678, wanted 0x50425848: this is no pbxhook plugin\n"
        "%DIR%/no_symbol.so: found no symbol pbxhook_plugin, wanted a descriptor: PBXHOOK_PLUGIN = "
        "{...}");
    assert_string_equal(error, wanted);
    free(wanted);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void test_who_is_called(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    assert_int_equal(dispatch_one(scene, "actor.left", "{}"), 0);
    assert_int_equal(dispatch_one(scene, "puppet.play", "{}"), 2);
    assert_int_equal(dispatch_one(scene, "call.unheard-of", "{}"), 2);
    assert_int_equal(dispatch_one(scene, "puppet.played", "{}"), 0);
    assert_int_equal(dispatch_one(scene, "puppet.play", "{}"), 2);
    assert_said(scene, "puppet_one puppet.play 1; puppet_two puppet.play 1; "
                       "puppet_one call.unheard-of 1; puppet_two call.unheard-of 1; "
                       "puppet_one puppet.play 1; puppet_two puppet.play 1; ");
    assert_counted(scene, "puppet_one", 3, 0, 0);
    assert_counted(scene, "puppet_two", 3, 0, 0);
}

/* More types than the table of routes has places: none is mistaken for another. */
static void test_many_types(void **state)
{
    struct scene *scene = *state;
    char type[64];

    open_dispatch(scene);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 150; i++) {
            snprintf(type, sizeof type, "%s.%d", i % 3 == 0 ? "call" : "other", i);
            assert_int_equal(dispatch_one(scene, type, "{}"), i % 3 == 0 ? 2 : 0);
        }
    }
}

/* One plugin's failure undoes its own work and nothing else. */
static void test_retry_undoes_only_its_own(void **state)
{
    struct scene *scene = *state;
    int64_t due_ms = 0;
    int64_t before_ms = clock_wall_ms();

    open_dispatch(scene);
    assert_int_equal(
        dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}"),
        2);
    assert_said(scene, "puppet_two call.new 1; ");
    assert_counted(scene, "puppet_one", 0, 1, 0);
    assert_counted(scene, "puppet_two", 1, 0, 0);
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 1);
    assert_in_range(due_ms - before_ms, 500, 60000);
    assert_int_equal(run_retries(scene, before_ms), 0);
}

static void test_retry_until_it_succeeds(void **state)
{
    struct scene *scene = *state;
    int64_t due_ms;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"until\":3}}");
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_counted(scene, "puppet_one", 0, 2, 0);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_counted(scene, "puppet_one", 1, 2, 0);
    assert_counted(scene, "puppet_two", 1, 0, 0);
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 0);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 3; ");
}

static int64_t failed_ms(const struct scene *scene)
{
    char *rows;
    int64_t result;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    rows = rows_of(scene, "SELECT failed_ms FROM handlings");
    store_rollback(scene->store);
    result = strtoll(rows, NULL, 10);
    free(rows);
    return result;
}

/* Each wait is up to twice the one before, and five minutes at most; the twentieth failure is the
 * last. */
static void test_retries_end(void **state)
{
    struct scene *scene = *state;
    int64_t wait_ms = 1000;
    int64_t due_ms;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}");
    for (int attempts = 1; attempts < 20; attempts++) {
        assert_int_equal(store_retry_next_due(scene->store, &due_ms), 1);
        assert_in_range(due_ms - failed_ms(scene), wait_ms / 2, wait_ms);
        wait_ms = wait_ms * 2 < 300000 ? wait_ms * 2 : 300000;
        assert_int_equal(run_retries(scene, INT64_MAX), 1);
    }
    assert_int_equal(store_retry_next_due(scene->store, &due_ms), 0);
    assert_failed(scene, "puppet_one dead 20 not today; ");
    assert_counted(scene, "puppet_one", 0, 19, 1);
}

static void test_reject_is_dead_at_once(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2,\"error\":\"no such queue\"}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":-3}}");
    assert_counted(scene, "puppet_one", 0, 0, 3);
    assert_failed(scene,
                  "puppet_one dead 1 no such queue; "
                  "puppet_one dead 1 handle() answered PBXHOOK_REJECT (2) and gave no reason; "
                  "puppet_one dead 1 handle() answered an unknown value (-3) and gave no reason; ");
    assert_said(scene, "puppet_two call.new 1; puppet_two call.new 1; puppet_two call.new 1; ");
}

/* A reason of an earlier call is not taken for one of this. */
static void test_reason_is_of_this_call(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"error\":\"said, and yet handled\"}}");
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1}}");
    assert_failed(scene,
                  "puppet_one retry 1 handle() answered PBXHOOK_RETRY (1) and gave no reason; ");
}

static void test_retry_of_a_plugin_that_is_gone(void **state)
{
    struct scene *scene = *state;
    struct event *event;
    int64_t id;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = store_new_event(scene, "call.new", "{}", &id);
    assert_true(store_retry_put(scene->store, id, "gone", 4, 0, 0, 0, "x") >= 0);
    assert_int_equal(store_commit(scene->store), 0);
    event_free(event);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_failed(scene, "gone retry 5 no plugin of this name is loaded; ");
}

/* One event whose plugin, or all of them, the former life did not survive. */
static void dispatch_blamed(struct scene *scene, const char *plugin)
{
    const struct dispatch_blame blame = {
        .plugin = plugin, .reason = "killed by SIGSEGV", .strikes = 1};
    struct event *event;
    int64_t id;

    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = store_new_event(scene, "call.new", "{}", &id);
    assert_int_equal(dispatch_event(scene->dispatch, event, id, &blame), 2);
    commit(scene);
    event_free(event);
}

static void test_blamed_plugin_is_not_called_and_the_other_is(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    assert_said(scene, "puppet_two call.new 1; ");
    assert_failed(scene, "puppet_one retry 1 killed by SIGSEGV; ");
    /* At once, alone, and it was not its fault. */
    assert_int_equal(run_retries(scene, clock_wall_ms()), 1);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 2; ");
    assert_failed(scene, "");
}

static void test_all_plugins_are_suspected_when_none_is_known(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    dispatch_blamed(scene, NULL);
    assert_said(scene, "");
    assert_failed(scene,
                  "puppet_one retry 0 killed by SIGSEGV; puppet_two retry 0 killed by SIGSEGV; ");
    assert_int_equal(run_retries(scene, clock_wall_ms()), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

static void test_three_strikes(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    die_with_claimed(scene, "puppet_one", "killed by SIGABRT");
    assert_failed(scene, "puppet_one retry 2 killed by SIGABRT; ");
    assert_int_equal(claim_due(scene, clock_wall_ms(), &due), 0); /* later, the second time */
    die_with_claimed(scene, "puppet_one", "killed by SIGSEGV");
    assert_failed(scene, "puppet_one dead 3 killed by SIGSEGV; "
                         "its worker did not survive it 3 times; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    assert_said(scene, "puppet_two call.new 1; ");
}

/* The whole server died with it each time, so that nobody could say why. */
static void test_three_strikes_without_a_reason(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_blamed(scene, "puppet_one");
    for (int strikes = 2; strikes <= 3; strikes++) {
        assert_int_equal(claim_due(scene, INT64_MAX, &due), 1);
        assert_int_equal(due->strikes, strikes);
        store_retries_free(due, 1);
        assert_int_equal(store_begin(scene->store, NULL, 0), 0);
        assert_int_equal(store_retries_release(scene->store, clock_wall_ms()), 1);
        commit(scene);
    }
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    free(due);
    assert_failed(scene, "puppet_one dead 3 killed by SIGSEGV; "
                         "its worker did not survive it 3 times; ");
}

/* Strikes count in a row: one that comes back and says RETRY begins anew. */
static void test_coming_back_takes_the_strikes_away(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":1,\"error\":\"not today\"}}");
    die_with_claimed(scene, "puppet_one", "killed by SIGSEGV");
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_failed(scene, "puppet_one retry 3 not today; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 1);
    assert_int_equal(due->strikes, 1);
    store_retries_free(due, 1);
}

static void test_parked_plugin_is_left_alone(void **state)
{
    struct scene *scene = *state;
    struct store_retry *due;

    open_dispatch(scene);
    atomic_store(&metric(scene, "puppet_one")->parked_until_us, clock_mono_us() + 60000000);
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_said(scene, "puppet_two call.new 1; ");
    assert_int_equal(claim_due(scene, INT64_MAX, &due), 0);
    free(due);
    assert_failed(scene, "puppet_one retry 0 waits: the plugin is parked, it took its worker down "
                         "repeatedly; ");
    atomic_store(&metric(scene, "puppet_one")->parked_until_us, clock_mono_us() - 1);
    assert_int_equal(run_retries(scene, INT64_MAX), 1);
    assert_said(scene, "puppet_two call.new 1; puppet_one call.new 1; ");
    assert_failed(scene, "");
}

/* A statement that is refused is the plugin's own affair: it may go on. */
static void test_refused_statement(void **state)
{
    struct scene *scene = *state;

    open_dispatch(scene);
    assert_int_equal(dispatch_one(scene, "call.new", "{\"puppet_one\":{\"sql\":\"SELEKT 1\"}}"), 2);
    assert_said(scene, "puppet_one call.new 1; puppet_two call.new 1; ");
}

static void test_rolled_back_batch_counts_nothing(void **state)
{
    struct scene *scene = *state;
    struct event *event;
    int64_t id;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = store_new_event(scene, "call.new", "{\"puppet_one\":{\"answer\":1}}", &id);
    assert_int_equal(dispatch_event(scene->dispatch, event, id, NULL), 2);
    event_free(event);
    store_rollback(scene->store);
    dispatch_rolled_back(scene->dispatch);
    dispatch_committed(scene->dispatch);
    assert_counted(scene, "puppet_one", 0, 0, 0);
    assert_counted(scene, "puppet_two", 0, 0, 0);
    assert_said(scene, "");
    assert_failed(scene, "");
}

/* What was logged since stderr began to go to the file, without the times; to be freed. */
static char *read_log(FILE *file)
{
    char line[1024];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        const char *level = strstr(line, "level=");
        char *varying = strstr(line, " took_ms=");

        assert_non_null(level);
        if (varying != NULL)
            memcpy(varying, "\n", 2);
        fputs(level, out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The lines of a batch that was rolled back are not written: it is run again, and writes them
 * then. */
static void test_log_comes_with_the_commit(void **state)
{
    struct scene *scene = *state;
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    struct event *event;
    int64_t id;
    char *text;

    assert_non_null(file);
    assert_true(before >= 0);
    open_dispatch(scene);
    fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    log_open("test", LOG_LEVEL_INFO);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    event = store_new_event(scene, "call.new", "{}", &id);
    dispatch_event(scene->dispatch, event, id, NULL);
    event_free(event);
    store_rollback(scene->store);
    dispatch_rolled_back(scene->dispatch);
    dispatch_one(scene, "call.new", "{\"puppet_one\":{\"answer\":2,\"error\":\"no, never\"}}");
    dispatch_one(scene, "no.one", "{}");
    log_flush();
    log_open("test", LOG_LEVEL_ERROR);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    text = read_log(file);
    fclose(file);
    assert_string_equal(text,
                        "level=warning process=test msg=\"event not handled, now a dead letter\" "
                        "call_id=c2 event=call.new plugin=puppet_one outcome=dead attempt=1 "
                        "error=\"no, never\"\n"
                        "level=info process=test msg=\"event handled\" call_id=c2 event=call.new "
                        "plugin=puppet_two outcome=ok attempt=1\n"
                        "level=info process=test msg=\"event kept, no plugin takes it\" call_id=c3 "
                        "event=no.one\n");
    free(text);
}

/* The plugin says that all is well, but the database failed under it: no file may grow any more,
 * and what it writes does not fit the cache. */
static void test_store_failure(void **state)
{
    static const char body[] =
        "{\"puppet_one\":{\"sql\":\"INSERT INTO puppet_says (what) SELECT hex(randomblob(1000000)) "
        "FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) "
        "SELECT i FROM n)\"}}";
    struct scene *scene = *state;
    struct rlimit before, limit;

    open_dispatch(scene);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1000000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(dispatch_one(scene, "call.new", body), STORE_E_FAILED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_counted(scene, "puppet_one", 0, 0, 0);
    assert_said(scene, "");
    /* It goes on when there is room again. */
    assert_int_equal(dispatch_one(scene, "call.new", "{}"), 2);
    assert_counted(scene, "puppet_one", 1, 0, 0);
}

/* The PBX never answered the action, but its call.waiting says that it got it. */
static void test_waiting_confirms_the_action(void **state)
{
    struct scene *scene = *state;
    int64_t now_ms = clock_wall_ms();
    struct store_action *actions = NULL;
    struct store_expired expired = {0, 0};
    int count = 0;

    open_dispatch(scene);
    assert_int_equal(store_begin(scene->store, NULL, 0), 0);
    assert_int_equal(store_action_add(scene->store, "pbxhook-1", "c1", "{\"destination\":\"900\"}",
                                      1, now_ms, now_ms + 10000),
                     0);
    assert_int_equal(store_actions_claim(scene->store, now_ms, 10, &actions, &count, &expired), 0);
    assert_int_equal(count, 1);
    assert_int_equal(store_commit(scene->store), 0);
    store_actions_free(actions, count);
    dispatch_one(scene, "call.waiting", "{}"); /* of c1, the first event's call */
    assert_int_equal(metrics_get(&scene->metrics->actions[METRICS_ACTION_CONFIRMED]), 1);
    dispatch_one(scene, "call.waiting", "{}"); /* of c2 */
    assert_int_equal(metrics_get(&scene->metrics->actions[METRICS_ACTION_CONFIRMED]), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_and_close),
        TEST(test_open_is_refused),
        TEST(test_load_is_refused),
        TEST(test_who_is_called),
        TEST(test_many_types),
        TEST(test_retry_undoes_only_its_own),
        TEST(test_retry_until_it_succeeds),
        TEST(test_retries_end),
        TEST(test_reject_is_dead_at_once),
        TEST(test_reason_is_of_this_call),
        TEST(test_retry_of_a_plugin_that_is_gone),
        TEST(test_blamed_plugin_is_not_called_and_the_other_is),
        TEST(test_all_plugins_are_suspected_when_none_is_known),
        TEST(test_three_strikes),
        TEST(test_three_strikes_without_a_reason),
        TEST(test_coming_back_takes_the_strikes_away),
        TEST(test_parked_plugin_is_left_alone),
        TEST(test_refused_statement),
        TEST(test_rolled_back_batch_counts_nothing),
        TEST(test_log_comes_with_the_commit),
        TEST(test_store_failure),
        TEST(test_waiting_confirms_the_action),
    };

    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
