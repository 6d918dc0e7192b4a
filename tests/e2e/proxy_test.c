/*
 * proxy_test.c: the harness's own cluster and proxy, seen by a plain libpq client: what the tests of outages rely
 * on. A proxy that does not cut where it says would make those tests pass for nothing.
 */
#include "cmocka_all.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <libpq-fe.h>

#include "cluster.h"
#include "database.h"
#include "proxy.h"
#include "wait.h"

#define LARGE (8 * 1024 * 1024)

struct scene {
    struct cluster cluster;
    struct database *database;
    struct proxy *proxy;
};

static PGconn *connect_through(struct scene *scene)
{
    char conninfo[SCRATCH_PATH];
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=%s dbname=%s",
             proxy_port(scene->proxy), CLUSTER_USER, database_name(scene->database));
    return PQconnectdb(conninfo);
}

static ExecStatusType run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status;
}

static int64_t rows(struct scene *scene)
{
    return database_int(scene->database, "SELECT count(*) FROM t", NULL);
}

static int make_scene(void **state)
{
    char path[SCRATCH_PATH];
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    *state = scene;
    cluster_make(&scene->cluster);
    scene->database = database_new(&scene->cluster);
    database_execute(scene->database, "CREATE TABLE public.t (n bigint)");
    scratch_path(scene->cluster.directory, ".s.PGSQL." CLUSTER_PORT, path);
    scene->proxy = proxy_new(path);
    return 0;
}

static int clear_scene(void **state)
{
    struct scene *scene = *state;
    proxy_free(scene->proxy);
    database_free(scene->database);
    cluster_remove(&scene->cluster);
    free(scene);
    return 0;
}

/* ---- Three ways of saying COMMIT ------------------------------------------------------------------- */

typedef int (*commit_fn)(PGconn *conn);

static int commit_simply(PGconn *conn)
{
    return run(conn, "BEGIN") == PGRES_COMMAND_OK &&
           run(conn, "INSERT INTO t VALUES (1)") == PGRES_COMMAND_OK &&
           run(conn, " commit;") == PGRES_COMMAND_OK;
}

static int commit_prepared(PGconn *conn)
{
    PGresult *result = NULL;
    PQclear(PQprepare(conn, "end", "COMMIT", 0, NULL));
    int is_good = run(conn, "BEGIN") == PGRES_COMMAND_OK &&
                  run(conn, "INSERT INTO t VALUES (1)") == PGRES_COMMAND_OK;
    if (is_good) {
        result = PQexecPrepared(conn, "end", 0, NULL, NULL, NULL, 0);
        is_good = PQresultStatus(result) == PGRES_COMMAND_OK;
    }
    PQclear(result);
    return is_good;
}

/* All in one breath, as the store does it. */
static int commit_in_a_pipeline(PGconn *conn)
{
    int commands = 0;
    if (PQenterPipelineMode(conn) != 1)
        return 0;
    PQsendPrepare(conn, "commit", "COMMIT", 0, NULL);
    PQsendQueryParams(conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
    PQsendQueryParams(conn, "INSERT INTO t VALUES (1)", 0, NULL, NULL, NULL, NULL, 0);
    PQsendQueryPrepared(conn, "commit", 0, NULL, NULL, NULL, 0);
    PQpipelineSync(conn);
    for (int i = 0; i < 9; i++) { /* four results, a NULL behind each, and the sync */
        PGresult *result = PQgetResult(conn);
        commands += PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return PQexitPipelineMode(conn) == 1 && commands == 4;
}

static const commit_fn commits[] = {commit_simply, commit_prepared, commit_in_a_pipeline};
#define WAYS (int)(sizeof commits / sizeof commits[0])

static void test_lets_through(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < WAYS; i++) {
        PGconn *conn = connect_through(scene);
        assert_true(commits[i](conn));
        assert_true(commits[0](conn)); /* and the connection is as good as before */
        PQfinish(conn);
        assert_int_equal(rows(scene), 2 * (i + 1));
    }
    assert_int_equal(proxy_commits(scene->proxy), 2 * WAYS);
    assert_int_equal(proxy_cuts(scene->proxy), 0);
    await(proxy_connections(scene->proxy) == 0);
}

static void test_lets_large_messages_through(void **state)
{
    PGconn *conn = connect_through(*state);
    char *large = malloc(LARGE + 1);
    assert_non_null(large);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    const char *values[] = {large};
    PGresult *result = PQexecParams(conn, "SELECT $1::text", 1, NULL, values, NULL, NULL, 0);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    assert_int_equal(strcmp(PQgetvalue(result, 0, 0), large), 0);
    PQclear(result);
    PQfinish(conn);
    free(large);
}

static void test_cuts_before_the_commit(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < WAYS; i++) {
        PGconn *conn = connect_through(scene);
        proxy_cut_commits(scene->proxy, PROXY_CUT_BEFORE_COMMIT, 1);
        assert_false(commits[i](conn));
        assert_int_equal(PQstatus(conn), CONNECTION_BAD);
        assert_int_equal(proxy_cuts(scene->proxy), i + 1);
        PQfinish(conn);
    }
    /* Their transactions are gone, not hanging. */
    await(
        database_int(scene->database,
                     "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                     "AND pid <> pg_backend_pid()",
                     NULL) == 0);
    assert_int_equal(rows(scene), 0);
    assert_int_equal(proxy_commits(scene->proxy), 0);
}

static void test_cuts_before_the_answer(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < WAYS; i++) {
        PGconn *conn = connect_through(scene);
        proxy_cut_commits(scene->proxy, PROXY_CUT_BEFORE_ANSWER, 1);
        assert_false(commits[i](conn));
        assert_int_equal(PQstatus(conn), CONNECTION_BAD);
        assert_int_equal(rows(scene), i + 1); /* and yet it is there */
        assert_int_equal(proxy_cuts(scene->proxy), i + 1);
        PQfinish(conn);
    }
    PGconn *conn = connect_through(scene); /* the order is used up */
    assert_true(commit_simply(conn));
    PQfinish(conn);
}

static void test_stalls(void **state)
{
    struct scene *scene = *state;
    PGconn *conn = connect_through(scene);
    struct pollfd readable = {.fd = PQsocket(conn), .events = POLLIN};
    proxy_stall(scene->proxy, 1);
    assert_int_equal(PQsendQuery(conn, "SELECT 1"), 1);
    assert_int_equal(poll(&readable, 1, 100), 0); /* the time in which an answer would be here */
    proxy_stall(scene->proxy, 0);
    PGresult *result = PQgetResult(conn);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    PQfinish(conn);
}

static void test_refuses_and_cuts_all(void **state)
{
    struct scene *scene = *state;
    PGconn *old = connect_through(scene);
    proxy_refuse(scene->proxy, 1);
    PGconn *refused = connect_through(scene);
    assert_int_equal(PQstatus(refused), CONNECTION_BAD);
    PQfinish(refused);
    assert_true(commit_simply(old));
    proxy_cut_all(scene->proxy);
    await(proxy_connections(scene->proxy) == 0);
    assert_false(commit_simply(old));
    PQfinish(old);
    proxy_refuse(scene->proxy, 0);
    PGconn *new = connect_through(scene);
    assert_true(commit_simply(new));
    PQfinish(new);
}

static void test_a_cluster_comes_and_goes(void **state)
{
    struct scene *scene = *state;
    for (int kills = 0; kills <= 1; kills++) {
        PGconn *conn = connect_through(scene);
        assert_true(commit_simply(conn));
        if (kills)
            cluster_kill(&scene->cluster);
        else
            cluster_stop(&scene->cluster);
        assert_false(commit_simply(conn));
        PQfinish(conn);
        PGconn *refused = connect_through(scene);
        assert_int_equal(PQstatus(refused), CONNECTION_BAD);
        PQfinish(refused);
        cluster_start(&scene->cluster);
        assert_int_equal(rows(scene), kills + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lets_through, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_lets_large_messages_through, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_cuts_before_the_commit, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_cuts_before_the_answer, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_stalls, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_refuses_and_cuts_all, make_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_a_cluster_comes_and_goes, make_scene, clear_scene),
    };
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
