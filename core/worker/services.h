/*
 * services.h: the host's side of the contexts that plugins get: log, configuration, database, PBX,
 * the event's getters. dispatch.c opens and closes the door around each call of a plugin; a service
 * called with the door closed, by another plugin or on another thread answers PBXHOOK_E_STATE.
 * Worker thread only, but for what plugin.h marks [any thread].
 */
#ifndef PBXHOOK_SERVICES_H
#define PBXHOOK_SERVICES_H

#include <stddef.h>
#include <stdint.h>

#include <pbxhook/plugin.h>

#include "common/config.h"
#include "common/event.h"
#include "store/store.h"
#include "worker/plugin_host.h"

struct services;       /* what the plugins of one worker share */
struct plugin_context; /* what one plugin sees                 */

/* Both are borrowed and must outlive it. The thread that calls this is the handler thread. NULL
 * when out of memory. */
struct services *services_new(const struct config *config, struct store *store);
void services_free(struct services *services); /* after its contexts; accepts NULL */

/* NULL when out of memory. The plugin is borrowed. */
struct plugin_context *services_add_plugin(struct services *services, const struct plugin *plugin);
void services_free_plugin(struct plugin_context *context); /* accepts NULL */

/* What is passed to open() and handle(). */
const struct pbxhook_context *services_context(const struct plugin_context *context);

/* The event that the next calls are about, borrowed until services_end_event(). What a getter
 * parses is kept between the two, for all plugins that take the event. */
void services_begin_event(struct services *services, const struct event *event, int64_t event_id);
void services_end_event(struct services *services);
/* What is passed to handle(). attempt begins with 1. */
const struct pbxhook_event *services_event(struct services *services, int attempt);

/* Around each open() and handle(). Leaving frees what was lent to the plugin. */
void services_enter(struct plugin_context *context);
void services_leave(struct plugin_context *context);

/* Of the last call, until the next services_enter(): the text of set_error(), "" when there was
 * none; and whether the database failed under a service, whatever the plugin made of it. */
const char *services_error(const struct plugin_context *context);
/* Says so in the plugin's stead. */
void services_fail(struct plugin_context *context, const char *text);
int services_store_failed(const struct plugin_context *context);

#endif
