/*
 * request.h: one HTTP request from its head to its answer, and what all requests share. Private to the
 * receiver's HTTP side; the HTTP loop's alone.
 *
 * A request is received, then its route decides the answer, or hands it to another thread: then the
 * connection is suspended, and while it is, libmicrohttpd can't let go of it. Only when the server
 * stops without waiting any longer does a request outlive its connection: an orphan, freed at the end.
 */
#ifndef PBXHOOK_REQUEST_H
#define PBXHOOK_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "common/config.h"
#include "common/metrics.h"
#include "receiver/access.h"
#include "receiver/connections.h"
#include "receiver/problem.h"
#include "receiver/reader_thread.h"
#include "receiver/request_head.h"
#include "receiver/routes.h"
#include "receiver/spool_thread.h"
#include "receiver/stream.h"
#include "receiver/supervisor.h"

/* All bodies in memory together, as they are read and as events on their way to the spool. */
#define REQUEST_BODIES_MAX ((size_t)32 << 20)

/* What the requests share. */
struct request_shared {
    const struct config *config;
    struct metrics_receiver *metrics;
    struct supervisor *supervisor;
    struct spool_thread *spool;
    struct reader_thread *reader;
    struct access *access;
    struct stream *stream;
    /* For events that are safe: 204 and 200, made once; the second pair closes the connection. */
    struct MHD_Response *no_content[2], *ok[2];
    struct connections connections;
    struct request *orphans;
    int64_t now_us;                  /* of this round of the loop */
    int64_t too_many_quiet_until_us; /* nothing is logged of an address with too many connections */
    size_t bodies_size;              /* of REQUEST_BODIES_MAX     */
    int open;                        /* requests begun and not completed */
    int receiving;                   /* of them, those whose end has not come */
    int stopping;                    /* what is in hand is the last      */
    int abandoning;                  /* nothing may wait for another thread any more */
    int sees_layout;                 /* head_layout.h knows this libmicrohttpd */
};

enum request_state {
    REQUEST_RECEIVING,
    REQUEST_WAITING, /* suspended: with the spool thread or the reader thread */
    REQUEST_DECIDED  /* has its answer */
};

struct request {
    struct request_shared *shared;
    struct MHD_Connection *connection;
    struct connection *place;  /* the connection's, in the list of them */
    const struct route *route; /* NULL: there is none */
    const char *path;          /* as the client sent it, without the query; libmicrohttpd's */
    enum route_method method;
    enum request_state state;
    struct request_head head;
    int signature_due; /* of the body, when it is there */

    char *body;
    size_t body_size, body_capacity;
    size_t counted_size;    /* its share of bodies_size */
    int64_t discarded_size; /* of a body that nobody wants */

    struct spool_ticket ticket;
    struct reader_job job;
    void *question;      /* the job's, one allocation; NULL: none */
    int64_t complete_us; /* monotonic: when its last byte was there; 0: it was not yet */

    unsigned status; /* the answer */
    struct MHD_Response *response;
    int response_shared; /* not this request's to destroy     */
    int abandoned;       /* waits, but must be answered now   */
    struct request *next_orphan;
};

/* Begins one: NULL when out of memory. */
struct request *request_new(struct request_shared *shared, struct MHD_Connection *connection);
void request_free(struct request *request); /* accepts NULL */

/* Takes the next part of the body; what a refused request still sends is dropped. 0, or -1: too much
 * of that, close the connection. */
int request_take_body(struct request *request, const char *data, size_t size);
/* Gives the body's memory back; its share of REQUEST_BODIES_MAX is kept until request_free(). */
void request_drop_body(struct request *request);

/* Decides the answer. The response is taken; NULL closes the connection without one. */
void request_answer(struct request *request, unsigned status, struct MHD_Response *response);
/* The same with a response that all requests share. */
void request_answer_shared(struct request *request, unsigned status, struct MHD_Response *response);
/* The same with a problem. */
void request_refuse(struct request *request, const struct problem *problem);
/* The same, 413, counted. */
void request_refuse_size(struct request *request);
/* The same, 503 to come again, counted. */
void request_refuse_for_memory(struct request *request, const char *detail);

/*
 * Whether the connection ends with this answer: the server stops, or the body came in chunks. Of those
 * libmicrohttpd 0.9.75 takes a bare LF or CR for a line's end, so that a proxy before us may see them end
 * elsewhere; what follows must then not be taken for the next request.
 */
int request_is_last(const struct request *request);

/* It is with another thread: suspends the connection. */
void request_wait(struct request *request);
/* It was decided by another thread's result: lets the connection go on. */
void request_resume(struct request *request);

/* Gives libmicrohttpd the answer. Inside its handler only. */
enum MHD_Result request_send_answer(struct request *request);

#endif
