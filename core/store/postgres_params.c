/*
 * postgres_params.c: parameters and results in PostgreSQL's binary form: no text is made of a number, and an
 * array goes over as it lies. Pure but for memory.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

/* Of an array of one dimension: its number of dimensions, a flag for NULLs, the elements' type, how many
 * there are, the first one's index. */
#define ELEMENTS_AT 12

/* 2000-01-01 in ms since 1970, and what timestamptz holds: 4713 BC to 294276. */
#define EPOCH_MS ((int64_t)946684800000)
#define FIRST_MS ((int64_t)-210866803200000)
#define LAST_MS  ((int64_t)9224318015999999)

static char *reserve(struct pg_params *params, struct pg_param *param, size_t size)
{
    static _Thread_local char nowhere[16];
    if (param->capacity - param->size < size) {
        size_t capacity = (param->size + size) * 2;
        char *grown = realloc(param->bytes, capacity);
        if (grown == NULL) {
            params->no_memory = 1;
            return size <= sizeof(nowhere) ? nowhere : NULL;
        }
        param->bytes = grown;
        param->capacity = capacity;
    }
    char *at = param->bytes + param->size;
    param->size += size;
    return at;
}

static void put_int32(char *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
}

static void put_int64(char *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

void pg_params_clear(struct pg_params *params)
{
    for (int i = 0; i < params->count; i++)
        params->param[i].size = 0;
    params->count = 0;
    params->no_memory = 0;
}

void pg_params_free(struct pg_params *params)
{
    for (int i = 0; i < PG_MAX_PARAMS; i++)
        free(params->param[i].bytes);
    *params = (struct pg_params){0};
}

static struct pg_param *open_param(struct pg_params *params, int elements)
{
    struct pg_param *param = &params->param[params->count++];
    param->size = 0;
    param->elements = elements;
    return param;
}

void pg_params_arrays(struct pg_params *params, const enum pg_type *types, int count)
{
    for (int i = 0; i < count; i++) {
        struct pg_param *param = open_param(params, 0);
        const uint32_t header[] = {1, 1, (uint32_t)types[i], 0, 1};
        for (size_t k = 0; k < sizeof(header) / sizeof(header[0]); k++)
            put_int32(reserve(params, param, 4), header[k]);
    }
}

/* The element's size, room for it, and one more in the header. */
static char *add_element(struct pg_params *params, int at, size_t size)
{
    struct pg_param *param = &params->param[at];
    put_int32(reserve(params, param, 4), (uint32_t)size);
    param->elements++;
    if (!params->no_memory)
        put_int32(param->bytes + ELEMENTS_AT, (uint32_t)param->elements);
    return reserve(params, param, size);
}

void pg_put_bytes(struct pg_params *params, int at, const void *bytes, size_t size)
{
    char *room = add_element(params, at, size);
    if (size > 0 && !params->no_memory)
        memcpy(room, bytes, size);
}

void pg_put_text(struct pg_params *params, int at, const char *text)
{
    if (text == NULL)
        pg_put_null(params, at);
    else
        pg_put_bytes(params, at, text, strlen(text));
}

void pg_put_int8(struct pg_params *params, int at, int64_t value)
{
    put_int64(add_element(params, at, 8), (uint64_t)value);
}

void pg_put_int4(struct pg_params *params, int at, int32_t value)
{
    put_int32(add_element(params, at, 4), (uint32_t)value);
}

void pg_put_bool(struct pg_params *params, int at, int value)
{
    *add_element(params, at, 1) = value != 0;
}

static int64_t time_of_ms(int64_t ms)
{
    ms = ms < FIRST_MS ? FIRST_MS : ms > LAST_MS ? LAST_MS : ms;
    return (ms - EPOCH_MS) * 1000;
}

void pg_put_time(struct pg_params *params, int at, int64_t ms)
{
    pg_put_int8(params, at, time_of_ms(ms));
}

void pg_put_null(struct pg_params *params, int at)
{
    struct pg_param *param = &params->param[at];
    put_int32(reserve(params, param, 4), UINT32_MAX);
    param->elements++;
    if (!params->no_memory)
        put_int32(param->bytes + ELEMENTS_AT, (uint32_t)param->elements);
}

void pg_one_text(struct pg_params *params, const char *text)
{
    size_t size = strlen(text);
    char *room = reserve(params, open_param(params, -1), size + 1); /* never no memory at all */
    if (!params->no_memory)
        memcpy(room, text, size + 1);
    params->param[params->count - 1].size = size;
}

void pg_one_int8(struct pg_params *params, int64_t value)
{
    put_int64(reserve(params, open_param(params, -1), 8), (uint64_t)value);
}

void pg_one_bool(struct pg_params *params, int value)
{
    *reserve(params, open_param(params, -1), 1) = value != 0;
}

void pg_one_time(struct pg_params *params, int64_t ms)
{
    pg_one_int8(params, time_of_ms(ms));
}

/* ---- Results ----------------------------------------------------------------------------------------- */

int64_t pg_get_int8(const PGresult *result, int row, int column)
{
    uint64_t value;
    memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
    return (int64_t)be64toh(value);
}

int32_t pg_get_int4(const PGresult *result, int row, int column)
{
    uint32_t value;
    memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
    return (int32_t)be32toh(value);
}

int pg_get_bool(const PGresult *result, int row, int column)
{
    return *PQgetvalue(result, row, column) != 0;
}

int64_t pg_get_time(const PGresult *result, int row, int column)
{
    int64_t us = pg_get_int8(result, row, column);
    int64_t ms = us / 1000 - (us % 1000 < 0);
    return ms + EPOCH_MS;
}
