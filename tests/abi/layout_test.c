/*
 * layout_test.c: the offsets, sizes and numbers of version 1.0 on LP64, as they are in every plugin
 * that was ever built. A later minor adds rows, and gives a struct that grew its new size; no other
 * row is ever changed.
 */
#include <stddef.h>
#include <stdio.h>

#include <pbxhook/plugin.h>

struct fact {
    const char *what;
    long long found, wanted;
};

/* clang-format off */
#define SIZE(type, wanted)       {"sizeof " #type, (long long)sizeof(struct type), wanted}
#define AT(type, member, wanted) {#type "." #member, (long long)offsetof(struct type, member), wanted}
#define IS(name, wanted)         {#name, (long long)(name), wanted}

static const struct fact facts[] = {
    SIZE(pbxhook_event, 168),
    AT(pbxhook_event, struct_size, 0),
    AT(pbxhook_event, attempt, 4),
    AT(pbxhook_event, time, 8),
    AT(pbxhook_event, received, 16),
    AT(pbxhook_event, type, 24),
    AT(pbxhook_event, call_id, 32),
    AT(pbxhook_event, code, 40),
    AT(pbxhook_event, direction, 48),
    AT(pbxhook_event, our_number, 56),
    AT(pbxhook_event, their_number, 64),
    AT(pbxhook_event, actor, 72),
    AT(pbxhook_event, number, 80),
    AT(pbxhook_event, queue, 88),
    AT(pbxhook_event, id, 96),
    AT(pbxhook_event, body, 104),
    AT(pbxhook_event, body_size, 112),
    AT(pbxhook_event, host, 120),
    AT(pbxhook_event, get_string, 128),
    AT(pbxhook_event, get_int64, 136),
    AT(pbxhook_event, get_double, 144),
    AT(pbxhook_event, get_bool, 152),
    AT(pbxhook_event, get_json, 160),

    SIZE(pbxhook_log_api, 24),
    AT(pbxhook_log_api, struct_size, 0),
    AT(pbxhook_log_api, reserved, 4),
    AT(pbxhook_log_api, enabled, 8),
    AT(pbxhook_log_api, write, 16),

    SIZE(pbxhook_option, 48),
    AT(pbxhook_option, name, 0),
    AT(pbxhook_option, default_value, 8),
    AT(pbxhook_option, help, 16),
    AT(pbxhook_option, type, 24),
    AT(pbxhook_option, flags, 28),
    AT(pbxhook_option, reserved, 32),

    SIZE(pbxhook_config_api, 40),
    AT(pbxhook_config_api, struct_size, 0),
    AT(pbxhook_config_api, reserved, 4),
    AT(pbxhook_config_api, get_string, 8),
    AT(pbxhook_config_api, get_integer, 16),
    AT(pbxhook_config_api, get_boolean, 24),
    AT(pbxhook_config_api, get_number, 32),

    SIZE(pbxhook_call, 88),
    AT(pbxhook_call, struct_size, 0),
    AT(pbxhook_call, reserved, 4),
    AT(pbxhook_call, created, 8),
    AT(pbxhook_call, status_time, 16),
    AT(pbxhook_call, call_id, 24),
    AT(pbxhook_call, status, 32),
    AT(pbxhook_call, code, 40),
    AT(pbxhook_call, direction, 48),
    AT(pbxhook_call, our_number, 56),
    AT(pbxhook_call, their_number, 64),
    AT(pbxhook_call, queue, 72),
    AT(pbxhook_call, actor, 80),

    SIZE(pbxhook_user, 32),
    AT(pbxhook_user, struct_size, 0),
    AT(pbxhook_user, reserved, 4),
    AT(pbxhook_user, id, 8),
    AT(pbxhook_user, created, 16),
    AT(pbxhook_user, number, 24),

    SIZE(pbxhook_value, 16),
    AT(pbxhook_value, type, 0),
    AT(pbxhook_value, size, 4),
    AT(pbxhook_value, as, 8),

    SIZE(pbxhook_db_api, 72),
    AT(pbxhook_db_api, struct_size, 0),
    AT(pbxhook_db_api, reserved, 4),
    AT(pbxhook_db_api, dialect, 8),
    AT(pbxhook_db_api, call_save, 16),
    AT(pbxhook_db_api, call_advance, 24),
    AT(pbxhook_db_api, call_find, 32),
    AT(pbxhook_db_api, user_find, 40),
    AT(pbxhook_db_api, user_create, 48),
    AT(pbxhook_db_api, execute, 56),
    AT(pbxhook_db_api, query, 64),

    SIZE(pbxhook_pbx_api, 24),
    AT(pbxhook_pbx_api, struct_size, 0),
    AT(pbxhook_pbx_api, reserved, 4),
    AT(pbxhook_pbx_api, delegate, 8),
    AT(pbxhook_pbx_api, action, 16),

    SIZE(pbxhook_http_api, 32),
    AT(pbxhook_http_api, struct_size, 0),
    AT(pbxhook_http_api, reserved, 4),
    AT(pbxhook_http_api, has_target, 8),
    AT(pbxhook_http_api, post, 16),
    AT(pbxhook_http_api, download, 24),

    SIZE(pbxhook_context, 64),
    AT(pbxhook_context, struct_size, 0),
    AT(pbxhook_context, abi_major, 4),
    AT(pbxhook_context, abi_minor, 6),
    AT(pbxhook_context, host, 8),
    AT(pbxhook_context, log, 16),
    AT(pbxhook_context, config, 24),
    AT(pbxhook_context, db, 32),
    AT(pbxhook_context, pbx, 40),
    AT(pbxhook_context, set_error, 48),
    AT(pbxhook_context, get_service, 56),

    SIZE(pbxhook_plugin, 80),
    AT(pbxhook_plugin, magic, 0),
    AT(pbxhook_plugin, abi_major, 4),
    AT(pbxhook_plugin, needs_minor, 6),
    AT(pbxhook_plugin, struct_size, 8),
    AT(pbxhook_plugin, flags, 12),
    AT(pbxhook_plugin, name, 16),
    AT(pbxhook_plugin, version, 24),
    AT(pbxhook_plugin, summary, 32),
    AT(pbxhook_plugin, events, 40),
    AT(pbxhook_plugin, options, 48),
    AT(pbxhook_plugin, open, 56),
    AT(pbxhook_plugin, handle, 64),
    AT(pbxhook_plugin, close, 72),

    IS(PBXHOOK_ABI_MAJOR, 1),
    IS(PBXHOOK_PLUGIN_MAGIC, 0x50425848),
    IS(PBXHOOK_OK, 0),
    IS(PBXHOOK_RETRY, 1),
    IS(PBXHOOK_REJECT, 2),
    IS(PBXHOOK_E_ARGUMENT, -1),
    IS(PBXHOOK_E_STATE, -2),
    IS(PBXHOOK_E_MEMORY, -3),
    IS(PBXHOOK_E_STORE, -4),
    IS(PBXHOOK_E_SQL, -5),
    IS(PBXHOOK_E_TYPE, -6),
    IS(PBXHOOK_E_NOT_FOUND, -7),
    IS(PBXHOOK_LOG_ERROR, 0),
    IS(PBXHOOK_LOG_WARNING, 1),
    IS(PBXHOOK_LOG_INFO, 2),
    IS(PBXHOOK_LOG_DEBUG, 3),
    IS(PBXHOOK_OPTION_STRING, 0),
    IS(PBXHOOK_OPTION_INTEGER, 1),
    IS(PBXHOOK_OPTION_BOOLEAN, 2),
    IS(PBXHOOK_OPTION_NUMBER, 3),
    IS(PBXHOOK_NULL, 0),
    IS(PBXHOOK_INT64, 1),
    IS(PBXHOOK_DOUBLE, 2),
    IS(PBXHOOK_TEXT, 3),
};
/* clang-format on */

int main(void)
{
    int wrong = 0;

    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (facts[i].found == facts[i].wanted)
            continue;
        printf("%s: found %lld, wanted %lld\n", facts[i].what, facts[i].found, facts[i].wanted);
        wrong++;
    }
    return wrong == 0 ? 0 : 1;
}
