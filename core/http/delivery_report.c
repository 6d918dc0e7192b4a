/* delivery_report.c: see delivery_report.h. */
#include "http/delivery_report.h"

#include "common/log.h"

void delivery_report_open(struct metrics_target *slot, const struct delivery *delivery, int change)
{
    if (slot != NULL)
        atomic_fetch_add(delivery->body == NULL ? &slot->open_downloads : &slot->open_posts,
                         change);
}

static void log_end(const struct delivery *delivery)
{
    static const char *const words[] = {
        [STORE_ACTION_PENDING] = "retry",       [STORE_ACTION_SENDING] = "",
        [STORE_ACTION_DELIVERED] = "delivered", [STORE_ACTION_CONFIRMED] = "",
        [STORE_ACTION_REJECTED] = "rejected",   [STORE_ACTION_EXPIRED] = "expired",
        [STORE_ACTION_UNKNOWN] = "unknown",     [STORE_ACTION_DOUBTFUL] = "retry",
    };
    int good = delivery->state == STORE_ACTION_DELIVERED;

    log_at(good ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, delivery->body == NULL ? "download" : "post",
           log_text("call_id", delivery->call_id), log_text("target", delivery->target),
           log_text("plugin", delivery->plugin), log_text("outcome", words[delivery->state]),
           log_int("attempt", delivery->attempts), log_int("http_status", delivery->http_status),
           log_ms("took_ms", (double)delivery->took_us / 1000),
           log_text("detail", delivery->detail), log_text("key", delivery->id));
}

static void count_end(struct metrics_target *slot, const struct delivery *delivery)
{
    switch (delivery->state) {
    case STORE_ACTION_PENDING:
    case STORE_ACTION_DOUBTFUL:
        metrics_add(&slot->retries, 1);
        break;
    case STORE_ACTION_DELIVERED:
        metrics_add(&slot->outcome[METRICS_DELIVERY_DELIVERED], 1);
        metrics_observe(&slot->latency, (delivery->finished_ms - delivery->created_ms) * 1000);
        break;
    case STORE_ACTION_REJECTED:
        metrics_add(&slot->outcome[METRICS_DELIVERY_REJECTED], 1);
        break;
    case STORE_ACTION_EXPIRED:
        metrics_add(&slot->outcome[METRICS_DELIVERY_EXPIRED], 1);
        break;
    default:
        metrics_add(&slot->outcome[METRICS_DELIVERY_UNKNOWN], 1);
        break;
    }
}

void delivery_report_end(struct metrics_target *slot, const struct delivery *delivery, int is_ours)
{
    log_end(delivery);
    if (slot != NULL && is_ours)
        count_end(slot, delivery);
}

void delivery_report_lost(struct metrics_target *slot, const char *target, int count)
{
    log_warning("posts were under way when their worker ended; not sent again",
                log_text("target", target), log_int("count", count));
    if (slot != NULL)
        metrics_add(&slot->outcome[METRICS_DELIVERY_UNKNOWN], (uint64_t)count);
}
