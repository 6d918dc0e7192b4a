/*
 * log.h: the log: logfmt lines on stderr, one for each thing that happened, with the identifiers that
 * find the case again. On a terminal the same line is laid out for eyes. Any thread may log. Never
 * log a secret; numbers of callers and payloads at debug only.
 *
 *     log_info("event handled", log_text("call_id", id), log_int("attempt", 1));
 *     time=2026-01-02T03:04:05.678Z level=info process=worker msg="event handled" call_id=... attempt=1
 */
#ifndef PBXHOOK_LOG_H
#define PBXHOOK_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_kind { LOG_KIND_END, LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_MS };

struct log_field {
    enum log_kind kind;
    const char *key;
    union {
        const char *text;
        int64_t integer;
        double ms;
    } as;
};

/*
 * Once, before threads. process is "receiver" or "worker", a constant. The layout is logfmt unless
 * stderr is a terminal (NO_COLOR is honoured).
 */
void log_open(const char *process, enum log_level level);

/* "error", "warning", "info", "debug". */
const char *log_level_name(enum log_level level);

int log_enabled(enum log_level level);
/* Any thread: from here on. */
void log_set_level(enum log_level level);

/*
 * From here until log_flush() the calling process's lines gather in memory and are written together:
 * a worker flushes once a batch. Lines at error level are written at once. A crash loses what has
 * gathered, so nothing that explains a crash goes through it. log_open() starts unbuffered.
 */
void log_set_buffered(int buffered);
void log_flush(void);

/* fields begin with the message, as log_text("msg", ...), and end with LOG_END. Text is escaped; NULL
 * text is written as "". */
void log_write(enum log_level level, const struct log_field *fields);

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.kind = LOG_KIND_TEXT, .key = key, .as = {.text = text}};
}

static inline struct log_field log_int(const char *key, int64_t integer)
{
    return (struct log_field){.kind = LOG_KIND_INT, .key = key, .as = {.integer = integer}};
}

/* Milliseconds with three decimals. */
static inline struct log_field log_ms(const char *key, double ms)
{
    return (struct log_field){.kind = LOG_KIND_MS, .key = key, .as = {.ms = ms}};
}

#define LOG_END ((struct log_field){.kind = LOG_KIND_END, .key = 0, .as = {.integer = 0}})

#define log_at(level, message, ...)                                                                \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, (const struct log_field[]){log_text("msg", message), ##__VA_ARGS__,   \
                                                        LOG_END});                                 \
    } while (0)

#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
