/*
 * post_body.c: see post_body.h. There is no CURLOPT_SEEKFUNCTION, so libcurl can't go back to the beginning; and
 * if it asks for more than there was, it gets an error instead of a second copy.
 */
#include "pbx/post_body.h"

#include <string.h>

/* Servers close a connection that nothing came on for 5 s (Node.js, Apache) or more. A post that meets that is
 * not sent again, so it goes on a connection that was used within less than 4 s (libcurl counts whole ones), or
 * on a new one. */
#define LONGEST_IDLE_S 3L

static size_t give(char *out, size_t size, size_t count, void *arg)
{
    struct post_body *body = arg;
    size_t bytes = size * count;

    if (body->bytes == 0)
        return CURL_READFUNC_ABORT;
    if (bytes > body->bytes)
        bytes = body->bytes;
    memcpy(out, body->left, bytes);
    body->left += bytes;
    body->bytes -= bytes;
    return bytes;
}

CURLcode post_body_set(struct post_body *body, CURL *easy, const char *text)
{
    CURLcode code = CURLE_OK;

    *body = (struct post_body){.left = text, .bytes = strlen(text)};
#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->bytes);
    SET(CURLOPT_READFUNCTION, give);
    SET(CURLOPT_READDATA, (void *)body);
    SET(CURLOPT_MAXAGE_CONN, LONGEST_IDLE_S);
#undef SET
    return code;
}

const char *post_body_explain(CURLcode code, const char *error)
{
    if (code == CURLE_SEND_FAIL_REWIND || code == CURLE_ABORTED_BY_CALLBACK)
        return "the connection ended without an answer";
    return error[0] != '\0' ? error : curl_easy_strerror(code);
}
