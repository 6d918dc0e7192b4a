/* letter_json.c: see letter_json.h. */
#include "operator/letter_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"

void letter_id_format(const struct store_letter *letter, char out[LETTER_ID_SIZE])
{
    snprintf(out, LETTER_ID_SIZE, "%" PRId64 "/%s", letter->event_id, letter->plugin);
}

int letter_id_parse(const char *id, int64_t *event_id, const char **plugin)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(id, &end, 10);
    if (errno != 0 || number < 1 || id[0] < '0' || id[0] > '9' || *end != '/' || end[1] == '\0' ||
        strlen(id) >= LETTER_ID_SIZE)
        return -1;
    *event_id = number;
    *plugin = end + 1;
    return 0;
}

/* The front of the body that is whole characters. */
static size_t shown_size(const struct store_letter *letter)
{
    size_t size = letter->body_size;
    if (size <= LETTER_BODY_MAX)
        return size;
    size = LETTER_BODY_MAX;
    while (size > 0 && ((unsigned char)letter->body[size] & 0xc0) == 0x80)
        size--;
    return size;
}

json_t *letter_json(const struct store_letter *letter)
{
    char id[LETTER_ID_SIZE], failed[TIMESTAMP_SIZE], received[TIMESTAMP_SIZE];
    letter_id_format(letter, id);
    timestamp_format(letter->failed_ms, failed);
    timestamp_format(letter->received_ms, received);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "id", id, "plugin",
                             letter->plugin, "event", letter->type, "call_id", letter->call_id,
                             "attempts", letter->attempts, "failed", failed, "received", received);
    /* A text of the database's own may hold bytes that are no UTF-8. */
    json_t *error = json_string(letter->error);
    int failed_at = json_object_set_new(json, "error", error != NULL ? error : json_string("?"));
    if (letter->body != NULL && failed_at == 0) {
        failed_at =
            json_object_set_new(json, "body_bytes", json_integer((json_int_t)letter->body_size));
        if (failed_at == 0)
            failed_at =
                json_object_set_new(json, "body", json_stringn(letter->body, shown_size(letter)));
    }
    if (failed_at == 0)
        return json;
    json_decref(json);
    return NULL;
}
