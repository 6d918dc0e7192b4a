/*
 * answer.h: reads HTTP/1.1 answers off a connection, however the bytes are cut. It keeps the status and
 * throws the rest away. Pure.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_SIZE 4096 /* status line and headers, in bytes */

enum answer_part {
    ANSWER_HEAD,
    ANSWER_BODY,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_TRAILER,
    ANSWER_DONE
};

struct answer {
    enum answer_part part;
    int status;
    bool closes;    /* no further answer comes on this connection */
    bool until_end; /* the body ends with the connection          */
    bool chunked;
    uint64_t left; /* bytes of the body or chunk, its line end included */
    size_t line;   /* bytes of the present chunk-size or trailer line   */
    size_t head_size;
    char head[ANSWER_HEAD_SIZE];
};

/* Ready for the next answer. */
void answer_begin(struct answer *answer);

/* Takes bytes in; how many were used (all, unless the answer ended before), or -1: not HTTP. The
 * answer is whole when answer->part is ANSWER_DONE. */
long answer_take(struct answer *answer, const char *bytes, size_t size);

/* The peer closed the connection: true when that was a proper end of an answer. */
bool answer_end(struct answer *answer);

#endif
