/*
 * main.c: mock-pbx, the PBX side of pbxhook for trying, testing and measuring.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>

#include "options.h"
#include "run.h"

int main(int argc, char **argv)
{
    struct options options;
    enum options_result result = options_read(&options, argc, argv);
    int code = result == OPTIONS_EXIT ? 0 : 2;

    if (result == OPTIONS_RUN) {
        json_object_seed(0); /* before any thread: jansson seeds itself otherwise, unlocked */
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
            fputs("mock-pbx: libcurl could not start\n", stderr);
        } else {
            code = run_whole(&options);
            curl_global_cleanup();
        }
    }
    options_free(&options);
    return code;
}
