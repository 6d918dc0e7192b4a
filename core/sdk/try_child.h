/*
 * try_child.h: the process in which `pbxhook plugin try` runs a plugin, and what it says of each event.
 * The plugin may crash, hang or end its process: the caller's goes on and can start another one on the
 * same store. Its standard output and error go to a file in memory. One child at a time.
 */
#ifndef PBXHOOK_TRY_CHILD_H
#define PBXHOOK_TRY_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "sdk/try_result.h"

struct try_setup {
    const char *plugin_path; /* absolute                                                  */
    struct config *config;   /* of the throw-away store, with the options that were given;
                                     the plugin's name is written into them                    */
    const struct try_events *events;
    int timeout_ms; /* of one call of the plugin; -1: none                       */
    int output_fd;  /* appended to by the child                                  */
    int signal_fd;  /* readable when one is interrupted: stop waiting            */
};

/* What a child says. It fits one packet. */
struct try_reply {
    int32_t outcome; /* enum try_outcome, but for RETRY and REJECT: the store tells those */
    int32_t reserved;
    int64_t took_us;
    char text[TRY_TEXT]; /* why not; of the opened plugin, "NAME VERSION: SUMMARY" */
};

struct try_child {
    pid_t pid; /* 0: none */
    int fd;
};

/*
 * Each of these waits for the answer. The child is gone when the outcome is CRASH, HANG, or, of
 * try_child_start(), anything but OK: TRY_REJECT when the plugin was refused or its open() failed.
 */
void try_child_start(const struct try_setup *setup, struct try_child *child,
                     struct try_reply *reply);
void try_child_run(const struct try_setup *setup, struct try_child *child, size_t index,
                   struct try_reply *reply);
/* Lets it call close() and end. Nothing when there is none: OK. */
void try_child_end(const struct try_setup *setup, struct try_child *child, struct try_reply *reply);

#endif
