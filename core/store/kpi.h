/*
 * kpi.h: what a call counts as in the indicators, and what a transaction changes in their sums. Private to
 * core/store. The changes are kept in memory and added up when the transaction ends, so that a batch of events
 * writes a row for each minute and queue, not one for each change of a call. Pure but for memory.
 */
#ifndef PBXHOOK_STORE_KPI_H
#define PBXHOOK_STORE_KPI_H

#include <stddef.h>

#include "store/store.h"

/* The columns of table kpi that are sums, in the order of kpi_sums_list(). */
#define KPI_EACH_SUM(X)                                                                            \
    X(offered)                                                                                     \
    X(answered)                                                                                    \
    X(abandoned)                                                                                   \
    X(wait_ms)                                                                                     \
    X(talked)                                                                                      \
    X(talk_ms)                                                                                     \
    X(handled)                                                                                     \
    X(handle_ms)                                                                                   \
    X(answered_5)                                                                                  \
    X(answered_10)                                                                                 \
    X(answered_15)                                                                                 \
    X(answered_20)                                                                                 \
    X(answered_30)                                                                                 \
    X(answered_60)                                                                                 \
    X(answered_120)                                                                                \
    X(abandoned_5)                                                                                 \
    X(abandoned_10)                                                                                \
    X(abandoned_15)                                                                                \
    X(abandoned_20)                                                                                \
    X(abandoned_30)                                                                                \
    X(abandoned_60)                                                                                \
    X(abandoned_120)

#define KPI_SUM_COUNT 22

/* For the texts of statements: ", offered, answered, ..." and ", offered = kpi.offered + excluded.offered, ...". */
#define KPI_NAME(column) ", " #column
#define KPI_ADD(column)  ", " #column " = kpi." #column " + excluded." #column
#define KPI_SUM_COLUMNS  KPI_EACH_SUM(KPI_NAME)
#define KPI_ADD_SUMS     KPI_EACH_SUM(KPI_ADD)

/* Where each of them is in *sums. */
void kpi_sums_list(struct store_kpi *sums, int64_t *sum[KPI_SUM_COUNT]);

/* ---- A call ---------------------------------------------------------------------------------------- */

#define KPI_NEVER INT64_MIN

/*
 * A call's milestones by the PBX's clock: its first call.waiting, and the queue of it; its first actor.entered or
 * call.ongoing; its last actor.left and call.finished.
 */
struct kpi_times {
    int64_t waiting_ms, answered_ms, left_ms, ended_ms; /* KPI_NEVER: not yet */
    char queue[EVENT_MAX_FIELD + 1];
};

void kpi_times_init(struct kpi_times *times);
/* Takes in what the event says of its call's milestones: whether that was something new. */
int kpi_times_note(struct kpi_times *times, const struct event *event);
/* When the call was offered: the earlier of its first wait and its answer. KPI_NEVER: it was not. */
int64_t kpi_offered_ms(const struct kpi_times *times);

/* ---- The changes of a transaction ------------------------------------------------------------------- */

struct kpi_change;
struct kpi_answer;
struct kpi_minute;

struct kpi_changes {
    struct kpi_change *calls;
    struct kpi_answer *answers;
    struct kpi_minute *minutes; /* of an event or a new caller each */
    char *queues;               /* of the calls' changes, one after the other */
    struct kpi_counts {
        size_t calls, answers, minutes, queues;
    } count, saved, capacity;
};

void kpi_savepoint(struct kpi_changes *changes);
void kpi_undo(struct kpi_changes *changes);
void kpi_clear(struct kpi_changes *changes); /* keeps the memory */
void kpi_free(struct kpi_changes *changes);

/* All four: 0, or -1: out of memory. */
int kpi_call_changed(struct kpi_changes *changes, const struct kpi_times *before,
                     const struct kpi_times *after);
int kpi_event_stored(struct kpi_changes *changes, int64_t received_ms);
int kpi_caller_made(struct kpi_changes *changes, int64_t now_ms);
/* The PBX answered an action so long after the arrival of the event that asked for it. */
int kpi_action_answered(struct kpi_changes *changes, int64_t received_ms, int64_t answered_ms);

/* What is to be added to one minute and queue. */
struct kpi_row {
    int64_t minute; /* since 1970 */
    const char *queue;
    struct store_kpi sums;
    int64_t lowered_ms; /* the longest wait that a call no longer has; KPI_NEVER: none */
};

/*
 * Each gives its rows in the order of their keys and stops at what the function returns but 0, which is returned.
 * They change the order of *changes: a savepoint is not open.
 */
int kpi_each_row(struct kpi_changes *changes, int (*row)(void *arg, const struct kpi_row *row),
                 void *arg);
int kpi_each_minute(struct kpi_changes *changes,
                    int (*row)(void *arg, int64_t minute, int64_t events, int64_t callers),
                    void *arg);
/* upper_ms is the bound of the bucket of a histogram; INT64_MAX: it has none. */
int kpi_each_answer(struct kpi_changes *changes,
                    int (*row)(void *arg, int64_t minute, int64_t upper_ms, int64_t n,
                               int64_t max_ms),
                    void *arg);

#endif
