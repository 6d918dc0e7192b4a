/*
 * download_event.h: the event that tells a plugin how its download has ended: pbxhook.download.finished or
 * pbxhook.download.failed. Nobody else can send these.
 */
#ifndef PBXHOOK_DOWNLOAD_EVENT_H
#define PBXHOOK_DOWNLOAD_EVENT_H

#include "common/event.h"
#include "http/deliveries.h"

/* NULL when out of memory. */
struct event *download_event_new(const char *download_dir, const struct delivery *delivery);

#endif
