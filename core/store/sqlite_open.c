/*
 * sqlite_open.c: opens and closes a store's file: the lock that keeps writers apart, the file and its
 * mode, the connection's settings. Called through store_open() and store_close(). It never writes into
 * a file that it has not recognised, and never removes one.
 */
#include "store/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define LOCK_POLL_MS 20

/*
 * The only connection that writes and checkpoints the file. SQLite's 1000 pages would mean a
 * checkpoint, with its syncs, behind nearly every batch of 500 events, and each one would write the
 * same leaves of the indexes on random keys again; with 2000 a page that several batches changed is
 * written into the file once, and the WAL stays at about 8 MiB. A batch bigger than that, or a reader
 * that stays in a snapshot, makes it grow; the limit cuts it again afterwards. More writes a few percent
 * less and makes the one commit longer that has to checkpoint, for which acknowledgements wait too. What is
 * deleted is overwritten: it is about people. Memory for temporary things, so that no directory for them is
 * needed.
 */
static const char writer_settings[] = "PRAGMA synchronous = FULL;"
                                      "PRAGMA wal_autocheckpoint = 2000;"
                                      "PRAGMA journal_size_limit = 67108864;"
                                      "PRAGMA cache_size = -8192;"
                                      "PRAGMA secure_delete = ON;"
                                      "PRAGMA temp_store = MEMORY;"
                                      "PRAGMA mmap_size = 0;";

static const char reader_settings[] = "PRAGMA query_only = 1;"
                                      "PRAGMA wal_autocheckpoint = 0;"
                                      "PRAGMA cache_size = -2048;"
                                      "PRAGMA temp_store = MEMORY;"
                                      "PRAGMA mmap_size = 0;";

/* ---- The lock ------------------------------------------------------------------------------------ */

/* The pid that the holder wrote into the lock file, 0 when it can't be read. */
static long lock_holder(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

/* For people only: if it fails, the lock is held all the same. */
static void lock_sign(int fd)
{
    if (ftruncate(fd, 0) == 0)
        dprintf(fd, "%ld\n", (long)getpid());
}

/* 0 when the lock was taken within the time, else the errno: EWOULDBLOCK when another one has it. */
static int lock_wait(int fd, int wait_ms)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    int64_t deadline_us = clock_mono_us() + (int64_t)wait_ms * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errno;
        if (clock_mono_us() >= deadline_us)
            return EWOULDBLOCK;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/*
 * flock() on a file of its own: SQLite's fcntl locks on the database would vanish as soon as anything
 * in the process closed another descriptor of it. The file is never removed: two could then hold it.
 */
static int take_lock(struct sqlite_store *store, int wait_ms)
{
    char path[4096];
    int size = snprintf(path, sizeof(path), "%s.lock", store->path);
    if (size < 0 || (size_t)size >= sizeof(path))
        return store_fail(&store->base, STORE_E_ARGUMENT, "%s: the path is too long", store->path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return store_fail(&store->base, STORE_E_FAILED,
                          "%s: %s; its directory must be there and be "
                          "writable for the user that pbxhook runs as",
                          path, strerror(errno));
    int failed = lock_wait(store->lock_fd, wait_ms);
    if (failed == EWOULDBLOCK)
        return store_fail(
            &store->base, STORE_E_BUSY,
            "%s is being written by another pbxhook (process %ld), waited %d ms; stop "
            "it first",
            store->path, lock_holder(store->lock_fd), wait_ms);
    if (failed != 0)
        return store_fail(&store->base, STORE_E_FAILED, "%s: flock: %s", path, strerror(failed));
    lock_sign(store->lock_fd);
    return 0;
}

/* ---- The file ------------------------------------------------------------------------------------ */

/* Makes the new file's name survive a power loss. */
static int sync_directory(const char *path)
{
    char *directory = strdup(path);
    if (directory == NULL)
        return ENOMEM;
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[slash == directory ? 1 : 0] = '\0';
    int fd = open(slash == NULL ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    free(directory);
    return failed;
}

/*
 * Makes the file, with a mode that SQLite copies to its -wal and -shm. One that is there already is
 * not even opened: closing a second descriptor of it would drop another connection's fcntl locks.
 */
static int create_file(struct sqlite_store *store)
{
    int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    int failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
        failed = sync_directory(store->path);
    }
    if (failed != 0)
        return store_fail(&store->base, STORE_E_FAILED, "%s: %s", store->path, strerror(failed));
    return 0;
}

/* ---- The connection ------------------------------------------------------------------------------- */

static int connect_file(struct sqlite_store *store)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(store->path, &store->db, flags, NULL);
    if (store->db == NULL)
        return sqlite_out_of_memory(store);
    if (code != SQLITE_OK)
        return sqlite_fail(store);
    sqlite3_busy_timeout(store->db, SQLITE_BUSY_TIMEOUT_MS);
    return 0;
}

static int execute(struct sqlite_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_fail(store);
}

static int mode_is_wal(void *is_wal, int count, char **values, char **names)
{
    (void)count;
    (void)names;
    *(int *)is_wal = values[0] != NULL && strcmp(values[0], "wal") == 0;
    return 0;
}

static int set_wal(struct sqlite_store *store)
{
    int is_wal = 0;
    if (sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", mode_is_wal, &is_wal, NULL) !=
        SQLITE_OK)
        return sqlite_fail(store);
    if (!is_wal)
        return store_fail(
            &store->base, STORE_E_FAILED,
            "%s: its file system can't share memory between processes, which SQLite's "
            "WAL needs; put the store on a local disk",
            store->path);
    return 0;
}

static int open_writer(struct sqlite_store *store, int lock_wait_ms)
{
    int version = 0;
    int result = take_lock(store, lock_wait_ms);
    if (result == 0)
        result = create_file(store);
    if (result == 0)
        result = connect_file(store);
    if (result == 0)
        result = sqlite_identify(store, sqlite_schema, &version);
    if (result == 0 && sqlite3_db_readonly(store->db, "main"))
        result = store_fail(&store->base, STORE_E_FAILED, "%s can't be written%s", store->path,
                            sqlite_advice(SQLITE_READONLY));
    if (result == 0)
        result = set_wal(store);
    if (result == 0)
        result = execute(store, writer_settings);
    if (result == 0)
        result = sqlite_migrate(store, sqlite_schema, version);
    if (result < 0)
        return result;
    /* Set once: setting it again would expire every prepared statement. Defensive mode keeps a
     * plugin's SQL from writing the schema's own tables. */
    sqlite3_set_authorizer(store->db, sqlite_authorize, store);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return 0;
}

/*
 * A reader opens for writing, because it takes part in the WAL's shared memory, but can neither write
 * nor checkpoint: two connections that do are what SQLite's WAL-reset bug (up to 3.51.2) needs.
 */
static int open_reader(struct sqlite_store *store)
{
    int version = 0;
    int latest = 0;
    while (sqlite_schema[latest] != NULL)
        latest++;
    if (access(store->path, F_OK) != 0 && errno == ENOENT)
        return store_fail(&store->base, STORE_E_FAILED,
                          "%s is not there yet; a worker makes it when it starts", store->path);
    int result = connect_file(store);
    if (result < 0)
        return result;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    result = execute(store, reader_settings);
    if (result == 0)
        result = sqlite_identify(store, sqlite_schema, &version);
    if (result == 0 && version < latest)
        return store_fail(&store->base, STORE_E_FAILED,
                          "%s is not ready yet; a worker brings it up to date when it starts",
                          store->path);
    return result;
}

static struct sqlite_store *new_store(const char *path, enum store_mode mode)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return NULL;
    store->base.backend = &sqlite_backend;
    store->base.mode = mode;
    store->lock_fd = -1;
    sqlite_call_cache_clear(&store->call_cache);
    store->path = strdup(path);
    if (store->path == NULL) {
        free(store);
        return NULL;
    }
    return store;
}

int sqlite_open(const char *place, const struct store_options *options, struct store **out,
                char *error, size_t error_size)
{
    /* What SQLite would not take as a path: ":memory:" and URIs. */
    if (place[0] == '\0' || place[0] == ':' || strncmp(place, "file:", 5) == 0) {
        snprintf(error, error_size, "store.url: sqlite:PATH wants the path of a file");
        return STORE_E_ARGUMENT;
    }
    struct sqlite_store *store = new_store(place, options->mode);
    if (store == NULL) {
        snprintf(error, error_size, "%s: out of memory", place);
        return STORE_E_MEMORY;
    }
    int result = options->mode == STORE_WRITE ? open_writer(store, options->lock_wait_ms)
                                              : open_reader(store);
    if (result < 0) {
        snprintf(error, error_size, "%s", store->base.error);
        sqlite_close(&store->base);
        return result;
    }
    *out = &store->base;
    return 0;
}

/* flock() belongs to the open file, so the parent keeps the lock. */
void sqlite_let_go(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    if (sqlite->lock_fd >= 0)
        close(sqlite->lock_fd);
    sqlite->lock_fd = -1;
}

void sqlite_close(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite_plugin_finalize_all(sqlite);
    sqlite_finalize_all(sqlite);
    sqlite3_close(sqlite->db);
    /* After the connection: the next writer may start the moment it is gone. */
    if (sqlite->lock_fd >= 0)
        close(sqlite->lock_fd);
    free(sqlite->found_call.text.bytes);
    free(sqlite->listed_call.text.bytes);
    free(sqlite->user_text.bytes);
    free(sqlite->path);
    free(sqlite);
}
