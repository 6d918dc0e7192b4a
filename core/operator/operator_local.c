/*
 * operator_local.c: an operation with no server running: takes the state directory's lock, so that none
 * starts meanwhile, opens the store and the spool, and steps to the end.
 */
#include "operator/operator.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/state_dir.h"
#include "operator/operation.h"

#define STORE_WAIT_MS     5000 /* a worker that outlived its receiver leaves soon */
#define PROGRESS_EVERY_US 200000

/*
 * Where no server ever ran there is nothing to do, and nothing is made: a file that root makes here would
 * keep the server's user out later.
 */
static int lock(const char *state_dir, char *error)
{
    char *spool = NULL;
    if (asprintf(&spool, "%s/spool.db", state_dir) < 0) {
        snprintf(error, OPERATOR_ERROR_SIZE, "out of memory");
        return -1;
    }
    int failed = access(spool, F_OK) < 0 ? errno : 0;
    free(spool);
    if (failed == 0)
        return state_dir_lock(state_dir, error, OPERATOR_ERROR_SIZE);
    snprintf(error, OPERATOR_ERROR_SIZE, "state_dir %s: %s", state_dir,
             failed == ENOENT ? "no server has run with it yet" : strerror(failed));
    return -1;
}

static void show(const struct operation *operation, const struct operator_watch *watch)
{
    json_t *report = operation_report(operation);
    if (report != NULL)
        watch->progress(watch->arg, report);
    json_decref(report);
}

static int step_to_end(struct operation *operation, const struct operation_parts *parts,
                       const struct operator_watch *watch, json_t **ok, char *error)
{
    int64_t shown_us = clock_mono_us();
    int more;
    while ((more = operation_step(operation, parts, error)) > 0) {
        if (more == OPERATION_WAIT)
            poll(NULL, 0, OPERATION_WAIT_MS);
        if (clock_mono_us() - shown_us < PROGRESS_EVERY_US)
            continue;
        show(operation, watch);
        shown_us = clock_mono_us();
    }
    if (more < 0)
        return -1;
    *ok = operation_report(operation);
    if (*ok != NULL)
        return 1;
    snprintf(error, OPERATOR_ERROR_SIZE, "out of memory");
    return -1;
}

int operator_do(const struct config *config, const json_t *request,
                const struct operator_watch *watch, json_t **ok, char *error)
{
    struct operation *operation = NULL;
    struct operation_parts parts = {.is_alone = 1};
    const struct store_options options = {.url = config->store.url,
                                          .mode = STORE_WRITE,
                                          .lock_wait_ms = STORE_WAIT_MS,
                                          .password_file = config->store.password_file};
    int result = -1;
    int lock_fd = lock(config->state_dir, error);
    if (lock_fd >= 0 && operation_begin(request, &operation, error) == 0 &&
        spool_reader_open(config->state_dir, 0, 1, &parts.spool, error, OPERATOR_ERROR_SIZE) == 0 &&
        store_open(&options, &parts.store, error, OPERATOR_ERROR_SIZE) == 0)
        result = step_to_end(operation, &parts, watch, ok, error);
    store_close(parts.store);
    spool_reader_close(parts.spool);
    operation_free(operation);
    if (lock_fd >= 0)
        close(lock_fd);
    return result;
}
