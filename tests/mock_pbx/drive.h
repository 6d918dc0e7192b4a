/*
 * drive.h: events driven by hand (POST /api/client/pabx/call): keeps one call for each caller's
 * number and posts the event asked for. drive_parse_order() is for the server thread, the rest for
 * the main thread.
 */
#ifndef MOCK_PBX_DRIVE_H
#define MOCK_PBX_DRIVE_H

#include <stddef.h>

#include "client.h"
#include "inbox.h"
#include "journal.h"
#include "options.h"
#include "tally.h"

#define DRIVE_FIELD_SIZE 128
#define DRIVE_ERROR_SIZE 160

struct drive_order {
    char type[DRIVE_FIELD_SIZE];
    char their_number[DRIVE_FIELD_SIZE];
    char our_number[DRIVE_FIELD_SIZE];
    char call_id[DRIVE_FIELD_SIZE]; /* this and the following may be "" */
    char actor[DRIVE_FIELD_SIZE];
    char number[DRIVE_FIELD_SIZE];
    char queue[DRIVE_FIELD_SIZE];
};

/* A new order, the caller frees it with free(); NULL and the reason when the body is malformed. */
struct drive_order *drive_parse_order(const char *body, size_t body_size,
                                      const struct options *options, char error[DRIVE_ERROR_SIZE]);

struct drive;

/* How a drive answers its requests. json is handed over, NULL when out of memory. */
typedef void drive_answer(void *context, struct request *request, unsigned status, char *json);

struct drive *drive_new(const struct options *options, struct client *client, struct tally *tally,
                        struct journal *journal);

/* Where the answers go: to be set before the first order. */
void drive_set_answer(struct drive *drive, drive_answer *answer, void *context);

/* After client_close(): posts under way are freed too. Accepts NULL. */
void drive_free(struct drive *drive);

/* Is or was it the id of a call driven by hand? */
bool drive_knows(const struct drive *drive, const char *call_id);

/* Posts the event and answers the request when the webhook has answered. Takes the order. */
void drive_begin(struct drive *drive, struct drive_order *order, struct request *request);

#endif
