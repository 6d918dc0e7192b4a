/*
 * query.h: the parameters of a request's query, decoded and checked. What is wrong is answered 400 with the
 * parameter's name. HTTP loop only.
 */
#ifndef PBXHOOK_QUERY_H
#define PBXHOOK_QUERY_H

#include <stddef.h>
#include <stdint.h>

struct request;

/* Each: 0, or -1 when the request was refused. A parameter that is absent or empty leaves *out as it is. */

/* Percent-decoded UTF-8 without control characters, shorter than size. */
int query_text(struct request *request, const char *name, char *out, size_t size);
/* A whole number from min to max. */
int query_int(struct request *request, const char *name, int64_t min, int64_t max, int64_t *out);
/* Milliseconds since 1970, or an ISO 8601 date-time. */
int query_time(struct request *request, const char *name, int64_t *out_ms);

/* Refuses the request: "detail" says what the parameter may be. -1. */
int query_refuse(struct request *request, const char *name, const char *detail);

/*
 * Decodes %XX; with plus 1 also + for a space. 0, or -1: a bad escape, too long, not UTF-8, or a control
 * character. Pure.
 */
int query_decode(const char *text, int plus, char *out, size_t size);

#endif
