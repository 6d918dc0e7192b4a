/* deliveries_forget.c: see deliveries_forget() in deliveries.h. Called by the operator's command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/deliveries.h"

#define ID_SIZE sizeof(((struct deliveries_forgotten *)0)->after)

enum column { STATE, PATH, BODY, FILE_NAME, DETAIL, THEIR_NUMBER, COLUMN_COUNT };

struct row {
    struct row *next;
    char id[ID_SIZE];
    char *text[COLUMN_COUNT]; /* NULL for NULL */
};

struct rows {
    struct row *first, **last;
    int count, failed;
};

static struct store_value text(const char *value)
{
    if (value == NULL)
        return (struct store_value){.type = STORE_NULL};
    return (struct store_value){.type = STORE_TEXT, .as = {.text = value}};
}

static struct store_value integer(int64_t value)
{
    return (struct store_value){.type = STORE_INT64, .as = {.integer = value}};
}

#define PARAMS(...)                                                                                \
    (const struct store_value[]){__VA_ARGS__},                                                     \
        (uint32_t)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))

static int take_integer(void *arg, const struct store_value *values, uint32_t count)
{
    (void)count;
    *(int64_t *)arg = values[0].as.integer;
    return 0;
}

static int is_sqlite(const struct store *store)
{
    return strcmp(store_dialect(store), "sqlite") == 0;
}

/* The table is made when the first target is configured: 1, 0, or negative. */
static int has_table(struct store *store)
{
    int64_t count = 0;
    int result =
        store_sql(store,
                  is_sqlite(store) ? "SELECT count(*) FROM sqlite_schema"
                                     " WHERE type = 'table' AND name = 'pbxhook_deliveries'"
                                   : "SELECT count(*) FROM pg_class"
                                     " WHERE oid = to_regclass('pbxhook_deliveries')",
                  NULL, 0, take_integer, &count, NULL);
    return result < 0 ? result : count > 0;
}

static int take_row(void *arg, const struct store_value *values, uint32_t count)
{
    struct rows *rows = arg;
    struct row *row = calloc(1, sizeof *row);
    if (row == NULL) {
        rows->failed = 1;
        return 1;
    }
    *rows->last = row;
    rows->last = &row->next;
    rows->count++;
    snprintf(row->id, sizeof row->id, "%.*s", (int)values[0].size, values[0].as.text);
    for (uint32_t i = 1; i < count; i++) {
        if (values[i].type != STORE_TEXT)
            continue;
        row->text[i - 1] = strndup(values[i].as.text, values[i].size);
        rows->failed |= row->text[i - 1] == NULL;
    }
    return rows->failed;
}

static void free_rows(struct rows *rows)
{
    while (rows->first != NULL) {
        struct row *next = rows->first->next;
        for (int i = 0; i < COLUMN_COUNT; i++)
            free(rows->first->text[i]);
        free(rows->first);
        rows->first = next;
    }
}

/* The next ones, each with the number of its call's caller. */
static int find(struct store *store, const char *after, int max, struct rows *rows)
{
    char sql[320];
    snprintf(sql, sizeof sql,
             "SELECT d.id, d.state, d.path, d.body, d.file, d.detail, c.their_number"
             " FROM pbxhook_deliveries d LEFT JOIN %scalls c ON c.call_id = d.call_id"
             " WHERE d.id > $1 ORDER BY d.id LIMIT $2",
             is_sqlite(store) ? "" : "pbxhook.");
    int result = store_sql(store, sql, PARAMS(text(after), integer(max)), take_row, rows, NULL);
    return rows->failed ? STORE_E_MEMORY : result;
}

/* What becomes of one. The texts are borrowed from the row, but for `made`. */
struct change {
    const char *path, *body, *file, *detail;
    char *made;
    int is_needed; /* his, or with his number in it           */
    int is_since;  /* of somebody's who was forgotten before */
};

static const char *clean_text(const struct forgetting *forgetting, const char *value,
                              const char *instead, struct change *change)
{
    if (value == NULL || !forgetting_is_in(forgetting, value))
        return value;
    change->is_needed = 1;
    return instead;
}

static const char *replace(const char *value, const char *instead, struct change *change)
{
    if (value == NULL || strcmp(value, instead) == 0)
        return value;
    change->is_since = 1;
    return instead;
}

/* 0, or -1: out of memory. */
static int decide(const struct forgetting *forgetting, const struct row *row, struct change *change)
{
    const char *number = row->text[THEIR_NUMBER];
    int is_his = number != NULL && forgetting_is(forgetting, number);
    /* Or of a call that was forgotten while this was to be sent yet. */
    int is_callers = is_his || (number != NULL && forgetting_is_token(number));
    *change = (struct change){.body = row->text[BODY], .is_needed = is_his};
    change->path = clean_text(forgetting, row->text[PATH], "/" FORGETTING_TEXT, change);
    change->file = clean_text(forgetting, row->text[FILE_NAME], FORGETTING_TEXT, change);
    change->detail = is_callers
                         ? replace(row->text[DETAIL], FORGETTING_TEXT, change)
                         : clean_text(forgetting, row->text[DETAIL], FORGETTING_TEXT, change);
    if (row->text[BODY] == NULL || forgetting_is_token(row->text[BODY]))
        return 0;
    if (is_callers) {
        change->body = replace(row->text[BODY], forgetting->token, change);
        return 0;
    }
    int found = forgetting_clean_json(forgetting, row->text[BODY], &change->made);
    if (found > 0) {
        change->body = change->made;
        change->is_needed = 1;
    }
    return found < 0 ? -1 : 0;
}

static int forget_one(struct store *store, const struct forgetting *forgetting,
                      const struct row *row, int dry_run, struct deliveries_forgotten *forgotten)
{
    const char *state = row->text[STATE];
    struct change change;
    int result = 0;
    if (decide(forgetting, row, &change) < 0)
        return STORE_E_MEMORY;
    int is_open = strcmp(state, "pending") == 0 || strcmp(state, "sending") == 0;
    if (is_open) {
        forgotten->under_way += change.is_needed; /* the plugin was promised that it is delivered */
    } else if (change.is_needed || change.is_since) {
        *(change.is_needed ? &forgotten->deliveries : &forgotten->came_since) += 1;
        if (!dry_run)
            result = store_sql(store,
                               "UPDATE pbxhook_deliveries SET path = $2, body = $3, file = $4,"
                               " detail = $5 WHERE id = $1",
                               PARAMS(text(row->id), text(change.path), text(change.body),
                                      text(change.file), text(change.detail)),
                               NULL, NULL, NULL);
    }
    free(change.made);
    return result;
}

int deliveries_forget(struct store *store, const struct forgetting *forgetting, int max_rows,
                      int dry_run, struct deliveries_forgotten *forgotten)
{
    struct rows rows = {.last = &rows.first};
    int result = has_table(store);
    if (result <= 0)
        return result;
    result = find(store, forgotten->after, max_rows, &rows);
    for (const struct row *row = rows.first; row != NULL && result >= 0; row = row->next) {
        memcpy(forgotten->after, row->id, sizeof forgotten->after);
        result = forget_one(store, forgetting, row, dry_run, forgotten);
    }
    int more = rows.count == max_rows;
    free_rows(&rows);
    return result < 0 ? result : more;
}
