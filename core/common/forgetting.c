/* forgetting.c: see forgetting.h. */
#include "common/forgetting.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <jansson.h>

#include "common/timestamp.h"
#include "common/utf8.h"

/* A queue may have such a number; nobody's telephone has. */
#define SHORT_NUMBER 6

/* ---- Numbers -------------------------------------------------------------------------------------- */

static int is_phone(const char *text)
{
    int digits = 0;
    for (; *text != '\0'; text++) {
        if (isdigit((unsigned char)*text))
            digits++;
        else if (*text != '+' && strchr(FORGETTING_SEPARATORS, *text) == NULL)
            return 0;
    }
    return digits > 0;
}

/* The character behind separators, and where it stands; NUL at the end. */
static char next_bare(const char **at)
{
    *at += strspn(*at, FORGETTING_SEPARATORS);
    return **at;
}

static void strip(const char *text, char *out)
{
    for (char c; (c = next_bare(&text)) != '\0'; text++)
        *out++ = c;
    *out = '\0';
}

static int is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size;
    while (*at != '\0' && (size = utf8_size(at)) > 0)
        at += size;
    return *at == '\0';
}

int forgetting_init(struct forgetting *forgetting, const char *number)
{
    uint32_t random = 0;
    if (strlen(number) > EVENT_MAX_FIELD || !is_utf8(number) ||
        number[strspn(number, FORGETTING_SEPARATORS)] == '\0' ||
        getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    snprintf(forgetting->number, sizeof forgetting->number, "%s", number);
    strip(number, forgetting->bare);
    forgetting->is_phone = is_phone(number);
    snprintf(forgetting->token, sizeof forgetting->token, FORGETTING_TOKEN_PREFIX "%08" PRIx32,
             random);
    return 0;
}

int forgetting_is(const struct forgetting *forgetting, const char *text)
{
    const char *wanted = forgetting->bare;
    if (strcmp(text, forgetting->number) == 0)
        return 1;
    if (!forgetting->is_phone || !is_phone(text))
        return 0;
    while (*wanted != '\0' && next_bare(&text) == *wanted) {
        wanted++;
        text++;
    }
    return *wanted == '\0' && next_bare(&text) == '\0';
}

int forgetting_is_token(const char *text)
{
    const size_t prefix = sizeof FORGETTING_TOKEN_PREFIX - 1;
    return strncmp(text, FORGETTING_TOKEN_PREFIX, prefix) == 0 &&
           strspn(text + prefix, "0123456789abcdef") == FORGETTING_TOKEN_SIZE - 1 - prefix &&
           strlen(text) == FORGETTING_TOKEN_SIZE - 1;
}

/* Behind the number that the text begins with, separators passed over; NULL: it does not. */
static const char *behind_number(const struct forgetting *forgetting, const char *text)
{
    const char *wanted = forgetting->is_phone ? forgetting->bare : forgetting->number;
    for (; *wanted != '\0'; wanted++, text++) {
        if ((forgetting->is_phone ? next_bare(&text) : *text) != *wanted)
            return NULL;
    }
    return text;
}

int forgetting_is_in(const struct forgetting *forgetting, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        const char *end = behind_number(forgetting, at);
        if (end != NULL && !isdigit((unsigned char)*end) &&
            (at == text || !isdigit((unsigned char)at[-1])))
            return 1;
    }
    return 0;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

/* Members that say what it is about, and nothing of the caller. */
static int is_technical(const struct forgetting *forgetting, const char *name)
{
    static const char *const always[] = {"type", "call_id", "code", "direction", "timestamp"};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        if (strcmp(name, always[i]) == 0)
            return 1;
    }
    return strlen(forgetting->bare) <= SHORT_NUMBER &&
           (strcmp(name, "queue") == 0 || strcmp(name, "destination") == 0);
}

static int is_number_value(const struct forgetting *forgetting, const json_t *value)
{
    char decimal[32];
    if (json_is_string(value))
        return forgetting_is(forgetting, json_string_value(value));
    if (!json_is_integer(value))
        return 0;
    snprintf(decimal, sizeof decimal, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return forgetting_is(forgetting, decimal);
}

static int clean_value(const struct forgetting *forgetting, json_t *value);

/* Of an object's or array's value: replaced by *value, a new reference (NULL: it stays). */
static int clean_child(const struct forgetting *forgetting, json_t *child, json_t **value)
{
    *value = NULL;
    if (!is_number_value(forgetting, child))
        return clean_value(forgetting, child);
    *value = json_string(forgetting->token);
    return *value == NULL ? -1 : 1;
}

/* Replaces what is inside: 1 something was, 0 nothing, -1 out of memory. Deep it is not: see event_parse(). */
static int clean_value(const struct forgetting *forgetting, json_t *value)
{
    int changed = 0;
    int code = 0;
    const char *name;
    size_t i;
    void *next;
    json_t *child, *instead;
    json_object_foreach_safe(value, next, name, child)
    {
        if (is_technical(forgetting, name) && !json_is_object(child) && !json_is_array(child))
            continue;
        code = clean_child(forgetting, child, &instead);
        if (code < 0 || (instead != NULL && json_object_set_new(value, name, instead) < 0))
            return -1;
        changed |= code;
    }
    json_array_foreach(value, i, child)
    {
        code = clean_child(forgetting, child, &instead);
        if (code < 0 || (instead != NULL && json_array_set_new(value, i, instead) < 0))
            return -1;
        changed |= code;
    }
    return changed;
}

/* What is no JSON can only be kept or not. */
static int clean_text(const struct forgetting *forgetting, const char *text, char **out)
{
    if (!forgetting_is_in(forgetting, text))
        return 0;
    *out = strdup(forgetting->token);
    return *out == NULL ? -1 : 1;
}

int forgetting_clean_json(const struct forgetting *forgetting, const char *text, char **out)
{
    json_t *root = json_loads(text, JSON_DECODE_ANY, NULL);
    json_t *instead = NULL;
    char *cleaned = NULL;
    if (root == NULL)
        return clean_text(forgetting, text, out);
    int code = clean_child(forgetting, root, &instead);
    if (code == 1) {
        cleaned = json_dumps(instead != NULL ? instead : root, JSON_COMPACT | JSON_ENCODE_ANY);
        code = cleaned == NULL ? -1 : 1;
    }
    json_decref(instead);
    json_decref(root);
    if (code == 1)
        *out = cleaned;
    return code;
}

/* ---- Events ---------------------------------------------------------------------------------------- */

static const char *const field_names[EVENT_FIELD_COUNT] = {
    [EVENT_CODE] = "code",   [EVENT_DIRECTION] = "direction", [EVENT_OUR_NUMBER] = "our_number",
    [EVENT_ACTOR] = "actor", [EVENT_NUMBER] = "number",       [EVENT_QUEUE] = "queue",
};

/* As much as is known; an absent field stays away. */
static int set_text(json_t *object, const char *name, const char *value)
{
    return value[0] == '\0' ? 0 : json_object_set_new(object, name, json_string(value));
}

/* The fields that are no caller's, but for one that is his number again. */
static int set_fields(const struct forgetting *forgetting, const struct event *event,
                      json_t *object)
{
    char timestamp[TIMESTAMP_SIZE];
    int code = 0;
    for (int i = 0; i < EVENT_FIELD_COUNT && code == 0; i++) {
        if (field_names[i] == NULL)
            continue;
        int is_his =
            !is_technical(forgetting, field_names[i]) && forgetting_is(forgetting, event->field[i]);
        code = set_text(object, field_names[i], is_his ? forgetting->token : event->field[i]);
    }
    if (code < 0 || !event->has_time)
        return code;
    timestamp_format(event->time_ms, timestamp);
    return set_text(object, "timestamp", timestamp);
}

/* event NULL: its body could not be read. */
static char *reduce(const struct forgetting *forgetting, const char *type, const char *call_id,
                    const struct event *event)
{
    char *text = NULL;
    json_t *object = json_object();
    if (object != NULL && set_text(object, "type", type) == 0 &&
        set_text(object, "call_id", call_id) == 0 &&
        (event == NULL || set_fields(forgetting, event, object) == 0) &&
        set_text(object, "forgotten", forgetting->token) == 0)
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static int is_kept_member(const char *name)
{
    static const char *const others[] = {"type", "call_id", "timestamp", "forgotten"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(name, others[i]) == 0)
            return 1;
    }
    for (int i = 0; i < EVENT_FIELD_COUNT; i++) {
        if (field_names[i] != NULL && strcmp(name, field_names[i]) == 0)
            return 1;
    }
    return 0;
}

int forgetting_is_reduced(const char *body)
{
    json_t *root = json_loads(body, 0, NULL);
    const char *token = json_string_value(json_object_get(root, "forgotten"));
    int reduced = token != NULL && forgetting_is_token(token);
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        reduced = reduced && json_is_string(value) && is_kept_member(name);
    }
    json_decref(root);
    return reduced;
}

/* 0 and *out, NULL when it is none; -1: out of memory. */
static int parse(const char *body, struct event **out)
{
    struct event_problem problem = {.status = 0};
    *out = NULL;
    return event_parse(body, strlen(body), 0, out, &problem) < 0 && problem.status == 503 ? -1 : 0;
}

char *forgetting_reduce_event(const struct forgetting *forgetting, const char *type,
                              const char *call_id, const char *body)
{
    struct event *event;
    if (parse(body, &event) < 0)
        return NULL;
    char *text = reduce(forgetting, type, call_id, event);
    event_free(event);
    return text;
}

int forgetting_clean_event(const struct forgetting *forgetting, const char *type,
                           const char *call_id, const char *body, char **out)
{
    struct event *event;
    if (parse(body, &event) < 0)
        return -1;
    if (event == NULL || !forgetting_is(forgetting, event->field[EVENT_THEIR_NUMBER])) {
        event_free(event);
        return forgetting_clean_json(forgetting, body, out);
    }
    *out = reduce(forgetting, type, call_id, event);
    event_free(event);
    return *out == NULL ? -1 : 1;
}
