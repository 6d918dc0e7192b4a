/*
 * sqlite_scrub.c: what was overwritten in the database (PRAGMA secure_delete) stands in its write-ahead log as it
 * was, until that is empty. Called through store.c, outside a transaction.
 */
#include "store/sqlite_internal.h"

/* Waits for nobody: a reader may stay for long, and events come. */
int sqlite_scrub(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite3_busy_timeout(sqlite->db, 0);
    int code = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    int result = code == SQLITE_OK ? 1 : (code & 0xff) == SQLITE_BUSY ? 0 : sqlite_fail(sqlite);
    sqlite3_busy_timeout(sqlite->db, SQLITE_BUSY_TIMEOUT_MS);
    return result;
}
