/* problem.c: problem details as JSON and as a response. Called by the routes; knows none of them. */
#include "receiver/problem.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A UTF-8 character has four bytes at most, so three may be left of one that was cut. */
#define CUT_MAX 3

static json_t *make_text(const char *text)
{
    size_t size = strlen(text);
    for (size_t cut = 0; cut <= CUT_MAX && cut <= size; cut++) {
        json_t *made = json_stringn(text, size - cut);
        if (made != NULL)
            return made;
    }
    return NULL;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    /* A member that can't be made is left out: the status alone still says what matters. */
    (void)json_object_set_new_nocheck(object, name, make_text(text));
}

char *problem_json(const struct problem *problem, size_t *size)
{
    json_t *object =
        json_pack("{s:s,s:s,s:i}", "type", "about:blank", "title",
                  MHD_get_reason_phrase_for(problem->status), "status", (int)problem->status);
    if (object == NULL)
        return NULL;
    set_text(object, "detail", problem->detail);
    set_text(object, "reason", problem->reason);
    set_text(object, "member", problem->member);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text != NULL)
        *size = strlen(text);
    return text;
}

struct MHD_Response *problem_response(const struct problem *problem)
{
    size_t size = 0;
    char *text = problem_json(problem, &size);
    if (text == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return NULL;
    }
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, PROBLEM_MEDIA_TYPE) &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
        (problem->header == NULL ||
         MHD_add_response_header(response, problem->header, problem->value)))
        return response;
    MHD_destroy_response(response);
    return NULL;
}
