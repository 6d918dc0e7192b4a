/*
 * try_report.c: see its header. Called by try.c with each result as it comes.
 */
#include "sdk/try_report.h"

#include <stdlib.h>
#include <string.h>

const char *try_outcome_name(enum try_outcome outcome)
{
    static const char *const names[] = {
        [TRY_OK] = "ok",     [TRY_RETRY] = "retry",       [TRY_REJECT] = "reject",
        [TRY_NONE] = "none", [TRY_REPEATED] = "repeated", [TRY_CRASH] = "crash",
        [TRY_HANG] = "hang", [TRY_BROKEN] = "broken",
    };

    return names[outcome];
}

void try_result_clear(struct try_result *result)
{
    json_decref(result->changes);
    json_decref(result->actions);
    json_decref(result->requests);
    json_decref(result->failures);
    free(result->output);
    *result = (struct try_result){.event = NULL};
}

/* ---- For machines ---------------------------------------------------------------------------- */

static void print_json(const struct try_report *report, json_t *object)
{
    json_dumpf(object, report->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', report->out);
    json_decref(object);
}

/* What a plugin prints need not be UTF-8. */
static json_t *text_or_null(const char *text)
{
    json_t *value = text == NULL ? NULL : json_string(text);

    return value != NULL ? value : json_null();
}

static void print_result_json(const struct try_report *report, const struct try_result *result)
{
    json_t *object = json_object();

    if (result->event != NULL) {
        const struct event *event = result->event->event;

        json_object_set_new(object, "line", json_integer(result->event->line));
        json_object_set_new(object, "type", json_string(event->field[EVENT_TYPE]));
        json_object_set_new(object, "call_id", json_string(event->field[EVENT_CALL_ID]));
    } else {
        json_object_set_new(object, "hook", json_string(result->hook));
    }
    json_object_set_new(object, "result", json_string(try_outcome_name(result->outcome)));
    json_object_set_new(object, "took_ms", json_real((double)result->took_us / 1000));
    json_object_set_new(object, "error", text_or_null(result->error[0] ? result->error : NULL));
    json_object_set(object, "changes", result->changes);
    json_object_set(object, "actions", result->actions);
    json_object_set(object, "requests", result->requests);
    json_object_set_new(object, "output", text_or_null(result->output));
    json_object_set(object, "failures", result->failures);
    print_json(report, object);
}

/* ---- For people ------------------------------------------------------------------------------ */

static void print_value(FILE *out, const json_t *value)
{
    if (value == NULL)
        fputs("null", out);
    else
        json_dumpf(value, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Of a whole row, what is there; what is empty would only hide it. */
static int is_empty(const json_t *value)
{
    const char *text = json_string_value(value);

    return value == NULL || json_is_null(value) || (text != NULL && text[0] == '\0');
}

static void print_row(FILE *out, const json_t *row)
{
    const char *column;
    json_t *value;

    json_object_foreach((json_t *)row, column, value)
    {
        if (is_empty(value))
            continue;
        fprintf(out, " %s=", column);
        print_value(out, value);
    }
}

/* The first column, to know the row by, and what is different. */
static void print_update(FILE *out, const json_t *before, const json_t *after)
{
    const char *column;
    json_t *value;
    int first = 1;

    json_object_foreach((json_t *)after, column, value)
    {
        const json_t *old = json_object_get(before, column);
        int changed = old == NULL || !json_equal(old, value);

        if (first || changed)
            fprintf(out, " %s=", column);
        if (changed) {
            print_value(out, old);
            fputs("->", out);
        }
        if (first || changed)
            print_value(out, value);
        first = 0;
    }
}

static void print_changes(FILE *out, const json_t *changes)
{
    size_t i;
    json_t *change;

    json_array_foreach(changes, i, change)
    {
        const char *word = json_string_value(json_object_get(change, "change"));
        const json_t *before = json_object_get(change, "before");
        const json_t *after = json_object_get(change, "after");

        fprintf(out, "    %s %s:", word, json_string_value(json_object_get(change, "table")));
        if (json_is_null(before))
            print_row(out, after);
        else if (json_is_null(after))
            print_row(out, before);
        else
            print_update(out, before, after);
        fputc('\n', out);
    }
}

static void print_list(FILE *out, const char *word, const json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        fprintf(out, "    %s ", word);
        if (json_is_string(item))
            fputs(json_string_value(item), out);
        else
            print_value(out, item);
        fputc('\n', out);
    }
}

static void print_lines(FILE *out, const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, "\n");

        fprintf(out, "    | %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_result(const struct try_report *report, const struct try_result *result)
{
    FILE *out = report->out;

    if (result->event != NULL)
        fprintf(out, "%s:%d: %s %s: ", report->events_path, result->event->line,
                result->event->event->field[EVENT_TYPE],
                result->event->event->field[EVENT_CALL_ID]);
    else
        fprintf(out, "%s: ", result->hook);
    fprintf(out, "%s", try_outcome_name(result->outcome));
    if (result->took_us > 0)
        fprintf(out, ", %.2f ms", (double)result->took_us / 1000);
    if (result->error[0] != '\0')
        fprintf(out, ": %s", result->error);
    fputc('\n', out);
    print_changes(out, result->changes);
    print_list(out, "action", result->actions);
    print_list(out, "request", result->requests);
    print_lines(out, result->output);
    print_list(out, "FAILED", result->failures);
}

/* ---- Both ------------------------------------------------------------------------------------ */

void try_report_begin(const struct try_report *report, const char *plugin)
{
    if (!report->json)
        fprintf(report->out, "%s\n", plugin);
    else
        print_json(report, json_pack("{s:s}", "plugin", plugin));
    fflush(report->out);
}

/* A hook that went well and did nothing is not worth a line. */
static int is_silent(const struct try_result *result)
{
    return result->event == NULL && result->outcome == TRY_OK &&
           json_array_size(result->changes) == 0 &&
           (result->output == NULL || result->output[0] == '\0');
}

void try_report_result(struct try_report *report, const struct try_result *result)
{
    int went_wrong = result->outcome >= TRY_CRASH || json_array_size(result->failures) > 0;

    if (result->event != NULL) {
        report->events++;
        report->expecting += result->event->expect != NULL;
    } else if (result->outcome != TRY_OK) {
        went_wrong = 1;
    }
    report->failed += (size_t)went_wrong;
    if (is_silent(result))
        return;
    if (report->json)
        print_result_json(report, result);
    else
        print_result(report, result);
    fflush(report->out);
}

void try_report_end(const struct try_report *report)
{
    if (report->json)
        print_json(report,
                   json_pack("{s:I,s:I,s:I}", "events", (json_int_t)report->events, "expecting",
                             (json_int_t)report->expecting, "failed", (json_int_t)report->failed));
    else
        fprintf(report->out, "%s: %zu events, %zu with expectations, %zu wrong\n",
                report->failed == 0 ? "passed" : "FAILED", report->events, report->expecting,
                report->failed);
    fflush(report->out);
}
