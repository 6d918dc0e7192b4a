/*
 * cut_proxy.h: a socket in front of a PostgreSQL server's that can lose the connection at the worst moment: what
 * the client said has arrived, or has not, and no answer comes. One connection at a time, and a thread of
 * its own.
 */
#ifndef PBXHOOK_CUT_PROXY_H
#define PBXHOOK_CUT_PROXY_H

struct cut_proxy;

enum cut {
    CUT_NOTHING,
    CUT_BEFORE, /* the next thing that the client says is not passed on */
    CUT_AFTER,  /* it is passed on and answered, and the answer is kept */
    CUT_SILENT  /* the same, and the connection stays until the client has waited long enough */
};

/* `directory` gets a socket as libpq looks for it; `server` is the directory of the server's own. */
struct cut_proxy *cut_proxy_start(const char *directory, const char *server);
/* Once: with the next thing that the client says. */
void cut_proxy_arm(struct cut_proxy *proxy, enum cut cut);
void cut_proxy_stop(struct cut_proxy *proxy);

#endif
