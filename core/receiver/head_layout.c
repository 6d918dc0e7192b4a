/* head_layout.c: see head_layout.h. */
#include "receiver/head_layout.h"

#include <string.h>

#define CRLF_SIZE 2

int head_layout_is_known(void)
{
    return strcmp(MHD_get_version(), "0.9.75") == 0;
}

/* How far the head is accounted for; NULL: somewhere before there was something else. */
struct reading {
    const char *next;
};

/* Nothing but the blanks that the library passes over behind the colon. */
static int are_blanks(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (*from != ' ' && *from != '\t')
            return 0;
    }
    return from == to;
}

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_size, const char *value, size_t value_size)
{
    struct reading *reading = arg;

    (void)kind;
    if (name != reading->next || value == NULL || value <= name + name_size ||
        !are_blanks(name + name_size + 1, value)) {
        reading->next = NULL;
        return MHD_NO;
    }
    reading->next = value + value_size + CRLF_SIZE;
    return MHD_YES;
}

int head_layout_is_plain(struct MHD_Connection *connection, const struct head_layout_line *line)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    if (info == NULL || line->uri_end == NULL ||
        line->uri != line->method + strlen(line->method) + 1 || line->version != line->uri_end + 1)
        return 0;
    struct reading reading = {.next = line->version + strlen(line->version) + CRLF_SIZE};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_field, &reading);
    return reading.next != NULL && reading.next + CRLF_SIZE == line->method + info->header_size;
}
