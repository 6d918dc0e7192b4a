/*
 * config_keys.c: the table of keys, and finding one in it by its names. Used by every config*.c; holds
 * no values.
 */
#include <ctype.h>
#include <string.h>

#include "common/config_internal.h"

#define MEMBER(name) offsetof(struct config, name)

/* Why log.level may be a CONFIG_WORD. */
_Static_assert(LOG_LEVEL_ERROR == 0 && LOG_LEVEL_DEBUG == 3, "level_words is in their order");
_Static_assert(sizeof(enum log_level) == sizeof(int), "a word is kept in an int");

#define TEXT_MAX       4096
#define SECOND         1000
#define HOUR           (3600 * SECOND)
#define KIB            ((int64_t)1024)
#define MIB            (1024 * KIB)
#define GIB            (1024 * MIB)

#define DURATION_RANGE .min = 10, .max = HOUR

static const char *const unknown_words[] = {"keep", "reject", NULL};
/* In the order of store_kpi_seconds. */
static const char *const wait_words[] = {"5s", "10s", "15s", "20s", "30s", "60s", "120s", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};

const struct config_key config_keys[] = {
    {.section = "",
     .name = "listen",
     .type = CONFIG_TEXT,
     .standard = "127.0.0.1:3000",
     .min = 1,
     .max = 512,
     .check = config_check_address,
     .wanted = "HOST:PORT or [IPV6]:PORT, as \"127.0.0.1:3000\"",
     .help = "Address of the HTTP server. Port 0 takes any that is free.",
     .offset = MEMBER(listen)},
    {.section = "",
     .name = "state_dir",
     .type = CONFIG_PATH,
     .min = 1,
     .max = TEXT_MAX,
     .wanted = "the path of a directory",
     .help = "Where the spool, the locks and, unless store.url says otherwise, the database live.",
     .offset = MEMBER(state_dir)},
    {.section = "",
     .name = "plugin_dir",
     .type = CONFIG_PATH,
     .min = 1,
     .max = TEXT_MAX,
     .wanted = "the path of a directory",
     .help = "Every .so file in it is loaded as an event handler.",
     .offset = MEMBER(plugin_dir)},
    {.section = "",
     .name = "workers",
     .type = CONFIG_INTEGER,
     .standard = "1",
     .min = 1,
     .max = 64,
     .help = "Processes that handle events. A SQLite store takes one.",
     .offset = MEMBER(workers)},
    {.section = "",
     .name = "handler_timeout",
     .type = CONFIG_DURATION,
     .standard = "5s",
     DURATION_RANGE,
     .help = "A worker that sits in one handler for longer is killed and replaced.",
     .offset = MEMBER(handler_timeout_ms)},

    {.section = "webhook",
     .name = "unknown_events",
     .type = CONFIG_WORD,
     .standard = "keep",
     .words = unknown_words,
     .help = "Events that no plugin takes: \"keep\" their record, or \"reject\" them with 422.",
     .offset = MEMBER(webhook.reject_unknown)},
    {.section = "webhook",
     .name = "deduplicate",
     .type = CONFIG_BOOLEAN,
     .standard = "true",
     .help = "Acknowledge an event that was received before, and do not handle it again.",
     .offset = MEMBER(webhook.deduplicate)},
    {.section = "webhook",
     .name = "max_body",
     .type = CONFIG_SIZE,
     .standard = "1MiB",
     .min = 64,
     .max = 16 * MIB,
     .help = "A larger event is refused with 413.",
     .offset = MEMBER(webhook.max_body_bytes)},

    {.section = "spool",
     .name = "max_bytes",
     .type = CONFIG_SIZE,
     .standard = "256MiB",
     .min = KIB,
     .max = 1024 * GIB,
     .help = "When so much waits to be handled, events are refused with 503 and Retry-After.",
     .offset = MEMBER(spool.max_bytes)},

    {.section = "store",
     .name = "url",
     .type = CONFIG_STORE,
     .min = 1,
     .max = TEXT_MAX,
     .wanted = "sqlite:PATH or postgresql://...",
     .help = "The database of calls, users, events and actions.",
     .offset = MEMBER(store.url)},
    {.section = "store",
     .name = "password_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File whose first line is the password for PostgreSQL.",
     .offset = MEMBER(store.password_file)},

    {.section = "pbx",
     .name = "url",
     .type = CONFIG_TEXT,
     .standard = "http://localhost:3001/api/client/actions",
     .min = 1,
     .max = TEXT_MAX,
     .check = config_check_url,
     .wanted = "http://HOST[:PORT]/PATH or https://..., the user in pbx.user and not in it",
     .help = "Where actions are posted to.",
     .offset = MEMBER(pbx.url)},
    {.section = "pbx",
     .name = "action_type",
     .type = CONFIG_TEXT,
     .standard = "call.waiting",
     .min = 1,
     .max = 255,
     .check = config_check_token,
     .wanted = "a word of letters, digits and . _ : -",
     .help = "The \"type\" of the action that sends a call to a queue; some PBXs say \"delegate\".",
     .offset = MEMBER(pbx.action_type)},
    {.section = "pbx",
     .name = "deadline",
     .type = CONFIG_DURATION,
     .standard = "10s",
     DURATION_RANGE,
     .help = "An action that could not be sent so long after its event arrived is given up.",
     .offset = MEMBER(pbx.deadline_ms)},
    {.section = "pbx",
     .name = "timeout",
     .type = CONFIG_DURATION,
     .standard = "5s",
     DURATION_RANGE,
     .help = "How long one attempt may take.",
     .offset = MEMBER(pbx.timeout_ms)},
    {.section = "pbx",
     .name = "connections",
     .type = CONFIG_INTEGER,
     .standard = "32",
     .min = 1,
     .max = 1024,
     .help = "At most so many actions are on their way at one time.",
     .offset = MEMBER(pbx.connections)},
    {.section = "pbx",
     .name = "idempotent",
     .type = CONFIG_BOOLEAN,
     .standard = "false",
     .help =
         "The PBX takes one Idempotency-Key once: an action whose outcome is unknown is resent.",
     .offset = MEMBER(pbx.idempotent)},
    {.section = "pbx",
     .name = "user",
     .type = CONFIG_TEXT,
     .standard = "",
     .max = 255,
     .check = config_check_user,
     .wanted = "a user name of HTTP Basic: UTF-8 without colon and control characters",
     .help = "User name for HTTP Basic authentication at the PBX; \"\" for none.",
     .offset = MEMBER(pbx.user)},
    {.section = "pbx",
     .name = "password_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File whose first line is that user's password.",
     .offset = MEMBER(pbx.password_file)},

    {.section = "dashboard",
     .name = "cors_origins",
     .type = CONFIG_LIST,
     .standard = "",
     .min = 1,
     .max = 512,
     .check = config_check_origin,
     .wanted =
         "\"*\", or an origin as a browser sends it: \"https://wall.example\", in lower case, "
         "without path and default port",
     .help = "Web pages of these origins may read the dashboard's routes; \"*\" allows any.",
     .offset = MEMBER(dashboard.cors_origins)},
    {.section = "dashboard",
     .name = "answer_within",
     .type = CONFIG_WORD,
     .standard = "20s",
     .words = wait_words,
     .help = "Calls answered within this time count for the service level.",
     .offset = MEMBER(dashboard.answer_within)},
    {.section = "dashboard",
     .name = "answer_percent",
     .type = CONFIG_INTEGER,
     .standard = "80",
     .min = 1,
     .max = 99,
     .help = "The service level's target, in percent.",
     .offset = MEMBER(dashboard.answer_percent)},
    {.section = "dashboard",
     .name = "short_abandon",
     .type = CONFIG_WORD,
     .standard = "5s",
     .words = wait_words,
     .help = "Callers who hang up within this time are counted as short abandons, too.",
     .offset = MEMBER(dashboard.short_abandon)},
    {.section = "dashboard",
     .name = "lost_after_hours",
     .type = CONFIG_INTEGER,
     .standard = "4",
     .min = 1,
     .max = 720,
     .help = "A call without an end that is silent for longer is lost, not active.",
     .offset = MEMBER(dashboard.lost_after_hours)},

    {.section = "log",
     .name = "level",
     .type = CONFIG_WORD,
     .standard = "info",
     .words = level_words,
     .help = "\"error\", \"warning\", \"info\" or \"debug\", which shows callers' numbers.",
     .offset = MEMBER(log.level)},
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

const struct config_key *config_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0)
            return key;
    }
    return NULL;
}

const struct config_key *config_key_find_variable(const char *variable)
{
    for (size_t i = 0; i < config_key_count; i++) {
        char name[CONFIG_NAME_SIZE];
        config_key_variable(&config_keys[i], name);
        if (strcmp(name, variable) == 0)
            return &config_keys[i];
    }
    return NULL;
}

int config_section_exists(const char *section)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].section, section) == 0)
            return 1;
    }
    return 0;
}

void config_key_path(const struct config_key *key, char out[CONFIG_NAME_SIZE])
{
    snprintf(out, CONFIG_NAME_SIZE, "%s%s%s", key->section, key->section[0] == '\0' ? "" : ".",
             key->name);
}

void config_key_variable(const struct config_key *key, char out[CONFIG_NAME_SIZE])
{
    snprintf(out, CONFIG_NAME_SIZE, "PBXHOOK_%s%s%s", key->section,
             key->section[0] == '\0' ? "" : "_", key->name);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
}

void *config_key_member(const struct config *config, const struct config_key *key)
{
    return (char *)(uintptr_t)config + key->offset;
}
