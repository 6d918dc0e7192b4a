/* server.c: see server.h. */
#include "server.h"

#include "cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait.h"

#define START_LIMIT_MS 20000
#define STOP_LIMIT_MS  20000

static size_t file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (size_t)status.st_size : 0;
}

/* ---- The log ------------------------------------------------------------------------------------ */

/* This run's part; *whole is to be freed. */
static const char *read_log(const struct server *server, char **whole)
{
    *whole = scratch_read(server->log_path);
    size_t size = strlen(*whole);
    return *whole + (server->log_start < size ? server->log_start : size);
}

static int line_holds(const char *line, size_t length, const char *text)
{
    return text == NULL || memmem(line, length, text, strlen(text)) != NULL;
}

/* The last line that matches, new, or NULL; *count (may be NULL) is how many there are. */
static char *find_lines(const struct server *server, const char *text, const char *and_text,
                        int *count)
{
    char *whole = NULL, *last = NULL;
    int found = 0;
    for (const char *line = read_log(server, &whole); *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (line[length] == '\0')
            break; /* still being written */
        if (line_holds(line, length, text) && line_holds(line, length, and_text)) {
            found++;
            free(last);
            last = strndup(line, length);
        }
        line += length + 1;
    }
    free(whole);
    if (count != NULL)
        *count = found;
    return last;
}

int server_log_count(const struct server *server, const char *text, const char *and_text)
{
    int count = 0;
    free(find_lines(server, text, and_text, &count));
    return count;
}

char *server_log_line(const struct server *server, const char *text, const char *and_text)
{
    return find_lines(server, text, and_text, NULL);
}

void server_print_log(const struct server *server)
{
    scratch_print_end(server->log_path, "the server's log");
}

/* The number behind `key` in the last line that holds `text`; 0 when there is none. */
static long number_in_log(const struct server *server, const char *text, const char *key)
{
    char *line = server_log_line(server, text, key);
    long number = line != NULL ? strtol(strstr(line, key) + strlen(key), NULL, 10) : 0;
    free(line);
    return number;
}

/* ---- The process -------------------------------------------------------------------------------- */

static int has_ended(const struct server *server)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)server->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == server->pid;
}

static const char *host_of(const struct server *server)
{
    return server->host != NULL ? server->host : "127.0.0.1";
}

void server_launch(struct server *server)
{
    static const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", "serve", NULL};
    char address[32];
    assert_int_equal(server->pid, 0);
    snprintf(address, sizeof address, "%s:%d", host_of(server), server->port);
    environment_set(&server->environment, "PBXHOOK_LISTEN", address);
    server->log_start = file_size(server->log_path);
    server->pid = process_start(words, &server->environment, NULL, server->log_path);
}

void server_await_listening(struct server *server)
{
    char address[32];
    long port = 0;
    snprintf(address, sizeof address, "address=%s:", host_of(server));
    await_for(START_LIMIT_MS,
              (port = number_in_log(server, "msg=listening", address)) > 0 || has_ended(server));
    if (port <= 0) {
        server->pid = 0;
        fail_msg("the server ended in place of listening");
    }
    server->port = (int)port;
}

void server_start(struct server *server)
{
    server_launch(server);
    server_await_listening(server);
}

void server_stop(struct server *server)
{
    pid_t pid = server->pid;
    server->pid = 0;
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    int status = process_wait(pid, STOP_LIMIT_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the server did not stop in good order: wait status %d", status);
}

pid_t server_worker_pid(const struct server *server)
{
    return (pid_t)number_in_log(server, "msg=\"worker ready\"", "worker_pid=");
}

int server_workers(const struct server *server, pid_t out[SERVER_WORKERS_MAX])
{
    int count = 0;
    for (pid_t found = 1; count < SERVER_WORKERS_MAX && found > 0; count += found > 0) {
        char number[32];
        snprintf(number, sizeof number, "worker=%d ", count);
        char *line = server_log_line(server, "msg=\"worker ready\"", number);
        found = line != NULL ? (pid_t)strtol(strstr(line, "worker_pid=") + 11, NULL, 10) : 0;
        out[count] = found;
        free(line);
    }
    return count;
}

void server_signal_workers(const struct server *server, int number)
{
    pid_t worker[SERVER_WORKERS_MAX];
    int count = server_workers(server, worker);
    assert_true(count > 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(kill(worker[i], number), 0);
}

pid_t server_kill(struct server *server, int with_workers)
{
    pid_t worker[SERVER_WORKERS_MAX];
    pid_t pid = server->pid;
    pid_t last = server_worker_pid(server);
    int count = server_workers(server, worker);
    server->pid = 0;
    assert_true(pid > 0 && last > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (int i = 0; i < count && with_workers; i++)
        kill(worker[i], SIGKILL); /* it may be leaving by itself already */
    process_wait(pid, STOP_LIMIT_MS);
    /* world.c made this process the one that orphans come to. */
    for (int i = 0; i < count && with_workers; i++)
        await(process_is_gone(worker[i]));
    return last;
}
