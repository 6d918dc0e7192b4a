/*
 * event_pattern.h: the patterns by which a plugin says which event types it takes: "call.new" itself,
 * "call.*" for all that goes on after the dot, "*" for all. Pure.
 */
#ifndef PBXHOOK_EVENT_PATTERN_H
#define PBXHOOK_EVENT_PATTERN_H

/* 1 when the pattern covers the type. */
int event_pattern_matches(const char *pattern, const char *type);

#endif
