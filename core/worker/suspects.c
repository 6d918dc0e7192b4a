/* suspects.c: see suspects.h. */
#include "worker/suspects.h"

#include <stddef.h>
#include <string.h>

#define WAS_UNDER_WAY "was under way when the worker or the whole server ended, twice in a row"

/* What the receiver wrote is bounded, whoever may have written over it. */
static void bound_texts(struct life *life)
{
    life->culprit_plugin[sizeof life->culprit_plugin - 1] = '\0';
    life->reason[sizeof life->reason - 1] = '\0';
}

void suspects_init(struct suspects *suspects, struct life *life, int limit)
{
    bound_texts(life);
    *suspects = (struct suspects){.life = life, .left = limit};
}

int suspects_limit(const struct suspects *suspects, struct event *const *events, int count)
{
    for (int i = 0; i < count && suspects->life->culprit_seq != 0; i++) {
        if (events[i]->seq >= suspects->life->culprit_seq)
            return i + 1;
    }
    return count;
}

const struct dispatch_blame *suspects_judge(struct suspects *suspects, const struct event *event)
{
    struct life *life = suspects->life;
    if (event->seq == life->culprit_seq) {
        const char *plugin = life->culprit_plugin;
        suspects->blame = (struct dispatch_blame){
            .plugin = plugin[0] != '\0' ? plugin : NULL, .reason = life->reason, .strikes = 1};
    } else if (event->seq <= life->suspect_until && suspects->used < suspects->left) {
        suspects->used++;
        suspects->blame =
            (struct dispatch_blame){.plugin = NULL, .reason = WAS_UNDER_WAY, .strikes = 2};
    } else {
        return NULL;
    }
    return &suspects->blame;
}

void suspects_committed(struct suspects *suspects, int64_t seq)
{
    struct life *life = suspects->life;
    suspects->left -= suspects->used;
    suspects->used = 0;
    if (seq >= life->culprit_seq)
        life->culprit_seq = 0;
    if (seq >= life->doubt_until)
        life->doubt_until = 0;
    if (seq >= life->suspect_until || suspects->left <= 0)
        life->suspect_until = 0;
}

void suspects_rolled_back(struct suspects *suspects)
{
    suspects->used = 0;
}
