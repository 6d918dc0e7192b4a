/*
 * plugin_command.h: `pbxhook plugin ...`: what helps to write a plugin. None of it touches a server, its
 * configuration or its state.
 */
#ifndef PBXHOOK_PLUGIN_COMMAND_H
#define PBXHOOK_PLUGIN_COMMAND_H

/* words[0] is "plugin". The exit status. */
int plugin_command(int count, char **words);

#endif
