/*
 * postgres_calls.c: what events make of their calls and users, in the image: the status goes to the greatest
 * (time, place in the life cycle), what a call lacks is filled in. Called through store.c.
 */
#include <stdlib.h>
#include <string.h>

#include "store/postgres_internal.h"

/* ---- Events ---------------------------------------------------------------------------------------- */

int pg_event_add(struct store *base, const struct event *event, int64_t *id)
{
    struct pg_store *store = pg_of(base);
    struct pg_table *events = &store->image.events;
    struct pg_event *stored = pg_image_find(events, event->identity, EVENT_IDENTITY_SIZE);
    if (stored == NULL) {
        int result = pg_load_events(store, &event, 1);
        if (result < 0)
            return result;
        stored = pg_image_find(events, event->identity, EVENT_IDENTITY_SIZE);
        /* It was not among those of store_begin(), and may be gone before the transaction's end. */
        stored->body = pg_arena_bytes(&store->image.arena, event->body, event->body_size);
        if (stored->body == NULL)
            return pg_no_memory(store);
        stored->body_size = event->body_size;
    }
    *id = stored->id;
    if (stored->is_ours && !stored->is_added) {
        if (pg_image_save(&store->image, stored, sizeof(*stored)) < 0)
            return pg_no_memory(store);
        stored->is_added = 1;
        return STORE_EVENT_NEW;
    }
    int is_same = stored->is_same_spool && stored->seq == event->seq &&
                  stored->received_ms == event->received_ms;
    return is_same ? STORE_EVENT_REPLAY : STORE_EVENT_DUPLICATE;
}

/* ---- Calls ----------------------------------------------------------------------------------------- */

/* The call as the transaction has it, whether it exists or not: 0 and *out, or negative. */
static int get_call(struct pg_store *store, const char *call_id, struct pg_call **out)
{
    struct pg_call *call = pg_image_find(&store->image.calls, call_id, strlen(call_id));
    if (call == NULL) {
        int result = pg_load_calls(store, &call_id, 1);
        if (result < 0)
            return result;
        call = pg_image_find(&store->image.calls, call_id, strlen(call_id));
    }
    *out = call;
    return 0;
}

static int set_text(struct pg_store *store, char **text, const char *value)
{
    char *copy = pg_arena_text(&store->image.arena, value);
    if (copy == NULL)
        return pg_no_memory(store);
    *text = copy;
    return 0;
}

/* Gives an empty text its value. */
static int fill_text(struct pg_store *store, char **text, const char *value, int *changed)
{
    if ((*text)[0] != '\0' || value[0] == '\0')
        return 0;
    *changed = 1;
    return set_text(store, text, value);
}

static int fill(struct pg_store *store, struct pg_call *call, const struct event *event)
{
    const char *const *field = event->field;
    char **const texts[] = {&call->call.code,         &call->call.direction, &call->call.our_number,
                            &call->call.their_number, &call->call.queue,     &call->call.actor};
    const enum event_field from[] = {EVENT_CODE,         EVENT_DIRECTION, EVENT_OUR_NUMBER,
                                     EVENT_THEIR_NUMBER, EVENT_QUEUE,     EVENT_ACTOR};
    int result = 0;
    for (int i = 0; i < 6 && result == 0; i++)
        result = fill_text(store, texts[i], field[from[i]], &call->is_dirty);
    if (event->time_ms < call->call.created_ms) {
        call->call.created_ms = event->time_ms;
        call->is_dirty = 1;
    }
    return result;
}

/* An event equal to the present status in both leaves it: it is the same one again. */
static int is_ahead(const struct event *event, const struct store_call *call)
{
    if (event->state == LIFECYCLE_NONE)
        return 0;
    if (call->state == LIFECYCLE_NONE || event->time_ms > call->status_ms)
        return 1;
    return event->time_ms == call->status_ms && event->state > call->state;
}

/* Makes the event the call's status; queue and actor follow it when it has them. */
static int advance(struct pg_store *store, struct pg_call *call, const struct event *event)
{
    int result = 0;
    if (call->call.state != LIFECYCLE_NONE)
        store->base.delta.calls[call->call.state]--;
    store->base.delta.calls[event->state]++;
    call->call.state = event->state;
    call->call.status_ms = event->time_ms;
    call->is_dirty = 1;
    if (event->field[EVENT_QUEUE][0] != '\0')
        result = set_text(store, &call->call.queue, event->field[EVENT_QUEUE]);
    if (result == 0 && event->field[EVENT_ACTOR][0] != '\0')
        result = set_text(store, &call->call.actor, event->field[EVENT_ACTOR]);
    return result;
}

static void make(struct pg_call *call, const struct event *event)
{
    call->call = (struct store_call){.call_id = (char *)call->entry.key,
                                     .code = (char *)"",
                                     .direction = (char *)"",
                                     .our_number = (char *)"",
                                     .their_number = (char *)"",
                                     .queue = (char *)"",
                                     .actor = (char *)"",
                                     .state = LIFECYCLE_NONE,
                                     .created_ms = event->time_ms};
    kpi_times_init(&call->times);
    call->exists = call->is_dirty = 1;
}

/* The first call.new's body; one that is stored already stays. */
static int add_payload(struct pg_store *store, struct pg_call *call, const struct event *event)
{
    const struct pg_event *stored =
        pg_image_find(&store->image.events, event->identity, EVENT_IDENTITY_SIZE);
    if (call->has_payload)
        return 0;
    call->payload = pg_arena_bytes(&store->image.arena, event->body, event->body_size);
    if (call->payload == NULL)
        return pg_no_memory(store);
    call->payload_size = event->body_size;
    call->payload_is_plain = stored != NULL && stored->is_ours && !store->image.bodies_are_odd &&
                             !store->image.is_single;
    call->has_payload = 1;
    return 0;
}

static int note_times(struct pg_store *store, struct pg_call *call, const struct event *event)
{
    const struct kpi_times before = call->times;
    if (!kpi_times_note(&call->times, event))
        return 0;
    call->is_dirty = 1;
    return kpi_call_changed(&store->base.kpi, &before, &call->times) < 0 ? pg_no_memory(store) : 0;
}

int pg_call_put(struct store *base, const struct event *event, int with_payload)
{
    struct pg_store *store = pg_of(base);
    struct pg_call *call;
    int result = get_call(store, event->field[EVENT_CALL_ID], &call);
    if (result < 0)
        return result;
    if (pg_image_save(&store->image, call, sizeof(*call)) < 0)
        return pg_no_memory(store);
    if (!call->exists)
        make(call, event);
    if (is_ahead(event, &call->call))
        result = advance(store, call, event);
    if (result == 0)
        result = fill(store, call, event);
    if (result == 0)
        result = note_times(store, call, event);
    if (result == 0 && with_payload)
        result = add_payload(store, call, event);
    return result;
}

/* ---- Users ----------------------------------------------------------------------------------------- */

static int get_user(struct pg_store *store, const char *number, struct pg_user **out)
{
    struct pg_user *user = pg_image_find(&store->image.users, number, strlen(number));
    if (user == NULL) {
        int result = pg_load_users(store, &number, 1);
        if (result < 0)
            return result;
        user = pg_image_find(&store->image.users, number, strlen(number));
    }
    *out = user;
    return 0;
}

static int hand_out(struct pg_store *store, const struct pg_user *user,
                    const struct store_user **out)
{
    /* Of its own: outside a transaction the image is gone with the next call. */
    char *number = strdup(user->entry.key);
    if (number == NULL)
        return pg_no_memory(store);
    free(store->found_number);
    store->found_number = number;
    store->found_user =
        (struct store_user){.id = user->id, .created_ms = user->created_ms, .number = number};
    if (out != NULL)
        *out = &store->found_user;
    return 0;
}

int pg_user_find(struct store *base, const char *number, const struct store_user **out)
{
    struct pg_store *store = pg_of(base);
    struct pg_user *user;
    int result = pg_connect(store);
    if (result == 0 && base->transaction == STORE_IDLE)
        pg_image_clear(&store->image);
    if (result == 0)
        result = get_user(store, number, &user);
    if (result < 0 || !user->exists)
        return result;
    result = hand_out(store, user, out);
    return result < 0 ? result : 1;
}

/* The id of a new user, fetched ahead. */
static int next_user_id(struct pg_store *store, int64_t *out)
{
    if (store->user_ids.count == 0) {
        int result = pg_fetch_user_ids(store);
        if (result < 0)
            return result;
    }
    *out = ((const int64_t *)store->user_ids.items)[--store->user_ids.count];
    return 0;
}

int pg_user_create(struct store *base, const char *number, int64_t now_ms,
                   const struct store_user **out)
{
    struct pg_store *store = pg_of(base);
    struct pg_user *user;
    int64_t id;
    int result = get_user(store, number, &user);
    if (result < 0)
        return result;
    if (user->exists)
        return hand_out(store, user, out);
    result = next_user_id(store, &id);
    if (result < 0)
        return result;
    if (pg_image_save(&store->image, user, sizeof(*user)) < 0)
        return pg_no_memory(store);
    user->id = id;
    user->created_ms = now_ms;
    user->exists = user->is_dirty = 1;
    result = hand_out(store, user, out);
    return result < 0 ? result : 1;
}
