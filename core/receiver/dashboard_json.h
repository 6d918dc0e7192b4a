/*
 * dashboard_json.h: the store's numbers and calls as the dashboard's JSON (DESIGN.md, section 5).
 * Called by the reader thread.
 */
#ifndef PBXHOOK_DASHBOARD_JSON_H
#define PBXHOOK_DASHBOARD_JSON_H

#include <stdio.h>

struct store;
struct store_call;

/* Each writes one whole document: 0, or the store's negative result, STORE_E_MEMORY. */
int dashboard_json_counts(struct store *store, FILE *out);
int dashboard_json_active_calls(struct store *store, FILE *out);
/* How many there are, and the newest hundred. */
int dashboard_json_dead_letters(struct store *store, FILE *out);

/* One call as an object: 0, or STORE_E_MEMORY. */
int dashboard_json_call(const struct store_call *call, FILE *out);

#endif
