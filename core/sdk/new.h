/*
 * new.h: `pbxhook plugin new`: writes a small project that builds against the installed header, passes
 * its test and loads, unchanged. What it writes is under template/, built into the program.
 */
#ifndef PBXHOOK_NEW_H
#define PBXHOOK_NEW_H

struct new_arguments {
    const char *name;      /* of the plugin: [a-z][a-z0-9_]*              */
    const char *event;     /* the type it takes                           */
    const char *directory; /* where; NULL: a directory of the plugin's name */
};

/* The exit status; what was written is told on stdout, what is wrong on stderr. */
int new_run(const struct new_arguments *arguments);

#endif
