/*
 * journal.h: --acknowledged FILE: each event the webhook acknowledged, one line of JSON, for a test
 * to compare with the store. Main thread only.
 */
#ifndef MOCK_PBX_JOURNAL_H
#define MOCK_PBX_JOURNAL_H

struct journal;

/* Opens for appending. NULL after a message. */
struct journal *journal_open(const char *path);

/* -1 after a message when lines were lost. Accepts NULL (0). */
int journal_close(struct journal *journal);

/* All do nothing with NULL. A line is on its way at journal_flush() at the latest. */
void journal_write(struct journal *journal, const char *call_id, const char *type,
                   const char *their_number, const char *time);
void journal_flush(struct journal *journal);

#endif
