/* command_letters.c: `pbxhook dead-letters`: asks, and lays the answer out for eyes. */
#include "operator/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_page(const json_t *page)
{
    size_t i;
    const json_t *letter;
    json_array_foreach(json_object_get(page, "letters"), i, letter)
    {
        printf("%-24s  %s  %-16s call %s, %" PRId64 " attempts\n    %s\n",
               answer_text(letter, "id"), answer_text(letter, "failed"),
               answer_text(letter, "event"), answer_text(letter, "call_id"),
               answer_number(letter, "attempts"), answer_text(letter, "error"));
    }
}

/* The request for the page behind this one; NULL: it was the last. */
static json_t *next_page(const json_t *page)
{
    const json_t *letters = json_object_get(page, "letters");
    size_t count = json_array_size(letters);
    int64_t last_ms = answer_number(page, "last_failed_ms");
    if (last_ms == 0 || count == 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:I}", "command", "dead-letters", "action", "list", "id",
                     answer_text(json_array_get(letters, count - 1), "id"), "before_ms",
                     (json_int_t)last_ms);
}

static int list(const struct config *config)
{
    json_t *request = json_pack("{s:s, s:s}", "command", "dead-letters", "action", "list");
    int is_first = 1;
    do {
        json_t *page = NULL;
        int status = answer_get(config, "dead-letters", request, &page);
        if (status != 0)
            return status;
        if (is_first && json_array_size(json_object_get(page, "letters")) == 0)
            puts("There are no dead letters.");
        is_first = 0;
        print_page(page);
        request = next_page(page);
        json_decref(page);
    } while (request != NULL);
    return EXIT_SUCCESS;
}

static void print_letter(const json_t *letter)
{
    static const char *const members[] = {"id",     "plugin",   "event", "call_id",
                                          "failed", "received", "error"};
    int64_t size = answer_number(letter, "body_bytes");
    const char *body = answer_text(letter, "body");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        printf("%-9s %s\n", members[i], answer_text(letter, members[i]));
    printf("%-9s %" PRId64 "\n\n%s\n", "attempts", answer_number(letter, "attempts"), body);
    if ((int64_t)strlen(body) < size)
        printf("... (%" PRId64 " bytes in all)\n", size);
}

int operator_letters(const struct config *config, const char *action, const char *id)
{
    json_t *ok = NULL;
    if (strcmp(action, "list") == 0)
        return list(config);
    json_t *request =
        json_pack("{s:s, s:s, s:s*}", "command", "dead-letters", "action", action, "id", id);
    int status = answer_get(config, "dead-letters", request, &ok);
    if (status != 0)
        return status;
    if (strcmp(action, "show") == 0)
        print_letter(json_array_get(json_object_get(ok, "letters"), 0));
    else if (strcmp(action, "drop") == 0)
        printf("forgotten: %s; the event's record stays\n", id);
    else
        printf("to be handled again: %" PRId64 "\n", answer_number(ok, "count"));
    json_decref(ok);
    return EXIT_SUCCESS;
}
