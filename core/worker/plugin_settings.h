/*
 * plugin_settings.h: the options that plugins declare against the options that the configuration
 * sets.
 */
#ifndef PBXHOOK_PLUGIN_SETTINGS_H
#define PBXHOOK_PLUGIN_SETTINGS_H

#include <stddef.h>
#include <stdio.h>

#include "common/config.h"
#include "worker/plugin_host.h"

/*
 * Gives plugin->settings one entry for each option it declares, with the value in force. Texts are
 * borrowed from the configuration and the descriptor. 0; -1 with a line to `errors` for each value
 * that is missing or not of its type (their entries are empty strings then).
 */
int plugin_settings_resolve(struct plugin *plugin, const struct config *config, FILE *errors);

/* Refuses what the configuration sets and no loaded plugin declares: 0, or -1 with a line for
 * each. */
int plugin_settings_check_unknown(const struct plugin *plugins, size_t count,
                                  const struct config *config, FILE *errors);

#endif
