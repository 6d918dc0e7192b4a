/*
 * log_line.c: lays out one line of the log, in logfmt or for a terminal. Called by log.c for every
 * line, so it knows a few short cuts. Allocates nothing and writes nothing out.
 */
#include "common/log_line.h"

#include <string.h>
#include <time.h>

#include "common/timestamp.h"

/* Kept free for the end of a line that is full. */
#define END_TEXT " cut=true\n"
#define END_SIZE (sizeof END_TEXT - 1)

/* Messages are padded to this many columns on a terminal, so that the fields stand in line. */
#define MESSAGE_WIDTH 20

#define REPLACEMENT   "\xef\xbf\xbd" /* U+FFFD */

/* ---- Bytes -------------------------------------------------------------------------------------- */

static void put(struct log_line *line, const char *bytes, size_t size)
{
    if (size > LOG_LINE_SIZE - END_SIZE - line->size) {
        line->full = 1;
        return;
    }
    memcpy(line->data + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* At least `width` digits. */
static void put_unsigned(struct log_line *line, uint64_t value, int width)
{
    char digits[20];
    size_t at = sizeof digits;

    for (; value > 0 || width > 0; value /= 10, width--)
        digits[--at] = (char)('0' + value % 10);
    put(line, digits + at, sizeof digits - at);
}

static void put_integer(struct log_line *line, int64_t value)
{
    if (value < 0)
        put(line, "-", 1);
    put_unsigned(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

static void put_milliseconds(struct log_line *line, double ms)
{
    double us = (ms < 0 ? -ms : ms) * 1000 + 0.5;

    if (!(us < 1e15)) { /* infinite, not a number, or no duration that a call ever took */
        put_text(line, "nan");
        return;
    }
    if (ms < 0)
        put(line, "-", 1);
    put_unsigned(line, (uint64_t)us / 1000, 1);
    put(line, ".", 1);
    put_unsigned(line, (uint64_t)us % 1000, 3);
}

/* ---- Text from outside -------------------------------------------------------------------------- */

/* The bytes that a value of logfmt may have without quotes. */
static const unsigned char is_bare[256] = {
    ['!'] = 1,
    ['#' ... '<'] = 1,
    ['>' ... '~'] = 1,
};

/* The size of the UTF-8 character that starts at `text`, and its code; 0 when there is none. Text
 * ends in NUL, which is no continuation byte, so nothing behind its end is read. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* less could be said shorter */
    size_t size = text[0] < 0x80   ? 1
                  : text[0] < 0xc2 ? 0
                  : text[0] < 0xe0 ? 2
                  : text[0] < 0xf0 ? 3
                                   : 4;
    uint32_t value = size == 1 ? text[0] : text[0] & (0x7fu >> size);

    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3f);
    }
    if (size == 0 || text[0] > 0xf4 || value < least[size] || value > 0x10ffff ||
        (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return size;
}

/* Controls, of ASCII and of Latin-1; separators of lines; what turns the direction of text around. */
static int is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void put_escape(struct log_line *line, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";
    char text[] = {
        '\\',           'u', hex[code >> 12 & 0xf], hex[code >> 8 & 0xf], hex[code >> 4 & 0xf],
        hex[code & 0xf]};

    if (code == '\n')
        put(line, "\\n", 2);
    else if (code == '\t')
        put(line, "\\t", 2);
    else
        put(line, text, sizeof text);
}

/* Text with nothing dangerous left in it. quoted: it stands between quotes. */
static void put_escaped(struct log_line *line, const char *text, int quoted)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + LOG_TEXT_MAX;

    while (*at != '\0' && at < end) {
        uint32_t code;
        size_t size = decode(at, &code);

        if (size == 0) {
            put_text(line, REPLACEMENT);
            size = 1;
        } else if (is_dangerous(code)) {
            put_escape(line, code);
        } else {
            if (quoted && (code == '"' || code == '\\'))
                put(line, "\\", 1);
            put(line, (const char *)at, size);
        }
        at += size;
    }
    if (*at != '\0')
        put(line, "...", 3);
}

/* A value of logfmt: bare when it can be, else in quotes. */
static void put_value(struct log_line *line, const char *text)
{
    size_t size = 0;

    while (is_bare[(unsigned char)text[size]])
        size++;
    if (size > 0 && size <= LOG_TEXT_MAX && text[size] == '\0') {
        put(line, text, size);
        return;
    }
    put(line, "\"", 1);
    put_escaped(line, text, 1);
    put(line, "\"", 1);
}

/* ---- Lines -------------------------------------------------------------------------------------- */

static void put_field(struct log_line *line, const struct log_field *field)
{
    put(line, " ", 1);
    put_text(line, field->key);
    put(line, "=", 1);
    if (field->kind == LOG_KIND_INT)
        put_integer(line, field->as.integer);
    else if (field->kind == LOG_KIND_MS)
        put_milliseconds(line, field->as.ms);
    else
        put_value(line, field->as.text == NULL ? "" : field->as.text);
}

static void put_fields(struct log_line *line, const struct log_field *fields)
{
    for (const struct log_field *field = fields; field->kind != LOG_KIND_END; field++) {
        size_t before = line->size;

        put_field(line, field);
        if (line->full) {
            memcpy(line->data + before, END_TEXT, END_SIZE);
            line->size = before + END_SIZE;
            return;
        }
    }
    line->data[line->size++] = '\n';
}

static void put_level(struct log_line *line, enum log_level level, int colour)
{
    static const struct {
        const char *word, *colour;
    } levels[] = {
        [LOG_LEVEL_ERROR] = {"error", "\x1b[31m"},
        [LOG_LEVEL_WARNING] = {"warn ", "\x1b[33m"},
        [LOG_LEVEL_INFO] = {"info ", "\x1b[32m"},
        [LOG_LEVEL_DEBUG] = {"debug", "\x1b[2m"},
    };

    if (colour)
        put_text(line, levels[level].colour);
    put_text(line, levels[level].word);
    if (colour)
        put_text(line, "\x1b[0m");
}

static void put_time_of_day(struct log_line *line, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm local = {0};

    localtime_r(&seconds, &local);
    put_unsigned(line, (uint64_t)local.tm_hour, 2);
    put(line, ":", 1);
    put_unsigned(line, (uint64_t)local.tm_min, 2);
    put(line, ":", 1);
    put_unsigned(line, (uint64_t)local.tm_sec, 2);
    put(line, ".", 1);
    put_unsigned(line, (uint64_t)(time_ms % 1000), 3);
}

/* The message as people read it, and the rest in line behind it. */
static const struct log_field *put_message(struct log_line *line, const struct log_field *fields)
{
    size_t before = line->size;

    if (fields->kind != LOG_KIND_TEXT)
        return fields;
    put_escaped(line, fields->as.text == NULL ? "" : fields->as.text, 0);
    while (fields[1].kind != LOG_KIND_END && line->size - before < MESSAGE_WIDTH)
        put(line, " ", 1);
    return fields + 1;
}

void log_line_make(struct log_line *line, enum log_layout layout, const char *process,
                   enum log_level level, int64_t time_ms, const struct log_field *fields)
{
    line->size = 0;
    line->full = 0;
    if (layout == LOG_LAYOUT_LOGFMT) {
        char time[TIMESTAMP_SIZE];

        timestamp_format(time_ms, time);
        put(line, "time=", 5);
        put(line, time, TIMESTAMP_SIZE - 1);
        put(line, " level=", 7);
        put_text(line, log_level_name(level));
        put(line, " process=", 9);
        put_value(line, process);
    } else {
        put_time_of_day(line, time_ms);
        put(line, " ", 1);
        put_level(line, level, layout == LOG_LAYOUT_COLOUR);
        put(line, " ", 1);
        fields = put_message(line, fields);
    }
    put_fields(line, fields);
}
