/* chores.c: see chores.h. */
#include "worker/chores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define PROGRESS_EVERY_US  200000
#define RETENTION_EVERY_US ((int64_t)3600 * 1000000)
#define REPLY_AGAIN_MS     20 /* when the receiver's socket is full */

/* While events come, a step is followed by so many times its own length for them. */
#define REST_FACTOR 3

struct chores {
    const struct config *config;
    const struct operation_parts *parts;
    int control_fd;

    struct operation *asked; /* the operator's; NULL: none */
    int64_t asked_seq;
    int64_t told_us;    /* the last progress */
    int64_t newest_seq; /* of what was asked last, refused or not */

    char *reply; /* of the last one, what is not sent yet; NULL: nothing */
    int64_t reply_seq;
    size_t reply_sent;

    struct operation *retention; /* our own; NULL: not now */
    int64_t retention_us;        /* when it is due next; INT64_MAX: never */

    int64_t due_us; /* the next step */
};

struct chores *chores_new(const struct config *config, int worker,
                          const struct operation_parts *parts, int control_fd)
{
    struct chores *chores = calloc(1, sizeof *chores);
    if (chores == NULL)
        return NULL;
    chores->config = config;
    chores->parts = parts;
    chores->control_fd = control_fd;
    chores->retention_us =
        worker == 0 && config->store.retention_ms > 0 ? clock_mono_us() : INT64_MAX;
    return chores;
}

void chores_free(struct chores *chores)
{
    if (chores == NULL)
        return;
    operation_free(chores->asked);
    operation_free(chores->retention);
    free(chores->reply);
    free(chores);
}

/* ---- Replies ------------------------------------------------------------------------------------ */

/* In parts that fit a packet; what the socket has no room for goes later. */
static void send_reply(struct chores *chores)
{
    while (chores->reply != NULL) {
        char part[CONTROL_TEXT + 1];
        const char *rest = chores->reply + chores->reply_sent;
        size_t size = strnlen(rest, CONTROL_TEXT);
        int last = rest[size] == '\0';
        memcpy(part, rest, size);
        part[size] = '\0';
        if (control_send(chores->control_fd, last ? CONTROL_REPLY : CONTROL_PART, chores->reply_seq,
                         part) < 0)
            return;
        chores->reply_sent += size;
        if (last) {
            free(chores->reply);
            chores->reply = NULL;
        }
    }
}

/*
 * Takes the text; NULL when there was no memory for it. The receiver waits for the reply to what it asked last: who asked
 * before that is gone, and his reply does not take the place of one that still waits for room.
 */
static void reply(struct chores *chores, int64_t seq, char *text)
{
    if (chores->reply != NULL && seq != chores->newest_seq) {
        free(text);
        return;
    }
    free(chores->reply);
    chores->reply = text != NULL ? text : strdup("{\"error\":\"out of memory\"}");
    chores->reply_seq = seq;
    chores->reply_sent = 0;
    send_reply(chores);
}

/* The command has ended. */
static void conclude(struct chores *chores, char *line)
{
    operation_free(chores->asked);
    chores->asked = NULL;
    reply(chores, chores->asked_seq, line);
}

void chores_give_up(struct chores *chores, const char *error)
{
    if (chores->asked != NULL)
        conclude(chores, operation_error_line(error));
}

/* ---- What is asked ------------------------------------------------------------------------------ */

static void begin(struct chores *chores, const struct control_message *message)
{
    char error[OPERATION_ERROR_SIZE] = "another command is under way";
    json_t *request = json_loads(message->text, JSON_REJECT_DUPLICATES, NULL);
    int failed = chores->asked != NULL ? -1 : 0;
    chores->newest_seq = message->seq;
    if (failed == 0)
        failed = operation_begin(request, &chores->asked, error);
    json_decref(request);
    if (failed < 0) {
        reply(chores, message->seq, operation_error_line(error));
        return;
    }
    chores->asked_seq = message->seq;
    chores->told_us = clock_mono_us();
}

void chores_take(struct chores *chores, const struct control_message *message)
{
    if (message->kind == CONTROL_COMMAND) {
        begin(chores, message);
    } else if (message->kind == CONTROL_CANCEL && chores->asked != NULL &&
               message->seq == chores->asked_seq) {
        log_info("operator's command was given up: nobody waits for it any more");
        operation_free(chores->asked);
        chores->asked = NULL;
    }
}

/* ---- Steps -------------------------------------------------------------------------------------- */

static void tell_progress(struct chores *chores)
{
    int64_t now_us = clock_mono_us();
    if (now_us - chores->told_us < PROGRESS_EVERY_US)
        return;
    chores->told_us = now_us;
    char *line = operation_progress_line(operation_report(chores->asked));
    /* One that does not fit is no loss: the next says more. */
    if (line != NULL)
        (void)control_send(chores->control_fd, CONTROL_PROGRESS, chores->asked_seq, line);
    free(line);
}

/* As "operator's command" or "old records": what was done. What records hold is no matter for the log. */
static void log_summary(const char *what, const struct operation *operation)
{
    json_t *summary = operation_summary(operation);
    char *text = summary == NULL ? NULL : json_dumps(summary, JSON_COMPACT);
    log_info(what, log_text("report", text));
    free(text);
    json_decref(summary);
}

/* 1: the next step is to wait for others. */
static int step_asked(struct chores *chores)
{
    char error[OPERATION_ERROR_SIZE] = "";
    int more = operation_step(chores->asked, chores->parts, error);
    if (more > 0) {
        tell_progress(chores);
    } else if (more < 0) {
        log_warning("operator's command failed", log_text("error", error));
        conclude(chores, operation_error_line(error));
    } else {
        log_summary("operator's command done", chores->asked);
        conclude(chores, operation_ok_line(operation_report(chores->asked)));
    }
    return more == OPERATION_WAIT;
}

static void begin_retention(struct chores *chores)
{
    char error[OPERATION_ERROR_SIZE] = "out of memory";
    json_t *request = operation_prune_request(chores->config->store.retention_ms, 0);
    chores->retention_us = clock_mono_us() + RETENTION_EVERY_US;
    if (request == NULL || operation_begin(request, &chores->retention, error) < 0)
        log_warning("old records were not removed, trying again in an hour",
                    log_text("error", error));
    json_decref(request);
}

static void step_retention(struct chores *chores)
{
    char error[OPERATION_ERROR_SIZE] = "";
    if (chores->retention == NULL)
        begin_retention(chores);
    if (chores->retention == NULL)
        return;
    int more = operation_step(chores->retention, chores->parts, error);
    if (more > 0)
        return;
    if (more < 0)
        log_warning("old records were not removed, trying again in an hour",
                    log_text("error", error));
    else
        log_summary("old records removed", chores->retention);
    operation_free(chores->retention);
    chores->retention = NULL;
}

/* When there is something to do; INT64_MAX: there is nothing. */
static int64_t next_us(const struct chores *chores)
{
    if (chores->asked != NULL || chores->retention != NULL)
        return chores->due_us;
    return chores->retention_us;
}

void chores_run(struct chores *chores, int busy)
{
    send_reply(chores);
    int64_t started_us = clock_mono_us();
    int64_t wait_us = 0;
    if (next_us(chores) > started_us)
        return;
    if (chores->asked != NULL)
        wait_us = step_asked(chores) ? OPERATION_WAIT_MS * 1000 : 0;
    else
        step_retention(chores);
    int64_t ended_us = clock_mono_us();
    chores->due_us = ended_us + wait_us + (busy ? (ended_us - started_us) * REST_FACTOR : 0);
}

int chores_wait_ms(const struct chores *chores, int limit_ms)
{
    int64_t next = next_us(chores);
    if (chores->reply != NULL && limit_ms > REPLY_AGAIN_MS)
        limit_ms = REPLY_AGAIN_MS;
    if (next == INT64_MAX)
        return limit_ms;
    int64_t wait_ms = (next - clock_mono_us() + 999) / 1000;
    if (wait_ms < 0)
        wait_ms = 0;
    return wait_ms < limit_ms ? (int)wait_ms : limit_ms;
}
