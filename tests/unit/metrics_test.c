/* metrics_test.c: counting in pages that processes share, and the text that Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/metrics.h"

static struct metrics_worker *new_page(int *fd)
{
    struct metrics_worker *page = NULL;

    assert_int_equal(metrics_page_new(fd, &page), 0);
    assert_non_null(page);
    return page;
}

static void free_page(struct metrics_worker *page, int fd)
{
    assert_int_equal(munmap(page, sizeof *page), 0);
    assert_int_equal(close(fd), 0);
}

static char *render(struct metrics_receiver *receiver, struct metrics_worker *const *workers,
                    int worker_count, const struct metrics_gauges *gauges)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(metrics_render(out, receiver, workers, worker_count, gauges), 0);
    assert_int_equal(fclose(out), 0);
    assert_non_null(text);
    return text;
}

/* Whether the text has this line, whole. */
static void assert_line(const char *text, const char *line)
{
    size_t size = strlen(line);

    for (const char *at = text; (at = strstr(at, line)) != NULL; at++) {
        if ((at == text || at[-1] == '\n') && at[size] == '\n')
            return;
    }
    fail_msg("no line \"%s\" in\n%s", line, text);
}

/* ---- A reader of the format, as strict as promtool in what concerns us --------------------------- */

struct exposition {
    char family[128]; /* whose samples follow */
    char kind[16];
    int families;
    /* the histogram being read: of one family and one set of other labels */
    char series[256];
    uint64_t cumulative;
    int buckets;
    int complete;
};

static int begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void check_comment(struct exposition *read, const char *text, const char *line)
{
    char declared[160];

    if (begins(line, "# HELP ")) {
        assert_int_equal(sscanf(line, "# HELP %127s", read->family), 1);
        assert_true(strlen(line) > strlen("# HELP ") + strlen(read->family) + 1);
        read->kind[0] = '\0';
        read->families++;
        /* once in the whole text */
        snprintf(declared, sizeof declared, "# TYPE %s ", read->family);
        const char *first = strstr(text, declared);
        assert_non_null(first);
        assert_null(strstr(first + 1, declared));
        return;
    }
    char family[128];
    assert_int_equal(sscanf(line, "# TYPE %127s %15s", family, read->kind), 2);
    assert_string_equal(family, read->family);
    assert_true(strcmp(read->kind, "counter") == 0 || strcmp(read->kind, "gauge") == 0 ||
                strcmp(read->kind, "histogram") == 0);
    if (strcmp(read->kind, "counter") == 0)
        assert_string_equal(family + strlen(family) - 6, "_total");
}

static void check_bucket(struct exposition *read, const char *labels, uint64_t value)
{
    const char *le = strstr(labels, "le=\"");
    char series[256];

    assert_non_null(le);
    snprintf(series, sizeof series, "%s%.*s", read->family, (int)(le - labels), labels);
    if (strcmp(series, read->series) != 0) {
        assert_int_equal(read->buckets % METRICS_BUCKETS, 0);
        snprintf(read->series, sizeof read->series, "%s", series);
        read->cumulative = 0;
        read->buckets = 0;
    }
    if (read->buckets < METRICS_BUCKETS - 1)
        assert_true(strtod(le + 4, NULL) * 1e6 - (double)metrics_bucket_us[read->buckets] < 0.01);
    else
        assert_true(begins(le + 4, "+Inf\"}"));
    assert_true(value >= read->cumulative);
    read->cumulative = value;
    read->buckets++;
}

static void check_sample(struct exposition *read, const char *line)
{
    size_t name_size = strcspn(line, "{ ");
    size_t family_size = strlen(read->family);
    const char *value = strrchr(line, ' ');
    char *end;

    assert_true(begins(line, read->family));
    assert_true(read->kind[0] != '\0');
    assert_non_null(value);
    assert_true(strtod(value + 1, &end) >= 0 && end != value + 1 && *end == '\0');
    if (strcmp(read->kind, "histogram") != 0) {
        assert_int_equal(name_size, family_size);
    } else if (begins(line + family_size, "_bucket{")) {
        check_bucket(read, line + name_size + 1, strtoull(value + 1, NULL, 10));
    } else if (begins(line + family_size, "_count")) {
        assert_int_equal(read->buckets, METRICS_BUCKETS);
        assert_int_equal(strtoull(value + 1, NULL, 10), read->cumulative);
        read->complete++;
    } else {
        assert_true(begins(line + family_size, "_sum"));
    }
}

/* Checks all of it; the number of families, and of whole histograms. */
static int check_exposition(const char *text, int *histograms)
{
    struct exposition read = {0};
    char *copy = strdup(text);
    char *rest = NULL;

    assert_non_null(copy);
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            check_comment(&read, text, line);
        else
            check_sample(&read, line);
    }
    free(copy);
    *histograms = read.complete;
    return read.families;
}

/* ---- Tests --------------------------------------------------------------------------------------- */

static void everything_is_there_from_the_start(void **state)
{
    static const char *const lines[] = {
        "pbxhook_events_received_total 0",
        "pbxhook_events_rejected_total{reason=\"not_json\"} 0",
        "pbxhook_events_rejected_total{reason=\"spool_error\"} 0",
        "pbxhook_events_handled_total 0",
        "pbxhook_events_duplicate_total 0",
        "pbxhook_events_unknown_total 0",
        "pbxhook_spool_events 0",
        "pbxhook_spool_bytes 0",
        "pbxhook_spool_oldest_seconds 0",
        "pbxhook_spool_commits_total 0",
        "pbxhook_ack_duration_seconds_bucket{le=\"0.00025\"} 0",
        "pbxhook_ack_duration_seconds_bucket{le=\"0.0025\"} 0",
        "pbxhook_ack_duration_seconds_bucket{le=\"0.02\"} 0",
        "pbxhook_ack_duration_seconds_bucket{le=\"10\"} 0",
        "pbxhook_ack_duration_seconds_bucket{le=\"+Inf\"} 0",
        "pbxhook_ack_duration_seconds_sum 0",
        "pbxhook_event_latency_seconds_count 0",
        "pbxhook_store_commit_duration_seconds_count 0",
        "# TYPE pbxhook_handler_duration_seconds histogram",
        "# TYPE pbxhook_handler_results_total counter",
        "pbxhook_actions_total{outcome=\"delivered\"} 0",
        "pbxhook_actions_total{outcome=\"confirmed\"} 0",
        "pbxhook_actions_total{outcome=\"rejected\"} 0",
        "pbxhook_actions_total{outcome=\"expired\"} 0",
        "pbxhook_actions_total{outcome=\"unknown\"} 0",
        "pbxhook_action_retries_total 0",
        "pbxhook_action_latency_seconds_count 0",
        "# TYPE pbxhook_deliveries_total counter",
        "# TYPE pbxhook_delivery_retries_total counter",
        "# TYPE pbxhook_delivery_latency_seconds histogram",
        "# TYPE pbxhook_deliveries_open gauge",
        "# TYPE pbxhook_deliveries_waiting gauge",
        "# TYPE pbxhook_deliveries_oldest_seconds gauge",
        "pbxhook_worker_restarts_total 0",
        "pbxhook_workers_ready 0",
        "pbxhook_http_connections 0",
        "pbxhook_http_connections_refused_total 0",
        "pbxhook_http_connections_evicted_total 0",
        "pbxhook_events_rejected_total{reason=\"unauthorized\"} 0",
        "pbxhook_events_rejected_total{reason=\"forbidden\"} 0",
        "pbxhook_stream_readers 0",
        "pbxhook_build_info{version=\"" PBXHOOK_VERSION "\"} 1",
    };
    struct metrics_receiver receiver = {0};
    struct metrics_gauges gauges = {0};
    int histograms;
    char *text = render(&receiver, NULL, 0, &gauges);

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_line(text, lines[i]);
    assert_int_equal(check_exposition(text, &histograms), 33);
    assert_int_equal(histograms, 4);
    free(text);
}

static void shows_what_was_counted(void **state)
{
    struct metrics_receiver receiver = {0};
    const struct metrics_gauges gauges = {.spool_events = 7,
                                          .spool_bytes = 3500,
                                          .spool_oldest_ms = 1250,
                                          .connections = 64,
                                          .stream_readers = 12,
                                          .workers_ready = 2};
    int histograms;

    (void)state;
    metrics_add(&receiver.events_received, 44000);
    metrics_add(&receiver.rejected[METRICS_REJECT_NUL], 2);
    metrics_add(&receiver.worker_restarts, 1);
    metrics_add(&receiver.spool_commits, 12);
    metrics_observe(&receiver.ack, 250); /* a bound is in its bucket */
    metrics_observe(&receiver.ack, 251);
    metrics_observe(&receiver.ack, 20000000);
    metrics_observe(&receiver.ack, -5); /* a clock that was wrong: no time at all */
    char *text = render(&receiver, NULL, 0, &gauges);

    assert_line(text, "pbxhook_events_received_total 44000");
    assert_line(text, "pbxhook_events_rejected_total{reason=\"nul\"} 2");
    assert_line(text, "pbxhook_worker_restarts_total 1");
    assert_line(text, "pbxhook_spool_commits_total 12");
    assert_line(text, "pbxhook_spool_events 7");
    assert_line(text, "pbxhook_spool_bytes 3500");
    assert_line(text, "pbxhook_spool_oldest_seconds 1.25");
    assert_line(text, "pbxhook_http_connections 64");
    assert_line(text, "pbxhook_stream_readers 12");
    assert_line(text, "pbxhook_workers_ready 2");
    assert_line(text, "pbxhook_ack_duration_seconds_bucket{le=\"0.00025\"} 2");
    assert_line(text, "pbxhook_ack_duration_seconds_bucket{le=\"0.0005\"} 3");
    assert_line(text, "pbxhook_ack_duration_seconds_bucket{le=\"10\"} 3");
    assert_line(text, "pbxhook_ack_duration_seconds_bucket{le=\"+Inf\"} 4");
    assert_line(text, "pbxhook_ack_duration_seconds_sum 20.000501");
    assert_line(text, "pbxhook_ack_duration_seconds_count 4");
    check_exposition(text, &histograms);
    assert_int_equal(histograms, 4);
    free(text);
}

static void workers_are_added_up(void **state)
{
    struct metrics_receiver receiver = {0};
    struct metrics_gauges gauges = {0};
    struct metrics_worker *page[3] = {NULL, NULL, NULL}; /* one was not to be had */
    int fd[2];
    int histograms;

    (void)state;
    for (int i = 0; i < 2; i++) {
        page[i] = new_page(&fd[i]);
        metrics_add(&page[i]->events_handled, 10);
        metrics_add(&page[i]->events_duplicate, 2);
        metrics_add(&page[i]->events_unknown, 3);
        metrics_add(&page[i]->actions[METRICS_ACTION_UNKNOWN], 4);
        metrics_add(&page[i]->action_retries, 5);
        metrics_observe(&page[i]->event_latency, 1500);
    }
    /* in another order, and one that only one worker has */
    metrics_add(&metrics_plugin_slot(page[0], "call_new")->handled, 1);
    metrics_observe(&metrics_plugin_slot(page[0], "call_new")->handle, 700);
    metrics_add(&metrics_plugin_slot(page[1], "own_2")->rejected, 1);
    metrics_add(&metrics_plugin_slot(page[1], "call_new")->handled, 1);
    metrics_add(&metrics_plugin_slot(page[1], "call_new")->retried, 3);
    metrics_observe(&metrics_plugin_slot(page[1], "call_new")->handle, 700);
    metrics_add(&metrics_plugin_slot(page[0], "call_new")->dead, 4);
    metrics_add(&metrics_plugin_slot(page[1], "call_new")->dead, 5);
    metrics_add(&metrics_plugin_slot(page[0], "call_new")->crashes, 2);
    metrics_add(&metrics_plugin_slot(page[1], "call_new")->crashes, 1);
    atomic_store(&metrics_plugin_slot(page[1], "own_2")->parked_until_us,
                 clock_mono_us() + 60000000);

    char *text = render(&receiver, page, 3, &gauges);
    assert_line(text, "pbxhook_events_handled_total 20");
    assert_line(text, "pbxhook_events_duplicate_total 4");
    assert_line(text, "pbxhook_events_unknown_total 6");
    assert_line(text, "pbxhook_actions_total{outcome=\"unknown\"} 8");
    assert_line(text, "pbxhook_action_retries_total 10");
    assert_line(text, "pbxhook_event_latency_seconds_sum 0.003");
    assert_line(text, "pbxhook_event_latency_seconds_count 2");
    assert_line(text, "pbxhook_handler_results_total{plugin=\"call_new\",result=\"ok\"} 2");
    assert_line(text, "pbxhook_handler_results_total{plugin=\"call_new\",result=\"retry\"} 3");
    assert_line(text, "pbxhook_handler_results_total{plugin=\"call_new\",result=\"reject\"} 0");
    assert_line(text, "pbxhook_handler_results_total{plugin=\"own_2\",result=\"reject\"} 1");
    assert_line(text, "pbxhook_dead_letters_total{plugin=\"call_new\"} 9");
    assert_line(text, "pbxhook_plugin_crashes_total{plugin=\"call_new\"} 3");
    assert_line(text, "pbxhook_plugin_parked{plugin=\"call_new\"} 0");
    assert_line(text, "pbxhook_plugin_parked{plugin=\"own_2\"} 1");
    assert_line(text,
                "pbxhook_handler_duration_seconds_bucket{plugin=\"call_new\",le=\"0.001\"} 2");
    assert_line(text, "pbxhook_handler_duration_seconds_sum{plugin=\"call_new\"} 0.0014");
    assert_line(text, "pbxhook_handler_duration_seconds_count{plugin=\"own_2\"} 0");
    check_exposition(text, &histograms);
    assert_int_equal(histograms, 6);
    free(text);
    for (int i = 0; i < 2; i++)
        free_page(page[i], fd[i]);
}

/* A plugin can write anything to its worker's page: only numbers get through. */
static void targets_are_told_apart(void **state)
{
    struct metrics_receiver receiver = {0};
    struct metrics_gauges gauges = {0};
    struct metrics_worker *page[2];
    int fd[2];
    int histograms;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct metrics_target *crm;

        page[i] = new_page(&fd[i]);
        crm = metrics_target_slot(page[i], "crm");
        assert_ptr_equal(metrics_target_slot(page[i], "crm"), crm);
        metrics_add(&crm->outcome[METRICS_DELIVERY_UNKNOWN], 2);
        metrics_add(&crm->retries, 3);
        metrics_observe(&crm->latency, 1500);
        atomic_store(&crm->open_posts, 4);
    }
    struct metrics_target *files = metrics_target_slot(page[1], "files");
    atomic_store(&files->open_downloads, 1);
    atomic_store(&files->waiting, 70);
    atomic_store(&files->oldest_ms, clock_wall_ms() - 5000);

    char *text = render(&receiver, page, 2, &gauges);
    assert_line(text, "pbxhook_deliveries_total{target=\"crm\",outcome=\"unknown\"} 4");
    assert_line(text, "pbxhook_deliveries_total{target=\"crm\",outcome=\"delivered\"} 0");
    assert_line(text, "pbxhook_delivery_retries_total{target=\"crm\"} 6");
    assert_line(text, "pbxhook_delivery_latency_seconds_sum{target=\"crm\"} 0.003");
    assert_line(text, "pbxhook_delivery_latency_seconds_count{target=\"files\"} 0");
    assert_line(text, "pbxhook_deliveries_open{target=\"crm\",kind=\"post\"} 8");
    assert_line(text, "pbxhook_deliveries_open{target=\"files\",kind=\"download\"} 1");
    assert_line(text, "pbxhook_deliveries_waiting{target=\"files\"} 70");
    assert_line(text, "pbxhook_deliveries_oldest_seconds{target=\"crm\"} 0");
    assert_non_null(strstr(text, "pbxhook_deliveries_oldest_seconds{target=\"files\"} 5"));
    check_exposition(text, &histograms);
    assert_int_equal(histograms, 6);
    free(text);

    metrics_targets_begin(page[1]); /* what it counted stays */
    text = render(&receiver, page + 1, 1, &gauges);
    assert_line(text, "pbxhook_deliveries_open{target=\"files\",kind=\"download\"} 0");
    assert_line(text, "pbxhook_deliveries_waiting{target=\"files\"} 0");
    assert_line(text, "pbxhook_deliveries_total{target=\"crm\",outcome=\"unknown\"} 2");
    free(text);
    for (int i = 0; i < 2; i++)
        free_page(page[i], fd[i]);
}

static void a_scribbled_page_does_no_harm(void **state)
{
    static const char *const names[] = {
        "", "a\"} 1\nforged_total 1\n", "call new", "CALL_NEW", "a{", "\xff\xff"};
    struct metrics_receiver receiver = {0};
    struct metrics_gauges gauges = {0};
    int fd;
    int histograms;
    struct metrics_worker *page = new_page(&fd);

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        snprintf(page->plugin[i].name, METRICS_NAME, "%s", names[i]);
    memset(page->plugin[60].name, 'x', METRICS_NAME); /* without an end */
    memset(page->plugin[61].name, 'y', METRICS_NAME - 1);
    atomic_store(&page->plugin_count, UINT32_MAX);
    char *text = render(&receiver, &page, 1, &gauges);
    assert_null(strstr(text, "forged"));
    check_exposition(text, &histograms);
    assert_int_equal(histograms, 5); /* but for 61 no name is one */
    free(text);

    assert_null(metrics_plugin_slot(page, "call_new"));
    snprintf(page->target[0].name, METRICS_NAME, "%s", names[0]);
    atomic_store(&page->target[0].waiting, -5);
    snprintf(page->target[1].name, METRICS_NAME, "crm");
    atomic_store(&page->target[1].waiting, -5);
    atomic_store(&page->target[1].oldest_ms, INT64_MIN);
    atomic_store(&page->target_count, UINT32_MAX);
    text = render(&receiver, &page, 1, &gauges);
    assert_null(strstr(text, "forged"));
    assert_line(text, "pbxhook_deliveries_waiting{target=\"crm\"} 0");
    assert_line(text, "pbxhook_deliveries_oldest_seconds{target=\"crm\"} 0");
    free(text);
    assert_null(metrics_target_slot(page, "crm_2"));
    memset(page, 0xff, sizeof *page);
    text = render(&receiver, &page, 1, &gauges);
    assert_null(strchr(text, '\xff'));
    free(text);
    free_page(page, fd);
}

static void slots_are_found_again_until_full(void **state)
{
    char name[METRICS_NAME * 2];
    int fd;
    struct metrics_worker *page = new_page(&fd);

    (void)state;
    for (int i = 0; i < METRICS_PLUGINS; i++) {
        snprintf(name, sizeof name, "plugin_%d", i);
        assert_ptr_equal(metrics_plugin_slot(page, name), &page->plugin[i]);
    }
    assert_null(metrics_plugin_slot(page, "one_more"));
    assert_ptr_equal(metrics_plugin_slot(page, "plugin_0"), &page->plugin[0]);
    assert_ptr_equal(metrics_plugin_slot(page, "plugin_63"), &page->plugin[63]);
    assert_int_equal(page->plugin_count, METRICS_PLUGINS);
    free_page(page, fd);

    page = new_page(&fd);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_ptr_equal(metrics_plugin_slot(page, name), &page->plugin[0]);
    assert_ptr_equal(metrics_plugin_slot(page, name), &page->plugin[0]);
    assert_int_equal(strlen(page->plugin[0].name), METRICS_NAME - 1);
    free_page(page, fd);
}

static void a_count_survives_its_process(void **state)
{
    int fd;
    int status;
    struct metrics_worker *page = new_page(&fd);
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        struct metrics_worker *own = NULL;

        if (metrics_page_map(fd, &own) != 0 || own == page)
            _exit(1);
        metrics_add(&own->events_handled, 3);
        metrics_observe(&metrics_plugin_slot(own, "call_new")->handle, 1);
        /* what would make the receiver's next look at it fatal */
        if (ftruncate(fd, 0) == 0)
            _exit(2);
        abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(metrics_get(&page->events_handled), 3);
    assert_string_equal(page->plugin[0].name, "call_new");
    free_page(page, fd);
}

static void only_a_page_is_mapped(void **state)
{
    struct metrics_worker *page = NULL;
    int fd = memfd_create("no page", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_int_equal(metrics_page_map(fd, &page), -EINVAL);
    close(fd);
    assert_int_equal(metrics_page_map(-1, &page), -EBADF);
    assert_null(page);
}

static void names_of_reasons_go_both_ways(void **state)
{
    (void)state;
    for (enum metrics_reject reason = 0; reason < METRICS_REJECT_COUNT; reason++)
        assert_int_equal(metrics_reject_from_name(metrics_reject_name(reason)), reason);
    assert_int_equal(metrics_reject_from_name("no such word"), METRICS_REJECT_BAD_VALUE);
    assert_int_equal(metrics_reject_from_name(""), METRICS_REJECT_BAD_VALUE);
    for (int i = 1; i < METRICS_BUCKETS - 1; i++)
        assert_true(metrics_bucket_us[i] > metrics_bucket_us[i - 1]);
}

static void a_failed_write_is_told(void **state)
{
    struct metrics_receiver receiver = {0};
    struct metrics_gauges gauges = {0};
    char small[64];
    FILE *out = fmemopen(small, sizeof small, "w");

    (void)state;
    assert_non_null(out);
    setbuf(out, NULL);
    assert_int_equal(metrics_render(out, &receiver, NULL, 0, &gauges), -1);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there_from_the_start),
        cmocka_unit_test(shows_what_was_counted),
        cmocka_unit_test(workers_are_added_up),
        cmocka_unit_test(targets_are_told_apart),
        cmocka_unit_test(a_scribbled_page_does_no_harm),
        cmocka_unit_test(slots_are_found_again_until_full),
        cmocka_unit_test(a_count_survives_its_process),
        cmocka_unit_test(only_a_page_is_mapped),
        cmocka_unit_test(names_of_reasons_go_both_ways),
        cmocka_unit_test(a_failed_write_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
