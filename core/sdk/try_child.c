/*
 * try_child.c: see its header. The child does what a worker does, with the worker's own parts (plugin
 * host, dispatch, store), one event a transaction. It has no outbox, so the actions stay in the store
 * for the caller to see and nothing is ever sent.
 */
#include "sdk/try_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "http/deliveries.h"
#include "sdk/try_watch.h"
#include "store/store.h"
#include "worker/dispatch.h"
#include "worker/plugin_file.h"

/* ---- In the child ---------------------------------------------------------------------------- */

struct work {
    const struct try_setup *setup;
    struct metrics_worker *metrics;
    struct store *store;
    struct dispatch *dispatch;
    int fd;
};

static void say(int fd, const struct try_reply *reply)
{
    fflush(NULL); /* what the plugin printed belongs to this event */
    if (send(fd, reply, sizeof *reply, MSG_NOSIGNAL) != (ssize_t)sizeof *reply)
        _exit(EXIT_FAILURE);
}

/* The options that were given belong to whatever name the plugin has. */
static void name_options(const struct try_setup *setup, FILE *errors)
{
    const struct pbxhook_plugin *found = plugin_file_load_anywhere(setup->plugin_path, errors);

    /* What is wrong with it is told when the host loads it. */
    if (found == NULL || found->magic != PBXHOOK_PLUGIN_MAGIC ||
        found->abi_major != PBXHOOK_ABI_MAJOR || found->name == NULL)
        return;
    for (size_t i = 0; i < setup->config->plugin_option_count; i++) {
        struct config_plugin_option *option = &setup->config->plugin_options[i];
        char *name = strdup(found->name);

        if (name == NULL)
            continue;
        free(option->plugin);
        option->plugin = name;
    }
}

static int load(const struct try_setup *setup, struct plugin_host **out, char *error,
                size_t error_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *unused = fopen("/dev/null", "we");
    FILE *lines = open_memstream(&text, &size);
    int result = -1;

    if (unused != NULL && lines != NULL) {
        name_options(setup, unused);
        result = plugin_host_load_one(setup->plugin_path, setup->config, lines, out);
    }
    if (lines == NULL || fclose(lines) != 0)
        result = -1;
    if (unused != NULL)
        fclose(unused);
    if (text == NULL) /* glibc tells a size then, too */
        size = 0;
    if (size > 0 && text[size - 1] == '\n')
        text[size - 1] = '\0';
    if (result != 0)
        snprintf(error, error_size, "%s", size > 0 ? text : "out of memory");
    free(text);
    return result;
}

/* What plugins ask of targets is written there; nobody takes it up. */
static int prepare_deliveries(struct store *store)
{
    int code = store_begin(store, NULL, 0);

    if (code >= 0)
        code = deliveries_prepare(store);
    return code >= 0 ? store_commit(store) : code;
}

static void open_plugin(struct work *work, struct try_reply *reply)
{
    const struct try_setup *setup = work->setup;
    const struct store_options options = {.url = setup->config->store.url, .mode = STORE_WRITE};
    struct plugin_host *host = NULL;
    const struct pbxhook_plugin *plugin;
    int64_t started_us;

    reply->outcome = TRY_BROKEN;
    work->metrics = calloc(1, sizeof *work->metrics);
    if (work->metrics == NULL ||
        store_open(&options, &work->store, reply->text, sizeof reply->text) < 0)
        return;
    if (setup->config->target_count > 0 && prepare_deliveries(work->store) < 0) {
        snprintf(reply->text, sizeof reply->text, "%s", store_error(work->store));
        return;
    }
    reply->outcome = TRY_REJECT;
    if (load(setup, &host, reply->text, sizeof reply->text) != 0)
        return;
    plugin = &plugin_host_get(host, 0)->descriptor;
    started_us = clock_mono_us();
    if (dispatch_open_loaded(setup->config, host, work->store, work->metrics, &work->dispatch,
                             reply->text, sizeof reply->text) != 0)
        return;
    reply->took_us = clock_mono_us() - started_us;
    reply->outcome = TRY_OK;
    snprintf(reply->text, sizeof reply->text, "%s %s: %s", plugin->name, plugin->version,
             plugin->summary);
}

/* One event as a batch of its own: 0 or a STORE_E_... */
static int run_event(struct work *work, const struct event *event, struct try_reply *reply)
{
    int64_t id = 0;
    int64_t started_us;
    int code = store_begin(work->store, &event, 1);

    if (code == 0)
        code = store_event_add(work->store, event, &id);
    if (code < 0)
        return code;
    if (code != STORE_EVENT_NEW) {
        reply->outcome = TRY_REPEATED;
        snprintf(reply->text, sizeof reply->text,
                 "the same event came before; the server handles it once");
        return store_commit(work->store);
    }
    started_us = clock_mono_us();
    code = dispatch_event(work->dispatch, event, id, NULL);
    if (code == 0) {
        reply->outcome = TRY_NONE;
        snprintf(reply->text, sizeof reply->text, "it does not take events of this type");
    } else {
        reply->outcome = TRY_OK;
        reply->took_us = clock_mono_us() - started_us;
    }
    return code < 0 ? code : store_commit(work->store);
}

static void run(struct work *work, size_t index, struct try_reply *reply)
{
    const struct event *event = work->setup->events->items[index].event;

    if (run_event(work, event, reply) < 0) {
        reply->outcome = TRY_BROKEN;
        snprintf(reply->text, sizeof reply->text, "%s", store_error(work->store));
        store_rollback(work->store);
    }
    /* Its numbers and log lines are a server's; the caller tells what happened in its own way. */
    dispatch_rolled_back(work->dispatch);
}

/* Answers until the caller hangs up. */
static void answer(struct work *work)
{
    struct try_reply reply = {.outcome = TRY_OK};
    size_t index;

    open_plugin(work, &reply);
    say(work->fd, &reply);
    while (reply.outcome != TRY_REJECT && recv(work->fd, &index, sizeof index, 0) > 0) {
        reply = (struct try_reply){.outcome = TRY_OK};
        run(work, index, &reply);
        say(work->fd, &reply);
    }
    dispatch_close(work->dispatch);
    store_close(work->store);
    free(work->metrics);
}

static void become_child(const struct try_setup *setup, int fd)
{
    struct work work = {.setup = setup, .fd = fd};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_IGN); /* the terminal's, for the caller, who ends this process */
    fflush(NULL);
    if (dup2(setup->output_fd, STDOUT_FILENO) < 0 || dup2(setup->output_fd, STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    log_open("try", LOG_LEVEL_DEBUG);
    answer(&work);
    exit(
        EXIT_SUCCESS); /* and not _exit(): what a library wants to do at its end is the plugin's too */
}

/* ---- In the caller --------------------------------------------------------------------------- */

static void tell_end(int status, struct try_reply *reply)
{
    reply->outcome = TRY_CRASH;
    if (WIFSIGNALED(status))
        snprintf(reply->text, sizeof reply->text, "%s (signal %d)", strsignal(WTERMSIG(status)),
                 WTERMSIG(status));
    else
        snprintf(reply->text, sizeof reply->text, "the process ended with status %d",
                 WEXITSTATUS(status));
}

static int reap(struct try_child *child)
{
    int status = 0;

    close(child->fd);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
    return status;
}

static void end_by_force(const struct try_setup *setup, struct try_child *child,
                         struct try_reply *reply)
{
    kill(child->pid, SIGKILL);
    reap(child);
    reply->outcome = TRY_HANG;
    if (try_watch_interrupted(setup->signal_fd))
        snprintf(reply->text, sizeof reply->text, "interrupted");
    else
        snprintf(reply->text, sizeof reply->text, "it did not come back within %d ms and was ended",
                 setup->timeout_ms);
}

/* Waits until the child says something or hangs up: 1; 0 when the time is over or one is
 * interrupted. */
static int wait_for(const struct try_setup *setup, const struct try_child *child)
{
    struct pollfd ready[] = {{.fd = child->fd, .events = POLLIN},
                             {.fd = setup->signal_fd, .events = POLLIN}};
    int got;

    do {
        got = poll(ready, 2, setup->timeout_ms);
    } while (got < 0 && errno == EINTR);
    return got > 0 && ready[1].revents == 0;
}

static void receive(const struct try_setup *setup, struct try_child *child, struct try_reply *reply)
{
    ssize_t got;

    *reply = (struct try_reply){.outcome = TRY_CRASH};
    if (!wait_for(setup, child)) {
        end_by_force(setup, child, reply);
        return;
    }
    got = recv(child->fd, reply, sizeof *reply, 0);
    /* Anything else is nobody's: a plugin can write to any descriptor. */
    if (got != (ssize_t)sizeof *reply) {
        *reply = (struct try_reply){.outcome = TRY_CRASH};
        kill(child->pid, got > 0 ? SIGKILL : 0);
        tell_end(reap(child), reply);
    }
    reply->text[sizeof reply->text - 1] = '\0';
}

void try_child_start(const struct try_setup *setup, struct try_child *child,
                     struct try_reply *reply)
{
    int ends[2];

    *reply = (struct try_reply){.outcome = TRY_BROKEN};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        snprintf(reply->text, sizeof reply->text, "socketpair: %s", strerror(errno));
        return;
    }
    fflush(NULL); /* what the child would write a second time */
    child->pid = fork();
    if (child->pid == 0) {
        close(ends[0]);
        become_child(setup, ends[1]);
    }
    close(ends[1]);
    child->fd = ends[0];
    if (child->pid < 0) {
        snprintf(reply->text, sizeof reply->text, "fork: %s", strerror(errno));
        close(ends[0]);
        child->pid = 0;
        return;
    }
    receive(setup, child, reply);
    if (child->pid != 0 && reply->outcome != TRY_OK)
        reap(child);
}

void try_child_run(const struct try_setup *setup, struct try_child *child, size_t index,
                   struct try_reply *reply)
{
    if (send(child->fd, &index, sizeof index, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
        *reply = (struct try_reply){.outcome = TRY_BROKEN};
        snprintf(reply->text, sizeof reply->text, "send: %s", strerror(errno));
        return;
    }
    receive(setup, child, reply);
}

void try_child_end(const struct try_setup *setup, struct try_child *child, struct try_reply *reply)
{
    int status;

    *reply = (struct try_reply){.outcome = TRY_OK};
    if (child->pid == 0)
        return;
    shutdown(child->fd, SHUT_WR);
    if (!wait_for(setup, child)) {
        end_by_force(setup, child, reply);
        return;
    }
    status = reap(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
        tell_end(status, reply);
}
