/*
 * problem.h: what a refused request is answered: RFC 9457 problem details. Pure; any thread.
 */
#ifndef PBXHOOK_PROBLEM_H
#define PBXHOOK_PROBLEM_H

#include <stddef.h>

#include <microhttpd.h>

#define PROBLEM_MEDIA_TYPE "application/problem+json"

/* Texts are borrowed; NULL and "" leave the member out. */
struct problem {
    unsigned status;
    const char *reason; /* a word for programs: "missing_member", as in the metric's label      */
    const char *detail; /* a sentence for the integrator                                        */
    const char *member; /* of the posted JSON, as a path: "chamada.call_id"                     */
    const char *header; /* one header that belongs to the status ("Allow", "Retry-After"), NULL */
    const char *value;
};

/*
 * {"type":"about:blank","title":...,"status":...,"detail":...,"reason":...,"member":...}: new, freed by
 * the caller; NULL when out of memory. Texts may quote what the client sent: a character that was cut
 * in two at a text's end is dropped, and a text that is no UTF-8 otherwise is left out.
 */
char *problem_json(const struct problem *problem, size_t *size);

/* The same as a response with its headers; NULL when out of memory. */
struct MHD_Response *problem_response(const struct problem *problem);

#endif
