// talk_time.cc: how long each agent talked on each day, in UTC. A plugin in C++.
//
//     SELECT day, agent, talks, seconds FROM talk_time
//
// What is special to C++ here: no exception may leave a function that the host calls (guarded() sees to
// that), and nothing but the descriptor is exported: the rest is in an unnamed namespace.
#include <pbxhook/plugin.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace
{

// The database failed: try again later. Anything else that is thrown is for good.
class database_error : public std::runtime_error
{
  public:
    using std::runtime_error::runtime_error;
};

// The database service with C++ values. Lives within one call of open() or handle().
class database
{
  public:
    explicit database(const pbxhook_context *ctx) : ctx_(ctx)
    {
    }

    template <typename... Values> int64_t execute(const char *sql, const Values &...values) const
    {
        const std::vector<pbxhook_value> params{bind(values)...};
        int64_t changed = 0;
        check(ctx_->db->execute(ctx_, sql, params.data(), static_cast<uint32_t>(params.size()),
                                &changed));
        return changed;
    }

    // The integer in the first column of the first row.
    template <typename... Values>
    std::optional<int64_t> find_integer(const char *sql, const Values &...values) const
    {
        const std::vector<pbxhook_value> params{bind(values)...};
        std::optional<int64_t> found;
        check(ctx_->db->query(ctx_, sql, params.data(), static_cast<uint32_t>(params.size()),
                              take_integer, &found));
        return found;
    }

  private:
    static pbxhook_value bind(int64_t value)
    {
        pbxhook_value result{};
        result.type = PBXHOOK_INT64;
        result.as.integer = value;
        return result;
    }

    // The text is used before execute() returns.
    static pbxhook_value bind(std::string_view value)
    {
        pbxhook_value result{};
        result.type = PBXHOOK_TEXT;
        result.size = static_cast<uint32_t>(value.size());
        result.as.text = value.empty() ? "" : value.data();
        return result;
    }

    static int32_t take_integer(void *arg, const pbxhook_value *values, uint32_t count)
    {
        if (count > 0 && values[0].type == PBXHOOK_INT64)
            *static_cast<std::optional<int64_t> *>(arg) = values[0].as.integer;
        return 1; // the first row is enough
    }

    static void check(int32_t result)
    {
        if (result < 0)
            throw database_error("the database failed (" + std::to_string(result) + ")");
    }

    const pbxhook_context *ctx_;
};

// Runs `work` and turns what it throws into an answer and its text.
template <typename Work> int32_t guarded(const pbxhook_context *ctx, Work work) noexcept
{
    try {
        work();
        return PBXHOOK_OK;
    } catch (const database_error &error) {
        ctx->set_error(ctx, "%s", error.what());
        return PBXHOOK_RETRY;
    } catch (const std::exception &error) {
        ctx->set_error(ctx, "%s", error.what());
        return PBXHOOK_REJECT;
    } catch (...) {
        ctx->set_error(ctx, "an exception of an unknown type");
        return PBXHOOK_REJECT;
    }
}

// "2026-01-02"
std::string day_of(int64_t time_ms)
{
    using namespace std::chrono;
    const year_month_day day{floor<days>(sys_time<milliseconds>{milliseconds{time_ms}})};
    char text[16];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()),
                  static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    return text;
}

std::string agent_of(const pbxhook_event *event)
{
    const std::string agent = event->actor[0] != '\0' ? event->actor : event->number;
    if (agent.empty())
        throw std::invalid_argument("the event names no actor");
    return agent;
}

void note_entered(const database &db, const pbxhook_event *event)
{
    db.execute("INSERT INTO talk_time_now (call_id, agent, since_ms) VALUES ($1, $2, $3)"
               " ON CONFLICT (call_id, agent) DO UPDATE SET since_ms = excluded.since_ms",
               std::string_view(event->call_id), agent_of(event), event->time);
}

// One who left without having entered, as far as is known, is not counted.
void note_left(const database &db, const pbxhook_event *event)
{
    const std::string agent = agent_of(event);
    const auto since =
        db.find_integer("SELECT since_ms FROM talk_time_now WHERE call_id = $1 AND agent = $2",
                        std::string_view(event->call_id), agent);
    if (!since || *since > event->time)
        return;
    db.execute("INSERT INTO talk_time (day, agent, talks, seconds) VALUES ($1, $2, 1, $3)"
               " ON CONFLICT (day, agent) DO UPDATE SET talks = talk_time.talks + 1,"
               " seconds = talk_time.seconds + excluded.seconds",
               day_of(*since), agent, (event->time - *since) / 1000);
    db.execute("DELETE FROM talk_time_now WHERE call_id = $1 AND agent = $2",
               std::string_view(event->call_id), agent);
}

int32_t open_plugin(const pbxhook_context *ctx, void **)
{
    return guarded(ctx, [&] {
        const database db(ctx);
        db.execute("CREATE TABLE IF NOT EXISTS talk_time (day TEXT, agent TEXT,"
                   " talks BIGINT NOT NULL, seconds BIGINT NOT NULL, PRIMARY KEY (day, agent))");
        db.execute("CREATE TABLE IF NOT EXISTS talk_time_now (call_id TEXT, agent TEXT,"
                   " since_ms BIGINT NOT NULL, PRIMARY KEY (call_id, agent))");
    });
}

int32_t handle(const pbxhook_context *ctx, void *, const pbxhook_event *event)
{
    return guarded(ctx, [&] {
        const database db(ctx);
        if (std::string_view(event->type) == "actor.entered")
            note_entered(db, event);
        else
            note_left(db, event);
    });
}

const char *const events[] = {"actor.entered", "actor.left", nullptr};

} // namespace

PBXHOOK_PLUGIN = {
    PBXHOOK_PLUGIN_HEADER, .name = "talk_time",
    .version = "1.0.0",    .summary = "how long each agent talked on each day",
    .events = events,      .options = nullptr,
    .open = open_plugin,   .handle = handle,
    .close = nullptr,
};
