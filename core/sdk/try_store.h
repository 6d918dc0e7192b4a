/*
 * try_store.h: looks at the throw-away store of `pbxhook plugin try` from outside, before and after
 * each event, and tells what is different. The plugin's process writes the store; this one only reads,
 * and keeps no connection open in between.
 */
#ifndef PBXHOOK_TRY_STORE_H
#define PBXHOOK_TRY_STORE_H

#include <stddef.h>

#include <jansson.h>

/*
 * All rows of the plugin's tables and of pbxhook's own that plugins have a part in: {"table": {"key":
 * {"column": value}}}, a new object. NULL and `error` when it can't be read.
 */
json_t *try_store_read(const char *path, char *error, size_t error_size);

/*
 * What differs, in the tables' order: [{"table", "change": "insert", "update" or "delete", "before",
 * "after"}, ...]; before or after is null when there is no such row. A new array; NULL when out of
 * memory.
 */
json_t *try_store_changes(const json_t *before, const json_t *after);

/* The actions that are new, in the order they were asked for: what would be posted to the PBX. A new
 * array; NULL when out of memory. */
json_t *try_store_actions(const json_t *before, const json_t *after);

/* The same for targets: [{"target", "path", "json" or "download"}, ...]. */
json_t *try_store_requests(const json_t *before, const json_t *after);

/* The handling that is new, {"state": "retry" or "dead", "error", ...}, borrowed from `after`; NULL
 * when none failed. */
const json_t *try_store_failure(const json_t *before, const json_t *after);

#endif
