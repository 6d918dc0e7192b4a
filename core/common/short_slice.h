/*
 * short_slice.h: asks the scheduler to let a thread run soon after it wakes, for the threads that an
 * acknowledgement waits for; and for short turns of those that it would have to wait for.
 */
#ifndef PBXHOOK_SHORT_SLICE_H
#define PBXHOOK_SHORT_SLICE_H

/*
 * The calling thread gives up the length of its turns for an early start. Needs no privilege. A kernel
 * that does not know how (before 6.12) goes on as before, and so does one that refuses.
 */
void short_slice_request(void);

#endif
