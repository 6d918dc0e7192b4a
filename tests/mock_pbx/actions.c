/*
 * actions.c: see actions.h.
 */
#include "actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dice.h"
#include "memory.h"
#include "recall.h"

#define ACTIONS_LISTED  1000
#define ACTIONS_KEYS    262144 /* keys known again: nine minutes at 500 actions a second */
#define ACTIONS_MAX_KEY 255

/* What GET /api/client/actions tells of one. */
struct listed_action {
    int64_t time_ms;
    unsigned status;
    enum action_fate fate;
    enum action_manner manner;
    char call_id[INBOX_CALL_ID_SIZE];
    char type[INBOX_TEXT_SIZE];
    char destination[INBOX_TEXT_SIZE];
    char key[INBOX_CALL_ID_SIZE];
    char scheme[16]; /* of the Authorization header: the secret itself is not kept */
    char error[INBOX_DETAIL_SIZE];
};

struct actions {
    const struct options *options;
    struct dice dice;
    struct recall *keys;          /* note: hash of the call id */
    struct listed_action *listed; /* a ring */
    uint64_t listed_count;        /* ever */
};

struct actions *actions_new(const struct options *options)
{
    struct actions *actions = memory_get(1, sizeof *actions);

    actions->options = options;
    dice_open(&actions->dice, options->seed + 2);
    actions->keys = recall_new(ACTIONS_KEYS);
    actions->listed = memory_get(ACTIONS_LISTED, sizeof *actions->listed);
    return actions;
}

void actions_free(struct actions *actions)
{
    if (actions == NULL)
        return;
    recall_free(actions->keys);
    free(actions->listed);
    free(actions);
}

/* ---- checking -------------------------------------------------------------------------------- */

static const char *const action_json_types[] = {
    "an object", "an array", "a string", "an integer", "a real number", "true", "false", "null"};

/* Copies a string member; -1 and the reason when it is missing, no string, empty or too long. */
static int action_read_member(const json_t *json, const char *name, char *out, size_t size,
                              char error[INBOX_DETAIL_SIZE])
{
    const json_t *member = json_object_get(json, name);

    if (member == NULL)
        snprintf(error, INBOX_DETAIL_SIZE, "\"%s\" is missing", name);
    else if (!json_is_string(member))
        snprintf(error, INBOX_DETAIL_SIZE, "\"%s\" must be a string, not %s", name,
                 action_json_types[json_typeof(member)]);
    else if (json_string_length(member) == 0)
        snprintf(error, INBOX_DETAIL_SIZE, "\"%s\" is empty", name);
    else if (json_string_length(member) >= size)
        snprintf(error, INBOX_DETAIL_SIZE, "\"%s\" is longer than %zu bytes", name, size - 1);
    else
        snprintf(out, size, "%s", json_string_value(member));
    return out[0] != '\0' ? 0 : -1;
}

/* Fills the message's texts as far as they go; -1 and the reason when the action is malformed. */
static int action_read(const struct action_post *post, struct inbox_message *message, char *error)
{
    json_error_t problem;
    json_t *json = json_loadb(post->body, post->body_size, JSON_REJECT_DUPLICATES, &problem);
    char ignored[INBOX_DETAIL_SIZE];
    int result = -1;

    if (json == NULL) {
        snprintf(error, INBOX_DETAIL_SIZE, "not JSON: %.80s (line %d, column %d)", problem.text,
                 problem.line, problem.column);
    } else if (!json_is_object(json)) {
        snprintf(error, INBOX_DETAIL_SIZE, "the body must be a JSON object");
    } else {
        /* The call id first: a malformed action is held against its call. */
        result =
            action_read_member(json, "call_id", message->call_id, sizeof message->call_id, error);
        if (action_read_member(json, "type", message->type, sizeof message->type,
                               result == 0 ? error : ignored) != 0)
            result = -1;
        if (action_read_member(json, "destination", message->destination,
                               sizeof message->destination, result == 0 ? error : ignored) != 0)
            result = -1;
    }
    json_decref(json);
    if (result == 0 && post->key != NULL && strlen(post->key) > ACTIONS_MAX_KEY) {
        snprintf(error, INBOX_DETAIL_SIZE, "Idempotency-Key is longer than %d bytes",
                 ACTIONS_MAX_KEY);
        result = -1;
    }
    return result;
}

/* ---- deciding -------------------------------------------------------------------------------- */

static void action_turn_down(struct action_answer *answer, struct inbox_message *message,
                             unsigned status)
{
    answer->status = status;
    message->fate = ACTION_BAD;
    snprintf(message->detail, sizeof message->detail, "%s", answer->error);
}

/* True when the key is known: the action is answered as its first copy, or refused. */
static bool action_is_repeated(struct actions *actions, const struct action_post *post,
                               struct action_answer *answer, struct inbox_message *message)
{
    const struct recall_value *known;

    if (post->key == NULL)
        return false;
    known = recall_find(actions->keys, post->key);
    if (known == NULL)
        return false;
    message->fate = ACTION_REPEATED;
    if (known->note != recall_hash(message->call_id)) {
        snprintf(answer->error, sizeof answer->error,
                 "this Idempotency-Key was used for another call");
        action_turn_down(answer, message, 422);
    }
    return true;
}

/* Not taken on purpose? */
static bool action_is_failed(struct actions *actions, struct action_answer *answer,
                             struct inbox_message *message)
{
    const struct options *options = actions->options;

    if (dice_hits(&actions->dice, options->fail_percent)) {
        message->fate = ACTION_FAILED;
        answer->status = options->fail_status;
        answer->retry_after = answer->status == 503 || answer->status == 429;
        snprintf(answer->error, sizeof answer->error, "failed on request (--fail-actions)");
        return true;
    }
    if (options->drop_before && dice_hits(&actions->dice, options->drop_percent)) {
        message->fate = ACTION_DROPPED_BEFORE;
        answer->status = 0;
        return true;
    }
    return false;
}

static uint64_t action_draw_ns(struct actions *actions, struct span_ms span)
{
    return dice_roll_between(&actions->dice, span.min, span.max) * CLOCK_NS_PER_MS;
}

/* How the taken action is answered, and when its call goes on. */
static void action_choose_manner(struct actions *actions, struct action_answer *answer,
                                 struct inbox_message *message)
{
    const struct options *options = actions->options;

    if (dice_hits(&actions->dice, options->silent_percent)) {
        message->manner = ACTION_SILENT;
        answer->status = 0;
        answer->delay_ns = (uint64_t)(options->silence_s * (double)CLOCK_NS_PER_S);
    } else if (!options->drop_before && dice_hits(&actions->dice, options->drop_percent)) {
        message->manner = ACTION_DROPPED;
        answer->status = 0;
    } else if (options->waiting_first.max > 0) {
        message->manner = ACTION_WAITING_FIRST;
        answer->delay_ns = action_draw_ns(actions, options->waiting_first);
    } else if (options->slow_actions.max > 0) {
        message->manner = ACTION_SLOW;
        answer->delay_ns = action_draw_ns(actions, options->slow_actions);
        message->proceed_ns += answer->delay_ns;
    }
}

/* ---- listing --------------------------------------------------------------------------------- */

static void actions_record(struct actions *actions, const struct action_post *post,
                           const struct action_answer *answer, const struct inbox_message *message)
{
    struct listed_action *listed = &actions->listed[actions->listed_count % ACTIONS_LISTED];
    const char *scheme = post->authorization != NULL ? post->authorization : "";

    actions->listed_count++;
    listed->time_ms = clock_get_wall_ms();
    listed->status = answer->status;
    listed->fate = message->fate;
    listed->manner = message->manner;
    memcpy(listed->call_id, message->call_id, sizeof listed->call_id);
    memcpy(listed->type, message->type, sizeof listed->type);
    memcpy(listed->destination, message->destination, sizeof listed->destination);
    snprintf(listed->key, sizeof listed->key, "%s", post->key != NULL ? post->key : "");
    snprintf(listed->scheme, sizeof listed->scheme, "%.*s", (int)strcspn(scheme, " "), scheme);
    memcpy(listed->error, answer->error, sizeof listed->error);
}

void actions_take(struct actions *actions, const struct action_post *post,
                  struct action_answer *answer, struct inbox_message *message)
{
    *answer = (struct action_answer){.status = 200};
    memset(message, 0, sizeof *message);
    message->kind = INBOX_ACTION;
    message->arrived_ns = post->arrived_ns;
    message->proceed_ns = post->arrived_ns;
    if (action_read(post, message, answer->error) != 0) {
        action_turn_down(answer, message, 400);
    } else if (!action_is_repeated(actions, post, answer, message) &&
               !action_is_failed(actions, answer, message)) {
        message->fate = ACTION_TAKEN;
        action_choose_manner(actions, answer, message);
    }
}

void actions_keep(struct actions *actions, const struct action_post *post,
                  const struct action_answer *answer, const struct inbox_message *message)
{
    if (message->fate == ACTION_TAKEN && post->key != NULL)
        recall_put(actions->keys, post->key)->note = recall_hash(message->call_id);
    actions_record(actions, post, answer, message);
}

static json_t *actions_show(const struct listed_action *listed)
{
    static const char *const fates[] = {"taken", "repeated_by_key", "bad", "failed",
                                        "dropped_before"};
    static const char *const manners[] = {"plain", "slow", "waiting_first", "silent", "dropped"};
    char time[PAYLOAD_TIME_SIZE];

    payload_write_time(listed->time_ms, time);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "time", time, "call_id",
                     listed->call_id, "type", listed->type, "destination", listed->destination,
                     "idempotency_key", listed->key, "authorization", listed->scheme, "fate",
                     fates[listed->fate], "manner", manners[listed->manner], "status",
                     (int)listed->status, "error", listed->error);
}

json_t *actions_list(const struct actions *actions, const char *call_id)
{
    json_t *list = json_array();
    uint64_t first =
        actions->listed_count > ACTIONS_LISTED ? actions->listed_count - ACTIONS_LISTED : 0;

    for (uint64_t i = first; i < actions->listed_count; i++) {
        const struct listed_action *listed = &actions->listed[i % ACTIONS_LISTED];
        json_t *shown;

        if (call_id != NULL && strcmp(call_id, listed->call_id) != 0)
            continue;
        /* A text cut within a character is not UTF-8 any more: such an entry is left out. */
        shown = actions_show(listed);
        if (shown != NULL)
            json_array_append_new(list, shown);
    }
    return json_pack("{s:I, s:o}", "received", (json_int_t)actions->listed_count, "data", list);
}
