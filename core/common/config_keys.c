/*
 * config_keys.c: the table of keys, and finding one in it by its names. Used by every config*.c; holds
 * no values.
 */
#include <ctype.h>
#include <string.h>

#include "common/config_internal.h"
#include "common/event.h"

#define MEMBER(name) offsetof(struct config, name)

/* Why log.level may be a CONFIG_WORD. */
_Static_assert(LOG_LEVEL_ERROR == 0 && LOG_LEVEL_DEBUG == 3, "level_words is in their order");
_Static_assert(sizeof(enum log_level) == sizeof(int), "a word is kept in an int");

#define TEXT_MAX    4096
#define SECOND      1000
#define HOUR        (3600 * SECOND)
#define KIB         ((int64_t)1024)
#define MIB         (1024 * KIB)
#define GIB         (1024 * MIB)

#define USER_WANTED "a user name of HTTP Basic: UTF-8 without colon and control characters"
#define RANGE_WANTED                                                                                   \
    "an address or a range, as \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\", no bit set behind " \
    "the prefix"

#define DURATION_RANGE .min = 10, .max = HOUR

static const char *const unknown_words[] = {"keep", "reject", NULL};
static const char *const acknowledge_words[] = {"spooled", "stored", NULL};
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
     .live = 1,
     .type = CONFIG_PATH,
     .min = 1,
     .max = TEXT_MAX,
     .wanted = "the path of a directory",
     .help = "Every .so file in it is loaded as an event handler.",
     .offset = MEMBER(plugin_dir)},
    {.section = "",
     .name = "download_dir",
     .type = CONFIG_PATH,
     .min = 1,
     .max = TEXT_MAX,
     .wanted = "the path of a directory",
     .help = "Where files are put that plugins download from a target.",
     .offset = MEMBER(download_dir)},
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
     .live = 1,
     .type = CONFIG_DURATION,
     .standard = "5s",
     DURATION_RANGE,
     .help = "A worker that sits in one handler for longer is killed and replaced.",
     .offset = MEMBER(handler_timeout_ms)},
    {.section = "",
     .name = "worker_memory",
     .live = 1,
     .type = CONFIG_SIZE,
     .standard = "1GiB",
     .max = 1024 * GIB,
     .help = "A worker may allocate so much; one whose plugin leaks ends then, alone. 0: no limit.",
     .offset = MEMBER(worker_memory_bytes)},
    {.section = "",
     .name = "allow_unauthenticated",
     .type = CONFIG_BOOLEAN,
     .standard = "false",
     .help = "Listen to more than loopback although nobody has to show who he is.",
     .offset = MEMBER(allow_unauthenticated)},

    {.section = "webhook",
     .name = "unknown_events",
     .live = 1,
     .type = CONFIG_WORD,
     .standard = "keep",
     .words = unknown_words,
     .help = "Events that no plugin takes: \"keep\" their record, or \"reject\" them with 422.",
     .offset = MEMBER(webhook.reject_unknown)},
    {.section = "webhook",
     .name = "deduplicate",
     .live = 1,
     .type = CONFIG_BOOLEAN,
     .standard = "true",
     .help = "Acknowledge an event that was received before, and do not handle it again.",
     .offset = MEMBER(webhook.deduplicate)},
    {.section = "webhook",
     .name = "max_body",
     .live = 1,
     .type = CONFIG_SIZE,
     .standard = "1MiB",
     .min = 64,
     .max = 16 * MIB,
     .help = "A larger event is refused with 413.",
     .offset = MEMBER(webhook.max_body_bytes)},
    {.section = "webhook",
     .name = "acknowledge",
     .type = CONFIG_WORD,
     .standard = "spooled",
     .words = acknowledge_words,
     .help =
         "When an event is acknowledged: \"spooled\", safe on disk, or \"stored\", handled too.",
     .offset = MEMBER(webhook.acknowledge_stored)},
    {.section = "webhook",
     .name = "acknowledge_timeout",
     .type = CONFIG_DURATION,
     .standard = "10s",
     .min = 10,
     .max = 60 * SECOND,
     .help = "With \"stored\": when that takes longer, 503 is answered; the event is kept.",
     .offset = MEMBER(webhook.acknowledge_timeout_ms)},
    {.section = "webhook",
     .name = "max_depth",
     .type = CONFIG_INTEGER,
     .standard = "64",
     .min = 3,
     .max = EVENT_MAX_DEPTH,
     .help = "An event whose JSON is nested deeper is refused with 400.",
     .offset = MEMBER(webhook.max_depth)},
    {.section = "webhook",
     .name = "secret_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File of the secrets that events are signed with (Standard Webhooks), one a line.",
     .offset = MEMBER(webhook.secret_file)},
    {.section = "webhook",
     .name = "user",
     .type = CONFIG_TEXT,
     .standard = "",
     .max = 255,
     .check = config_check_user,
     .wanted = USER_WANTED,
     .help = "User name for HTTP Basic authentication of senders.",
     .offset = MEMBER(webhook.user)},
    {.section = "webhook",
     .name = "password_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File of that user's passwords, one a line.",
     .offset = MEMBER(webhook.password_file)},
    {.section = "webhook",
     .name = "token_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File of the bearer tokens of senders, one a line.",
     .offset = MEMBER(webhook.token_file)},
    {.section = "webhook",
     .name = "allow_from",
     .type = CONFIG_LIST,
     .standard = "",
     .min = 1,
     .max = 64,
     .check = config_check_range,
     .wanted = RANGE_WANTED,
     .help = "Only these addresses may post events; none: all may.",
     .offset = MEMBER(webhook.allow_from)},
    {.section = "webhook",
     .name = "trusted_proxies",
     .type = CONFIG_LIST,
     .standard = "",
     .min = 1,
     .max = 64,
     .check = config_check_range,
     .wanted = RANGE_WANTED,
     .help = "Proxies whose X-Forwarded-For or Forwarded tells the client.",
     .offset = MEMBER(webhook.trusted_proxies)},

    {.section = "http",
     .name = "max_connections",
     .type = CONFIG_INTEGER,
     .standard = "4096",
     .min = 1,
     .max = 65536,
     .help = "Connections at one time; for one more, the one that was silent longest is closed.",
     .offset = MEMBER(http.max_connections)},
    {.section = "http",
     .name = "max_connections_per_address",
     .type = CONFIG_INTEGER,
     .standard = "1024",
     .min = 1,
     .max = 65536,
     .help = "Of them, those of one address; trusted proxies may have more.",
     .offset = MEMBER(http.max_connections_per_address)},
    {.section = "http",
     .name = "max_header",
     .type = CONFIG_SIZE,
     .standard = "8KiB",
     .min = 2 * KIB,
     .max = MIB,
     .help = "A request line with its header fields that is larger is refused with 431.",
     .offset = MEMBER(http.max_header_bytes)},
    {.section = "http",
     .name = "request_timeout",
     .type = CONFIG_DURATION,
     .standard = "90s",
     .min = 100,
     .max = HOUR,
     .help = "A request has to be there so long after the last one, however it trickles in.",
     .offset = MEMBER(http.request_timeout_ms)},
    {.section = "http",
     .name = "idle_timeout",
     .type = CONFIG_DURATION,
     .standard = "30s",
     .min = SECOND,
     .max = HOUR,
     .help = "A connection that is silent for longer is closed.",
     .offset = MEMBER(http.idle_timeout_ms)},

    {.section = "tls",
     .name = "certificate_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "PEM file of the server's certificate and its chain; with it the server speaks TLS.",
     .offset = MEMBER(tls.certificate_file)},
    {.section = "tls",
     .name = "key_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "PEM file of its private key.",
     .offset = MEMBER(tls.key_file)},

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
    {.section = "store",
     .name = "retention",
     .live = 1,
     .type = CONFIG_PERIOD,
     .standard = "0",
     .help = "Events, finished calls and ended actions older than that are removed; 0 keeps all.",
     .offset = MEMBER(store.retention_ms)},

    {.section = "pbx",
     .name = "url",
     .live = 1,
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
     .live = 1,
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
     .live = 1,
     .type = CONFIG_DURATION,
     .standard = "10s",
     DURATION_RANGE,
     .help = "An action that could not be sent so long after its event arrived is given up.",
     .offset = MEMBER(pbx.deadline_ms)},
    {.section = "pbx",
     .name = "timeout",
     .live = 1,
     .type = CONFIG_DURATION,
     .standard = "5s",
     DURATION_RANGE,
     .help = "How long one attempt may take.",
     .offset = MEMBER(pbx.timeout_ms)},
    {.section = "pbx",
     .name = "connections",
     .live = 1,
     .type = CONFIG_INTEGER,
     .standard = "128",
     .min = 1,
     .max = 1024,
     .help = "At most so many actions are on their way at one time.",
     .offset = MEMBER(pbx.connections)},
    {.section = "pbx",
     .name = "idempotent",
     .live = 1,
     .type = CONFIG_BOOLEAN,
     .standard = "false",
     .help =
         "The PBX takes one Idempotency-Key once: an action whose outcome is unknown is resent.",
     .offset = MEMBER(pbx.idempotent)},
    {.section = "pbx",
     .name = "user",
     .live = 1,
     .type = CONFIG_TEXT,
     .standard = "",
     .max = 255,
     .check = config_check_user,
     .wanted = USER_WANTED,
     .help = "User name for HTTP Basic authentication at the PBX; \"\" for none.",
     .offset = MEMBER(pbx.user)},
    {.section = "pbx",
     .name = "password_file",
     .live = 1,
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File whose first line is that user's password.",
     .offset = MEMBER(pbx.password_file)},
    {.section = "pbx",
     .name = "ca_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "PEM file of the certificate authorities that may vouch for the PBX.",
     .offset = MEMBER(pbx.ca_file)},

    {.section = "dashboard",
     .name = "user",
     .type = CONFIG_TEXT,
     .standard = "",
     .max = 255,
     .check = config_check_user,
     .wanted = USER_WANTED,
     .help = "User name for HTTP Basic authentication of readers.",
     .offset = MEMBER(dashboard.user)},
    {.section = "dashboard",
     .name = "password_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File of that reader's passwords, one a line.",
     .offset = MEMBER(dashboard.password_file)},
    {.section = "dashboard",
     .name = "token_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File of the bearer tokens of readers, one a line.",
     .offset = MEMBER(dashboard.token_file)},
    {.section = "dashboard",
     .name = "metrics_public",
     .type = CONFIG_BOOLEAN,
     .standard = "false",
     .help = "GET /metrics asks for no credentials.",
     .offset = MEMBER(dashboard.metrics_public)},
    {.section = "dashboard",
     .name = "cors_origins",
     .live = 1,
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

    {.section = "log",
     .name = "level",
     .live = 1,
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
