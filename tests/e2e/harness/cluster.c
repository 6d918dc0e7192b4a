/* cluster.c: see cluster.h. */
#include "cluster.h"

#include "cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "wait.h"

#define INITDB_LIMIT_MS 60000
#define START_LIMIT_MS  30000
#define STOP_LIMIT_MS   20000
#define CHILDREN_MAX    256

static const struct process_user *user_of(const struct cluster *cluster)
{
    return cluster->has_user ? &cluster->user : NULL;
}

void cluster_conninfo(const struct cluster *cluster, const char *database, char out[SCRATCH_PATH])
{
    int size = snprintf(out, SCRATCH_PATH, "host=%s port=%s user=%s dbname=%s", cluster->directory,
                        CLUSTER_PORT, CLUSTER_USER, database);
    assert_in_range(size, 1, SCRATCH_PATH - 1);
}

void cluster_url(const struct cluster *cluster, const char *database, char out[SCRATCH_PATH])
{
    int size = snprintf(out, SCRATCH_PATH, "postgresql:///%s?host=%s&port=%s&user=%s", database,
                        cluster->directory, CLUSTER_PORT, CLUSTER_USER);
    assert_in_range(size, 1, SCRATCH_PATH - 1);
}

/* ---- Its processes ------------------------------------------------------------------------------- */

/* Each of them, for a backend that lives on keeps the shared memory, and no new postmaster starts. */
void cluster_kill(struct cluster *cluster)
{
    pid_t child[CHILDREN_MAX];
    pid_t pid = cluster->pid;
    cluster->pid = 0;
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGSTOP), 0); /* makes no more of them meanwhile */
    int count = process_list_children(pid, child, CHILDREN_MAX);
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (int i = 0; i < count; i++)
        kill(child[i], SIGKILL);
    process_wait(pid, STOP_LIMIT_MS);
    for (int i = 0; i < count; i++)
        await(process_is_gone(child[i]));
}

void cluster_stop(struct cluster *cluster)
{
    pid_t pid = cluster->pid;
    cluster->pid = 0;
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGINT), 0);
    int status = process_wait(pid, STOP_LIMIT_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("PostgreSQL did not stop in good order: wait status %d", status);
}

static int is_up(const struct cluster *cluster)
{
    char conninfo[SCRATCH_PATH];
    cluster_conninfo(cluster, "postgres", conninfo);
    return PQping(conninfo) == PQPING_OK;
}

int cluster_log_holds(const struct cluster *cluster, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(cluster->directory, "log", path);
    char *log = scratch_read(path);
    int holds = strstr(log, text) != NULL;
    free(log);
    return holds;
}

void cluster_print_log(const struct cluster *cluster)
{
    char path[SCRATCH_PATH];
    scratch_path(cluster->directory, "log", path);
    scratch_print_end(path, "PostgreSQL's log");
}

void cluster_start(struct cluster *cluster)
{
    char data[SCRATCH_PATH], log[SCRATCH_PATH];
    scratch_path(cluster->directory, "data", data);
    scratch_path(cluster->directory, "log", log);
    /* What a killed process wrote is in the kernel's hands: without fsync only a power cut loses it. */
    const char *const words[] = {PBXHOOK_POSTGRES_BIN "/postgres",
                                 "-D",
                                 data,
                                 "-k",
                                 cluster->directory,
                                 "-p",
                                 CLUSTER_PORT,
                                 "-h",
                                 "",
                                 "-c",
                                 "fsync=off",
                                 "-c",
                                 "shared_buffers=32MB",
                                 "-c",
                                 "max_connections=60",
                                 "-c",
                                 "log_lock_waits=on",
                                 NULL};
    assert_int_equal(cluster->pid, 0);
    cluster->pid = process_start_as(user_of(cluster), words, &cluster->environment, NULL, log);
    int64_t until_ms = wait_now_ms() + wait_stretch(START_LIMIT_MS);
    while (!is_up(cluster)) {
        int has_ended = waitpid(cluster->pid, NULL, WNOHANG) == cluster->pid;
        if (has_ended || wait_now_ms() >= until_ms) {
            cluster_print_log(cluster);
            cluster->pid = has_ended ? 0 : cluster->pid;
            fail_msg("PostgreSQL does not start");
        }
        wait_nap();
    }
}

/* ---- Made and removed ---------------------------------------------------------------------------- */

static void init_data(const struct cluster *cluster)
{
    char data[SCRATCH_PATH], log[SCRATCH_PATH];
    scratch_path(cluster->directory, "data", data);
    scratch_path(cluster->directory, "log", log);
    const char *const words[] = {PBXHOOK_POSTGRES_BIN "/initdb",
                                 "--pgdata",
                                 data,
                                 "--username",
                                 CLUSTER_USER,
                                 "--auth",
                                 "trust",
                                 "--encoding",
                                 "UTF8",
                                 "--no-locale",
                                 "--no-sync",
                                 NULL};
    int status =
        process_wait(process_start_as(user_of(cluster), words, &cluster->environment, NULL, log),
                     INITDB_LIMIT_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        cluster_print_log(cluster);
        fail_msg("initdb failed: wait status %d", status);
    }
}

void cluster_make(struct cluster *cluster)
{
    *cluster = (struct cluster){.pid = 0};
    environment_init(&cluster->environment);
    cluster->has_user = process_find_user(&cluster->user);
    scratch_make(NULL, cluster->directory);
    if (cluster->has_user)
        assert_int_equal(chown(cluster->directory, cluster->user.uid, cluster->user.gid), 0);
    init_data(cluster);
    cluster_start(cluster);
}

void cluster_remove(struct cluster *cluster)
{
    if (cluster->directory[0] == '\0')
        return;
    if (cluster->pid != 0)
        cluster_kill(cluster);
    scratch_remove(cluster->directory);
    environment_clear(&cluster->environment);
    cluster->directory[0] = '\0';
}

void cluster_execute(const struct cluster *cluster, const char *sql)
{
    char conninfo[SCRATCH_PATH];
    cluster_conninfo(cluster, "postgres", conninfo);
    PGconn *conn = PQconnectdb(conninfo);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}
