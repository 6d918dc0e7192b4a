/*
 * pbxhook/plugin.h: the contract between pbxhook and an event handler plugin, version 1.1.
 *
 * This is the only header a plugin sees. A plugin is a shared object that exports ONE symbol, the
 * constant descriptor `pbxhook_plugin`; everything else in it is static. The smallest one:
 *
 *     #include <pbxhook/plugin.h>
 *
 *     static int32_t handle(const struct pbxhook_context *ctx, void *state,
 *                           const struct pbxhook_event *event)
 *     {
 *         (void)state;
 *         return ctx->db->call_advance(ctx, event) < 0 ? PBXHOOK_RETRY : PBXHOOK_OK;
 *     }
 *
 *     static const char *const events[] = {"call.ongoing", NULL};
 *
 *     PBXHOOK_PLUGIN = {
 *         PBXHOOK_PLUGIN_HEADER,
 *         .name = "my_handler", .version = "1.0.0", .summary = "advances the call",
 *         .events = events,
 *         .handle = handle,
 *     };
 *
 * Rules that hold for everything below:
 *
 *  - Strings are UTF-8, NUL-terminated and never NULL unless a comment says so; one that an event or
 *    a record has no value for is empty. A string that you are given is borrowed: it lives as long as
 *    its comment says; copy what you keep. A string that you give is copied by the host before the
 *    function returns, but for those of the descriptor, which must live as long as the process.
 *  - Nothing is freed across the boundary: whoever allocates frees.
 *  - Times are milliseconds since 1970-01-01T00:00:00Z.
 *  - Service functions return 0 or more on success and a negative PBXHOOK_E_... on failure. An out
 *    parameter is untouched on failure.
 *  - [handler thread] marks a function that may be called only while the host is inside this plugin's
 *    open() or handle(), on the thread that called it. [any thread] needs no such care.
 *  - The ABI grows only by members appended to structs and by new service ids. Before using a member
 *    newer than 1.0, ask PBXHOOK_HAS(table, member).
 *  - Zero everything that you do not set; designated initialisers do that.
 */
#ifndef PBXHOOK_PLUGIN_H
#define PBXHOOK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PBXHOOK_ABI_MAJOR    1 /* layout: plugin and host must agree */
#define PBXHOOK_ABI_MINOR    1 /* what this header describes; the host may offer more */

#define PBXHOOK_PLUGIN_MAGIC 0x50425848u /* "PBXH" */

#if defined(__GNUC__)
#define PBXHOOK_EXPORT               __attribute__((visibility("default")))
#define PBXHOOK_PRINTF(text, values) __attribute__((format(__printf__, text, values)))
#else
#define PBXHOOK_EXPORT
#define PBXHOOK_PRINTF(text, values)
#endif

/* 1 when the host's `table` (any struct here that starts with struct_size) reaches to `member`. */
#define PBXHOOK_HAS(table, member)                                                                 \
    ((table) != NULL &&                                                                            \
     (size_t)(table)->struct_size >=                                                               \
         (size_t)((const char *)(&(table)->member + 1) - (const char *)(table)))

/* ------------------------------------------------------------------------------------------------
 * Results of handle() and open()
 * --------------------------------------------------------------------------------------------- */

#define PBXHOOK_OK     0 /* done: what was written through `db` and `pbx` is kept              */
#define PBXHOOK_RETRY  1 /* not now: undo this plugin's work and call it again, later          */
#define PBXHOOK_REJECT 2 /* never: undo this plugin's work and keep the event as a dead letter */
/* Any other value counts as PBXHOOK_REJECT. */

/* ------------------------------------------------------------------------------------------------
 * Errors of the services
 * --------------------------------------------------------------------------------------------- */

#define PBXHOOK_E_ARGUMENT                                                                         \
    (-1)                      /* a NULL, empty or malformed argument                             */
#define PBXHOOK_E_STATE  (-2) /* called outside open() and handle(), or on another thread        */
#define PBXHOOK_E_MEMORY (-3) /* out of memory                                                   */
#define PBXHOOK_E_STORE  (-4) /* the database failed: return PBXHOOK_RETRY                       */
#define PBXHOOK_E_SQL    (-5) /* the database refused this statement: see the log                */
#define PBXHOOK_E_TYPE   (-6) /* the value there is of another type                              */
#define PBXHOOK_E_NOT_FOUND                                                                        \
    (-7) /* there is no such thing                                         */

struct pbxhook_context;
struct pbxhook_event;

/* ------------------------------------------------------------------------------------------------
 * The event
 * --------------------------------------------------------------------------------------------- */

/*
 * One event, as the PBX posted it. The host owns it; it and all it points to live until handle()
 * returns. Never concurrently used.
 */
struct pbxhook_event {
    uint32_t struct_size;
    uint32_t attempt; /* 1 the first time, 2 and more after PBXHOOK_RETRY or a crash        */
    int64_t time;     /* when the PBX says it happened; its arrival when it does not say    */
    int64_t received; /* when it arrived here                                               */
    const char *type; /* "call.new", ...                                                    */
    const char *call_id;
    const char *code;      /* as the PBX posts it, an integer as text; the PBX gives the meaning */
    const char *direction; /* "inbound", ...                                                     */
    const char *our_number;
    const char *their_number;
    const char *actor;  /* who answered, in actor.entered and actor.left                      */
    const char *number; /* the actor's extension                                              */
    const char *queue;
    const char *id;     /* its identity, 32 hexadecimal digits: the same for a repeated event */
    const char *body;   /* the raw JSON, body[body_size] is 0                                 */
    uint64_t body_size; /* bytes                                                              */
    void *host;         /* opaque                                                             */

    /*
     * Getters by path into the body's JSON, dots between members: "dados.cpf", "dialer.tags.0" (a
     * number indexes an array). The body is parsed when the first of them is called, so an event
     * nobody asks costs nothing. [handler thread]
     *
     * get_string: the string, borrowed until handle() returns; NULL when there is none at that path
     *             or it is not a string.
     * get_int64, get_double, get_bool (0 or 1): 0 and *out, PBXHOOK_E_NOT_FOUND, or PBXHOOK_E_TYPE.
     *             get_double takes integers as well; get_int64 does not round.
     * get_json:   the value at the path as compact JSON text, borrowed until handle() returns; NULL
     *             when there is none. The empty path is the whole body.
     */
    const char *(*get_string)(const struct pbxhook_event *event, const char *path);
    int32_t (*get_int64)(const struct pbxhook_event *event, const char *path, int64_t *out);
    int32_t (*get_double)(const struct pbxhook_event *event, const char *path, double *out);
    int32_t (*get_bool)(const struct pbxhook_event *event, const char *path, int32_t *out);
    const char *(*get_json)(const struct pbxhook_event *event, const char *path);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * Service "pbxhook.log/1"
 * --------------------------------------------------------------------------------------------- */

#define PBXHOOK_LOG_ERROR   0
#define PBXHOOK_LOG_WARNING 1
#define PBXHOOK_LOG_INFO    2
#define PBXHOOK_LOG_DEBUG   3

struct pbxhook_log_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* 1 when a line of this level would be written. [any thread] */
    int32_t (*enabled)(const struct pbxhook_context *ctx, int32_t level);
    /*
     * Writes one line; plugin, event type and call_id are added by the host. Callers' numbers and
     * payloads are personal data: log them at PBXHOOK_LOG_DEBUG only. Of a text longer than 2047 bytes
     * the rest is missing. [any thread]
     */
    void (*write)(const struct pbxhook_context *ctx, int32_t level, const char *format, ...)
        PBXHOOK_PRINTF(3, 4);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * Service "pbxhook.config/1": this plugin's own options
 * --------------------------------------------------------------------------------------------- */

#define PBXHOOK_OPTION_STRING  0
#define PBXHOOK_OPTION_INTEGER 1 /* a 64-bit integer            */
#define PBXHOOK_OPTION_BOOLEAN 2 /* true, false, yes, no, 1, 0  */
#define PBXHOOK_OPTION_NUMBER  3 /* a double                    */

/*
 * One option, set as `plugin "NAME" { OPTION = "value" }` in the configuration or as
 * PBXHOOK_PLUGIN_NAME_OPTION in the environment. The host checks a value against its type before
 * open() and refuses an option that the plugin does not declare.
 */
struct pbxhook_option {
    const char *name;          /* [a-z][a-z0-9_]*, at most 63                 */
    const char *default_value; /* as in the configuration; NULL: must be set  */
    const char *help;          /* one line, for `pbxhook plugins`             */
    uint32_t type;             /* PBXHOOK_OPTION_...                          */
    uint32_t flags;            /* 0; an unknown one is refused                */
    const void *reserved[2];   /* NULL                                        */
};

#define PBXHOOK_OPTION_END                                                                         \
    {                                                                                              \
        NULL, NULL, NULL, 0, 0,                                                                    \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

struct pbxhook_config_api {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * The option's value in force. get_string gives any option's text, borrowed until close(), or
     * NULL for an option that was not declared. The others: 0 and *out, PBXHOOK_E_NOT_FOUND, or
     * PBXHOOK_E_TYPE when it was declared with another type. [any thread]
     */
    const char *(*get_string)(const struct pbxhook_context *ctx, const char *option);
    int32_t (*get_integer)(const struct pbxhook_context *ctx, const char *option, int64_t *out);
    int32_t (*get_boolean)(const struct pbxhook_context *ctx, const char *option, int32_t *out);
    int32_t (*get_number)(const struct pbxhook_context *ctx, const char *option, double *out);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * Service "pbxhook.db/1": the shared database service
 * --------------------------------------------------------------------------------------------- */

/*
 * Set struct_size = sizeof(struct pbxhook_call) before you pass one in; the host writes no further.
 * The strings are borrowed until handle() returns.
 */
struct pbxhook_call {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t created;     /* time of its first event known here */
    int64_t status_time; /* time of the event in `status`; 0: none */
    const char *call_id;
    const char *status; /* "call.new" ... "call.finished"; "" when none of those came yet */
    const char *code;
    const char *direction;
    const char *our_number;
    const char *their_number;
    const char *queue;
    const char *actor;
    /* end of 1.0 */
};

/* Set struct_size first, as above. */
struct pbxhook_user {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t id;
    int64_t created;
    const char *number;
    /* end of 1.0 */
};

#define PBXHOOK_NULL   0
#define PBXHOOK_INT64  1
#define PBXHOOK_DOUBLE 2
#define PBXHOOK_TEXT   3

/* A bound parameter, or a column of a row. */
struct pbxhook_value {
    uint32_t type; /* PBXHOOK_NULL, ...                                                      */
    uint32_t size; /* of a text, in bytes without its end; as a parameter 0 means strlen(),
                      and a text that is not UTF-8 or has a NUL in it is PBXHOOK_E_ARGUMENT  */
    union {
        int64_t integer;
        double number;
        const char *text;
    } as;
};

/* One row of query(): return 0 for the next, anything else to stop. `values` lives until then. */
typedef int32_t (*pbxhook_row_fn)(void *arg, const struct pbxhook_value *values, uint32_t count);

/*
 * All of it runs inside the event's store transaction: it is kept when handle() returns PBXHOOK_OK
 * and undone otherwise, and after a crash the event is handled again from the start. So what is
 * written here happens once. In open() it runs in a transaction of its own, kept when open() returns
 * PBXHOOK_OK. Everything here is [handler thread].
 */
struct pbxhook_db_api {
    uint32_t struct_size;
    uint32_t reserved;

    /* "sqlite" or "postgresql"; a constant. */
    const char *(*dialect)(const struct pbxhook_context *ctx);

    /*
     * Saves the call of this event with the event's payload, and advances it. The call may be known
     * already (events come late and twice): then what it lacks is filled in.
     */
    int32_t (*call_save)(const struct pbxhook_context *ctx, const struct pbxhook_event *event);

    /*
     * Makes this event's type the call's status when (time, place in the life cycle) is the greatest
     * seen so far; otherwise leaves the status. A call not known yet is created. For a type outside
     * the seven of the life cycle the call is created if need be and its status left.
     */
    int32_t (*call_advance)(const struct pbxhook_context *ctx, const struct pbxhook_event *event);

    /* 1 and *out when there is such a call, else 0. */
    int32_t (*call_find)(const struct pbxhook_context *ctx, const char *call_id,
                         struct pbxhook_call *out);

    /* 1 and *out when there is a user of this number, else 0. An empty number is nobody's: 0. */
    int32_t (*user_find)(const struct pbxhook_context *ctx, const char *number,
                         struct pbxhook_user *out);

    /*
     * Makes a user of this number: 1 when it was made, 0 when there was one already; *out is that
     * user in both cases (`out` may be NULL). An empty number: PBXHOOK_E_ARGUMENT.
     */
    int32_t (*user_create)(const struct pbxhook_context *ctx, const char *number,
                           struct pbxhook_user *out);

    /*
     * One SQL statement for tables of your own, with `count` parameters bound as $1, $2, ...; more than
     * 65535 are PBXHOOK_E_ARGUMENT, and on SQLite more than some thousands take seconds.
     * *changed (may be NULL) is the number of rows changed. pbxhook's own tables are not part of the
     * contract: read them if you like, but write them only through the functions above. What would alter
     * them, their indexes or pbxhook_deliveries is refused with PBXHOOK_E_SQL, and so are transaction
     * statements (BEGIN, COMMIT, ROLLBACK, SAVEPOINT, ...). On PostgreSQL your tables are made in the
     * schema pbxhook_plugins, COPY, CALL, DO, LOCK, what changes the session (SET, set_config) and foreign
     * keys to pbxhook's tables, which would keep old records from being removed, are refused as well, and a
     * statement that fails leaves no trace.
     *
     * On SQLite, PRAGMA, ATTACH and DETACH are refused as well, and any statement with the word rollback in it,
     * even in a text: bind such a text as a parameter.
     */
    int32_t (*execute)(const struct pbxhook_context *ctx, const char *sql,
                       const struct pbxhook_value *params, uint32_t count, int64_t *changed);

    /*
     * The same, calling `row` for each row; returns 0 also when `row` stopped it. Of PostgreSQL's types
     * the integers and boolean (0 or 1) come as PBXHOOK_INT64, float4 and float8 as PBXHOOK_DOUBLE,
     * numeric as PBXHOOK_INT64 if it is written without a fraction and fits, else as PBXHOOK_DOUBLE (cast it
     * to text for all its digits), and all others as PBXHOOK_TEXT, bytea as its bytes.
     */
    int32_t (*query)(const struct pbxhook_context *ctx, const char *sql,
                     const struct pbxhook_value *params, uint32_t count, pbxhook_row_fn row,
                     void *arg);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * Service "pbxhook.pbx/1": the shared PBX client
 * --------------------------------------------------------------------------------------------- */

/*
 * Both write an action into the outbox, in the event's transaction: it is sent after the commit, by
 * the host, with retries, and given up when `pbx.deadline` after the event's arrival has passed.
 * Nothing is sent when handle() does not return PBXHOOK_OK. In open() there is no event to belong to:
 * PBXHOOK_E_STATE. [handler thread]
 */
struct pbxhook_pbx_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Tells the PBX to send the call to a destination, a queue's number: 0. */
    int32_t (*delegate)(const struct pbxhook_context *ctx, const char *call_id,
                        const char *destination);
    /* Any other action: one JSON object without \u0000, posted as it is: 0. call_id ties it to a call, or is
     * "". */
    int32_t (*action)(const struct pbxhook_context *ctx, const char *call_id, const char *json);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * Service "pbxhook.http/1", since 1.1: other servers
 * --------------------------------------------------------------------------------------------- */

/*
 * Not a member of the context: ctx->get_service(ctx, "pbxhook.http/1"), which is NULL before 1.1.
 *
 * A plugin names a target; where that is and how one logs in there is the operator's, as in
 * `target "crm" { url = "https://crm.example/api" token_file = "..." }`, so no secret is in a plugin.
 * post() and download() write down, in the event's transaction, what is to be done. The host does it
 * after the commit and off the handling path, with retries and an Idempotency-Key, and gives it up when
 * the target's `deadline` has passed. Nothing is done when handle() does not return PBXHOOK_OK. Two
 * requests may arrive in either order.
 *
 * `path` is put behind the target's url and begins with a slash; or it is a whole URL that begins with
 * the target's and goes on with a slash. It is sent as it is, so what needs an escape has one, and it
 * may come from anywhere: one that leads out of the target's url, by a segment "." or "..", escaped or
 * not, is refused. Errors: PBXHOOK_E_NOT_FOUND when there is no such target, PBXHOOK_E_ARGUMENT for a
 * path, JSON text or file name that won't do, PBXHOOK_E_STATE in open().
 */
struct pbxhook_http_api {
    uint32_t struct_size;
    uint32_t reserved;

    /* 1 when there is a target of this name, else 0: for open(), to refuse early. [any thread] */
    int32_t (*has_target)(const struct pbxhook_context *ctx, const char *target);

    /* Posts one JSON value, without \u0000: 0. How it ended is in the log. [handler thread] */
    int32_t (*post)(const struct pbxhook_context *ctx, const char *target, const char *path,
                    const char *json);

    /*
     * Fetches a file of any size into the operator's `download_dir`, under `name` ([A-Za-z0-9._-], at
     * most 128, not beginning with a dot): 0. It is there when it is whole, in place of an older one of
     * that name. Then this plugin is handed an event, if it takes that type: "pbxhook.download.finished",
     * or "pbxhook.download.failed" when it was given up. Its call_id is the present event's; its body
     * has "target", "path", "name", "file" (the absolute path), "size", "http_status" and "error".
     * [handler thread]
     */
    int32_t (*download)(const struct pbxhook_context *ctx, const char *target, const char *path,
                        const char *name);
    /* end of 1.1 */
};

/* ------------------------------------------------------------------------------------------------
 * The context
 * --------------------------------------------------------------------------------------------- */

/* The host's side, one for each plugin. Owned by the host, lives from open() until after close(). */
struct pbxhook_context {
    uint32_t struct_size;
    uint16_t abi_major; /* of the host */
    uint16_t abi_minor;
    void *host; /* opaque */

    const struct pbxhook_log_api *log;
    const struct pbxhook_config_api *config;
    const struct pbxhook_db_api *db;
    const struct pbxhook_pbx_api *pbx;

    /*
     * Why open() or handle() is about to return something else than PBXHOOK_OK, for the log and for
     * people; copied, at most 511 bytes of it, and the last one counts. [handler thread]
     */
    void (*set_error)(const struct pbxhook_context *ctx, const char *format, ...)
        PBXHOOK_PRINTF(2, 3);

    /*
     * A service by its id ("pbxhook.db/1"), NULL when this host has none of that id; valid until
     * after close(). How the ABI grows: later services have no member here. [any thread]
     */
    const void *(*get_service)(const struct pbxhook_context *ctx, const char *id);
    /* end of 1.0 */
};

/* ------------------------------------------------------------------------------------------------
 * The descriptor
 * --------------------------------------------------------------------------------------------- */

struct pbxhook_plugin {
    uint32_t magic;       /* PBXHOOK_PLUGIN_MAGIC                                   */
    uint16_t abi_major;   /* PBXHOOK_ABI_MAJOR                                      */
    uint16_t needs_minor; /* the least host minor it can run on: write the literal  */
    uint32_t struct_size; /* sizeof(struct pbxhook_plugin)                          */
    uint32_t flags;       /* 0; an unknown one is refused                           */

    const char *name; /* [a-z][a-z0-9_]*, at most 63, unique among the plugins loaded */
    const char *version;
    const char *summary; /* one line */

    /* The event types it takes, NULL at the end: "call.new"; "call.*" and "*" too. */
    const char *const *events;

    /* PBXHOOK_OPTION_END at the end; NULL: none. */
    const struct pbxhook_option *options;

    /*
     * Called once in each worker process before its first event; may be NULL. *state is yours and is
     * passed to handle() and close(). Anything but PBXHOOK_OK keeps the plugin, and the server, from
     * starting, with the text of set_error(). In a worker that takes another's place while the server
     * runs the plugin's events wait then, and it is called again. Must return within a minute, or
     * within `handler_timeout` if that is longer.
     */
    int32_t (*open)(const struct pbxhook_context *ctx, void **state);

    /*
     * Called for each event of the types above, after its record was stored, in the order of the
     * call's events. Never concurrently for one state; several worker processes may each have one.
     * Must return within `handler_timeout`. The time for which `db` waits for PostgreSQL is not counted: one
     * statement may take 30 s there.
     *
     * A child that handle() or open() forks may use nothing of the host's, and execs or ends with
     * _exit(): one that returns is ended.
     */
    int32_t (*handle)(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event);

    /* Called once when the worker leaves in good order; may be NULL. Not called after a crash. */
    void (*close)(void *state);
    /* end of 1.0 */
};

/* The first five members, filled in. A plugin that uses members of a later minor states that minor
 * itself instead of using this. In C++ designated initialisers take C++20; compilers take them before that
 * with a warning, or spell the members out in their order. */
#define PBXHOOK_PLUGIN_HEADER                                                                      \
    .magic = PBXHOOK_PLUGIN_MAGIC, .abi_major = PBXHOOK_ABI_MAJOR, .needs_minor = 0,               \
    .struct_size = (uint32_t)sizeof(struct pbxhook_plugin), .flags = 0

/* The one exported symbol: PBXHOOK_PLUGIN = { ... }; */
#ifdef __cplusplus
#define PBXHOOK_PLUGIN extern "C" PBXHOOK_EXPORT const struct pbxhook_plugin pbxhook_plugin
#else
#define PBXHOOK_PLUGIN                                                                             \
    extern PBXHOOK_EXPORT const struct pbxhook_plugin pbxhook_plugin;                              \
    const struct pbxhook_plugin pbxhook_plugin
#endif
#define PBXHOOK_PLUGIN_SYMBOL "pbxhook_plugin"

#ifdef __cplusplus
}
#endif

#endif
