/* deliveries_sql.h: parameters of store_sql(), short to write. Private to the table of deliveries. */
#ifndef PBXHOOK_DELIVERIES_SQL_H
#define PBXHOOK_DELIVERIES_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

static inline struct store_value text(const char *value)
{
    if (value == NULL)
        return (struct store_value){.type = STORE_NULL};
    return (struct store_value){.type = STORE_TEXT, .as = {.text = value}};
}

static inline struct store_value integer(int64_t value)
{
    return (struct store_value){.type = STORE_INT64, .as = {.integer = value}};
}

/* The list and its length. */
#define PARAMS(...)                                                                                \
    (const struct store_value[]){__VA_ARGS__},                                                     \
        (uint32_t)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))

#endif
