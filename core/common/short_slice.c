/*
 * short_slice.c: a thread that wakes while all cores are busy waits for somebody's turn to end, about
 * 3 ms, which on a small machine is most of a slow acknowledgement. Since Linux 6.12 a thread whose own
 * turns are shorter may start at once (sched(7), EEVDF). Called by the HTTP loop, the spool thread and the
 * workers.
 */
#include "common/short_slice.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the shortest that the kernel grants */

/* struct sched_attr of sched_setattr(2), as of its first version: Debian 12's C library has none. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

void short_slice_request(void)
{
    struct scheduling wanted = {.size = sizeof wanted};

    /* What is asked for is the slice alone: policy and nice value stay as they were found. */
    if (syscall(SYS_sched_getattr, 0, &wanted, (unsigned)sizeof wanted, 0u) != 0)
        return;
    wanted.size = sizeof wanted;
    wanted.runtime_ns = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &wanted, 0u); /* refused: slower at times, not wrong */
}
