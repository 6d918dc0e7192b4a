/*
 * timestamp.h: ISO 8601 / RFC 3339 date-times to milliseconds since 1970 and back. Pure.
 */
#ifndef PBXHOOK_TIMESTAMP_H
#define PBXHOOK_TIMESTAMP_H

#include <stdint.h>

/* "2018-02-15T20:07:32.562Z" and NUL. */
#define TIMESTAMP_SIZE 25

/*
 * Reads "YYYY-MM-DDThh:mm:ss[.fraction][Z|+hh:mm|-hh:mm]", years 1970 to 9999, any number of fraction
 * digits (cut to milliseconds), a space or a small t for the T; without a zone it is UTC; a leap second
 * counts as the second before. 0 and *out_ms, or -1.
 */
int timestamp_parse(const char *text, int64_t *out_ms);

/* Writes the time in UTC with milliseconds. Times outside the years 1970 to 9999 are clamped. */
void timestamp_format(int64_t time_ms, char out[TIMESTAMP_SIZE]);

#endif
