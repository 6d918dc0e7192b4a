/*
 * dispatch_ledger.c: a list of what happened, in order, until the commit. dispatch.c writes it;
 * nothing here looks at a plugin or at the store.
 */
#include "worker/dispatch_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

enum kind { CALL, NOTE };

struct entry {
    enum kind kind;
    const char *line; /* NOTE; all else is of a CALL */
    enum ledger_outcome outcome;
    struct metrics_plugin *metric;
    int attempt;
    int64_t took_us;
    int64_t retry_in_ms;
    int64_t received_ms; /* of the event */
    size_t text;         /* where call_id, type, plugin and error begin, one behind the other */
};

struct ledger {
    struct metrics_worker *metrics;
    struct entry *entries;
    size_t count, capacity;
    char *text; /* of all entries */
    size_t text_size, text_capacity;
    uint64_t confirmed;
};

struct ledger *ledger_new(struct metrics_worker *metrics)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);

    if (ledger != NULL)
        ledger->metrics = metrics;
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    free(ledger->text);
    free(ledger->entries);
    free(ledger);
}

/* ---- Writing it down ------------------------------------------------------------------------- */

static int append_entry(struct ledger *ledger, const struct entry *entry)
{
    if (ledger->count == ledger->capacity) {
        size_t capacity = ledger->capacity == 0 ? 256 : ledger->capacity * 2;
        struct entry *entries = realloc(ledger->entries, capacity * sizeof entries[0]);

        if (entries == NULL)
            return -1;
        ledger->entries = entries;
        ledger->capacity = capacity;
    }
    ledger->entries[ledger->count++] = *entry;
    return 0;
}

static int append_text(struct ledger *ledger, const char *text)
{
    size_t size = strlen(text) + 1;
    size_t needed = ledger->text_size + size;

    if (needed > ledger->text_capacity) {
        size_t capacity = needed < 4096 ? 4096 : needed * 2;
        char *grown = realloc(ledger->text, capacity);

        if (grown == NULL)
            return -1;
        ledger->text = grown;
        ledger->text_capacity = capacity;
    }
    memcpy(ledger->text + ledger->text_size, text, size);
    ledger->text_size = needed;
    return 0;
}

/* The entry with its texts, or nothing of it. */
static void append(struct ledger *ledger, struct entry *entry, const char *const *texts,
                   size_t count)
{
    entry->text = ledger->text_size;
    for (size_t i = 0; i < count; i++) {
        if (append_text(ledger, texts[i]) != 0)
            goto no_memory;
    }
    if (append_entry(ledger, entry) == 0)
        return;

no_memory:
    ledger->text_size = entry->text;
}

void ledger_add_call(struct ledger *ledger, const struct ledger_call *call)
{
    struct entry entry = {
        .kind = CALL,
        .outcome = call->outcome,
        .metric = call->metric,
        .attempt = call->attempt,
        .took_us = call->took_us,
        .retry_in_ms = call->retry_in_ms,
        .received_ms = call->event->received_ms,
    };
    const char *const texts[] = {call->event->field[EVENT_CALL_ID], call->event->field[EVENT_TYPE],
                                 call->plugin, call->error != NULL ? call->error : ""};
    int logged = call->outcome != LEDGER_HANDLED || log_enabled(LOG_LEVEL_INFO);

    append(ledger, &entry, texts, logged ? sizeof texts / sizeof texts[0] : 0);
}

void ledger_add_note(struct ledger *ledger, const struct event *event, const char *line)
{
    struct entry entry = {.kind = NOTE, .line = line};
    const char *const texts[] = {event->field[EVENT_CALL_ID], event->field[EVENT_TYPE]};

    if (log_enabled(LOG_LEVEL_INFO))
        append(ledger, &entry, texts, sizeof texts / sizeof texts[0]);
}

void ledger_add_confirmed(struct ledger *ledger, int actions)
{
    ledger->confirmed += (uint64_t)actions;
}

/* ---- The batch's end ------------------------------------------------------------------------- */

static const char *text_after(const char *text)
{
    return text + strlen(text) + 1;
}

static void log_note(const struct ledger *ledger, const struct entry *entry)
{
    const char *call_id = ledger->text + entry->text;

    log_info(entry->line, log_text("call_id", call_id), log_text("event", text_after(call_id)));
}

/* took_ms is the handler's time; since_event_ms, from the event's arrival to the commit, the latency. */
static void log_handled(const struct ledger *ledger, const struct entry *entry, int64_t now_ms)
{
    const char *call_id = ledger->text + entry->text;
    const char *type = text_after(call_id);

    log_info("event handled", log_text("call_id", call_id), log_text("event", type),
             log_text("plugin", text_after(type)), log_text("outcome", "ok"),
             log_int("attempt", entry->attempt), log_ms("took_ms", (double)entry->took_us / 1000),
             log_int("since_event_ms", now_ms - entry->received_ms));
}

static void log_failure(const struct ledger *ledger, const struct entry *entry)
{
    const char *call_id = ledger->text + entry->text;
    const char *type = text_after(call_id);
    const char *plugin = text_after(type);
    const char *error = text_after(plugin);

    if (entry->outcome == LEDGER_RETRY)
        log_warning("event not handled, will be tried again", log_text("call_id", call_id),
                    log_text("event", type), log_text("plugin", plugin),
                    log_text("outcome", "retry"), log_int("attempt", entry->attempt),
                    log_int("retry_in_ms", entry->retry_in_ms), log_text("error", error));
    else
        log_warning("event not handled, now a dead letter", log_text("call_id", call_id),
                    log_text("event", type), log_text("plugin", plugin),
                    log_text("outcome", "dead"), log_int("attempt", entry->attempt),
                    log_text("error", error));
}

static void count_call(const struct entry *call)
{
    struct metrics_plugin *metric = call->metric;

    if (metric == NULL)
        return;
    if (call->outcome == LEDGER_DEAD)
        metrics_add(&metric->dead, 1);
    if (call->took_us == LEDGER_NOT_CALLED)
        return;
    switch (call->outcome) {
    case LEDGER_HANDLED:
        metrics_add(&metric->handled, 1);
        break;
    case LEDGER_RETRY:
        metrics_add(&metric->retried, 1);
        break;
    case LEDGER_DEAD:
        metrics_add(&metric->rejected, 1);
        break;
    }
    metrics_observe(&metric->handle, call->took_us);
}

void ledger_commit(struct ledger *ledger)
{
    int logged = log_enabled(LOG_LEVEL_INFO);
    int64_t now_ms = logged ? clock_wall_ms() : 0;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct entry *entry = &ledger->entries[i];

        if (entry->kind == NOTE) {
            log_note(ledger, entry);
            continue;
        }
        count_call(entry);
        if (entry->outcome != LEDGER_HANDLED)
            log_failure(ledger, entry);
        else if (logged)
            log_handled(ledger, entry, now_ms);
    }
    metrics_add(&ledger->metrics->actions[METRICS_ACTION_CONFIRMED], ledger->confirmed);
    ledger_drop(ledger);
}

void ledger_drop(struct ledger *ledger)
{
    ledger->count = 0;
    ledger->text_size = 0;
    ledger->confirmed = 0;
}
