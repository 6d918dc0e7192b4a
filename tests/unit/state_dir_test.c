/* state_dir_test.c: the directory is made, private, and has one owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/state_dir.h"

static char top[64];
static char dir[128];

static int set_up(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/pbxhook-state-XXXXXX");
    umask(077);
    if (mkdtemp(top) == NULL)
        return -1;
    snprintf(dir, sizeof dir, "%s/a/b", top);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    rmdir(dir);
    snprintf(path, sizeof path, "%s/a", top);
    rmdir(path);
    return rmdir(top);
}

static void test_is_made_private(void **state)
{
    (void)state;
    char error[256] = "";
    struct stat info;
    int fd = state_dir_lock(dir, error, sizeof error);
    assert_true(fd >= 0);
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    close(fd);
}

static void test_second_owner_is_told_the_first_ones_pid(void **state)
{
    (void)state;
    char error[256] = "", pid[32];
    int fd = state_dir_lock(dir, error, sizeof error);
    assert_true(fd >= 0);
    assert_int_equal(state_dir_lock(dir, error, sizeof error), -1);
    snprintf(pid, sizeof pid, "pid %ld;", (long)getpid());
    assert_non_null(strstr(error, pid));
    assert_non_null(strstr(error, dir));
    close(fd);
    fd = state_dir_lock(dir, error, sizeof error);
    assert_true(fd >= 0);
    close(fd);
}

static void test_lock_goes_with_its_process(void **state)
{
    (void)state;
    char error[256] = "";
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(state_dir_lock(dir, error, sizeof error) >= 0 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int fd = state_dir_lock(dir, error, sizeof error);
    assert_true(fd >= 0);
    close(fd);
}

static void test_a_file_in_the_way_is_told(void **state)
{
    (void)state;
    char error[256] = "", path[160], below[192];
    int fd = state_dir_lock(dir, error, sizeof error);
    assert_true(fd >= 0);
    close(fd);
    snprintf(path, sizeof path, "%s/lock", dir);
    snprintf(below, sizeof below, "%s/deeper", path);
    assert_int_equal(state_dir_lock(below, error, sizeof error), -1);
    assert_non_null(strstr(error, below));
    assert_non_null(strstr(error, "Not a directory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_is_made_private),
        TEST(test_second_owner_is_told_the_first_ones_pid),
        TEST(test_lock_goes_with_its_process),
        TEST(test_a_file_in_the_way_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
