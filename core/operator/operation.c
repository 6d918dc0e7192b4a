/* operation.c: see operation.h. Knows no operation but by its table. */
#include "operator/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct operation_kind *const kinds[] = {
    &operation_prune,
    &operation_letters,
    &operation_deliveries,
    &operation_forget,
};

struct operation {
    const struct operation_kind *kind;
    void *state;
};

static const struct operation_kind *find_kind(const char *command)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i]->command, command) == 0)
            return kinds[i];
    }
    return NULL;
}

int operation_exists(const char *command)
{
    return find_kind(command) != NULL;
}

const char *operation_shown(const char *command, const char *request)
{
    const struct operation_kind *kind = find_kind(command);
    return kind != NULL && kind->is_private ? kind->command : request;
}

int operation_begin(const json_t *request, struct operation **out, char *error)
{
    const char *command = json_string_value(json_object_get(request, "command"));
    const struct operation_kind *kind = command == NULL ? NULL : find_kind(command);
    if (kind == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "no such command: \"%s\"",
                 command == NULL ? "" : command);
        return -1;
    }
    struct operation *operation = calloc(1, sizeof *operation);
    if (operation == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "out of memory");
        return -1;
    }
    operation->kind = kind;
    operation->state = kind->begin(request, error);
    if (operation->state == NULL) {
        free(operation);
        return -1;
    }
    *out = operation;
    return 0;
}

int operation_step(struct operation *operation, const struct operation_parts *parts, char *error)
{
    return operation->kind->step(operation->state, parts, error);
}

json_t *operation_report(const struct operation *operation)
{
    return operation->kind->report(operation->state);
}

json_t *operation_summary(const struct operation *operation)
{
    const struct operation_kind *kind = operation->kind;
    return kind->summary != NULL ? kind->summary(operation->state) : kind->report(operation->state);
}

void operation_free(struct operation *operation)
{
    if (operation == NULL)
        return;
    operation->kind->free(operation->state);
    free(operation);
}

/* ---- Lines -------------------------------------------------------------------------------------- */

static char *make_line(const char *member, json_t *value)
{
    json_t *line = json_pack("{s:o}", member, value != NULL ? value : json_object());
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
    json_decref(line);
    return text;
}

char *operation_progress_line(json_t *report)
{
    return make_line("progress", report);
}

char *operation_ok_line(json_t *report)
{
    return make_line("ok", report);
}

char *operation_error_line(const char *error)
{
    json_t *text = json_string(error);
    /* A text of the database may hold bytes that are no UTF-8. */
    return make_line("error", text != NULL ? text : json_string("failed; the log says why"));
}
