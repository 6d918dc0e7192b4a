/*
 * try_expect.c: see its header. An expected object needs only the members that matter: a row's id or
 * an action's call_id may be left out. Called by try_events.c (validate) and try.c (check).
 */
#include "sdk/try_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 256

/* ---- Is it one? ------------------------------------------------------------------------------ */

static int is_list_of_objects(const json_t *list)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list))
        return 0;
    json_array_foreach(list, i, item)
    {
        if (!json_is_object(item))
            return 0;
    }
    return 1;
}

static int is_tables(const json_t *tables)
{
    const char *name;
    json_t *rows;

    if (!json_is_object(tables))
        return 0;
    json_object_foreach((json_t *)tables, name, rows)
    {
        if (!is_list_of_objects(rows))
            return 0;
    }
    return 1;
}

static int is_result(const json_t *value)
{
    const char *word = json_string_value(value);

    if (word == NULL)
        return 0;
    for (enum try_outcome outcome = TRY_OK; outcome <= TRY_REPEATED; outcome++) {
        if (strcmp(word, try_outcome_name(outcome)) == 0)
            return 1;
    }
    return 0;
}

static int is_text(const json_t *value)
{
    return json_is_string(value);
}

static const struct {
    const char *name;
    int (*is_valid)(const json_t *value);
    const char *wanted;
} members[] = {
    {"result", is_result, "\"ok\", \"retry\", \"reject\", \"none\" or \"repeated\""},
    {"error", is_text, "a text"},
    {"rows", is_tables, "{\"TABLE\": [{...}, ...], ...}"},
    {"deleted", is_tables, "{\"TABLE\": [{...}, ...], ...}"},
    {"actions", is_list_of_objects, "[{...}, ...]"},
    {"requests", is_list_of_objects, "[{...}, ...]"},
};

#define MEMBER_COUNT (sizeof members / sizeof members[0])

int try_expect_validate(const json_t *expect, char *wrong, size_t wrong_size)
{
    const char *name;
    json_t *value;

    if (!json_is_object(expect)) {
        snprintf(wrong, wrong_size, "expect: wanted an object");
        return -1;
    }
    json_object_foreach((json_t *)expect, name, value)
    {
        size_t i = 0;

        while (i < MEMBER_COUNT && strcmp(members[i].name, name) != 0)
            i++;
        if (i == MEMBER_COUNT) {
            snprintf(wrong, wrong_size,
                     "expect: found \"%.60s\", wanted result, error, rows, deleted, actions or "
                     "requests",
                     name);
            return -1;
        }
        if (!members[i].is_valid(value)) {
            snprintf(wrong, wrong_size, "expect.%s: wanted %s", name, members[i].wanted);
            return -1;
        }
    }
    return 0;
}

/* ---- Did it come? ---------------------------------------------------------------------------- */

static int __attribute__((format(printf, 2, 3)))
add_failure(struct try_result *result, const char *format, ...)
{
    json_t *failure;
    va_list values;

    va_start(values, format);
    failure = json_vsprintf(format, values);
    va_end(values);
    return json_array_append_new(result->failures, failure);
}

static int numbers_are_equal(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b);
}

/* Compares as far as `expected` goes; where it ends differs, says so. */
static int check_value(struct try_result *result, const char *path, const json_t *expected,
                       const json_t *found)
{
    char inner[PATH_SIZE];
    const char *name;
    json_t *value;
    char *wanted, *came;
    int code = 0;

    if (json_is_object(expected) && json_is_object(found)) {
        json_object_foreach((json_t *)expected, name, value)
        {
            snprintf(inner, sizeof inner, "%s.%s", path, name);
            if (code == 0)
                code = check_value(result, inner, value, json_object_get(found, name));
        }
        return code;
    }
    if (json_equal(expected, found) || numbers_are_equal(expected, found))
        return 0;
    wanted = json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY);
    came = found == NULL ? strdup("nothing") : json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY);
    code = wanted == NULL || came == NULL
               ? -1
               : add_failure(result, "%s: expected %s, found %s", path, wanted, came);
    free(wanted);
    free(came);
    return code;
}

static int check_list(struct try_result *result, const char *path, const json_t *expected,
                      const json_t *found)
{
    char inner[PATH_SIZE];
    size_t i;
    json_t *value;
    int code = 0;

    if (json_array_size(expected) != json_array_size(found))
        return add_failure(result, "%s: expected %zu, found %zu", path, json_array_size(expected),
                           json_array_size(found));
    json_array_foreach(expected, i, value)
    {
        snprintf(inner, sizeof inner, "%s[%zu]", path, i);
        if (code == 0)
            code = check_value(result, inner, value, json_array_get(found, i));
    }
    return code;
}

/* The rows of one table that the event left behind or took away, a new array. */
static json_t *rows_of(const struct try_result *result, const char *table, int deleted)
{
    json_t *rows = json_array();
    size_t i;
    json_t *change;

    json_array_foreach(result->changes, i, change)
    {
        const char *name = json_string_value(json_object_get(change, "table"));
        json_t *after = json_object_get(change, "after");
        json_t *row = deleted ? json_object_get(change, "before") : after;

        if (strcmp(name, table) == 0 && deleted == json_is_null(after) &&
            json_array_append(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static int check_tables(struct try_result *result, const char *member, int deleted)
{
    json_t *tables = json_object_get(result->event->expect, member);
    char path[PATH_SIZE];
    const char *table;
    json_t *expected;
    int code = 0;

    json_object_foreach(tables, table, expected)
    {
        json_t *found = rows_of(result, table, deleted);

        snprintf(path, sizeof path, "%s.%s", member, table);
        if (code == 0)
            code = found == NULL ? -1 : check_list(result, path, expected, found);
        json_decref(found);
    }
    return code;
}

static int check_result(struct try_result *result)
{
    const char *expected = json_string_value(json_object_get(result->event->expect, "result"));
    const char *found = try_outcome_name(result->outcome);

    if (expected == NULL || strcmp(expected, found) == 0)
        return 0;
    return add_failure(result, "result: expected \"%s\", found \"%s\"", expected, found);
}

static int check_error(struct try_result *result)
{
    const char *part = json_string_value(json_object_get(result->event->expect, "error"));

    if (part == NULL || strstr(result->error, part) != NULL)
        return 0;
    return add_failure(result, "error: expected \"%s\" in it, found \"%s\"", part, result->error);
}

int try_expect_check(struct try_result *result)
{
    const json_t *expect = result->event->expect;
    json_t *actions = json_object_get(expect, "actions");
    json_t *requests = json_object_get(expect, "requests");

    if (check_result(result) != 0 || check_error(result) != 0 ||
        check_tables(result, "rows", 0) != 0 || check_tables(result, "deleted", 1) != 0)
        return -1;
    if (actions != NULL && check_list(result, "actions", actions, result->actions) != 0)
        return -1;
    return requests == NULL ? 0 : check_list(result, "requests", requests, result->requests);
}
