/* no_symbol.c: a shared object, but no plugin. */
#include <pbxhook/plugin.h>

PBXHOOK_EXPORT extern const int32_t some_other_symbol;
const int32_t some_other_symbol = 1;
