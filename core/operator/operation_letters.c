/*
 * operation_letters.c: what an operator does with dead letters: lists a page of them, looks at one, has one
 * or all handled again, forgets one. Each is one transaction, but for all: that is one for every few hundred.
 */
#include "operator/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "operator/letter_json.h"

#define PAGE        50  /* letters of a reply: it has a limit */
#define STEP_REPLAY 200 /* so many handlings at once do not hold up the events */

enum action { LIST, SHOW, REPLAY, REPLAY_ALL, DROP };

struct letters {
    enum action action;
    char id[LETTER_ID_SIZE];
    int64_t event_id;
    const char *plugin; /* in id */
    int64_t before_ms;  /* LIST: where the page begins; REPLAY_ALL: when it was asked */
    int has_before;
    int64_t count;   /* done so far; LIST: how many there are in all */
    json_t *list;    /* LIST, SHOW */
    int64_t last_ms; /* of the last of a full page; 0: there are no more */
    int listed;
};

static const char *const action_words[] = {[LIST] = "list",
                                           [SHOW] = "show",
                                           [REPLAY] = "replay",
                                           [REPLAY_ALL] = "replay-all",
                                           [DROP] = "drop"};

static void letters_free(void *state)
{
    struct letters *letters = state;
    json_decref(letters->list);
    free(letters);
}

static int read_action(struct letters *letters, const json_t *request, char *error)
{
    const char *word = json_string_value(json_object_get(request, "action"));
    for (size_t i = 0; word != NULL && i < sizeof action_words / sizeof action_words[0]; i++) {
        if (strcmp(word, action_words[i]) != 0)
            continue;
        letters->action = (enum action)i;
        return 0;
    }
    snprintf(error, OPERATION_ERROR_SIZE, "action: wanted list, show, replay, replay-all or drop");
    return -1;
}

/* The letter that is meant; or for a list what it goes on behind, as "failed_ms id". */
static int read_id(struct letters *letters, const json_t *request, char *error)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    if (letters->action == REPLAY_ALL || (letters->action == LIST && id == NULL))
        return 0;
    if (id != NULL && strlen(id) < sizeof letters->id) {
        snprintf(letters->id, sizeof letters->id, "%s", id);
        if (letter_id_parse(letters->id, &letters->event_id, &letters->plugin) == 0)
            return 0;
    }
    snprintf(error, OPERATION_ERROR_SIZE,
             "found the id \"%.96s\", wanted one as the list shows it: "
             "42/call_standby",
             id == NULL ? "" : id);
    return -1;
}

static void *begin(const json_t *request, char *error)
{
    struct letters *letters = calloc(1, sizeof *letters);
    if (letters == NULL) {
        snprintf(error, OPERATION_ERROR_SIZE, "out of memory");
        return NULL;
    }
    if (read_action(letters, request, error) < 0 || read_id(letters, request, error) < 0) {
        letters_free(letters);
        return NULL;
    }
    const json_t *before = json_object_get(request, "before_ms");
    letters->has_before = json_is_integer(before);
    letters->before_ms = letters->has_before ? json_integer_value(before) : clock_wall_ms() + 1;
    letters->list = json_array();
    return letters;
}

static int add_letter(void *arg, const struct store_letter *letter)
{
    struct letters *letters = arg;
    letters->last_ms = letter->failed_ms;
    letters->listed++;
    return json_array_append_new(letters->list, letter_json(letter));
}

/* 1 for the page, or the letter; 0: there is none; negative. */
static int look(struct letters *letters, struct store *store)
{
    const struct store_letter before = {
        .failed_ms = letters->before_ms, .event_id = letters->event_id, .plugin = letters->plugin};
    if (letters->action == SHOW)
        return store_letter_find(store, letters->event_id, letters->plugin, add_letter, letters);
    int code = store_letters_count(store, &letters->count);
    if (code >= 0)
        code = store_letters(store, letters->has_before && letters->plugin != NULL ? &before : NULL,
                             PAGE, add_letter, letters);
    if (letters->listed < PAGE)
        letters->last_ms = 0;
    return code < 0 ? code : 1;
}

static int act(struct letters *letters, struct store *store)
{
    int64_t now_ms = clock_wall_ms();
    switch (letters->action) {
    case LIST:
    case SHOW:
        return look(letters, store);
    case REPLAY:
        return store_letter_replay(store, letters->event_id, letters->plugin, now_ms);
    case REPLAY_ALL:
        return store_letters_replay(store, letters->before_ms, STEP_REPLAY, now_ms);
    case DROP:
        return store_letter_drop(store, letters->event_id, letters->plugin);
    default:
        return STORE_E_ARGUMENT;
    }
}

static int step(void *state, const struct operation_parts *parts, char *error)
{
    struct letters *letters = state;
    int found = 0;
    int code = store_begin(parts->store, NULL, 0);
    json_array_clear(letters->list); /* of a step before this that was in another one's way */
    letters->listed = 0;
    if (code >= 0)
        code = found = act(letters, parts->store);
    if (code >= 0)
        code = store_commit(parts->store);
    if (code < 0) {
        snprintf(error, OPERATION_ERROR_SIZE, "the store failed: %s", store_error(parts->store));
        store_rollback(parts->store);
        return code == STORE_E_AGAIN ? OPERATION_WAIT : -1;
    }
    if (letters->action == LIST)
        return 0;
    letters->count += found;
    if (letters->action == REPLAY_ALL)
        return found > 0;
    if (found > 0)
        return 0;
    snprintf(error, OPERATION_ERROR_SIZE, "there is no dead letter %s", letters->id);
    return -1;
}

static json_t *report(const void *state)
{
    const struct letters *letters = state;
    return json_pack("{s:s, s:I, s:O, s:I}", "action", action_words[letters->action], "count",
                     (json_int_t)letters->count, "letters", letters->list, "last_failed_ms",
                     (json_int_t)letters->last_ms);
}

static json_t *summary(const void *state)
{
    const struct letters *letters = state;
    return json_pack("{s:s, s:s, s:I}", "action", action_words[letters->action], "id", letters->id,
                     "count", (json_int_t)letters->count);
}

const struct operation_kind operation_letters = {
    .command = "dead-letters",
    .begin = begin,
    .step = step,
    .report = report,
    .summary = summary,
    .free = letters_free,
};
