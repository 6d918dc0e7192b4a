/*
 * lifecycle.h: the seven states of a call, in the order a call goes through them. The place in that
 * order decides between two events of the same time (DESIGN: status by (timestamp, rank)).
 */
#ifndef PBXHOOK_LIFECYCLE_H
#define PBXHOOK_LIFECYCLE_H

enum lifecycle {
    LIFECYCLE_NONE = -1, /* a type outside the seven */
    LIFECYCLE_NEW = 0,
    LIFECYCLE_STANDBY,
    LIFECYCLE_WAITING,
    LIFECYCLE_ENTERED,
    LIFECYCLE_ONGOING,
    LIFECYCLE_LEFT,
    LIFECYCLE_FINISHED,
    LIFECYCLE_COUNT
};

/* "call.new" gives LIFECYCLE_NEW, ...; any other type LIFECYCLE_NONE. */
enum lifecycle lifecycle_from_type(const char *type);

/* LIFECYCLE_NEW gives "call.new", ...; "" for LIFECYCLE_NONE. A constant. */
const char *lifecycle_type(enum lifecycle state);

/* The dashboard's word: "new", "standby", "waiting", "entered", "ongoing", "left", "finished". */
const char *lifecycle_word(enum lifecycle state);

#endif
