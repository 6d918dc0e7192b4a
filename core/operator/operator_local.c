/*
 * operator_local.c: an operation with no server running: takes the state directory's lock, so that none
 * starts meanwhile, opens the store and the spool, and steps to the end.
 */
#include "operator/operator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/state_dir.h"
#include "operator/operation.h"

#define STORE_WAIT_MS     5000 /* a worker that outlived its receiver leaves soon */
#define PROGRESS_EVERY_US 200000

/* A command makes no state directory: there is nothing in a new one. */
static int lock(const char *state_dir, char *error)
{
    struct stat status;
    if (stat(state_dir, &status) < 0) {
        snprintf(error, OPERATOR_ERROR_SIZE, "state_dir %s: %s", state_dir, strerror(errno));
        return -1;
    }
    return state_dir_lock(state_dir, error, OPERATOR_ERROR_SIZE);
}

/* A server that never ran has left no spool. */
static int open_spool(const struct config *config, struct spool_reader **out, char *error)
{
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/spool.db", config->state_dir);
    if (size > 0 && (size_t)size < sizeof path && access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    return spool_reader_open(config->state_dir, 0, 1, out, error, OPERATOR_ERROR_SIZE);
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
    while ((more = operation_step(operation, parts, error)) == 1) {
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
    struct operation_parts parts = {.store = NULL};
    const struct store_options options = {.url = config->store.url,
                                          .mode = STORE_WRITE,
                                          .lock_wait_ms = STORE_WAIT_MS,
                                          .password_file = config->store.password_file};
    int result = -1;
    int lock_fd = lock(config->state_dir, error);
    if (lock_fd >= 0 && operation_begin(request, &operation, error) == 0 &&
        open_spool(config, &parts.spool, error) == 0 &&
        store_open(&options, &parts.store, error, OPERATOR_ERROR_SIZE) == 0)
        result = step_to_end(operation, &parts, watch, ok, error);
    store_close(parts.store);
    spool_reader_close(parts.spool);
    operation_free(operation);
    if (lock_fd >= 0)
        close(lock_fd);
    return result;
}
