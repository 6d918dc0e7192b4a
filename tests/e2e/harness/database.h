/*
 * database.h: a database of one test in a cluster, and eyes for it: one kept connection of the test's own, past
 * any proxy, made anew when the cluster was away. For the test's thread.
 */
#ifndef E2E_DATABASE_H
#define E2E_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "cluster.h"

struct database;

/* A new database, named as no other of this cluster; dropped by database_free(), which accepts NULL. */
struct database *database_new(const struct cluster *cluster);
void database_free(struct database *database);

const char *database_name(const struct database *database);

/* One integer of one row, true being 1, with $1 bound to text (may be NULL); -1 when there is no database, no
 * table or no row yet. */
int64_t database_int(struct database *database, const char *sql, const char *text);
/* One text in a buffer of the caller's; "" when there is none. Returns out. */
char *database_text(struct database *database, const char *sql, const char *text, char *out,
                    size_t out_size);
/* Fails the test when it can't be run. */
void database_execute(struct database *database, const char *sql);

#endif
