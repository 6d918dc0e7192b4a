/*
 * postgres_plugin_sql.c: runs the SQL that plugins write for tables of their own: one statement at a time, each
 * in a savepoint of its own, so that one that fails leaves the transaction as it was. Called through
 * store_sql(). It never lets a statement end or leave the transaction: postgres_plugin_words.c and the triggers
 * on pbxhook's tables see to that.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/own_tables.h"
#include "store/postgres_internal.h"

/* Types of columns, as the server numbers them. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700
};

#define NUMBER_SIZE 32

/* ---- Refusals ------------------------------------------------------------------------------------------ */

static int refuse(struct pg_store *store, const char *sql, const char *reason)
{
    return store_fail(&store->base, STORE_E_SQL, "%s; the statement is: %.200s", reason, sql);
}

/* All of $1 to $count must be in the statement, and nothing else. */
static int check_parameters(struct pg_store *store, const char *sql, const struct pg_words *words,
                            uint32_t count)
{
    for (uint32_t i = 1; i <= count && i <= 64; i++) {
        if ((words->used & UINT64_C(1) << (i - 1)) == 0)
            return store_fail(&store->base, STORE_E_SQL,
                              "%u parameters were given, but $%u is not in the statement: %.200s",
                              count, i, sql);
    }
    if (words->parameters == count)
        return 0;
    return store_fail(&store->base, STORE_E_SQL,
                      "%u parameters were given, but the statement has %u; they are written $1, "
                      "$2, ...: %.200s",
                      count, words->parameters, sql);
}

/*
 * The fault is the statement's own, not the database's: the plugin is told and the batch goes on. What is
 * taken for the database's instead is tried again with the whole batch. XX000 is what C code that did not choose
 * another raises, an extension's about its input say.
 */
static int is_statement_fault(const char *sqlstate)
{
    static const char *const others[] = {"40",    "08",    "57P",   "58",    "53",
                                         "XX001", "XX002", "25006", "25P03", NULL};
    for (int i = 0; others[i] != NULL; i++) {
        if (strncmp(sqlstate, others[i], strlen(others[i])) == 0)
            return 0;
    }
    return sqlstate[0] != '\0';
}

static unsigned guarded_tables(const struct store *store)
{
    if (store->owns_sql)
        return 0;
    return OWN_POSTGRESQL | (store->is_plugins ? OWN_SERVICES : 0);
}

/* ---- Statements that were prepared before ---------------------------------------------------------------- */

void pg_plugin_forget(struct pg_store *store)
{
    for (int i = 0; i < PG_PLUGIN_STATEMENTS; i++) {
        free(store->plugin_statement[i].sql);
        store->plugin_statement[i] = (struct pg_plugin_statement){0};
    }
}

/* The slot of this text, or the one that was not used for longest, emptied for it; NULL: out of memory. */
static struct pg_plugin_statement *find_slot(struct pg_store *store, const char *sql)
{
    struct pg_plugin_statement *oldest = &store->plugin_statement[0];
    for (int i = 0; i < PG_PLUGIN_STATEMENTS; i++) {
        struct pg_plugin_statement *slot = &store->plugin_statement[i];
        if (slot->sql != NULL && strcmp(slot->sql, sql) == 0) {
            slot->used = ++store->plugin_clock;
            return slot;
        }
        if (slot->used < oldest->used)
            oldest = slot;
    }
    char *copy = strdup(sql);
    if (copy == NULL)
        return NULL;
    free(oldest->sql);
    oldest->sql = copy;
    oldest->is_inferred = 0;
    oldest->is_other = 1;
    oldest->used = ++store->plugin_clock;
    return oldest;
}

/* ---- Sending ------------------------------------------------------------------------------------------- */

struct arguments {
    const struct store_value *params;
    uint32_t count;
    Oid *types;
    const char **values;
    char *numbers; /* NUMBER_SIZE for each */
    char **copies; /* of texts without a NUL behind them */
};

static void free_arguments(struct arguments *arguments)
{
    for (uint32_t i = 0; arguments->copies != NULL && i < arguments->count; i++)
        free(arguments->copies[i]);
    free(arguments->types);
    free(arguments->values);
    free(arguments->numbers);
    free(arguments->copies);
}

/* As text, which every type can read; the type is the value's own, or the server's choice. */
static int set_argument(struct arguments *arguments, uint32_t at)
{
    const struct store_value *param = &arguments->params[at];
    char *number = arguments->numbers + (size_t)at * NUMBER_SIZE;
    arguments->types[at] = 0;
    arguments->values[at] = number;
    switch (param->type) {
    case STORE_INT64:
        snprintf(number, NUMBER_SIZE, "%lld", (long long)param->as.integer);
        arguments->types[at] = OID_INT8;
        return 0;
    case STORE_DOUBLE:
        snprintf(number, NUMBER_SIZE, "%.17g", param->as.number);
        arguments->types[at] = OID_FLOAT8;
        return 0;
    case STORE_TEXT:
        if (param->as.text == NULL)
            break;
        arguments->copies[at] =
            param->size == 0 ? strdup(param->as.text) : strndup(param->as.text, param->size);
        arguments->values[at] = arguments->copies[at];
        return arguments->copies[at] == NULL ? -1 : 0;
    case STORE_NULL:
        break;
    }
    arguments->values[at] = NULL;
    return 0;
}

static int make_arguments(struct arguments *arguments)
{
    uint32_t count = arguments->count;
    arguments->types = calloc(count + 1, sizeof(*arguments->types));
    arguments->values = calloc(count + 1, sizeof(*arguments->values));
    arguments->numbers = calloc(count + 1, NUMBER_SIZE);
    arguments->copies = calloc(count + 1, sizeof(*arguments->copies));
    if (arguments->types == NULL || arguments->values == NULL || arguments->numbers == NULL ||
        arguments->copies == NULL)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        if (set_argument(arguments, i) < 0)
            return -1;
    }
    return 0;
}

static uint32_t signature_of(const struct arguments *arguments)
{
    uint32_t signature = 17;
    for (uint32_t i = 0; i < arguments->count; i++)
        signature = signature * 31 + (uint32_t)arguments->types[i];
    return signature;
}

static int take_result(struct pg_store *store, const PGresult *result, void *arg)
{
    PGresult **out = arg;
    PQclear(*out);
    *out = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    return *out == NULL ? pg_no_memory(store) : 0;
}

static int take_changed(struct pg_store *store, const PGresult *result, void *arg)
{
    struct pg_answer *answer = arg;
    const char *tag = PQcmdStatus((PGresult *)result);
    /* A query's tag counts the rows that it gives. */
    answer->changed =
        strncmp(tag, "SELECT", 6) == 0 ? 0 : strtoll(PQcmdTuples((PGresult *)result), NULL, 10);
    return take_result(store, result, &answer->rows);
}

static void name_slot(const struct pg_store *store, const struct pg_plugin_statement *slot,
                      char name[16])
{
    snprintf(name, 16, "x%d", (int)(slot - store->plugin_statement));
}

static int queue_prepare(struct pg_store *store, struct pg_plugin_statement *slot,
                         const struct arguments *arguments)
{
    char name[16], deallocate[32];
    int result = 0;
    name_slot(store, slot, name);
    if (slot->is_prepared) {
        snprintf(deallocate, sizeof(deallocate), "DEALLOCATE %s", name);
        result = pg_queue_foreign(
            store, PQsendQueryParams(store->conn, deallocate, 0, NULL, NULL, NULL, NULL, 0), 0,
            NULL, NULL);
    }
    if (result < 0)
        return result;
    return pg_queue_foreign(store,
                            PQsendPrepare(store->conn, name, slot->sql, (int)arguments->count,
                                          slot->is_inferred ? NULL : arguments->types),
                            1, NULL, NULL);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* What a statement that failed leaves is undone; the failure's own text and state are kept. */
static int undo_statement(struct pg_store *store)
{
    const struct pg_fault fault = store->fault;
    int result = store->conn == NULL ? STORE_E_FAILED : 0;
    if (result == 0)
        result = pg_queue(store, PG_STATEMENT_UNDO, NULL, NULL, NULL);
    if (result == 0)
        result = pg_query(store, PG_STATEMENT_RELEASE, NULL, NULL, NULL);
    store->fault = fault;
    return result;
}

static int run_once(struct pg_store *store, struct pg_plugin_statement *slot,
                    const struct arguments *arguments, const struct pg_words *words,
                    struct pg_answer *answer)
{
    char name[16];
    int prepares = !slot->is_prepared || slot->is_other;
    int result = pg_queue(store, PG_STATEMENT_OPEN, NULL, NULL, NULL);
    name_slot(store, slot, name);
    if (result == 0 && words->is_ddl)
        result = pg_queue(store, PG_DDL_LOCK, NULL, NULL, NULL);
    if (result == 0 && !store->base.owns_sql)
        result = pg_queue(store, PG_GUARD_ON, NULL, NULL, NULL);
    if (result == 0 && prepares)
        result = queue_prepare(store, slot, arguments);
    if (result == 0)
        result = pg_queue_foreign(store,
                                  PQsendQueryPrepared(store->conn, name, (int)arguments->count,
                                                      arguments->values, NULL, NULL, 0),
                                  0, take_changed, answer);
    if (result == 0 && !store->base.owns_sql)
        result = pg_queue(store, PG_GUARD_OFF, NULL, NULL, NULL);
    if (result == 0)
        result = pg_queue(store, PG_STATEMENT_RELEASE, NULL, NULL, NULL);
    if (result == 0)
        result = pg_run(store);
    if (result == 0) {
        slot->is_prepared = 1;
        slot->is_other = 0;
    }
    slot->is_unknown = result < 0 && store->conn != NULL;
    return result;
}

/* After a failure, also one that cost the transaction before, nobody knows whether the name is taken on the server:
 * it is asked, to have it free. */
static int settle_slot(struct pg_store *store, struct pg_plugin_statement *slot)
{
    char sql[96];
    char name[16];
    if (!slot->is_unknown)
        return 0;
    name_slot(store, slot, name);
    snprintf(sql, sizeof(sql), "SELECT name FROM pg_prepared_statements WHERE name = '%s'", name);
    PGresult *found = NULL;
    int result =
        pg_queue_foreign(store, PQsendQueryParams(store->conn, sql, 0, NULL, NULL, NULL, NULL, 0),
                         0, take_result, &found);
    if (result == 0)
        result = pg_run(store);
    if (result == 0) {
        slot->is_prepared = slot->is_other = PQntuples(found) > 0;
        slot->is_unknown = 0;
    }
    PQclear(found);
    return result;
}

/* Whether another choice of the parameters' types may help: the value's own does not fit, "= $1" with a
 * number for a text say. */
static int is_about_types(const char *sqlstate)
{
    return strcmp(sqlstate, "42804") == 0 || strcmp(sqlstate, "42883") == 0 ||
           strcmp(sqlstate, "42846") == 0;
}

static int run(struct pg_store *store, const char *sql, const struct arguments *arguments,
               const struct pg_words *words, struct pg_answer *answer)
{
    struct pg_plugin_statement *slot = find_slot(store, sql);
    if (slot == NULL)
        return pg_no_memory(store);
    slot->is_other |= slot->signature != signature_of(arguments);
    slot->signature = signature_of(arguments);
    for (int tries = 0;; tries++) {
        int result = settle_slot(store, slot);
        if (result < 0)
            return result;
        result = run_once(store, slot, arguments, words, answer);
        if (result == 0 || store->fault.sqlstate[0] == '\0' ||
            !is_statement_fault(store->fault.sqlstate))
            return result;
        char sqlstate[6], message[STORE_ERROR_SIZE];
        memcpy(sqlstate, store->fault.sqlstate, sizeof(sqlstate));
        memcpy(message, store->fault.message, sizeof(message));
        result = undo_statement(store);
        if (result < 0)
            return result;
        if (tries == 0 && is_about_types(sqlstate) && !slot->is_inferred && arguments->count > 0)
            slot->is_inferred = 1;
        else if (tries > 1 || strcmp(sqlstate, "0A000") != 0) /* its table was changed: once more */
            return refuse(store, sql, message);
    }
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

/* A number without a fraction is an integer if it fits; a plugin that wants all digits casts it to text. */
static struct store_value numeric_value(const char *text)
{
    char *end = NULL;
    errno = 0;
    int64_t integer = strtoll(text, &end, 10);
    if (errno == 0 && *end == '\0')
        return (struct store_value){.type = STORE_INT64, .as = {.integer = integer}};
    return (struct store_value){.type = STORE_DOUBLE, .as = {.number = strtod(text, NULL)}};
}

/* bytea in hexadecimal: its bytes as they are, in the place of their digits. */
static struct store_value binary_value(char *text, uint32_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t bytes = size < 2 ? 0 : (size - 2) / 2;
    for (uint32_t i = 0; i < bytes; i++) {
        const char *high = strchr(digits, text[2 + 2 * i]);
        const char *low = strchr(digits, text[3 + 2 * i]);
        text[i] =
            (char)((high == NULL ? 0 : high - digits) << 4 | (low == NULL ? 0 : low - digits));
    }
    text[bytes] = '\0';
    return (struct store_value){.type = STORE_TEXT, .size = bytes, .as = {.text = text}};
}

static struct store_value column_value(PGresult *rows, int row, int column)
{
    char *text = PQgetvalue(rows, row, column);
    uint32_t size = (uint32_t)PQgetlength(rows, row, column);
    if (PQgetisnull(rows, row, column))
        return (struct store_value){.type = STORE_NULL};
    switch (PQftype(rows, column)) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return (struct store_value){.type = STORE_INT64,
                                    .as = {.integer = strtoll(text, NULL, 10)}};
    case OID_BOOL:
        return (struct store_value){.type = STORE_INT64, .as = {.integer = text[0] == 't'}};
    case OID_FLOAT4:
    case OID_FLOAT8:
        return (struct store_value){.type = STORE_DOUBLE, .as = {.number = strtod(text, NULL)}};
    case OID_NUMERIC:
        return numeric_value(text);
    case OID_BYTEA:
        return binary_value(text, size);
    default:
        return (struct store_value){.type = STORE_TEXT, .size = size, .as = {.text = text}};
    }
}

/* The rows are all here: the callback may use the store. */
static int give_rows(struct pg_store *store, PGresult *rows, store_row_fn row, void *arg)
{
    int columns = rows == NULL ? 0 : PQnfields(rows);
    int result = 0;
    if (row == NULL || columns == 0)
        return 0;
    struct store_value *values = calloc((size_t)columns, sizeof(*values));
    if (values == NULL)
        return pg_no_memory(store);
    for (int i = 0; i < PQntuples(rows) && result == 0; i++) {
        for (int k = 0; k < columns; k++)
            values[k] = column_value(rows, i, k);
        if (row(arg, values, (uint32_t)columns) != 0)
            result = STORE_E_STOPPED;
    }
    free(values);
    return result;
}

int pg_plugin_sql(struct store *base, const char *sql, const struct store_value *params,
                  uint32_t count, store_row_fn row, void *arg, int64_t *changed)
{
    struct pg_store *store = pg_of(base);
    struct arguments arguments = {.params = params, .count = count};
    struct pg_answer answer = {0};
    struct pg_words words;
    const char *refusal = pg_plugin_check(sql, guarded_tables(base), &words);
    if (refusal != NULL)
        return refuse(store, sql, refusal);
    int result = check_parameters(store, sql, &words, count);
    if (result < 0)
        return result;
    if (base->has_savepoint && !store->image.has_real_savepoint)
        result = pg_make_savepoint(store);
    if (result == 0)
        result = pg_flush(store);
    if (result == 0 && make_arguments(&arguments) < 0)
        result = pg_no_memory(store);
    if (result == 0)
        result = run(store, sql, &arguments, &words, &answer);
    if (result == 0 && changed != NULL)
        *changed = answer.changed;
    if (result == 0)
        result = give_rows(store, answer.rows, row, arg);
    PQclear(answer.rows);
    free_arguments(&arguments);
    return result;
}
