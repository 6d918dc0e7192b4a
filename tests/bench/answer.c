/* answer.c: a small state machine; the common case, one read with the whole answer, is one pass. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_begin(struct answer *answer)
{
    answer->part = ANSWER_HEAD;
    answer->status = 0;
    answer->closes = false;
    answer->until_end = false;
    answer->chunked = false;
    answer->left = 0;
    answer->line = 0;
    answer->head_size = 0;
}

/* The value when the line is that header, else NULL. */
static const char *header_value(const char *line, size_t size, const char *name, size_t name_size)
{
    if (size <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size) != 0)
        return NULL;
    line += name_size + 1;
    return line + strspn(line, " \t");
}

#define HEADER_VALUE(line, size, name) header_value((line), (size), name, sizeof name - 1)

static int answer_read_header(struct answer *answer, const char *line, size_t size, bool *has_size)
{
    const char *value;
    char *end;

    if ((value = HEADER_VALUE(line, size, "content-length")) != NULL) {
        answer->left = strtoull(value, &end, 10);
        if (end == value || *value == '-' || answer->left > (UINT64_C(1) << 40))
            return -1;
        *has_size = true;
    } else if ((value = HEADER_VALUE(line, size, "transfer-encoding")) != NULL) {
        answer->chunked = strncasecmp(value, "chunked", 7) == 0;
    } else if ((value = HEADER_VALUE(line, size, "connection")) != NULL) {
        answer->closes = strncasecmp(value, "close", 5) == 0;
    }
    return 0;
}

/* The head is whole: what follows it? head[head_size] is 0. */
static int answer_read_head(struct answer *answer)
{
    const char *line = answer->head;
    bool has_size = false;

    if (strncmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return -1;
    answer->status = atoi(line + 9);
    if (answer->status < 100 || answer->status > 599)
        return -1;
    answer->closes = line[7] == '0';
    while ((line = strchr(line, '\n')) != NULL && *++line != '\0' && *line != '\r') {
        if (answer_read_header(answer, line, strcspn(line, "\r\n"), &has_size) != 0)
            return -1;
    }
    if (answer->status < 200) { /* 100 Continue and its like: the answer is still to come */
        answer_begin(answer);
        return 0;
    }
    if (answer->status == 204 || answer->status == 304) {
        answer->part = ANSWER_DONE;
    } else if (answer->chunked) {
        answer->part = ANSWER_CHUNK_SIZE;
        answer->left = 0;
    } else {
        answer->until_end = !has_size;
        answer->closes = answer->closes || !has_size;
        answer->part = has_size && answer->left == 0 ? ANSWER_DONE : ANSWER_BODY;
    }
    return 0;
}

static long answer_take_head(struct answer *answer, const char *bytes, size_t size)
{
    size_t room = sizeof answer->head - 1 - answer->head_size;
    size_t from = answer->head_size > 3 ? answer->head_size - 3 : 0;
    size_t before = answer->head_size;
    size_t taken = size < room ? size : room;
    const char *end;

    memcpy(answer->head + before, bytes, taken);
    answer->head_size += taken;
    end = memmem(answer->head + from, answer->head_size - from, "\r\n\r\n", 4);
    if (end == NULL)
        return taken == room ? -1 : (long)taken;
    answer->head_size = (size_t)(end - answer->head) + 4;
    answer->head[answer->head_size] = '\0';
    taken = answer->head_size - before;
    return answer_read_head(answer) == 0 ? (long)taken : -1;
}

/* One byte of a line that gives a chunk's size, or of the trailer. */
static int answer_take_line(struct answer *answer, char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit;

    if (byte == '\n') {
        bool blank = answer->line == 0;

        answer->line = 0;
        if (answer->part == ANSWER_TRAILER) {
            if (blank)
                answer->part = ANSWER_DONE;
        } else if (blank) {
            return -1;
        } else if (answer->left == 0) {
            answer->part = ANSWER_TRAILER;
        } else {
            answer->part = ANSWER_CHUNK;
            answer->left += 2;
        }
        return 0;
    }
    if (byte == '\r')
        return 0;
    if (answer->part == ANSWER_CHUNK_SIZE) {
        digit = byte == '\0' ? NULL : strchr(digits, byte | 0x20);
        if (digit == NULL || answer->line >= 10)
            return -1; /* chunk extensions are not ours to understand */
        answer->left = answer->left * 16 + (uint64_t)(digit - digits);
    }
    answer->line++;
    return 0;
}

long answer_take(struct answer *answer, const char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size && answer->part != ANSWER_DONE) {
        if (answer->part == ANSWER_HEAD) {
            long taken = answer_take_head(answer, bytes + used, size - used);

            if (taken < 0)
                return -1;
            used += (size_t)taken;
        } else if (answer->part == ANSWER_BODY && answer->until_end) {
            used = size;
        } else if (answer->part == ANSWER_BODY || answer->part == ANSWER_CHUNK) {
            size_t step = size - used < answer->left ? size - used : (size_t)answer->left;

            used += step;
            answer->left -= step;
            if (answer->left == 0)
                answer->part = answer->part == ANSWER_BODY ? ANSWER_DONE : ANSWER_CHUNK_SIZE;
        } else if (answer_take_line(answer, bytes[used++]) != 0) {
            return -1;
        }
    }
    return (long)used;
}

bool answer_end(struct answer *answer)
{
    if (answer->part == ANSWER_BODY && answer->until_end)
        answer->part = ANSWER_DONE;
    return answer->part == ANSWER_DONE;
}
