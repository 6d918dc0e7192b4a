/*
 * services_private.h: what the files services*.c share with each other and with nobody else.
 */
#ifndef PBXHOOK_SERVICES_PRIVATE_H
#define PBXHOOK_SERVICES_PRIVATE_H

#include <pthread.h>

#include <jansson.h>

#include "worker/services.h"

/* The end of a struct that a plugin allocated, as of the version that `member` is the last of. */
#define SIZE_UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* The present event, as plugins see it. */
struct event_view {
    struct pbxhook_event shown; /* shown.host points to the services */
    const struct event *event;  /* NULL: no event, as in open()      */
    int64_t event_id;
    json_t *root; /* of the body; NULL: not parsed yet, or not JSON */
    int parsed;
    char identity[EVENT_IDENTITY_SIZE * 2 + 1];
};

struct services {
    const struct config *config;
    struct store *store;
    pthread_t thread;              /* the handler thread */
    struct plugin_context *active; /* inside open() or handle(); read on `thread` only */
    struct event_view view;
    void **loans; /* blocks that the active plugin has borrowed */
    size_t loan_count, loan_capacity;
};

struct plugin_context {
    struct pbxhook_context shown; /* shown.host points to this struct */
    struct services *services;
    const struct plugin *plugin;
    int store_failed;
    char error[512];
};

extern const struct pbxhook_db_api services_db_api;
extern const struct pbxhook_pbx_api services_pbx_api;
extern const struct pbxhook_http_api services_http_api;

/* Whether this is the handler thread, inside a plugin's open() or handle(). */
int services_are_open(const struct services *services);

/* Whether the context's own plugin may use a [handler thread] function now: 0 and *out, or a
 * PBXHOOK_E_... */
int32_t services_admit(const struct pbxhook_context *ctx, struct plugin_context **out);

/* Whether a plugin's text may go to the store: there, and UTF-8. PostgreSQL takes nothing else. */
int services_is_text(const char *text);

/* The store's answer as the plugin's: what is not negative stays, a failure of the database is kept
 * for services_store_failed(), a refused statement is logged. */
int32_t services_answer(struct plugin_context *context, int result);

/* Takes a malloc'd block (NULL is passed on) and frees it when the plugin's call ends. Returns it;
 * NULL when out of memory, and the block is freed. */
void *services_lend(struct services *services, void *block);

/* Sets the function pointers of the view, once. */
void services_event_init(struct services *services);

#endif
