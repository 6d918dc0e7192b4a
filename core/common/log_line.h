/*
 * log_line.h: private to the log: one line laid out in memory. Text in it is hostile (a PBX's, a
 * plugin's): it can neither end the line, nor forge a field, nor act on a terminal.
 */
#ifndef PBXHOOK_LOG_LINE_H
#define PBXHOOK_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

/* Longest text of one field, in bytes before escaping: more is cut, with "..." in its place. */
#define LOG_TEXT_MAX 1024

/* Longest line. Fields that don't fit any more are left out, and cut=true tells so. */
#define LOG_LINE_SIZE 16384

enum log_layout {
    LOG_LAYOUT_LOGFMT,   /* for machines: UTC, everything quoted as needed */
    LOG_LAYOUT_TERMINAL, /* for eyes: local time of day, columns           */
    LOG_LAYOUT_COLOUR    /* the same, the level in its colour              */
};

struct log_line {
    size_t size;
    int full;
    char data[LOG_LINE_SIZE];
};

/* Makes the whole line, with its newline. line->data has no NUL. Any thread. */
void log_line_make(struct log_line *line, enum log_layout layout, const char *process,
                   enum log_level level, int64_t time_ms, const struct log_field *fields);

#endif
