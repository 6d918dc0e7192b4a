/* reload.c: see reload.h. */
#include "receiver/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "receiver/reload_check.h"
#include "receiver/supervisor.h"

enum stage { IDLE, ASKED, CHECKING, REPLACING };

struct reload {
    struct reload_options options;
    enum stage stage;
    int64_t number; /* of the one under way, or the last */
    int again;      /* somebody has asked since it began */
    struct reload_check check;
    const struct config *now;
    struct config *next;    /* while workers are replaced                               */
    struct config *owned;   /* `now`, once it is one of ours                            */
    struct config *retired; /* the one before: others may be looking at it this moment  */
    char error[RELOAD_ERROR_SIZE];
};

struct reload *reload_new(const struct reload_options *options)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL)
        return NULL;
    reload->options = *options;
    reload->now = options->config;
    reload->check = (struct reload_check){.config_fd = -1, .errors_fd = -1};
    return reload;
}

void reload_free(struct reload *reload)
{
    if (reload == NULL)
        return;
    reload_check_cancel(&reload->check);
    config_free(reload->next);
    config_free(reload->owned);
    config_free(reload->retired);
    free(reload);
}

static void finish(struct reload *reload, const char *error)
{
    reload->stage = IDLE;
    if (error != NULL)
        log_error("reload failed, the former configuration is in force", log_text("error", error));
    else
        log_info("reloaded");
    reload->options.done(reload->options.arg, reload->number, error);
}

static void begin(struct reload *reload)
{
    reload->stage = CHECKING;
    log_info("reloading: the configuration and the plugins are checked");
    int code = reload_check_start(&reload->check, reload->options.config_path);
    if (code < 0) {
        snprintf(reload->error, sizeof reload->error, "can't start a process for the check: %s",
                 strerror(-code));
        finish(reload, reload->error);
    }
}

int64_t reload_ask(struct reload *reload)
{
    if (reload->stage == ASKED) /* it has looked at nothing yet */
        return reload->number;
    if (reload->stage == IDLE) {
        reload->stage = ASKED;
        return ++reload->number;
    }
    reload->again = 1;
    return reload->number + 1;
}

static void check(struct reload *reload)
{
    struct config *next = NULL;
    int result = reload_check_poll(&reload->check, &next, reload->error);
    if (result == 0)
        return;
    if (result == 1 &&
        (config_can_follow(reload->now, next, reload->error, sizeof reload->error) < 0 ||
         reload->options.prepare(reload->options.arg, next, reload->error, sizeof reload->error) <
             0)) {
        config_free(next);
        result = -1;
    }
    if (result < 0) {
        finish(reload, reload->error);
        return;
    }
    reload->next = next;
    reload->stage = REPLACING;
    supervisor_replace_workers(reload->options.supervisor, next);
}

static void adopt(struct reload *reload)
{
    config_free(reload->retired);
    reload->retired = reload->owned;
    reload->owned = reload->next;
    reload->now = reload->next;
    reload->next = NULL;
    reload->options.adopt(reload->options.arg, reload->now);
}

/* The former workers' memory is gone, and with it the files that they had loaded. */
static void add_what_runs(struct reload *reload)
{
    size_t size = strlen(reload->error);
    snprintf(
        reload->error + size, sizeof reload->error - size,
        "; the workers start again as they were configured, with the plugin files that are there "
        "now: one that does not open is parked, and its events wait in the store");
}

static void replace(struct reload *reload)
{
    int result =
        supervisor_replaced(reload->options.supervisor, reload->error, sizeof reload->error);
    if (result == 1) {
        adopt(reload);
        finish(reload, NULL);
    } else if (result < 0) {
        supervisor_bring_back_workers(reload->options.supervisor, reload->now);
        config_free(reload->next);
        reload->next = NULL;
        add_what_runs(reload);
        finish(reload, reload->error);
    }
}

void reload_serve(struct reload *reload)
{
    if (reload->stage == ASKED)
        begin(reload);
    if (reload->stage == CHECKING)
        check(reload);
    if (reload->stage == REPLACING)
        replace(reload);
    if (reload->stage == IDLE && reload->again) {
        reload->again = 0;
        reload_ask(reload);
    }
}

int reload_is_under_way(const struct reload *reload)
{
    return reload->stage != IDLE;
}
