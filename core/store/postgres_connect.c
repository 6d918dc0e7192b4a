/*
 * postgres_connect.c: the connection: libpq's options from the URL, ours where it has none, the password from
 * its file, and the session's settings. Called through store_open(), and again by the first call after a
 * connection was lost; how long to wait between tries is the worker's affair. A password is in no message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret_file.h"
#include "common/utf8.h"
#include "store/postgres_internal.h"

#define MAX_OPTIONS      64
#define LOCK_POLL_MS     50
#define LEASE_DEFAULT_MS ((int64_t)600 * 1000)
#define SHARDS           64

/*
 * In one round trip, and not as start-up options, which PgBouncer refuses. The limits: of a statement, of a
 * wait for a lock, and of a transaction whose worker is gone without a word, for its locks hold up others.
 * A plan that is made once serves arrays of any size when only the indexes are in question; a plugin's
 * statements are planned as usual: see PG_GUARD_ON.
 */
static const char session_settings[] =
    "SET statement_timeout = 30000; SET lock_timeout = 10000; "
    "SET idle_in_transaction_session_timeout = 60000; "
    "SET default_transaction_isolation = 'read committed'; "
    "SET standard_conforming_strings = on; SET timezone = 'UTC'; SET datestyle = 'ISO'; "
    "SET extra_float_digits = 1; SET bytea_output = 'hex'; SET jit = off; "
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
    "SET search_path = pbxhook_plugins, pbxhook, public; SET plan_cache_mode = force_generic_plan; "
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET max_parallel_workers_per_gather = 0";

/* ---- Options ------------------------------------------------------------------------------------- */

struct options {
    const char *keyword[MAX_OPTIONS + 1];
    const char *value[MAX_OPTIONS + 1];
    int count;
};

static void set_option(struct options *options, const char *keyword, const char *value)
{
    if (options->count == MAX_OPTIONS)
        return;
    options->keyword[options->count] = keyword;
    options->value[options->count++] = value;
}

/* What the URL, or libpq's variable, says itself is left as it is. */
static void set_default(struct options *options, const PQconninfoOption *given, const char *keyword,
                        const char *value)
{
    for (; given->keyword != NULL; given++) {
        if (strcmp(given->keyword, keyword) != 0)
            continue;
        if (given->val == NULL && (given->envvar == NULL || getenv(given->envvar) == NULL))
            set_option(options, keyword, value);
        return;
    }
}

static void set_options(struct options *options, const PQconninfoOption *given,
                        enum store_mode mode, const char *application, const char *password)
{
    for (const PQconninfoOption *at = given; at->keyword != NULL; at++) {
        if (at->val != NULL)
            set_option(options, at->keyword, at->val);
    }
    set_default(options, given, "connect_timeout", "10");
    set_default(options, given, "keepalives", "1");
    set_default(options, given, "keepalives_idle", "10");
    set_default(options, given, "keepalives_interval", "5");
    set_default(options, given, "keepalives_count", "3");
    set_default(options, given, "tcp_user_timeout", "30000");
    set_default(options, given, "application_name", application);
    if (mode == STORE_WRITE)
        set_default(options, given, "target_session_attrs", "read-write");
    if (password != NULL)
        set_default(options, given, "password", password);
    set_option(options, "client_encoding", "UTF8");
}

/* The file's first line, borrowed from `file`; NULL: there is no such file to be used. */
static int read_password(struct pg_store *store, struct secret_file *file, char **out)
{
    char reason[STORE_ERROR_SIZE - 64];
    if (store->password_file[0] == '\0')
        return 0;
    if (secret_file_read(store->password_file, SECRET_FILE_PRIVATE, file, reason, sizeof(reason)) <
        0)
        return store_fail(&store->base, STORE_E_FAILED, "store.password_file: %s", reason);
    if (secret_file_lines(file, out, 1) > 0)
        return 0;
    return store_fail(&store->base, STORE_E_FAILED, "store.password_file: %s: found nothing in it",
                      store->password_file);
}

/* ---- Connecting ------------------------------------------------------------------------------------ */

static void name_place(struct pg_store *store)
{
    const char *host = PQhost(store->conn);
    const char *database = PQdb(store->conn);
    snprintf(store->place, sizeof(store->place), "postgresql://%s/%s", host == NULL ? "" : host,
             database == NULL ? "" : database);
}

/* libpq's own text names host, port and user; its lines become one. */
static int fail_to_connect(struct pg_store *store)
{
    char text[STORE_ERROR_SIZE];
    snprintf(text, sizeof(text), "%s",
             store->conn == NULL ? "out of memory" : PQerrorMessage(store->conn));
    size_t size = strlen(text);
    if (size > 0 && text[size - 1] == '\n')
        text[size - 1] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    }
    pg_disconnect(store);
    return store_fail(&store->base, STORE_E_FAILED, "%s", text);
}

/* What the server and libpq say beside their answers ("relation ... already exists, skipping") would go to stderr
 * otherwise. It may quote rows, which are about people. */
static void take_notice(void *arg, const char *message)
{
    (void)arg;
    char text[STORE_ERROR_SIZE];
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(message, "\n"), message);
    utf8_repair(text); /* it may have been cut within a character */
    log_debug("database's notice", log_text("notice", text));
}

static int dial_with(struct pg_store *store, const char *password)
{
    char application[64];
    char *reason = NULL;
    struct options options = {0};
    PQconninfoOption *given = PQconninfoParse(store->url, &reason);
    if (given == NULL) {
        PQfreemem(reason); /* it may quote the URL */
        return store_fail(&store->base, STORE_E_ARGUMENT,
                          "store.url: libpq does not understand it");
    }
    snprintf(application, sizeof(application), "pbxhook %s",
             store->base.mode == STORE_READ ? "reader" : store->owner);
    set_options(&options, given, store->base.mode, application, password);
    store->conn = PQconnectdbParams(options.keyword, options.value, 0);
    PQconninfoFree(given);
    if (store->conn == NULL || PQstatus(store->conn) != CONNECTION_OK)
        return fail_to_connect(store);
    PQsetNoticeProcessor(store->conn, take_notice, NULL);
    name_place(store);
    return 0;
}

/* connect_timeout bounds each host that is tried, and libpq goes through all of them. */
static int dial(struct pg_store *store)
{
    struct secret_file file = {0};
    char *password = NULL;
    int result = read_password(store, &file, &password);
    if (result == 0)
        result = dial_with(store, password);
    secret_file_free(&file);
    return result;
}

static int check_server(struct pg_store *store)
{
    const char *encoding = PQparameterStatus(store->conn, "server_encoding");
    if (PQserverVersion(store->conn) < 130000)
        return store_fail(&store->base, STORE_E_FAILED,
                          "%s: found PostgreSQL %d, wanted 13 or later", store->place,
                          PQserverVersion(store->conn) / 10000);
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
        return store_fail(&store->base, STORE_E_FAILED,
                          "%s: found a database in the encoding %s, wanted UTF8: make another with "
                          "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
                          store->place, encoding == NULL ? "?" : encoding);
    return 0;
}

static int run_simple(struct pg_store *store, const char *sql)
{
    PGresult *result = pg_simple(store, sql);
    int code = result == NULL ? STORE_E_FAILED : 0;
    PQclear(result);
    return code;
}

static int enter_pipeline(struct pg_store *store)
{
    if (PQsetnonblocking(store->conn, 1) != 0 || PQenterPipelineMode(store->conn) != 1)
        return pg_fail_connection(store);
    return 0;
}

/* Settings and all: 0 with a session, not yet in the pipeline. */
static int start_session(struct pg_store *store)
{
    int result = dial(store);
    if (result == 0)
        result = check_server(store);
    if (result == 0)
        result = run_simple(store, session_settings);
    return result;
}

int pg_connect(struct pg_store *store)
{
    if (store->conn != NULL)
        return 0;
    int result = start_session(store);
    if (result == 0 && store->base.mode == STORE_READ)
        result = pg_check_schema(store, postgres_schema);
    if (result == 0)
        result = enter_pipeline(store);
    if (result < 0)
        pg_disconnect(store);
    return result;
}

/* ---- Opening ----------------------------------------------------------------------------------------- */

/*
 * A worker's former life must be over before this one says what became of its actions. The lock goes with the
 * session; after a lost connection it is not taken again, for the old session may linger on the server.
 */
static int wait_for_owner(struct pg_store *store)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    int64_t deadline_us = clock_mono_us() + (int64_t)store->lock_wait_ms * 1000;
    char *owner = PQescapeLiteral(store->conn, store->owner, strlen(store->owner));
    char *sql = NULL;
    int result = -1;
    if (owner == NULL ||
        asprintf(&sql, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", owner) < 0) {
        PQfreemem(owner);
        return pg_no_memory(store);
    }
    PQfreemem(owner);
    while (result < 0) {
        PGresult *row = pg_simple(store, sql);
        if (row == NULL) {
            result = STORE_E_FAILED;
            break;
        }
        if (PQgetvalue(row, 0, 0)[0] == 't')
            result = 0;
        PQclear(row);
        if (result == 0)
            break;
        if (clock_mono_us() >= deadline_us) {
            result = store_fail(&store->base, STORE_E_BUSY,
                                "%s: the worker %s is still at work there, waited %d ms; stop it "
                                "first",
                                store->place, store->owner, store->lock_wait_ms);
            break;
        }
        nanosleep(&pause, NULL);
    }
    free(sql);
    return result;
}

static int open_writer(struct pg_store *store)
{
    int result = start_session(store);
    if (result == 0)
        result = pg_migrate(store, postgres_schema);
    if (result == 0 && store->owner[0] != '\0')
        result = wait_for_owner(store);
    if (result == 0)
        result = enter_pipeline(store);
    if (result < 0)
        return result;
    result = pg_make_partitions(store, clock_wall_ms());
    /* Somebody reads all the tables, a backup say: that is no reason not to start, see keep_partitions(). */
    return result == STORE_E_BUSY && store->conn != NULL ? 0 : result;
}

static int copy_options(struct pg_store *store, const char *url,
                        const struct store_options *options)
{
    const char *const from[] = {url, options->password_file, options->spool, options->owner};
    char **const to[] = {&store->url, &store->password_file, &store->spool, &store->owner};
    uint64_t hash = 5381;
    for (int i = 0; i < 4; i++) {
        *to[i] = strdup(from[i] == NULL ? "" : from[i]);
        if (*to[i] == NULL)
            return -1;
    }
    for (const char *c = store->owner; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    store->shard = (int)(hash % SHARDS);
    store->silence_limit_ms = PG_SILENCE_LIMIT_MS;
    store->lock_wait_ms = options->lock_wait_ms;
    store->lease_ms = options->lease_ms > 0 ? options->lease_ms : LEASE_DEFAULT_MS;
    store->repeatable = options->repeatable != 0;
    return 0;
}

int pg_open(const char *place, const struct store_options *options, struct store **out, char *error,
            size_t error_size)
{
    struct pg_store *store = calloc(1, sizeof(*store));
    (void)place; /* libpq wants its scheme, too */
    if (store == NULL || copy_options(store, options->url, options) < 0) {
        snprintf(error, error_size, "store.url: out of memory");
        if (store != NULL)
            pg_close(&store->base);
        return STORE_E_MEMORY;
    }
    store->base.backend = &postgres_backend;
    store->base.mode = options->mode;
    snprintf(store->place, sizeof(store->place), "postgresql");
    int result = options->mode == STORE_WRITE ? open_writer(store) : pg_connect(store);
    if (result < 0) {
        snprintf(error, error_size, "%s", store->base.error);
        pg_close(&store->base);
        return result;
    }
    *out = &store->base;
    return 0;
}

void pg_close(struct store *base)
{
    struct pg_store *store = pg_of(base);
    pg_disconnect(store);
    pg_image_free(&store->image);
    pg_params_free(&store->params);
    pg_vector_free(&store->user_ids);
    pg_vector_free(&store->claimed);
    free(store->found_call.text);
    free(store->found_number);
    free(store->url);
    free(store->password_file);
    free(store->spool);
    free(store->owner);
    free(store);
}
