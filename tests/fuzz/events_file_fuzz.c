/* events_file_fuzz.c: the events file of `pbxhook plugin try`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "sdk/try_events.h"
#include "sdk/try_expect.h"

static void check_events(const struct try_events *events)
{
    char wrong[256];
    int line = 0;

    fuzz_require(events->count > 0);
    for (size_t i = 0; i < events->count; i++) {
        const struct try_event *item = &events->items[i];
        fuzz_require(item->line > line && item->event->seq == (int64_t)i + 1);
        fuzz_require(item->event->field[EVENT_TYPE][0] != '\0');
        fuzz_require(item->event->field[EVENT_CALL_ID][0] != '\0');
        if (item->expect != NULL)
            fuzz_require(try_expect_validate(item->expect, wrong, sizeof wrong) == 0);
        line = item->line;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct try_events events = {.count = 0};
    char path[FUZZ_PATH_SIZE];
    char *told = NULL;
    size_t told_size = 0;
    int fd = fuzz_make_file(data, size, path);
    FILE *errors = open_memstream(&told, &told_size);

    fuzz_require(errors != NULL);
    int code = try_events_read(path, errors, &events);
    fclose(errors);
    fuzz_require((code == 0) == (told_size == 0));
    if (code == 0)
        check_events(&events);
    else
        fuzz_require(events.items == NULL && strncmp(told, path, strlen(path)) == 0);
    try_events_free(&events);
    free(told);
    close(fd);
    return 0;
}
