/*
 * types.c: a library through which abidiff sees every type of plugin.h; compared with
 * the files of baseline. Nobody calls it.
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
