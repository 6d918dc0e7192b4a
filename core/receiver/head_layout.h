/*
 * head_layout.h: sees in a request's head what libmicrohttpd 0.9.75 passes over in silence: a NUL, where it
 * cuts a text; a bare LF, which it takes for the end of a line; a line without a name, which it takes for
 * the end of the head; a folded line; blanks where one space belongs. A proxy before us may read each of
 * these in another way, and then a part of one client's request is the next request to us.
 *
 * The library splits the head where it lies, with NULs in place of the separators, and hands out pointers
 * into it. So where one part ends and the next begins tells how many bytes stood between them, without a
 * look at memory that was not handed out. HTTP loop only.
 */
#ifndef PBXHOOK_HEAD_LAYOUT_H
#define PBXHOOK_HEAD_LAYOUT_H

#include <microhttpd.h>

/* Whether the library in use is one that splits heads like this; later ones refuse all of it themselves. */
int head_layout_is_known(void);

/* The parts of a request line as the library hands them out. */
struct head_layout_line {
    const char *method;
    const char *uri;
    const char *
        uri_end; /* where the whole URI ended before it was split at '?'; NULL: not known, or blanks are in it */
    const char *version;
};

/* 1 when every byte of the head is accounted for by the request line, its fields and CRLFs. */
int head_layout_is_plain(struct MHD_Connection *connection, const struct head_layout_line *line);

#endif
