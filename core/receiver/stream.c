/*
 * stream.c: the thread behind the live stream: takes readers over, asks the store through a reader thread
 * of its own, sends each reader what it does not have yet. Nothing is queued for a reader: it gets the
 * newest numbers or, when its socket is full, the end of the connection.
 */
#include "receiver/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "receiver/reader_thread.h"
#include "receiver/stream_frame.h"

#define READ_EVERY_US      250000 /* four changes a second at most */
#define HEARTBEAT_EVERY_US ((int64_t)15 * 1000000)
#define HEARTBEAT          ": still here\n\n"
#define READY_MAX          64
/* What the kernel keeps for one reader that does not read (it doubles this). Some fifty changes. */
#define SEND_BUFFER_BYTES 8192
/* A wall can wait a millisecond, a PBX should not: where the cores are few, its thread goes first. */
#define NICENESS 10
/* A thousand readers at once are some ten milliseconds of the kernel's work, their own not counted: a few at a
 * time, with a pause behind them. */
#define AT_ONCE  16
#define PAUSE_NS 1000000

#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"            \
    "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"

struct reader {
    int fd;
    char *head;   /* the answer's, until it was sent          */
    uint64_t has; /* the id of the frame that it has; 0: none */
    struct reader *older, *newer;
};

struct stream {
    struct reader_thread *store;
    int epoll_fd, wake_fd;
    pthread_t id;
    int started;
    int limit; /* of readers */

    /* The thread's alone. */
    struct reader *newest;
    struct reader_job job;
    int reading;             /* job is with the reader thread              */
    struct stream_frame now; /* what a reader should have; id 0: not known */
    int64_t read_us;         /* when to ask the store again                */
    int64_t heartbeat_us;

    _Atomic int readers; /* taken and not dropped yet */
    _Atomic int stop;
    _Atomic int dismiss; /* those that there are */

    pthread_mutex_t lock; /* everything below */
    struct reader *taken; /* by the HTTP loop, linked by `older` */
};

/* ---- Readers ------------------------------------------------------------------------------------ */

static void free_reader(struct stream *stream, struct reader *reader)
{
    /* Closing alone does not end the watch while a process that is being started has a copy of the descriptor,
     * and then epoll goes on to name a reader that is gone. */
    epoll_ctl(stream->epoll_fd, EPOLL_CTL_DEL, reader->fd, NULL);
    close(reader->fd);
    free(reader->head);
    free(reader);
    atomic_fetch_sub(&stream->readers, 1);
}

static void drop(struct stream *stream, struct reader *reader)
{
    if (reader->newer != NULL)
        reader->newer->older = reader->older;
    else
        stream->newest = reader->older;
    if (reader->older != NULL)
        reader->older->newer = reader->newer;
    free_reader(stream, reader);
}

/* All of it or nothing: 0, or -1 when the reader is gone or does not keep up. */
static int send_text(const struct reader *reader, const char *text, size_t size)
{
    ssize_t sent;
    do
        sent = send(reader->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size ? 0 : -1;
}

/* Sends the newest frame if the reader does not have it: 0, or -1: drop it. */
static int update(struct stream *stream, struct reader *reader)
{
    if (stream->now.id == 0 || reader->has == stream->now.id)
        return 0;
    reader->has = stream->now.id;
    return send_text(reader, stream->now.text, stream->now.size);
}

/* Behind each reader that is seen to. */
static void pace(int *sent)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};
    if (++*sent % AT_ONCE == 0)
        nanosleep(&pause, NULL);
}

static void update_all(struct stream *stream)
{
    int sent = 0;
    for (struct reader *reader = stream->newest, *older; reader != NULL; reader = older) {
        older = reader->older;
        if (update(stream, reader) < 0)
            drop(stream, reader);
        pace(&sent);
    }
}

static void beat(struct stream *stream)
{
    int sent = 0;
    for (struct reader *reader = stream->newest, *older; reader != NULL; reader = older) {
        older = reader->older;
        if (send_text(reader, HEARTBEAT, strlen(HEARTBEAT)) < 0)
            drop(stream, reader);
        pace(&sent);
    }
}

/* Puts a taken reader on the list and greets it. */
static void admit(struct stream *stream, struct reader *reader)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data = {.ptr = reader}};

    if (stream->newest == NULL) {
        /* Nobody has asked for a while: what was known then is not sent as if it were new. */
        stream->now.id = 0;
        stream->read_us = 0;
    }
    reader->newer = NULL;
    reader->older = stream->newest;
    if (reader->older != NULL)
        reader->older->newer = reader;
    stream->newest = reader;

    int failed = epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, reader->fd, &event) < 0 ||
                 send_text(reader, reader->head, strlen(reader->head)) < 0;
    free(reader->head);
    reader->head = NULL;
    if (failed || update(stream, reader) < 0)
        drop(stream, reader);
}

static void admit_taken(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    struct reader *reader = stream->taken;
    stream->taken = NULL;
    pthread_mutex_unlock(&stream->lock);
    while (reader != NULL) {
        struct reader *next = reader->older;
        admit(stream, reader);
        reader = next;
    }
}

/* A reader has nothing to say; what it says all the same is dropped. */
static void listen_to(struct stream *stream, struct reader *reader)
{
    char ignored[512];
    ssize_t size = recv(reader->fd, ignored, sizeof ignored, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        drop(stream, reader);
}

/* ---- The store ---------------------------------------------------------------------------------- */

static void ask_store(struct stream *stream, int64_t now_us)
{
    if (stream->newest == NULL || stream->reading || now_us < stream->read_us)
        return;
    stream->job.kind = READER_COUNTS;
    stream->reading = reader_thread_submit(stream->store, &stream->job) == 0;
    stream->read_us = now_us + READ_EVERY_US;
}

static void take_answer(struct stream *stream)
{
    struct reader_job *answered = reader_thread_take(stream->store);
    if (answered == NULL)
        return;
    stream->reading = 0;
    struct reader_text *text = answered->text;
    int code = text == NULL ? stream_frame_away(&stream->now)
                            : stream_frame_counts(&stream->now, text->data, text->size);
    reader_text_release(text);
    if (code == 0) /* else it is tried again with the next read */
        update_all(stream);
}

/* ---- The thread --------------------------------------------------------------------------------- */

static void wake(struct stream *stream)
{
    const uint64_t one = 1;
    while (write(stream->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue; /* anything else: it is awake already */
}

static void notify(void *arg)
{
    wake(arg);
}

static void take_wakes(struct stream *stream)
{
    uint64_t count;
    while (read(stream->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    admit_taken(stream);
    if (atomic_exchange(&stream->dismiss, 0)) {
        while (stream->newest != NULL)
            drop(stream, stream->newest);
    }
    take_answer(stream);
}

/* Until the next thing that is due, in milliseconds; -1: nobody reads. */
static int wait_ms(const struct stream *stream, int64_t now_us)
{
    if (stream->newest == NULL)
        return -1;
    int64_t due_us = stream->heartbeat_us;
    if (!stream->reading && stream->read_us < due_us)
        due_us = stream->read_us;
    return due_us <= now_us ? 0 : (int)((due_us - now_us + 999) / 1000);
}

/* One look at everything. A dropped reader may be named in `ready` once only, so no pointer is stale. */
static void serve_once(struct stream *stream)
{
    struct epoll_event ready[READY_MAX];
    int woken = 0;
    int count = epoll_wait(stream->epoll_fd, ready, READY_MAX, wait_ms(stream, clock_mono_us()));

    for (int i = 0; i < count; i++) {
        if (ready[i].data.ptr == NULL)
            woken = 1;
        else
            listen_to(stream, ready[i].data.ptr);
    }
    if (woken)
        take_wakes(stream); /* last: it may drop readers */
    int64_t now_us = clock_mono_us();
    if (now_us >= stream->heartbeat_us) {
        beat(stream);
        stream->heartbeat_us = now_us + HEARTBEAT_EVERY_US;
    }
    ask_store(stream, now_us);
}

/* Owns the readers and their epoll set; runs until stream_stop(). */
static void *run(void *arg)
{
    struct stream *stream = arg;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread; without it, too */
    stream->heartbeat_us = clock_mono_us() + HEARTBEAT_EVERY_US;
    while (!atomic_load(&stream->stop))
        serve_once(stream);
    return NULL;
}

/* ---- From outside -------------------------------------------------------------------------------- */

static int open_wake(struct stream *stream)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};

    stream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    stream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stream->epoll_fd < 0 || stream->wake_fd < 0)
        return -1;
    return epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, stream->wake_fd, &event);
}

struct stream *stream_new(const char *store_url, const char *password_file)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->epoll_fd = stream->wake_fd = -1;
    stream->limit = STREAM_READERS_MAX;
    if (pthread_mutex_init(&stream->lock, NULL) != 0) {
        free(stream);
        return NULL;
    }
    stream->store = reader_thread_new(store_url, password_file, notify, stream);
    if (stream->store == NULL || open_wake(stream) < 0) {
        stream_free(stream);
        return NULL;
    }
    return stream;
}

void stream_set_limit(struct stream *stream, int readers)
{
    stream->limit = readers;
}

int stream_start(struct stream *stream)
{
    int code = reader_thread_start(stream->store);
    if (code < 0)
        return code;
    code = -pthread_create(&stream->id, NULL, run, stream);
    if (code < 0) {
        reader_thread_stop(stream->store);
        return code;
    }
    pthread_setname_np(stream->id, "stream");
    stream->started = 1;
    return 0;
}

void stream_stop(struct stream *stream)
{
    if (stream == NULL || !stream->started)
        return;
    atomic_store(&stream->stop, 1);
    wake(stream);
    pthread_join(stream->id, NULL);
    reader_thread_stop(stream->store);
    stream->started = 0;
    struct reader_job *answered = reader_thread_take(stream->store);
    if (answered != NULL)
        reader_text_release(answered->text);
    admit_taken(stream);
    while (stream->newest != NULL)
        drop(stream, stream->newest);
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    reader_thread_free(stream->store);
    stream_frame_clear(&stream->now);
    if (stream->wake_fd >= 0)
        close(stream->wake_fd);
    if (stream->epoll_fd >= 0)
        close(stream->epoll_fd);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

int stream_take(struct stream *stream, int fd, const char *fields, const char *last_id)
{
    if (atomic_load(&stream->readers) >= stream->limit)
        return -1;
    struct reader *reader = calloc(1, sizeof *reader);
    size_t size = strlen(HEAD) + strlen(fields) + sizeof "\r\n";
    char *head = malloc(size);
    if (reader == NULL || head == NULL) {
        free(reader);
        free(head);
        return -1;
    }
    snprintf(head, size, "%s%s\r\n", HEAD, fields);
    const int buffer = SEND_BUFFER_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer); /* else it takes more */
    *reader = (struct reader){.fd = fd, .head = head, .has = stream_frame_parse_id(last_id)};
    atomic_fetch_add(&stream->readers, 1);

    pthread_mutex_lock(&stream->lock);
    reader->older = stream->taken;
    stream->taken = reader;
    pthread_mutex_unlock(&stream->lock);
    wake(stream);
    return 0;
}

void stream_dismiss(struct stream *stream)
{
    atomic_store(&stream->dismiss, 1);
    wake(stream);
}

int stream_readers(struct stream *stream)
{
    return atomic_load(&stream->readers);
}
