/*
 * progress.h: what a person sees on stderr while it runs: one line that is redrawn, and notes above
 * it. Main thread only.
 */
#ifndef MOCK_PBX_PROGRESS_H
#define MOCK_PBX_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "tally.h"

struct progress {
    bool terminal;
    bool lines; /* no terminal, but --verbose: a line now and then */
    bool shown;
    uint64_t wanted; /* calls; 0 = no end */
    uint64_t drawn_ns;
    uint64_t rate_ns; /* of the last measure of the rate */
    uint64_t rate_done;
    double rate;
};

void progress_open(struct progress *progress, const struct options *options);

/* Draws when it is time to. */
void progress_draw(struct progress *progress, const struct tally *tally, uint64_t active,
                   uint64_t now_ns);

/* When it wants to be drawn next; UINT64_MAX when it shows nothing. */
uint64_t progress_get_next_ns(const struct progress *progress);

/* Wipes the line: before other output, and at the end. */
void progress_clear(struct progress *progress);

/* One line for people, newline added, above the progress line. */
void progress_note(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
