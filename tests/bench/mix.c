/* mix.c: templates with fixed-width holes, and the random numbers that fill them. */
#include "mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KNOWN_CALLERS 65536u /* the last so many are called again */
#define MAX_HOLES     8
#define ID_WIDTH      36
#define TIME_WIDTH    24 /* 2018-02-15T20:07:32.562Z */
#define NUMBER_WIDTH  15 /* E.164's longest: 55, five digits of the run, eight of the caller */
#define STANDBY       1

/* In a template a run of one of these bytes is a hole; JSON and HTTP have none of them. */
enum hole_kind { HOLE_ID = 1, HOLE_TIME = 2, HOLE_NUMBER = 3 };

struct hole {
    enum hole_kind kind;
    size_t at;
};

struct template
{
    char text[MIX_REQUEST_SIZE];
    size_t size;
    struct hole holes[MAX_HOLES];
    size_t hole_count;
};

struct mix {
    struct template events[MIX_EVENTS];
    uint64_t random;
    double returning;
    bool has_body;
    unsigned run;         /* five digits that tell one run's callers from another's */
    uint64_t callers;     /* made so far   */
    uint64_t known_count; /* ever; the ring holds the last ones */
    time_t second;        /* what second_text says */
    char second_text[20]; /* 2018-02-15T20:07:32 */
    uint64_t known[KNOWN_CALLERS];
};

static const char *const types[MIX_EVENTS] = {
    "call.new",     "call.standby", "call.waiting",  "actor.entered",
    "call.ongoing", "actor.left",   "call.finished",
};

/* splitmix64: two multiplications, and as random as call ids need. */
static uint64_t mix_roll(struct mix *mix)
{
    uint64_t value = (mix->random += UINT64_C(0x9e3779b97f4a7c15));

    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static int template_fill(struct template *template, const char *host, const char *path,
                         const char *body)
{
    int size = snprintf(template->text, sizeof template->text,
                        "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pbxhook-load\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        path, host, strlen(body), body);

    if (size < 0 || (size_t)size >= sizeof template->text) {
        fprintf(stderr, "pbxhook-load: a request would be longer than %zu bytes\n",
                sizeof template->text);
        return -1;
    }
    template->size = (size_t)size;
    return 0;
}

static void template_find_holes(struct template *template)
{
    static const size_t widths[] = {
        [HOLE_ID] = ID_WIDTH, [HOLE_TIME] = TIME_WIDTH, [HOLE_NUMBER] = NUMBER_WIDTH};

    for (size_t at = 0; at < template->size && template->hole_count < MAX_HOLES; at++) {
        unsigned byte = (unsigned char)template->text[at];

        if (byte != HOLE_ID && byte != HOLE_TIME && byte != HOLE_NUMBER)
            continue;
        template->holes[template->hole_count++] = (struct hole){(enum hole_kind)byte, at};
        at += widths[byte] - 1;
    }
}

/* The seed's envelope, with what the PBX knows at that point of the call. */
static int template_make_event(struct template *template, const char *host, const char *path,
                               unsigned event)
{
    char id[ID_WIDTH + 1] = {0};
    char when[TIME_WIDTH + 1] = {0};
    char number[NUMBER_WIDTH + 1] = {0};
    char body[MIX_REQUEST_SIZE];
    bool queued = event >= 2;
    bool answered = event >= 3 && event <= 5;

    memset(id, HOLE_ID, ID_WIDTH);
    memset(when, HOLE_TIME, TIME_WIDTH);
    memset(number, HOLE_NUMBER, NUMBER_WIDTH);
    snprintf(body, sizeof body,
             "{\"chamada\":{\"call_id\":\"%s\",\"code\":\"\",\"type\":\"%s\","
             "\"direction\":\"inbound\",\"our_number\":\"0800111111\",\"their_number\":\"%s\","
             "\"timestamp\":\"%s\"%s%s},"
             "\"dados\":{\"call_id\":\"%s\",\"type\":\"call.cpf-provided\",\"cpf\":\"\","
             "\"timestamp\":\"%s\"},\"atendente\":{%s},\"dialer\":{}}",
             id, types[event], number, when, queued ? ",\"queue\":\"900\"" : "",
             answered ? ",\"actor\":\"maria.souza\",\"number\":\"1042\"" : "", id, when,
             answered ? "\"actor\":\"maria.souza\",\"number\":\"1042\"" : "");
    if (template_fill(template, host, path, body) != 0)
        return -1;
    template_find_holes(template);
    return 0;
}

struct mix *mix_new(const char *host, const char *path, double returning, uint64_t seed,
                    const char *body)
{
    struct mix *mix = calloc(1, sizeof *mix);
    int error = 0;

    if (mix == NULL) {
        fputs("pbxhook-load: out of memory\n", stderr);
        return NULL;
    }
    mix->random = seed;
    mix->returning = returning;
    mix->run = (unsigned)(mix_roll(mix) % 100000);
    mix->has_body = body != NULL;
    for (unsigned event = 0; event < MIX_EVENTS && error == 0; event++) {
        if (body != NULL)
            error = template_fill(&mix->events[event], host, path, body);
        else
            error = template_make_event(&mix->events[event], host, path, event);
    }
    if (error != 0) {
        mix_free(mix);
        return NULL;
    }
    return mix;
}

void mix_free(struct mix *mix)
{
    free(mix);
}

/* A random UUID, version 4. */
static void mix_make_id(struct mix *mix, char out[MIX_CALL_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = 0;

    for (int i = 0, drawn = 0; i < ID_WIDTH; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            out[i] = '-';
            continue;
        }
        if (drawn % 16 == 0)
            bits = mix_roll(mix);
        out[i] = digits[bits & 15];
        bits >>= 4;
        drawn++;
    }
    out[14] = '4';
    out[19] = digits[8 + (mix_roll(mix) & 3)];
    out[ID_WIDTH] = '\0';
}

void mix_begin_call(struct mix *mix, struct mix_call *call)
{
    uint64_t choice = mix->known_count < KNOWN_CALLERS ? mix->known_count : KNOWN_CALLERS;
    double dice = (double)(mix_roll(mix) >> 11) * 0x1p-53 * 100;

    *call = (struct mix_call){0};
    mix_make_id(mix, call->call_id);
    if (choice > 0 && dice < mix->returning)
        call->caller = mix->known[mix_roll(mix) % choice];
    else
        call->caller = mix->callers++;
}

/* Decimal with leading zeros, without snprintf's price. */
static void write_digits(char *out, int width, uint64_t value)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Each event of a call has a later time than the one before, also within a millisecond. */
static void mix_write_time(struct mix *mix, struct mix_call *call, char out[TIME_WIDTH])
{
    struct timespec now;
    int64_t now_ms;
    time_t second;

    clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms <= call->last_ms)
        now_ms = call->last_ms + 1;
    call->last_ms = now_ms;
    second = (time_t)(now_ms / 1000);
    if (second != mix->second) {
        struct tm utc;

        gmtime_r(&second, &utc);
        strftime(mix->second_text, sizeof mix->second_text, "%Y-%m-%dT%H:%M:%S", &utc);
        mix->second = second;
    }
    memcpy(out, mix->second_text, 19);
    out[19] = '.';
    write_digits(out + 20, 3, (uint64_t)(now_ms % 1000));
    out[23] = 'Z';
}

size_t mix_write_request(struct mix *mix, struct mix_call *call, char out[MIX_REQUEST_SIZE])
{
    const struct template *template = &mix->events[call->next];
    char when[TIME_WIDTH];

    memcpy(out, template->text, template->size);
    if (!mix->has_body)
        mix_write_time(mix, call, when);
    for (size_t i = 0; i < template->hole_count; i++) {
        char *at = out + template->holes[i].at;

        switch (template->holes[i].kind) {
        case HOLE_ID:
            memcpy(at, call->call_id, ID_WIDTH);
            break;
        case HOLE_TIME:
            memcpy(at, when, TIME_WIDTH);
            break;
        case HOLE_NUMBER:
            write_digits(at, 2, 55);
            write_digits(at + 2, 5, mix->run);
            write_digits(at + 7, 8, call->caller);
            break;
        }
    }
    call->next++;
    return template->size;
}

void mix_note_acknowledged(struct mix *mix, const struct mix_call *call)
{
    if (call->next == STANDBY + 1)
        mix->known[mix->known_count++ % KNOWN_CALLERS] = call->caller;
}

const char *mix_get_last_type(const struct mix_call *call)
{
    return types[call->next > 0 ? call->next - 1 : 0];
}

bool mix_is_over(const struct mix_call *call)
{
    return call->next >= MIX_EVENTS;
}
