/*
 * wrecker.c: a plugin of the tests that does harm in each way there is, as the event's type says:
 * "call.bad.segv" and so on. It does so each time it is called with that event.
 */
#include <pbxhook/plugin.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORPHAN_S 40 /* longer than a worker waits for the store */

/* A sanitizer's own handlers would only make a report of it. */
static void die_of(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static volatile int bottom; /* never reached, which the compiler can not know */

static int recurse(int depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == bottom ? 0 : recurse(depth + 1) + frame[0];
}

static void overflow_stack(void)
{
    signal(SIGSEGV, SIG_DFL);
    recurse(1);
}

static void lock_twice(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

static void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        continue;
}

static void spin_deafly(void)
{
    signal(SIGABRT, SIG_IGN);
    spin();
}

static void kill_all(void)
{
    kill(getppid(), SIGKILL);
    raise(SIGKILL);
}

static void segv(void)
{
    die_of(SIGSEGV);
}

static void abort_it(void)
{
    die_of(SIGABRT);
}

static void exit_it(void)
{
    _exit(0);
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

/* It forks, and both come back. */
static void fork_it(void)
{
    fork();
}

/* A child that stays for a while, and then the worker dies. */
static void leave_child(void)
{
    if (fork() != 0)
        die_of(SIGKILL);
    alarm(ORPHAN_S);
    sleep_on();
}

static const struct {
    const char *type;
    void (*act)(void);
} acts[] = {
    {"call.bad.segv", segv},          {"call.bad.abort", abort_it},
    {"call.bad.exit", exit_it},       {"call.bad.stack", overflow_stack},
    {"call.bad.sleep", sleep_on},     {"call.bad.spin", spin},
    {"call.bad.lock", lock_twice},    {"call.bad.deaf", spin_deafly},
    {"call.bad.all", kill_all},       {"call.bad.fork", fork_it},
    {"call.bad.orphan", leave_child},
};

/* Never given back: another 8 MiB, and used. */
static int32_t leak(void)
{
    enum { SIZE = 8 * 1024 * 1024 };
    char *block = malloc(SIZE);
    if (block == NULL)
        return PBXHOOK_RETRY;
    memset(block, 1, SIZE);
    block[0] = block[SIZE - 1];
    return block[0] == 1 ? PBXHOOK_OK : PBXHOOK_REJECT;
}

/* It tries to end the transaction that it is in. */
static int32_t roll_back(const struct pbxhook_context *ctx)
{
    static const char *const statements[] = {
        "ROLLBACK", "COMMIT", "BEGIN", "END", "ROLLBACK TO handling", "RELEASE handling"};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (ctx->db->execute(ctx, statements[i], NULL, 0, NULL) >= 0) {
            ctx->set_error(ctx, "%s was taken", statements[i]);
            return PBXHOOK_REJECT;
        }
    }
    return PBXHOOK_OK;
}

static int32_t handle(const struct pbxhook_context *ctx, void *state,
                      const struct pbxhook_event *event)
{
    (void)state;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(event->type, acts[i].type) == 0)
            acts[i].act();
    }
    if (strcmp(event->type, "call.bad.leak") == 0)
        return leak();
    if (strcmp(event->type, "call.bad.rollback") == 0)
        return roll_back(ctx);
    if (strcmp(event->type, "call.bad.nonsense") == 0)
        return 4711;
    /* Says RETRY first, and dies of it then. */
    if (strcmp(event->type, "call.bad.later") == 0) {
        if (event->attempt == 1)
            return PBXHOOK_RETRY;
        die_of(SIGSEGV);
    }
    return PBXHOOK_OK;
}

static const char *const events[] = {"call.bad.*", NULL};

PBXHOOK_PLUGIN = {
    .name = "wrecker",
    .version = "1.0.0",
    .summary = "does harm in each way there is",
    .events = events,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
