/* command_deliveries.c: `pbxhook deliveries`: asks, and lays the answer out for eyes. */
#include "operator/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The list ------------------------------------------------------------------------------------- */

/* "HTTP 400: no such field"; either may be missing. */
static void print_reason(const json_t *delivery)
{
    int64_t status = answer_number(delivery, "http_status");
    const char *detail = answer_text(delivery, "detail");
    if (status > 0)
        printf("HTTP %" PRId64 "%s", status, detail[0] != '\0' ? ": " : "");
    puts(detail);
}

static void print_page(const json_t *page)
{
    size_t i;
    const json_t *delivery;
    json_array_foreach(json_object_get(page, "deliveries"), i, delivery)
    {
        printf("%s  %s  %-8s %s to %s%s, call %s, %" PRId64 " attempts\n    ",
               answer_text(delivery, "id"), answer_text(delivery, "ended"),
               answer_text(delivery, "state"), answer_text(delivery, "kind"),
               answer_text(delivery, "target"), answer_text(delivery, "path"),
               answer_text(delivery, "call_id"), answer_number(delivery, "attempts"));
        print_reason(delivery);
    }
}

/* The request for the page behind this one; NULL: it was the last. */
static json_t *next_page(const json_t *page)
{
    const json_t *deliveries = json_object_get(page, "deliveries");
    size_t count = json_array_size(deliveries);
    int64_t last_ms = answer_number(page, "last_ended_ms");
    if (last_ms == 0 || count == 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:I}", "command", "deliveries", "action", "list", "id",
                     answer_text(json_array_get(deliveries, count - 1), "id"), "before_ms",
                     (json_int_t)last_ms);
}

static int list(const struct config *config)
{
    json_t *request = json_pack("{s:s, s:s}", "command", "deliveries", "action", "list");
    int is_first = 1;
    do {
        json_t *page = NULL;
        int status = answer_get(config, "deliveries", request, &page);
        if (status != 0)
            return status;
        if (is_first && json_array_size(json_object_get(page, "deliveries")) == 0)
            puts("Everything has arrived, or is still under way.");
        is_first = 0;
        print_page(page);
        request = next_page(page);
        json_decref(page);
    } while (request != NULL);
    return EXIT_SUCCESS;
}

/* ---- One of them ---------------------------------------------------------------------------------- */

static void print_delivery(const json_t *delivery)
{
    static const char *const members[] = {"id",      "kind",  "target", "path",  "file",  "plugin",
                                          "call_id", "asked", "ended",  "state", "detail"};
    const char *body = answer_text(delivery, "body");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (answer_text(delivery, members[i])[0] != '\0')
            printf("%-11s %s\n", members[i], answer_text(delivery, members[i]));
    }
    printf("%-11s %" PRId64 "\n", "attempts", answer_number(delivery, "attempts"));
    if (answer_number(delivery, "http_status") > 0)
        printf("%-11s %" PRId64 "\n", "http_status", answer_number(delivery, "http_status"));
    if (body[0] != '\0')
        printf("\n%s\n", body);
    if ((int64_t)json_string_length(json_object_get(delivery, "body")) <
        answer_number(delivery, "body_length"))
        printf("... (%" PRId64 " characters in all)\n", answer_number(delivery, "body_length"));
}

/* Nobody sends to a target that is not configured: it would wait, silently. */
static void warn_of_target(const struct config *config, const char *target)
{
    for (size_t i = 0; i < config->target_count; i++) {
        if (strcmp(config->targets[i].name, target) == 0)
            return;
    }
    fprintf(stderr,
            "pbxhook deliveries: the configuration has no target \"%s\": it waits until it has\n",
            target);
}

int operator_deliveries(const struct config *config, const char *action, const char *id)
{
    json_t *ok = NULL;
    if (strcmp(action, "list") == 0)
        return list(config);
    json_t *request =
        json_pack("{s:s, s:s, s:s*}", "command", "deliveries", "action", action, "id", id);
    int status = answer_get(config, "deliveries", request, &ok);
    if (status != 0)
        return status;
    const json_t *delivery = json_array_get(json_object_get(ok, "deliveries"), 0);
    if (strcmp(action, "show") == 0)
        print_delivery(delivery);
    else if (strcmp(action, "drop") == 0)
        printf("forgotten: %s\n", id);
    else
        printf("to be sent again: %" PRId64 "\n", answer_number(ok, "count"));
    if (strcmp(action, "retry") == 0)
        warn_of_target(config, answer_text(delivery, "target"));
    json_decref(ok);
    return EXIT_SUCCESS;
}
