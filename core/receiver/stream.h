/*
 * stream.h: the live stream of the dashboard's numbers (Server-Sent Events). Its readers are sockets taken
 * from libmicrohttpd and served by a thread of their own, so that a thousand walls cost the webhook's loop
 * nothing. The thread asks the store, at most four times a second and only while somebody reads, and sends
 * what changed: so it is right whoever else writes that store. A reader that does not keep up is dropped;
 * browsers come back by themselves.
 */
#ifndef PBXHOOK_STREAM_H
#define PBXHOOK_STREAM_H

#include <stddef.h>
#include <stdint.h>

/* Readers at one time, where there are descriptors for them; the next is refused. */
#define STREAM_READERS_MAX 1024

struct stream;

/* Prepares; starts nothing. NULL when out of memory or descriptors. */
struct stream *stream_new(const char *store_url, const char *password_file);
/* At most so many readers; STREAM_READERS_MAX if nothing is said. Before it is started. */
void stream_set_limit(struct stream *stream, int readers);
/* 0, or a negative errno. */
int stream_start(struct stream *stream);
/* Ends the thread and closes all its readers. Accepts NULL, and one that was not started. */
void stream_stop(struct stream *stream);
void stream_free(struct stream *stream); /* stopped, or never started; accepts NULL */

/*
 * HTTP loop. A new reader: a connected, non-blocking socket that is taken. fields are further lines of the
 * answer's head, each with its end, or "". last_id is what its Last-Event-ID said, or NULL: that event is
 * not sent again. 0, or -1 when there are too many readers or no memory: nothing was taken.
 */
int stream_take(struct stream *stream, int fd, const char *fields, const char *last_id);

/* [any thread] Closes all that there are: who may still read comes back. */
void stream_dismiss(struct stream *stream);

/* [any thread] How many there are. */
int stream_readers(struct stream *stream);

#endif
