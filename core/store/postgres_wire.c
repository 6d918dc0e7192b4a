/*
 * postgres_wire.c: statements and results over libpq's pipeline: what a round trip needs is queued and sent
 * as one, and heard of as one. Every wait is here, with a deadline, so that a dead network holds a worker no
 * longer than that. It never retries: the worker does, with the whole batch.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "store/postgres_internal.h"

/* ---- Errors ---------------------------------------------------------------------------------------- */

int pg_no_memory(struct pg_store *store)
{
    return store_fail(&store->base, STORE_E_MEMORY, "%s: out of memory", store->place);
}

void pg_disconnect(struct pg_store *store)
{
    PQfinish(store->conn);
    store->conn = NULL;
    store->queued = 0;
    memset(store->is_prepared, 0, sizeof(store->is_prepared));
    pg_plugin_forget(store);
}

int pg_fail_connection(struct pg_store *store)
{
    const char *text = store->conn == NULL ? "" : PQerrorMessage(store->conn);
    int result = store_fail(&store->base, STORE_E_FAILED, "%s: the connection is lost: %.*s",
                            store->place, (int)strcspn(text, "\n"), text);
    pg_disconnect(store);
    return result;
}

static int is_class(const char *sqlstate, const char *class)
{
    return strncmp(sqlstate, class, strlen(class)) == 0;
}

int pg_classify(const char *sqlstate)
{
    static const struct {
        const char *class; /* the first letters of an SQLSTATE */
        int code;
    } classes[] = {
        {"40", STORE_E_AGAIN},    /* serialization, deadlock                          */
        {"26000", STORE_E_AGAIN}, /* a statement that was prepared is not there       */
        {"0A000", STORE_E_AGAIN}, /* ... or does not fit a table that was changed     */
        {"55P03", STORE_E_BUSY},  /* lock_timeout                                     */
        {"XX001", STORE_E_CORRUPT}, {"XX002", STORE_E_CORRUPT},
        {"22", STORE_E_REFUSED}, /* the data, its constraints, a trigger of the owner's */
        {"23", STORE_E_REFUSED},    {"44", STORE_E_REFUSED},
        {"54", STORE_E_REFUSED},    {"P0", STORE_E_REFUSED},
        {"09", STORE_E_REFUSED},    {"2F", STORE_E_REFUSED},
        {"38", STORE_E_REFUSED},    {"39", STORE_E_REFUSED},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (is_class(sqlstate, classes[i].class))
            return classes[i].code;
    }
    return STORE_E_FAILED;
}

/* Only what the server says first: its detail quotes rows, which are about people. */
static void keep_fault(struct pg_store *store, const PGresult *result,
                       const struct pg_queued *queued)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    struct pg_fault *fault = &store->fault;
    if (fault->sqlstate[0] != '\0')
        return;
    if (message == NULL)
        message = PQresultErrorMessage(result);
    fault->which = queued == NULL ? -1 : queued->which;
    fault->is_preparing = queued != NULL && queued->prepares;
    snprintf(fault->sqlstate, sizeof(fault->sqlstate), "%s", sqlstate == NULL ? "08006" : sqlstate);
    snprintf(fault->message, sizeof(fault->message), "%.*s", (int)strcspn(message, "\n"), message);
}

/* The text and the code of what failed. */
static int fail(struct pg_store *store)
{
    const struct pg_fault *fault = &store->fault;
    int code = pg_classify(fault->sqlstate);
    int is_ours = fault->which >= 0;
    /* What was prepared is not there, or not as it was: a new connection prepares it anew. */
    int is_stale = is_ours && code == STORE_E_AGAIN && !is_class(fault->sqlstate, "40");
    /* The server is going, or a replica that was the primary: another connection may find a better one. */
    int is_lost = is_class(fault->sqlstate, "08") || is_class(fault->sqlstate, "57P") ||
                  strcmp(fault->sqlstate, "25006") == 0 || strcmp(fault->sqlstate, "25P03") == 0 ||
                  store->conn == NULL || PQstatus(store->conn) == CONNECTION_BAD;
    store_fail(&store->base, code, "%s: %s (SQLSTATE %s)", store->place, fault->message,
               fault->sqlstate);
    if (is_lost || is_stale)
        pg_disconnect(store);
    return code;
}

/* ---- Waiting --------------------------------------------------------------------------------------- */

/* Sends what is buffered and reads what there is, until there is something: 0, or -1: given up. */
static int wait_for_server(struct pg_store *store, int64_t deadline_us)
{
    int unsent = PQflush(store->conn);
    if (unsent < 0)
        return -1;
    struct pollfd ready = {.fd = PQsocket(store->conn),
                           .events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN)};
    int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
    store_note_wait(&store->base, 1);
    int got = left_ms <= 0 ? 0 : poll(&ready, 1, (int)left_ms);
    int failure = errno;
    store_note_wait(&store->base, 0);
    if (got == 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (got < 0)
        return failure == EINTR ? 0 : -1;
    return PQconsumeInput(store->conn) == 1 ? 0 : -1;
}

/* The next result; *out NULL at a statement's end. 0, or negative when the connection is lost. */
static int next_result(struct pg_store *store, PGresult **out)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)store->silence_limit_ms * 1000;
    while (PQisBusy(store->conn)) {
        errno = 0;
        if (wait_for_server(store, deadline_us) == 0)
            continue;
        if (errno != ETIMEDOUT)
            return pg_fail_connection(store);
        pg_disconnect(store);
        return store_fail(&store->base, STORE_E_FAILED, "%s: no word from the server for %d s",
                          store->place, store->silence_limit_ms / 1000);
    }
    *out = PQgetResult(store->conn);
    return 0;
}

/* ---- The pipeline ---------------------------------------------------------------------------------- */

static int note(struct pg_store *store, int which, int prepares, pg_take_fn take, void *arg)
{
    if (store->queued == PG_QUEUE_MAX)
        return store_fail(&store->base, STORE_E_FAILED, "too many statements in one round trip");
    store->queue[store->queued++] =
        (struct pg_queued){.which = which, .prepares = prepares, .take = take, .arg = arg};
    return 0;
}

int pg_queue_foreign(struct pg_store *store, int sent, int prepares, pg_take_fn take, void *arg)
{
    if (sent != 1)
        return pg_fail_connection(store);
    return note(store, -1, prepares, take, arg);
}

/* Parameters as libpq wants them: all binary. */
struct values {
    const char *value[PG_MAX_PARAMS];
    int size[PG_MAX_PARAMS];
    int format[PG_MAX_PARAMS];
    int count;
};

static void lay_out(const struct pg_params *params, struct values *out)
{
    out->count = params == NULL ? 0 : params->count;
    for (int i = 0; i < out->count; i++) {
        out->value[i] = params->param[i].bytes;
        out->size[i] = (int)params->param[i].size;
        out->format[i] = 1;
    }
}

static int send_statement(struct pg_store *store, const char *name, const struct pg_params *params)
{
    struct values values;
    lay_out(params, &values);
    return PQsendQueryPrepared(store->conn, name, values.count, values.value, values.size,
                               values.format, 1);
}

int pg_queue_text(struct pg_store *store, const char *sql, const struct pg_params *params,
                  pg_take_fn take, void *arg)
{
    struct values values;
    if (params != NULL && params->no_memory)
        return pg_no_memory(store);
    lay_out(params, &values);
    return pg_queue_foreign(store,
                            PQsendQueryParams(store->conn, sql, values.count, NULL, values.value,
                                              values.size, values.format, 1),
                            0, take, arg);
}

int pg_queue(struct pg_store *store, enum pg_statement which, const struct pg_params *params,
             pg_take_fn take, void *arg)
{
    char name[16];
    int result;
    if (params != NULL && params->no_memory)
        return pg_no_memory(store);
    if (store->conn == NULL)
        return store_fail(&store->base, STORE_E_FAILED, "%s: not connected", store->place);
    snprintf(name, sizeof(name), "p%d", (int)which);
    if (!store->is_prepared[which]) {
        if (PQsendPrepare(store->conn, name, pg_statement_sql(which), 0, NULL) != 1)
            return pg_fail_connection(store);
        result = note(store, (int)which, 1, NULL, NULL);
        if (result < 0)
            return result;
        store->is_prepared[which] = 1; /* taken back when it fails or is not reached */
    }
    if (send_statement(store, name, params) != 1)
        return pg_fail_connection(store);
    return note(store, (int)which, 0, take, arg);
}

static int is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Reads one statement's results to their end. A take()'s own failure is kept until the pipeline is empty. */
static int read_statement(struct pg_store *store, const struct pg_queued *queued, int *taken)
{
    PGresult *result = NULL;
    int code;
    while ((code = next_result(store, &result)) == 0 && result != NULL) {
        int good = is_good(result);
        if (!good && queued->prepares && queued->which >= 0)
            store->is_prepared[queued->which] = 0;
        if (!good && PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
            keep_fault(store, result, queued);
        if (good && queued->take != NULL && *taken == 0)
            *taken = queued->take(store, result, queued->arg);
        PQclear(result);
    }
    return code;
}

static int read_sync(struct pg_store *store)
{
    PGresult *result = NULL;
    int code = next_result(store, &result);
    if (code < 0)
        return code;
    int is_sync = result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    if (!is_sync && result != NULL)
        keep_fault(store, result, NULL);
    PQclear(result);
    return is_sync ? 0 : pg_fail_connection(store);
}

int pg_run(struct pg_store *store)
{
    struct pg_queued queue[PG_QUEUE_MAX];
    int count = store->queued;
    int taken = 0;
    int code = 0;
    store->fault = (struct pg_fault){0};
    if (store->conn == NULL)
        return store_fail(&store->base, STORE_E_FAILED, "%s: not connected", store->place);
    memcpy(queue, store->queue, (size_t)count * sizeof(queue[0]));
    store->queued = 0;
    if (PQpipelineSync(store->conn) != 1)
        return pg_fail_connection(store);
    for (int i = 0; i < count && code == 0; i++)
        code = read_statement(store, &queue[i], &taken);
    if (code == 0)
        code = read_sync(store);
    /* A server that ends tells why before it hangs up. */
    if (store->fault.sqlstate[0] != '\0')
        return fail(store);
    return code < 0 ? code : taken;
}

int pg_query(struct pg_store *store, enum pg_statement which, const struct pg_params *params,
             pg_take_fn take, void *arg)
{
    int result = pg_queue(store, which, params, take, arg);
    return result < 0 ? result : pg_run(store);
}

PGresult *pg_simple(struct pg_store *store, const char *sql)
{
    PGresult *last = NULL;
    PGresult *result = NULL;
    store->fault = (struct pg_fault){0};
    if (PQsendQuery(store->conn, sql) != 1) {
        pg_fail_connection(store);
        return NULL;
    }
    while (next_result(store, &result) == 0) {
        if (result == NULL) {
            if (store->fault.sqlstate[0] == '\0')
                return last;
            PQclear(last);
            fail(store);
            return NULL;
        }
        if (!is_good(result))
            keep_fault(store, result, NULL);
        PQclear(last);
        last = result;
    }
    PQclear(last);
    return NULL;
}
