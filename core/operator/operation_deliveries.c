/*
 * operation_deliveries.c: what an operator does with deliveries that did not arrive: lists a page of them, looks
 * at one, has one sent again or all that surely did not arrive, forgets one. Each is one transaction, but for
 * all: that is one for every few hundred.
 */
#include "operator/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/timestamp.h"
#include "http/deliveries.h"
#include "http/deliveries_failed.h"

#define PAGE       50 /* deliveries of a reply: it has a limit */
#define STEP_RETRY 200
#define ID_SIZE    64

enum action { LIST, SHOW, RETRY, RETRY_ALL, DROP };

struct failures {
    enum action action;
    char id[ID_SIZE];  /* "": none */
    int64_t before_ms; /* LIST: where the page begins; RETRY_ALL: when it was asked */
    int64_t count;     /* done so far; LIST: how many there are in all */
    json_t *list;      /* what is listed, shown, sent again or forgotten */
    int64_t last_ms;   /* of the last of a full page; 0: there are no more */
    int listed;
};

static const char *const action_words[] = {[LIST] = "list",
                                           [SHOW] = "show",
                                           [RETRY] = "retry",
                                           [RETRY_ALL] = "retry-all",
                                           [DROP] = "drop"};

static void failures_free(void *state)
{
    struct failures *failures = state;
    json_decref(failures->list);
    free(failures);
}

static int read_action(struct failures *failures, const json_t *request, char *error)
{
    const char *word = json_string_value(json_object_get(request, "action"));
    for (size_t i = 0; word != NULL && i < sizeof action_words / sizeof action_words[0]; i++) {
        if (strcmp(word, action_words[i]) != 0)
            continue;
        failures->action = (enum action)i;
        return 0;
    }
    snprintf(error, OPERATION_ERROR_SIZE, "action: wanted list, show, retry, retry-all or drop");
    return -1;
}

/* The one that is meant; or for a list the one that it goes on behind. */
static int read_id(struct failures *failures, const json_t *request, char *error)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    if (failures->action == RETRY_ALL || (failures->action == LIST && id == NULL))
        return 0;
    if (id != NULL && id[0] != '\0' && strlen(id) < sizeof failures->id) {
        snprintf(failures->id, sizeof failures->id, "%s", id);
        return 0;
    }
    snprintf(error, OPERATION_ERROR_SIZE,
             "found the id \"%.64s\", wanted one as the list and the log show it: "
             "pbxhook-...",
             id == NULL ? "" : id);
    return -1;
}

static void *begin(const json_t *request, char *error)
{
    struct failures *failures = calloc(1, sizeof *failures);
    if (failures == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "out of memory");
        return NULL;
    }
    if (read_action(failures, request, error) < 0 || read_id(failures, request, error) < 0) {
        failures_free(failures);
        return NULL;
    }
    const json_t *before = json_object_get(request, "before_ms");
    failures->before_ms = json_is_integer(before) ? json_integer_value(before) : clock_wall_ms();
    failures->list = json_array();
    return failures;
}

static json_t *make_json(const struct delivery_failed *failed)
{
    char asked[TIMESTAMP_SIZE], ended[TIMESTAMP_SIZE];
    timestamp_format(failed->created_ms, asked);
    timestamp_format(failed->ended_ms, ended);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}",
                     "id", failed->id, "kind", failed->is_download ? "download" : "post", "target",
                     failed->target, "path", failed->path, "state", failed->state, "plugin",
                     failed->plugin, "call_id", failed->call_id, "file", failed->file, "asked",
                     asked, "ended", ended, "detail", failed->detail, "body", failed->body,
                     "attempts", (json_int_t)failed->attempts, "http_status",
                     (json_int_t)failed->http_status, "body_length",
                     (json_int_t)failed->body_length);
}

static int add_failed(void *arg, const struct delivery_failed *failed)
{
    struct failures *failures = arg;
    failures->last_ms = failed->ended_ms;
    failures->listed++;
    return json_array_append_new(failures->list, make_json(failed));
}

static int list(struct failures *failures, struct store *store)
{
    int code = deliveries_failed_count(store, &failures->count);
    if (code >= 0)
        code = deliveries_failed_list(store, failures->before_ms,
                                      failures->id[0] == '\0' ? NULL : failures->id, PAGE,
                                      add_failed, failures);
    if (failures->listed < PAGE)
        failures->last_ms = 0;
    return code;
}

/* What is sent again or forgotten is shown as it was. */
static int act(struct failures *failures, struct store *store)
{
    int code = deliveries_exist(store);
    if (code <= 0)
        return code;
    if (failures->action == LIST)
        return list(failures, store);
    if (failures->action == RETRY_ALL)
        return deliveries_failed_retry_all(store, failures->before_ms, STEP_RETRY, clock_wall_ms());
    code = deliveries_failed_find(store, failures->id, add_failed, failures);
    if (code > 0 && failures->action == RETRY)
        code = deliveries_failed_retry(store, failures->id, clock_wall_ms());
    else if (code > 0 && failures->action == DROP)
        code = deliveries_failed_drop(store, failures->id);
    return code;
}

static int step(void *state, const struct operation_parts *parts, char *error)
{
    struct failures *failures = state;
    int found = 0;
    int code = store_begin(parts->store, NULL, 0);
    json_array_clear(failures->list); /* of a step before this that was in another one's way */
    failures->listed = 0;
    if (code >= 0)
        code = found = act(failures, parts->store);
    if (code >= 0)
        code = store_commit(parts->store);
    if (code < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "the store failed: %s", store_error(parts->store));
        store_rollback(parts->store);
        return code == STORE_E_AGAIN ? OPERATION_WAIT : -1;
    }
    if (failures->action == LIST)
        return 0;
    failures->count += found;
    if (failures->action == RETRY_ALL)
        return found > 0;
    if (found > 0)
        return 0;
    snprintf(error, OPERATION_ERROR_SIZE, "there is no delivery %s that did not arrive",
             failures->id);
    return -1;
}

static json_t *report(const void *state)
{
    const struct failures *failures = state;
    return json_pack("{s:s, s:I, s:O, s:I}", "action", action_words[failures->action], "count",
                     (json_int_t)failures->count, "deliveries", failures->list, "last_ended_ms",
                     (json_int_t)failures->last_ms);
}

static json_t *summary(const void *state)
{
    const struct failures *failures = state;
    return json_pack("{s:s, s:s, s:I}", "action", action_words[failures->action], "id",
                     failures->id, "count", (json_int_t)failures->count);
}

const struct operation_kind operation_deliveries = {
    .command = "deliveries",
    .begin = begin,
    .step = step,
    .report = report,
    .summary = summary,
    .free = failures_free,
};
