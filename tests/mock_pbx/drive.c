/*
 * drive.c: see drive.h.
 */
#include "drive.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "dice.h"
#include "memory.h"
#include "recall.h"

#define DRIVE_CALLS 1000
#define DRIVE_IDS   16384 /* of calls whose actions are known as theirs */

/* The call that a number is in. */
struct driven_call {
    char their_number[DRIVE_FIELD_SIZE];
    char call_id[DRIVE_FIELD_SIZE];
    int64_t last_ms;
};

/* One event under way. */
struct errand {
    struct post post;
    struct drive *drive;
    struct drive_order *order; /* owned */
    struct request *request;
    char time[PAYLOAD_TIME_SIZE];
    struct errand *previous, *next;
};

struct drive {
    const struct options *options;
    struct client *client;
    struct tally *tally;
    struct journal *journal;
    drive_answer *answer;
    void *context;
    struct dice dice;
    struct driven_call *calls; /* a ring: the oldest number is forgotten */
    size_t call_count;
    size_t cursor;
    struct recall *ids; /* of the driven calls, earlier ones of a number too */
    struct errand *errands;
};

/* ---- orders ---------------------------------------------------------------------------------- */

static int drive_read_member(const json_t *json, const char *name, char out[DRIVE_FIELD_SIZE],
                             char error[DRIVE_ERROR_SIZE])
{
    const json_t *member = json_object_get(json, name);

    if (member == NULL || json_is_null(member))
        return 0;
    if (!json_is_string(member)) {
        snprintf(error, DRIVE_ERROR_SIZE, "\"%s\" must be a string", name);
        return -1;
    }
    if (json_string_length(member) >= DRIVE_FIELD_SIZE) {
        snprintf(error, DRIVE_ERROR_SIZE, "\"%s\" is longer than %d bytes", name,
                 DRIVE_FIELD_SIZE - 1);
        return -1;
    }
    snprintf(out, DRIVE_FIELD_SIZE, "%s", json_string_value(member));
    return 0;
}

static int drive_read_order(const json_t *json, struct drive_order *order,
                            char error[DRIVE_ERROR_SIZE])
{
    if (!json_is_object(json)) {
        snprintf(error, DRIVE_ERROR_SIZE, "the body must be a JSON object");
        return -1;
    }
    if (drive_read_member(json, "type", order->type, error) != 0 ||
        drive_read_member(json, "their_number", order->their_number, error) != 0 ||
        drive_read_member(json, "our_number", order->our_number, error) != 0 ||
        drive_read_member(json, "call_id", order->call_id, error) != 0 ||
        drive_read_member(json, "actor", order->actor, error) != 0 ||
        drive_read_member(json, "number", order->number, error) != 0 ||
        drive_read_member(json, "queue", order->queue, error) != 0)
        return -1;
    if (order->type[0] == '\0' || order->their_number[0] == '\0') {
        snprintf(error, DRIVE_ERROR_SIZE, "\"%s\" is missing",
                 order->type[0] == '\0' ? "type" : "their_number");
        return -1;
    }
    return 0;
}

struct drive_order *drive_parse_order(const char *body, size_t body_size,
                                      const struct options *options, char error[DRIVE_ERROR_SIZE])
{
    struct drive_order *order = memory_get(1, sizeof *order);
    json_error_t problem;
    json_t *json = json_loadb(body, body_size, JSON_REJECT_DUPLICATES, &problem);
    int result = -1;

    snprintf(order->our_number, sizeof order->our_number, "%s", options->our_number);
    if (json == NULL)
        snprintf(error, DRIVE_ERROR_SIZE, "not JSON: %.80s (line %d, column %d)", problem.text,
                 problem.line, problem.column);
    else
        result = drive_read_order(json, order, error);
    json_decref(json);
    if (result == 0)
        return order;
    free(order);
    return NULL;
}

/* ---- the calls ------------------------------------------------------------------------------- */

struct drive *drive_new(const struct options *options, struct client *client, struct tally *tally,
                        struct journal *journal)
{
    struct drive *drive = memory_get(1, sizeof *drive);

    drive->options = options;
    drive->client = client;
    drive->tally = tally;
    drive->journal = journal;
    drive->calls = memory_get(DRIVE_CALLS, sizeof *drive->calls);
    drive->ids = recall_new(DRIVE_IDS);
    dice_open(&drive->dice, options->seed + 3);
    return drive;
}

void drive_set_answer(struct drive *drive, drive_answer *answer, void *context)
{
    drive->answer = answer;
    drive->context = context;
}

static void drive_free_errand(struct errand *errand)
{
    if (errand->previous != NULL)
        errand->previous->next = errand->next;
    else
        errand->drive->errands = errand->next;
    if (errand->next != NULL)
        errand->next->previous = errand->previous;
    free(errand->post.body);
    free(errand->order);
    free(errand);
}

void drive_free(struct drive *drive)
{
    if (drive == NULL)
        return;
    while (drive->errands != NULL)
        drive_free_errand(drive->errands);
    free(drive->calls);
    recall_free(drive->ids);
    free(drive);
}

bool drive_knows(const struct drive *drive, const char *call_id)
{
    return recall_find(drive->ids, call_id) != NULL;
}

static struct driven_call *drive_find_call(struct drive *drive, const char *their_number)
{
    for (size_t i = 0; i < drive->call_count; i++) {
        if (strcmp(drive->calls[i].their_number, their_number) == 0)
            return &drive->calls[i];
    }
    return NULL;
}

/* The call the order goes on with, or a new one. */
static struct driven_call *drive_get_call(struct drive *drive, const struct drive_order *order)
{
    struct driven_call *call = drive_find_call(drive, order->their_number);
    bool known = call != NULL;

    if (!known) {
        call = &drive->calls[drive->cursor];
        drive->cursor = (drive->cursor + 1) % DRIVE_CALLS;
        if (drive->call_count < DRIVE_CALLS)
            drive->call_count++;
        *call = (struct driven_call){0};
        snprintf(call->their_number, sizeof call->their_number, "%s", order->their_number);
    }
    if (order->call_id[0] != '\0')
        snprintf(call->call_id, sizeof call->call_id, "%s", order->call_id);
    else if (!known || strcmp(order->type, payload_get_type(EVENT_NEW)) == 0)
        call_make_id(call->call_id, &drive->dice);
    if (!drive_knows(drive, call->call_id))
        recall_put(drive->ids, call->call_id);
    return call;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static char *drive_make_answer(const struct errand *errand)
{
    const struct post *post = &errand->post;
    const char *status = "ok";
    json_t *posted = json_loads(post->body, 0, NULL);
    /* What the webhook says may be cut or no text at all. */
    json_t *said = json_string(post->answer);
    json_t *json;
    char *text;

    if (post->outcome != POST_ACKNOWLEDGED)
        status = post->outcome == POST_REFUSED ? "refused" : "unreachable";
    json = json_pack("{s:s, s:s, s:{s:s, s:I, s:o}, s:o}", "status", status, "call_id",
                     errand->order->call_id, "webhook", "url", post->url, "status",
                     (json_int_t)post->status, "answer", said != NULL ? said : json_string(""),
                     "posted", posted);
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static void drive_end(struct post *post, void *context)
{
    struct errand *errand = context;
    struct drive *drive = errand->drive;

    if (post->outcome == POST_ACKNOWLEDGED)
        journal_write(drive->journal, errand->order->call_id, errand->order->type,
                      errand->order->their_number, errand->time);
    drive->answer(drive->context, errand->request, post->outcome == POST_UNREACHABLE ? 502 : 200,
                  drive_make_answer(errand));
    drive_free_errand(errand);
}

static enum envelope drive_choose_envelope(struct drive *drive)
{
    if (drive->options->envelope != ENVELOPE_MIXED)
        return drive->options->envelope;
    return dice_hits(&drive->dice, 50) ? ENVELOPE_SEED : ENVELOPE_FLAT;
}

static const char *drive_get_text(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static struct errand *drive_new_errand(struct drive *drive, struct drive_order *order,
                                       struct request *request)
{
    struct errand *errand = memory_get(1, sizeof *errand);

    errand->drive = drive;
    errand->order = order;
    errand->request = request;
    errand->next = drive->errands;
    if (errand->next != NULL)
        errand->next->previous = errand;
    drive->errands = errand;
    return errand;
}

void drive_begin(struct drive *drive, struct drive_order *order, struct request *request)
{
    struct errand *errand = drive_new_errand(drive, order, request);
    struct driven_call *call = drive_get_call(drive, order);
    enum envelope envelope = drive_choose_envelope(drive);
    int64_t now_ms = clock_get_wall_ms();
    struct payload payload = {.type = order->type,
                              .our_number = order->our_number,
                              .their_number = order->their_number,
                              .actor = drive_get_text(order->actor),
                              .number = drive_get_text(order->number),
                              .queue = drive_get_text(order->queue)};

    call->last_ms = now_ms > call->last_ms ? now_ms : call->last_ms + 1;
    snprintf(order->call_id, sizeof order->call_id, "%s", call->call_id);
    payload.call_id = order->call_id;
    payload.time_ms = call->last_ms;
    payload_write_time(payload.time_ms, errand->time);
    errand->post = (struct post){.url = drive->options->webhook_url[envelope],
                                 .once = true,
                                 .done = drive_end,
                                 .context = errand};
    errand->post.body = memory_check(payload_make(&payload, envelope));
    errand->post.body_size = strlen(errand->post.body);
    if (drive->options->webhook_id)
        snprintf(errand->post.id, sizeof errand->post.id, "%.80s.%.40s.%" PRId64, order->call_id,
                 order->type, payload.time_ms);
    drive->tally->events.driven++;
    drive->tally->events.posted++;
    client_submit(drive->client, &errand->post);
}
