/*
 * worker.h: `pbxhook worker`: the process that loads the plugins and handles the events. Started by
 * the receiver, never by a person.
 */
#ifndef PBXHOOK_WORKER_H
#define PBXHOOK_WORKER_H

/* index: which of config->workers it is. Runs until it is told to stop; returns the exit status. */
int worker_main(int index);

#endif
