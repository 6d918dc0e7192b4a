/*
 * config.h: the configuration in force: defaults, then the file, then the files of conf.d beside it in
 * lexical order, then PBXHOOK_SECTION_KEY from the environment. Read once at start; read-only after,
 * so any thread may look at it.
 */
#ifndef PBXHOOK_CONFIG_H
#define PBXHOOK_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/log.h"

/*
 * One key of a plugin's section, as written. Of the variable PBXHOOK_PLUGIN_CALL_STANDBY_KNOWN_QUEUE
 * only the plugins know where to part the names: its plugin is "", its key call_standby_known_queue.
 */
struct config_plugin_option {
    char *plugin; /* "call_standby" */
    char *key;    /* "known_queue"  */
    char *value;  /* "900"          */
    char *origin; /* "/etc/pbxhook/pbxhook.conf:12" or the variable's name, for messages */
};

/* A server that plugins may post to and download from, by its name: target "crm" { ... }. What is secret
 * stays in files that only the host reads. */
struct config_target {
    char *name;          /* "crm"                                                            */
    char *url;           /* what every path is put behind; no slash at its end               */
    char *user;          /* HTTP Basic, "" none                                              */
    char *password_file; /* "" none                                                          */
    char *token_file;    /* its first line is sent as a bearer token; "" none                */
    int timeout_ms;      /* of one attempt                                                   */
    int deadline_ms;     /* what could not be delivered so long after it was asked is given up */
    int connections;     /* at most so many at one time                                      */
    int idempotent;      /* boolean, as pbx.idempotent                                       */
    int64_t max_download_bytes;
    char *origin; /* where it begins, for messages */
};

struct config {
    /* top level */
    char *listen;       /* "127.0.0.1:3000", "[::1]:3000"; port 0 is any free one  */
    char *state_dir;    /* absolute                                                */
    char *plugin_dir;   /* absolute                                                */
    char *download_dir; /* absolute: what plugins download is put there            */
    int workers;        /* 1 on SQLite                                             */
    int handler_timeout_ms;
    int64_t worker_memory_bytes; /* of one worker; 0: no limit */
    int allow_unauthenticated; /* boolean: listen to more than loopback and ask nobody who he is */

    struct {
        int reject_unknown;     /* unknown_events = "keep" | "reject" */
        int deduplicate;        /* boolean                            */
        int64_t max_body_bytes; /* max_body = 1048576                 */
        int acknowledge_stored; /* acknowledge = "spooled" | "stored" */
        int acknowledge_timeout_ms;
        int max_depth;          /* of its JSON, up to EVENT_MAX_DEPTH */
        char *secret_file;      /* of signatures; "" none. Files are read by the receiver alone */
        char *user;             /* HTTP Basic, "" none                */
        char *password_file;    /* that user's; "" none               */
        char *token_file;       /* bearer tokens; "" none             */
        char **allow_from;      /* ranges of addresses; empty: all    */
        char **trusted_proxies; /* likewise; empty: none              */
    } webhook;

    struct {
        int max_connections;
        int max_connections_per_address; /* but for trusted proxies                      */
        int64_t max_header_bytes;        /* request line and fields                      */
        int request_timeout_ms;          /* for one request, the silence before it included */
        int idle_timeout_ms;             /* between two parts of a request, or two       */
    } http;

    struct {
        char *certificate_file; /* PEM; "" no TLS    */
        char *key_file;         /* PEM, a secret     */
    } tls;

    struct {
        int64_t max_bytes; /* of event bodies and rows waiting: at the cap 503 is answered */
    } spool;

    struct {
        char *url; /* "sqlite:PATH" or "postgresql://..."; default sqlite:STATE_DIR/pbxhook.db */
        char *password_file;  /* "" none; read by the store, never shown            */
        int64_t retention_ms; /* what is older is removed; 0: nothing is */
    } store;

    struct {
        char *url;         /* "http://localhost:3001/api/client/actions"          */
        char *action_type; /* "call.waiting"; Teravoz: "delegate"                 */
        int deadline_ms;   /* 10000, from the event's arrival                     */
        int timeout_ms;    /* of one attempt                                      */
        int connections;   /* at most so many actions at one time                 */
        int idempotent; /* boolean: the PBX takes one Idempotency-Key once, so that an attempt whose
                            outcome is unknown may be sent again */
        char *user;     /* HTTP Basic, "" none                                 */
        char *password_file; /* "" none; read by the PBX client, never shown      */
        char *ca_file;       /* PEM; "" the system's certificate authorities      */
    } pbx;

    struct {
        char *user;          /* HTTP Basic, "" none                                            */
        char *password_file; /* that user's; "" none                                           */
        char *token_file;    /* bearer tokens; "" none                                         */
        int metrics_public;  /* boolean: /metrics asks for none of them                        */
        char **cors_origins; /* allowed origins, "*" for any; NULL at the end; may be empty */
        /* Of the indicators: the first and third are places in store_kpi_seconds. */
        int answer_within;  /* Y of the service level                          */
        int answer_percent; /* X, its target                                   */
        int short_abandon;
        int lost_after_hours; /* a call silent for longer is lost, not active */
    } dashboard;

    struct {
        enum log_level level;
    } log;

    struct config_plugin_option *plugin_options; /* each name once; the environment's last */
    size_t plugin_option_count;

    struct config_target *targets; /* each name once */
    size_t target_count;

    struct config_origins *origins; /* where each key was set; config_print() shows it */
};

/*
 * Reads it all. path NULL: PBXHOOK_CONFIG from the environment, else the compiled-in file if there is
 * one, else none. environment 0: the environment is not looked at, there is no conf.d and a file may be of
 * any size (a worker reading what its receiver wrote). On success *out, freed with config_free(). On failure -1, and each
 * thing that is wrong has been told to `errors`, one line each, with file and line or the variable's
 * name, what was found and what is allowed.
 */
int config_load(const char *path, int environment, FILE *errors, struct config **out);

void config_free(struct config *config); /* accepts NULL */

/*
 * Sees that the directories a server needs can be there: none of them is a file, and what is not made at its start
 * exists. Makes and opens nothing. 0, or -1 with each thing that is wrong told as config_load() does.
 */
int config_check_places(const struct config *config, FILE *errors);

/*
 * For who finds out later that a value won't do: adds a line to the text in `error`. The format begins with the key,
 * "tls.key_file: ...", and before it comes where that was set; but not in a process that was handed its configuration by
 * another, where that is not known. -1 always.
 */
int config_add_error(const struct config *config, char *error, size_t error_size,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Whether a running server with the configuration `now` can go on with `next`: 0; or -1, and `error` names the
 * keys that differ and can't without a restart.
 */
int config_can_follow(const struct config *now, const struct config *next, char *error,
                      size_t error_size);

/*
 * Writes what is in force in the syntax of the file, so that config_load() of it gives the same again.
 * comments 1: each key's origin beside it (default, file:line or variable), for `pbxhook check`.
 * No secret is in it but for a password in store.url, which is masked with comments: others are files.
 */
int config_print(const struct config *config, FILE *out, int comments);

/*
 * How long records are kept: store.retention, and what the operator's commands take. Shorter than an
 * hour is refused: a bare number is seconds, and "90" for 90 days would remove nearly everything.
 */
#define CONFIG_PERIOD_MIN_MS ((int64_t)3600 * 1000)
#define CONFIG_PERIOD_MAX_MS ((int64_t)36500 * 24 * 3600 * 1000)
#define CONFIG_PERIOD_WORDS  "\"1h\" to \"36500d\": an integer with ms, s, m, h or d"

/* Reads "90d", "12h", ... : 0 and *ms, or -1 when text is none from the least to the most. */
int config_read_period(const char *text, int64_t *ms);

/* NULL when there is none of that name. */
const struct config_target *config_find_target(const struct config *config, const char *name);

/* The last value set for a plugin's option, with its origin if origin is not NULL; NULL if not set. */
const char *config_plugin_option(const struct config *config, const char *plugin, const char *key,
                                 const char **origin);

#endif
