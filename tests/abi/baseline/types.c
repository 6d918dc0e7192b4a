/*
 * types.c: a library through which abidiff sees every type of plugin.h, to compare it with the files
 * beside this one. Nobody calls it.
 */
#include <pbxhook/plugin.h>

/* What a plugin exports and what it is handed; the rest is reached from these. */
PBXHOOK_EXPORT void abi_types(const struct pbxhook_plugin *plugin,
                              const struct pbxhook_context *context,
                              const struct pbxhook_event *event, const struct pbxhook_call *call,
                              const struct pbxhook_user *user);

void abi_types(const struct pbxhook_plugin *plugin, const struct pbxhook_context *context,
               const struct pbxhook_event *event, const struct pbxhook_call *call,
               const struct pbxhook_user *user)
{
    (void)plugin;
    (void)context;
    (void)event;
    (void)call;
    (void)user;
}

/* Since 1.1. A function of its own, for the one above is in the baseline of 1.0. */
PBXHOOK_EXPORT void abi_types_1_1(const struct pbxhook_http_api *http);

void abi_types_1_1(const struct pbxhook_http_api *http)
{
    (void)http;
}
