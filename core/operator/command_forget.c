/* command_forget.c: `pbxhook forget`: asks for it, shows how far it is, says what it did. Never the number. */
#include "operator/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/event.h"
#include "operator/operation.h"

static const struct {
    const char *member, *words;
} tables[] = {
    {"users", "users"},
    {"calls", "calls"},
    {"payloads", "payloads of calls"},
    {"events", "events"},
    {"actions", "actions"},
    {"handlings", "failed handlings and dead letters"},
    {"deliveries", "deliveries"},
};

#define TABLE_COUNT (sizeof tables / sizeof tables[0])

static int64_t number_of(const json_t *report, const char *member)
{
    return json_integer_value(json_object_get(report, member));
}

/* On a terminal only, one line that is written over. */
static void show_progress(void *arg, const json_t *progress)
{
    int *shown = arg;
    if (json_object_size(progress) == 0)
        return;
    *shown = 1;
    fprintf(stderr, "\r%s %" PRId64 " calls, %" PRId64 " events...",
            json_is_true(json_object_get(progress, "dry_run")) ? "found" : "forgotten",
            number_of(progress, "calls"), number_of(progress, "events"));
    fflush(stderr);
}

static void show_nothing(void *arg, const json_t *progress)
{
    (void)arg;
    (void)progress;
}

static int64_t sum(const json_t *report)
{
    int64_t total = number_of(report, "under_way");
    for (size_t i = 0; i < TABLE_COUNT; i++)
        total += number_of(report, tables[i].member);
    return total;
}

/* What the operator has to do yet. */
static void print_rest(const json_t *report)
{
    int64_t active = number_of(report, "active_calls"), under_way = number_of(report, "under_way");
    if (active > 0)
        printf("%" PRId64
               " of the calls are still going on: what the PBX posts of them from now on "
               "is stored as\nit comes. Ask again when they have ended.\n",
               active);
    if (under_way > 0)
        printf("%" PRId64
               " actions or deliveries with the number are still to be sent, and were left "
               "as they are.\nAsk again when they have ended.\n",
               under_way);
    if (!json_is_true(json_object_get(report, "scrubbed")))
        puts("The store's write-ahead log could not be emptied, because something reads the store: "
             "old pages\nstay in it until they are overwritten. Ask again, or restart the server.");
}

/* Not of this number, as far as anybody can tell. */
static void print_since(const json_t *report)
{
    int64_t count = number_of(report, "came_since");
    if (count > 0)
        printf("%10" PRId64 " records without the number that came for calls forgotten before\n",
               count);
}

static int print_report(const json_t *report)
{
    int dry_run = json_is_true(json_object_get(report, "dry_run"));
    if (sum(report) == 0) {
        fputs(
            "pbxhook forget: nobody with this number is known. It is matched as a whole: with its "
            "country code,\nand with its \"+\" or without, as the PBX sends it.\n",
            stderr);
        print_since(report);
        return OPERATOR_NOBODY;
    }
    if (dry_run)
        puts("would be forgotten, in:");
    else
        printf("forgotten; in place of the number: %s\n",
               json_string_value(json_object_get(report, "token")));
    for (size_t i = 0; i < TABLE_COUNT; i++)
        printf("%10" PRId64 " %s\n", number_of(report, tables[i].member), tables[i].words);
    print_since(report);
    if (!dry_run)
        print_rest(report);
    return EXIT_SUCCESS;
}

/* The first line of stdin, so that the number is in no list of processes and in no shell's history. */
static const char *read_number(char line[EVENT_MAX_FIELD + 2])
{
    if (fgets(line, EVENT_MAX_FIELD + 2, stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

int operator_forget(const struct config *config, const char *number, int dry_run)
{
    char error[OPERATOR_ERROR_SIZE] = "the number is not UTF-8, or out of memory";
    char line[EVENT_MAX_FIELD + 2];
    int shown = 0;
    const struct operator_watch watch = {
        .progress = isatty(STDERR_FILENO) ? show_progress : show_nothing, .arg = &shown};
    json_t *ok = NULL;
    if (strcmp(number, "-") == 0)
        number = read_number(line);
    json_t *request = operation_forget_request(number, dry_run);
    if (request != NULL && answer_check("forget", request) != 0) {
        json_decref(request);
        return OPERATOR_USAGE;
    }
    int result = request == NULL ? -1 : operator_run(config, request, &watch, &ok, error);
    int status = EXIT_FAILURE;
    if (shown)
        fputs("\r\033[K", stderr);
    if (result == 1)
        status = print_report(ok);
    else
        fprintf(stderr, "pbxhook forget: %s\n", error);
    json_decref(ok);
    json_decref(request);
    return status;
}
