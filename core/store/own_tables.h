/*
 * own_tables.h: which tables are pbxhook's: what a plugin's SQL may not change (both stores' guards), and what of
 * them `pbxhook plugin try` shows. One list, so that a table that is added is known to all of them; the test takes
 * the names from migrated stores. Pure; any thread.
 */
#ifndef PBXHOOK_OWN_TABLES_H
#define PBXHOOK_OWN_TABLES_H

/* Where a table is pbxhook's; elsewhere a plugin may have one of that name. */
#define OWN_SQLITE     1u
#define OWN_POSTGRESQL 2u
#define OWN_SERVICES                                                                               \
    4u /* on both: made through store_sql(), which may write to it; a plugin may not */

/* 1 when `name`, in any case, is a table of pbxhook's in one of these places. NULL: 0. */
int own_table_is(const char *name, unsigned where);

/* The same of PostgreSQL's tables, indexes and sequences, the partitions of table events among them. */
int own_relation_is(const char *name, unsigned where);

/* 1 when it only keeps what an event was, or counts: no change in it is a plugin's work. */
int own_table_is_bookkeeping(const char *name, unsigned where);

#endif
