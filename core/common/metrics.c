/*
 * metrics.c: the pages that processes count in, and counting itself. Called by everything that counts
 * something; metrics_render.c shows it. A page is shared memory that a worker, and so a plugin, can
 * write anything to.
 */
#include "common/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A lock inside shared memory would die with its holder. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "atomics are lock-free");

const int64_t metrics_bucket_us[METRICS_BUCKETS - 1] = {
    250,    500,    1000,   2500,    5000,    10000,   20000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void metrics_observe(struct metrics_histogram *histogram, int64_t us)
{
    int bucket = 0;

    if (us < 0)
        us = 0;
    while (bucket < METRICS_BUCKETS - 1 && us > metrics_bucket_us[bucket])
        bucket++;
    metrics_add(&histogram->bucket[bucket], 1);
    metrics_add(&histogram->sum_us, (uint64_t)us);
}

static const char *const reject_names[METRICS_REJECT_COUNT] = {
    [METRICS_REJECT_NOT_JSON] = "not_json",
    [METRICS_REJECT_MISSING_MEMBER] = "missing_member",
    [METRICS_REJECT_WRONG_TYPE] = "wrong_type",
    [METRICS_REJECT_DUPLICATE_MEMBER] = "duplicate_member",
    [METRICS_REJECT_NUL] = "nul",
    [METRICS_REJECT_TOO_DEEP] = "too_deep",
    [METRICS_REJECT_BAD_TIMESTAMP] = "bad_timestamp",
    [METRICS_REJECT_BAD_VALUE] = "bad_value",
    [METRICS_REJECT_TOO_LARGE] = "too_large",
    [METRICS_REJECT_MEDIA_TYPE] = "media_type",
    [METRICS_REJECT_FRAMING] = "framing",
    [METRICS_REJECT_UNAUTHORIZED] = "unauthorized",
    [METRICS_REJECT_FORBIDDEN] = "forbidden",
    [METRICS_REJECT_UNKNOWN_EVENT] = "unknown_event",
    [METRICS_REJECT_SPOOL_FULL] = "spool_full",
    [METRICS_REJECT_SPOOL_ERROR] = "spool_error",
    [METRICS_REJECT_NO_MEMORY] = "no_memory",
    [METRICS_REJECT_NOT_STORED] = "not_stored",
};

const char *metrics_reject_name(enum metrics_reject reason)
{
    return reject_names[reason];
}

enum metrics_reject metrics_reject_from_name(const char *name)
{
    for (enum metrics_reject reason = 0; reason < METRICS_REJECT_COUNT; reason++) {
        if (strcmp(name, reject_names[reason]) == 0)
            return reason;
    }
    return METRICS_REJECT_BAD_VALUE;
}

const char *metrics_action_name(enum metrics_action outcome)
{
    static const char *const names[METRICS_ACTION_COUNT] = {
        [METRICS_ACTION_DELIVERED] = "delivered", [METRICS_ACTION_CONFIRMED] = "confirmed",
        [METRICS_ACTION_REJECTED] = "rejected",   [METRICS_ACTION_EXPIRED] = "expired",
        [METRICS_ACTION_UNKNOWN] = "unknown",
    };

    return names[outcome];
}

const char *metrics_delivery_name(enum metrics_delivery outcome)
{
    static const char *const names[METRICS_DELIVERY_COUNT] = {
        [METRICS_DELIVERY_DELIVERED] = "delivered",
        [METRICS_DELIVERY_REJECTED] = "rejected",
        [METRICS_DELIVERY_EXPIRED] = "expired",
        [METRICS_DELIVERY_UNKNOWN] = "unknown",
    };

    return names[outcome];
}

static int map_page(int fd, struct metrics_worker **out)
{
    void *page = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return -errno;
    *out = page;
    return 0;
}

int metrics_page_new(int *fd, struct metrics_worker **out)
{
    int page_fd = memfd_create("pbxhook-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int result;

    if (page_fd < 0)
        return -errno;
    /* Sealed, because reading a page that somebody made smaller would kill the receiver (SIGBUS). */
    if (ftruncate(page_fd, sizeof **out) != 0 ||
        fcntl(page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        result = -errno;
    else
        result = map_page(page_fd, out);
    if (result == 0)
        *fd = page_fd;
    else
        close(page_fd);
    return result;
}

int metrics_page_map(int fd, struct metrics_worker **out)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -errno;
    if (status.st_size != (off_t)sizeof **out)
        return -EINVAL; /* of another version, or no page at all */
    return map_page(fd, out);
}

struct metrics_plugin *metrics_plugin_slot(struct metrics_worker *page, const char *name)
{
    char wanted[METRICS_NAME] = {0};
    uint32_t count = atomic_load_explicit(&page->plugin_count, memory_order_relaxed);

    memcpy(wanted, name, strnlen(name, sizeof wanted - 1));
    for (uint32_t i = 0; i < count && i < METRICS_PLUGINS; i++) {
        if (memcmp(page->plugin[i].name, wanted, sizeof wanted) == 0)
            return &page->plugin[i];
    }
    if (count >= METRICS_PLUGINS)
        return NULL;
    memcpy(page->plugin[count].name, wanted, sizeof wanted);
    /* The receiver looks at a slot only once it is counted, and so named. */
    atomic_store_explicit(&page->plugin_count, count + 1, memory_order_release);
    return &page->plugin[count];
}

uint32_t metrics_plugin_number(const struct metrics_worker *page, const struct metrics_plugin *slot)
{
    return slot == NULL ? 0 : (uint32_t)(slot - page->plugin) + 1;
}

struct metrics_plugin *metrics_plugin_numbered(struct metrics_worker *page, uint32_t number)
{
    uint32_t count = atomic_load_explicit(&page->plugin_count, memory_order_acquire);

    return number == 0 || number > count || number > METRICS_PLUGINS ? NULL
                                                                     : &page->plugin[number - 1];
}

struct metrics_plugin *metrics_plugin_named(struct metrics_worker *page, const char *name)
{
    char found[METRICS_NAME];

    for (uint32_t number = 1; number <= METRICS_PLUGINS; number++) {
        struct metrics_plugin *slot = metrics_plugin_numbered(page, number);

        if (slot == NULL)
            return NULL;
        if (metrics_slot_name(slot->name, found) == 0 && strcmp(found, name) == 0)
            return slot;
    }
    return NULL;
}

struct metrics_target *metrics_target_slot(struct metrics_worker *page, const char *name)
{
    char wanted[METRICS_NAME] = {0};
    uint32_t count = atomic_load_explicit(&page->target_count, memory_order_relaxed);

    memcpy(wanted, name, strnlen(name, sizeof wanted - 1));
    for (uint32_t i = 0; i < count && i < METRICS_TARGETS; i++) {
        if (memcmp(page->target[i].name, wanted, sizeof wanted) == 0)
            return &page->target[i];
    }
    if (count >= METRICS_TARGETS)
        return NULL;
    memcpy(page->target[count].name, wanted, sizeof wanted);
    atomic_store_explicit(&page->target_count, count + 1, memory_order_release);
    return &page->target[count];
}

void metrics_targets_begin(struct metrics_worker *page)
{
    for (size_t i = 0; i < METRICS_TARGETS; i++) {
        struct metrics_target *slot = &page->target[i];

        atomic_store(&slot->open_posts, 0);
        atomic_store(&slot->open_downloads, 0);
        atomic_store(&slot->waiting, 0);
        atomic_store(&slot->oldest_ms, 0);
    }
}

int metrics_slot_name(const char name[METRICS_NAME], char out[METRICS_NAME])
{
    char copy[METRICS_NAME]; /* before it is judged: its worker may be scribbling */
    size_t size;

    memcpy(copy, name, sizeof copy);
    size = strnlen(copy, sizeof copy);
    if (size == 0 || size == sizeof copy ||
        strspn(copy, "abcdefghijklmnopqrstuvwxyz0123456789_") != size)
        return -1;
    memcpy(out, copy, sizeof copy);
    return 0;
}
