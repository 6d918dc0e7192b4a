/*
 * http_handler.h: the functions that libmicrohttpd calls. Their first argument is the struct
 * request_shared. HTTP loop only.
 */
#ifndef PBXHOOK_HTTP_HANDLER_H
#define PBXHOOK_HTTP_HANDLER_H

#include <stdarg.h>

#include <microhttpd.h>

/*
 * Called with the head, with each part of the body, and at the end until there is an answer: so once
 * more after a suspended connection was resumed.
 */
enum MHD_Result http_handler_request(void *shared, struct MHD_Connection *connection,
                                     const char *path, const char *method, const char *version,
                                     const char *data, size_t *size, void **context);

/* The answer is sent, or the connection is lost. */
void http_handler_completed(void *shared, struct MHD_Connection *connection, void **context,
                            enum MHD_RequestTerminationCode how);

/* Whether a connection from there is taken. */
enum MHD_Result http_handler_accept(void *shared, const struct sockaddr *peer, socklen_t size);

/* A connection was opened or is closed; its context is a struct connection. */
void http_handler_connection(void *shared, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode what);

/* Told of a request's whole URI before it is split. The result is the request's context: none yet. */
void *http_handler_uri(void *unused, const char *uri, struct MHD_Connection *connection);

/* Leaves a path as it was sent: the routes have nothing to decode, and "/webhook%00" must not become
 * one of them. The length of the text. */
size_t http_handler_keep_escapes(void *unused, struct MHD_Connection *connection, char *text);

/* What libmicrohttpd has to say of malformed requests and lost clients: at debug. */
void http_handler_log(void *unused, const char *format, va_list values)
    __attribute__((format(printf, 2, 0)));

#endif
