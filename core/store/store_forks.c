/* store_forks.c: see its header. */
#include "store/store_forks.h"

#include <pthread.h>

static pthread_mutex_t stores_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *stores; /* that are open, linked */

static void before_fork(void)
{
    pthread_mutex_lock(&stores_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&stores_lock);
}

static void after_fork_in_child(void)
{
    for (struct store *store = stores; store != NULL; store = store->next_open)
        store->backend->let_go(store);
    stores = NULL;
    pthread_mutex_unlock(&stores_lock);
}

static void watch_forks(void)
{
    /* Without memory for it a child that stays is in the way, and no more than that. */
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

void store_forks_watch(struct store *store)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&stores_lock);
    store->next_open = stores;
    stores = store;
    pthread_mutex_unlock(&stores_lock);
}

void store_forks_forget(struct store *store)
{
    pthread_mutex_lock(&stores_lock);
    struct store **link = &stores;
    while (*link != NULL && *link != store)
        link = &(*link)->next_open;
    if (*link != NULL)
        *link = store->next_open;
    pthread_mutex_unlock(&stores_lock);
}
