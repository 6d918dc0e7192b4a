/*
 * web.h: the dashboard's page and what it is made of, built into the program. HTTP loop only; it knows
 * nothing of the store: the page asks the same routes as everybody.
 */
#ifndef PBXHOOK_WEB_H
#define PBXHOOK_WEB_H

#include <stddef.h>

struct request;

void web_handle(struct request *request);

/* One file of the page; the table, made by the build, ends with a NULL path. */
struct web_file {
    const char *path; /* "/", "/assets/app.js" */
    const char *type;
    const char *etag; /* with its quotes: a digest of the bytes */
    const unsigned char *bytes;
    size_t size;
};
extern const struct web_file web_files[];

#endif
