/* own_tables.c: see own_tables.h. */
#include "store/own_tables.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    unsigned where;
    int is_bookkeeping;
} tables[] = {
    {"events", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"calls", OWN_SQLITE | OWN_POSTGRESQL, 0},
    {"payloads", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"users", OWN_SQLITE | OWN_POSTGRESQL, 0},
    {"actions", OWN_SQLITE | OWN_POSTGRESQL, 0},
    {"handlings", OWN_SQLITE | OWN_POSTGRESQL, 0},
    {"counts", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"call_events", OWN_SQLITE, 1},
    {"stray_events", OWN_SQLITE, 1},
    {"kpi", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"kpi_minutes", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"kpi_actions", OWN_SQLITE | OWN_POSTGRESQL, 1},
    {"migrations", OWN_POSTGRESQL, 1},
    {"pbxhook_deliveries", OWN_SERVICES, 0},
};

/* On PostgreSQL an index is dropped by its name alone. */
static const char *const postgres_others[] = {
    "events_pkey",     "events_id",        "events_id_seq",     "events_call",     "events_tx",
    "calls_pkey",      "calls_id_seq",     "calls_call_id_key", "calls_active",    "calls_finished",
    "calls_created",   "calls_queue",      "calls_number",      "calls_offered",   "payloads_pkey",
    "users_pkey",      "users_id_seq",     "users_number_key",  "actions_pkey",    "actions_id_seq",
    "actions_pending", "actions_sending",  "actions_unsettled", "actions_ended",   "actions_call",
    "handlings_pkey",  "handlings_due",    "handlings_owned",   "handlings_dead",  "counts_pkey",
    "kpi_pkey",        "kpi_minutes_pkey", "kpi_actions_pkey",  "migrations_pkey", NULL};
static const char *const service_others[] = {
    "pbxhook_deliveries_pkey",  "pbxhook_deliveries_pending", "pbxhook_deliveries_sending",
    "pbxhook_deliveries_ended", "pbxhook_deliveries_failed",  NULL};

static int is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcasecmp(name, *names) == 0)
            return 1;
    }
    return 0;
}

int own_table_is(const char *name, unsigned where)
{
    for (size_t i = 0; name != NULL && i < sizeof(tables) / sizeof(tables[0]); i++) {
        if ((tables[i].where & where) != 0 && strcasecmp(name, tables[i].name) == 0)
            return 1;
    }
    return 0;
}

/* A month's, or one for what has none, and their indexes: events_2026_11, events_other_call_id_idx. */
static int is_of_partition(const char *name)
{
    static const char prefix[] = "events_";
    if (strncasecmp(name, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    name += sizeof(prefix) - 1;
    return isdigit((unsigned char)*name) || strncasecmp(name, "other", 5) == 0 ||
           strncasecmp(name, "timeless", 8) == 0;
}

int own_relation_is(const char *name, unsigned where)
{
    if (name == NULL)
        return 0;
    if (own_table_is(name, where) ||
        ((where & OWN_SERVICES) != 0 && is_among(name, service_others)))
        return 1;
    return (where & OWN_POSTGRESQL) != 0 &&
           (is_among(name, postgres_others) || is_of_partition(name));
}

int own_table_is_bookkeeping(const char *name, unsigned where)
{
    for (size_t i = 0; name != NULL && i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (tables[i].is_bookkeeping && (tables[i].where & where) != 0 &&
            strcasecmp(name, tables[i].name) == 0)
            return 1;
    }
    return 0;
}
