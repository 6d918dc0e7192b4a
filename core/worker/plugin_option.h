/*
 * plugin_option.h: the text of one plugin option to its value. The descriptor's defaults and the
 * configuration's values go through the same door. Pure.
 */
#ifndef PBXHOOK_PLUGIN_OPTION_H
#define PBXHOOK_PLUGIN_OPTION_H

#include <stdint.h>

/* "string", "integer", "boolean", "number"; NULL for an unknown type. A constant. */
const char *plugin_option_type_name(uint32_t type);

/* What a value of this type has to look like, for messages; a constant. */
const char *plugin_option_wanted(uint32_t type);

/*
 * 0, with *integer set for INTEGER and BOOLEAN (0 or 1) and *number for NUMBER; -1 when the text is
 * no value of this type.
 */
int plugin_option_parse(uint32_t type, const char *text, int64_t *integer, double *number);

#endif
