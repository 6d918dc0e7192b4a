/*
 * protocol.h: as much of PostgreSQL's wire protocol as the proxy needs: where a message ends, which one asks for
 * a COMMIT and which one answers it. One for each connection. It knows nothing of sockets.
 */
#ifndef E2E_PROTOCOL_H
#define E2E_PROTOCOL_H

#include <stddef.h>

#define PROTOCOL_NAMES     8
#define PROTOCOL_NAME_SIZE 64

struct protocol {
    int has_started;    /* the start-up packet went by: from here each message has a type */
    int single_answers; /* bytes that answer requests for encryption                      */
    int commit_count;   /* prepared statements that are a COMMIT                          */
    char commit_name[PROTOCOL_NAMES][PROTOCOL_NAME_SIZE];
};

/*
 * The size of the first message in `bytes`, which come from the client, or from the database; 0 when it is not
 * whole yet. *is_commit: running it commits, or it says that a COMMIT is done.
 */
size_t protocol_from_client(struct protocol *protocol, const char *bytes, size_t size,
                            int *is_commit);
size_t protocol_from_database(struct protocol *protocol, const char *bytes, size_t size,
                              int *is_commit);

#endif
