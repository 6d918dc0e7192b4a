/*
 * journal.c: see journal.h. Buffered, and flushed once a round of the main loop: a line is in the
 * file some milliseconds after the acknowledgement.
 */
#include "journal.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct journal {
    FILE *file;
    const char *path; /* borrowed */
    bool dirty;
    bool broken; /* said once */
};

struct journal *journal_open(const char *path)
{
    FILE *file = fopen(path, "ae");
    struct journal *journal;

    if (file == NULL) {
        fprintf(stderr, "mock-pbx: --acknowledged %s: %s\n", path, strerror(errno));
        return NULL;
    }
    journal = memory_get(1, sizeof *journal);
    journal->file = file;
    journal->path = path;
    return journal;
}

static void journal_complain(struct journal *journal)
{
    if (!journal->broken)
        fprintf(stderr, "\nmock-pbx: --acknowledged %s: %s: lines are missing\n", journal->path,
                strerror(errno));
    journal->broken = true;
}

void journal_write(struct journal *journal, const char *call_id, const char *type,
                   const char *their_number, const char *time)
{
    json_t *json;

    if (journal == NULL)
        return;
    json = memory_check(json_pack("{s:s, s:s, s:s, s:s}", "call_id", call_id, "type", type,
                                  "their_number", their_number, "timestamp", time));
    if (json_dumpf(json, journal->file, JSON_COMPACT) != 0 || fputc('\n', journal->file) == EOF)
        journal_complain(journal);
    journal->dirty = true;
    json_decref(json);
}

void journal_flush(struct journal *journal)
{
    if (journal == NULL || !journal->dirty)
        return;
    journal->dirty = false;
    if (fflush(journal->file) != 0)
        journal_complain(journal);
}

int journal_close(struct journal *journal)
{
    int result;

    if (journal == NULL)
        return 0;
    journal_flush(journal);
    if (fclose(journal->file) != 0)
        journal_complain(journal);
    result = journal->broken ? -1 : 0;
    free(journal);
    return result;
}
