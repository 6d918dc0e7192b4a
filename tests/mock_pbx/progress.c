/*
 * progress.c: see progress.h. On a terminal at most four redraws a second; elsewhere nothing, or
 * with --verbose a line every five seconds.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

#define PROGRESS_REDRAW_NS (CLOCK_NS_PER_S / 4)
#define PROGRESS_LINE_NS   (CLOCK_NS_PER_S * 5)
#define PROGRESS_BAR_WIDTH 20

void progress_open(struct progress *progress, const struct options *options)
{
    bool calls = options_place_calls(options);

    *progress = (struct progress){
        .terminal = calls && isatty(STDERR_FILENO) == 1,
        .wanted = options->calls,
        .drawn_ns = clock_get_mono_ns(),
    };
    progress->rate_ns = progress->drawn_ns;
    progress->lines = calls && !progress->terminal && options->verbose;
}

uint64_t progress_get_next_ns(const struct progress *progress)
{
    if (!progress->terminal && !progress->lines)
        return UINT64_MAX;
    return progress->drawn_ns + (progress->terminal ? PROGRESS_REDRAW_NS : PROGRESS_LINE_NS);
}

void progress_clear(struct progress *progress)
{
    if (progress->terminal && progress->shown)
        fputs("\r\x1b[K", stderr);
    progress->shown = false;
}

void progress_note(struct progress *progress, const char *format, ...)
{
    va_list values;

    progress_clear(progress);
    fputs("mock-pbx: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

/* The rate is the last second's: the average would hide a server that got slow. */
static void progress_measure(struct progress *progress, uint64_t done, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - progress->rate_ns;
    bool first = progress->rate_done == 0;

    if (passed_ns == 0 || (passed_ns < CLOCK_NS_PER_S && !first))
        return;
    progress->rate =
        (double)(done - progress->rate_done) * (double)CLOCK_NS_PER_S / (double)passed_ns;
    if (passed_ns < CLOCK_NS_PER_S)
        return; /* the first second: a first guess, better than none */
    progress->rate_ns = now_ns;
    progress->rate_done = done;
}

static void progress_print_bar(const struct progress *progress, uint64_t done)
{
    uint64_t filled = done * PROGRESS_BAR_WIDTH / progress->wanted;

    fputc('[', stderr);
    for (uint64_t i = 0; i < PROGRESS_BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %" PRIu64 "/%" PRIu64 " calls", done, progress->wanted);
}

static void progress_print_eta(const struct progress *progress, uint64_t done)
{
    uint64_t seconds;

    if (progress->rate <= 0 || done >= progress->wanted)
        return;
    seconds = (uint64_t)((double)(progress->wanted - done) / progress->rate + 0.5);
    if (seconds >= 3600)
        fprintf(stderr, ", ETA %" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
                seconds / 60 % 60, seconds % 60);
    else
        fprintf(stderr, ", ETA %" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
}

void progress_draw(struct progress *progress, const struct tally *tally, uint64_t active,
                   uint64_t now_ns)
{
    uint64_t done = tally->calls.right + tally->calls.wrong;

    if (now_ns < progress_get_next_ns(progress))
        return;
    progress->drawn_ns = now_ns;
    progress_measure(progress, done, now_ns);
    progress_clear(progress);
    if (progress->wanted > 0)
        progress_print_bar(progress, done);
    else
        fprintf(stderr, "%" PRIu64 " calls", done);
    fprintf(stderr, ", %" PRIu64 " in progress, %" PRIu64 " wrong, %.1f/s", active,
            tally->calls.wrong, progress->rate);
    if (progress->wanted > 0)
        progress_print_eta(progress, done);
    if (progress->terminal)
        fflush(stderr);
    else
        fputc('\n', stderr);
    progress->shown = true;
}
