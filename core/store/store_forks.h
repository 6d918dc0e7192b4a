/*
 * store_forks.h: what a child that a plugin forks has of the stores of its process, and lets go of at once. Both
 * SQLite's lock file and a session with PostgreSQL last as long as anybody has the descriptor: a child that outlived its
 * worker would keep the next one waiting. Used by store_open() and store_close(); any thread.
 */
#ifndef PBXHOOK_STORE_FORKS_H
#define PBXHOOK_STORE_FORKS_H

#include "store/store_backend.h"

void store_forks_watch(struct store *store);
void store_forks_forget(struct store *store);

#endif
