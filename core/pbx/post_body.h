/*
 * post_body.h: the body of a POST, which libcurl is given once. A body that it can go back in
 * (CURLOPT_POSTFIELDS) it sends up to five times more, by itself, when a kept connection ends without an answer;
 * but then nobody knows whether the peer has got the first, and whether to send again is taxonomy.h's. Used by
 * whoever owns the easy handle, on its thread.
 */
#ifndef PBXHOOK_POST_BODY_H
#define PBXHOOK_POST_BODY_H

#include <stddef.h>

#include <curl/curl.h>

struct post_body {
    const char *left; /* what libcurl has not got yet */
    size_t bytes;
};

/*
 * Makes `easy` a POST of `text`, with its length told before. Both body and text must stay where they are for as
 * long as the handle is used. A post that was sent and whose connection then ended fails, mostly with
 * CURLE_SEND_FAIL_REWIND, but with whatever came of the next connection when there is none.
 */
CURLcode post_body_set(struct post_body *body, CURL *easy, const char *text);

/* For people: why a handle failed. `error` is its CURLOPT_ERRORBUFFER, borrowed. */
const char *post_body_explain(CURLcode code, const char *error);

#endif
