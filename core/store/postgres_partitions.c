/*
 * postgres_partitions.c: the months of table events, made ahead: the last one, this one and the next two. Called
 * when a worker opens the store, and between its batches from time to time. It removes none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/postgres_internal.h"

#define MONTHS_BACK  1
#define MONTHS_AHEAD 2
#define DAY_MS       ((int64_t)86400 * 1000)

struct month {
    int year, month; /* 1 to 12 */
};

static struct month month_of(int64_t ms, int offset)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    int months = (tm.tm_year + 1900) * 12 + tm.tm_mon + offset;
    return (struct month){.year = months / 12, .month = months % 12 + 1};
}

/* Its first millisecond since 1970. */
static int64_t start_of(struct month month)
{
    struct tm tm = {.tm_year = month.year - 1900, .tm_mon = month.month - 1, .tm_mday = 1};
    return (int64_t)timegm(&tm) * 1000;
}

struct partition {
    char name[32];
    char from[16], to[16]; /* six bytes of an identity, in hexadecimal */
};

static struct partition partition_of(int64_t now_ms, int offset)
{
    struct month month = month_of(now_ms, offset);
    int64_t from = start_of(month);
    struct month next = month_of(from + 40 * DAY_MS, 0);
    struct partition partition;
    snprintf(partition.name, sizeof(partition.name), "events_%04d_%02d", month.year % 10000,
             month.month % 100);
    snprintf(partition.from, sizeof(partition.from), "%012" PRIx64,
             (uint64_t)from & 0xffffffffffff);
    snprintf(partition.to, sizeof(partition.to), "%012" PRIx64,
             (uint64_t)start_of(next) & 0xffffffffffff);
    return partition;
}

static int take_flag(struct pg_store *store, const PGresult *result, void *arg)
{
    (void)store;
    *(int *)arg = pg_get_bool(result, 0, 0);
    return 0;
}

static int is_there(struct pg_store *store, const struct partition *partition, int *out)
{
    char sql[192];
    /* Not to_regclass(), which may still believe what it found before it waited for the lock. */
    snprintf(sql, sizeof(sql),
             "SELECT EXISTS (SELECT FROM pg_class WHERE relname = '%s' "
             "AND relnamespace = 'pbxhook'::regnamespace)",
             partition->name);
    int result = pg_queue_text(store, sql, NULL, take_flag, out);
    return result < 0 ? result : pg_run(store);
}

/*
 * Filled before it is attached: events of this month that came before it was made are in the default partition,
 * which must not hold any when it is.
 */
static int make(struct pg_store *store, const struct partition *partition)
{
    char create[160], move[320], attach[200];
    snprintf(
        create, sizeof(create),
        "CREATE TABLE pbxhook.%s (LIKE pbxhook.events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        partition->name);
    snprintf(move, sizeof(move),
             "WITH moved AS (DELETE FROM pbxhook.events_other WHERE identity >= '\\x%s' "
             "AND identity < '\\x%s' RETURNING *) INSERT INTO pbxhook.%s SELECT * FROM moved",
             partition->from, partition->to, partition->name);
    snprintf(attach, sizeof(attach),
             "ALTER TABLE pbxhook.events ATTACH PARTITION pbxhook.%s "
             "FOR VALUES FROM ('\\x%s') TO ('\\x%s')",
             partition->name, partition->from, partition->to);
    /* While this waits for a backup, say, everybody's events wait behind it: not for long, and again later. */
    const char *const steps[] = {"SET LOCAL lock_timeout = '500ms'", create,
                                 "LOCK TABLE pbxhook.events_other IN ACCESS EXCLUSIVE MODE", move,
                                 attach};
    int result = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++)
        result = pg_queue_text(store, steps[i], NULL, NULL, NULL);
    return result < 0 ? result : pg_run(store);
}

static int make_one(struct pg_store *store, const struct partition *partition)
{
    int there = 0;
    int result = is_there(store, partition, &there);
    if (result < 0 || there)
        return result;
    result = pg_queue(store, PG_BEGIN, NULL, NULL, NULL);
    if (result == 0)
        result = pg_query(store, PG_DDL_LOCK, NULL, NULL, NULL);
    if (result == 0)
        result = is_there(store, partition, &there); /* somebody else may have made it meanwhile */
    if (result == 0 && !there)
        result = make(store, partition);
    if (result == 0)
        return pg_query(store, PG_COMMIT, NULL, NULL, NULL);
    char error[STORE_ERROR_SIZE];
    memcpy(error, store->base.error, sizeof(error));
    if (store->conn != NULL)
        pg_query(store, PG_ROLLBACK, NULL, NULL, NULL);
    return store_fail(&store->base, result, "partition %s: %.*s", partition->name,
                      STORE_ERROR_SIZE - 64, error);
}

int pg_make_partitions(struct pg_store *store, int64_t now_ms)
{
    int result = 0;
    for (int offset = -MONTHS_BACK; offset <= MONTHS_AHEAD && result == 0; offset++) {
        const struct partition partition = partition_of(now_ms, offset);
        result = make_one(store, &partition);
    }
    return result;
}
