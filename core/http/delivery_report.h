/*
 * delivery_report.h: what is told of deliveries: a line of the log for each attempt, and the numbers of
 * /metrics. Worker's thread. The slot may be NULL: there are more targets than the page has room for.
 */
#ifndef PBXHOOK_DELIVERY_REPORT_H
#define PBXHOOK_DELIVERY_REPORT_H

#include "common/metrics.h"
#include "http/deliveries.h"

/* One more is on its way (1), or one less (-1). */
void delivery_report_open(struct metrics_target *slot, const struct delivery *delivery, int change);

/* An attempt has ended, and that is committed; is_ours 0: its lease was over, another worker tells its end. */
void delivery_report_end(struct metrics_target *slot, const struct delivery *delivery, int is_ours);

/* So many posts were on their way when their worker ended, and are given up. */
void delivery_report_lost(struct metrics_target *slot, const char *target, int count);

#endif
