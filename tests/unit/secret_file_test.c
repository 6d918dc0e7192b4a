/* secret_file_test.c: which files are taken for secrets, what is said of the others, and what is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/secret_file.h"

#define SECRET "correct horse"

static char directory[] = "/tmp/pbxhook-secret-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/secret", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void write_secret(const char *bytes, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* Wants a refusal that names the file and says this, and never what is in it. */
static void check_refused(const char *said)
{
    struct secret_file file = {.text = NULL};
    char error[256] = "";
    assert_int_equal(secret_file_read(path, SECRET_FILE_PRIVATE, &file, error, sizeof error), -1);
    assert_null(file.text);
    assert_non_null(strstr(error, path));
    if (strstr(error, said) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", said, error);
    assert_null(strstr(error, SECRET));
}

static void takes_lines(void **state)
{
    struct secret_file file;
    char error[256];
    char *lines[2] = {NULL, NULL};
    static const char text[] = "\n one \r\n\r\n\ntwo\nthree";

    (void)state;
    write_secret(text, strlen(text), 0400);
    assert_int_equal(secret_file_read(path, SECRET_FILE_PRIVATE, &file, error, sizeof error), 0);
    assert_string_equal(file.text, text);
    assert_int_equal(secret_file_lines(&file, lines, 2), 3);
    assert_string_equal(lines[0], " one "); /* a blank may be part of a password */
    assert_string_equal(lines[1], "two");
    secret_file_free(&file);
    assert_null(file.text);
}

static void refuses_what_others_can_read(void **state)
{
    static const mode_t modes[] = {0604, 0644, 0606, 0602, 0620, 0660};
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        write_secret(SECRET, strlen(SECRET), modes[i]);
        check_refused("chmod 600");
    }
}

/* Root's file for a group is how credentials of systemd look; anybody else's is a slip. */
static void lets_root_share_with_a_group(void **state)
{
    struct secret_file file;
    char error[256] = "";

    (void)state;
    write_secret(SECRET, strlen(SECRET), 0640);
    int code = secret_file_read(path, SECRET_FILE_PRIVATE, &file, error, sizeof error);
    if (geteuid() != 0) {
        assert_int_equal(code, -1);
        return;
    }
    assert_int_equal(code, 0);
    secret_file_free(&file);
    assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
    check_refused("its group can read it");
    assert_int_equal(chown(path, 0, (gid_t)-1), 0);
}

static void lets_everybody_read_a_certificate(void **state)
{
    struct secret_file file;
    char error[256] = "";

    (void)state;
    write_secret(SECRET, strlen(SECRET), 0644);
    assert_int_equal(secret_file_read(path, SECRET_FILE_PUBLIC, &file, error, sizeof error), 0);
    secret_file_free(&file);
    write_secret(SECRET, strlen(SECRET), 0646);
    assert_int_equal(secret_file_read(path, SECRET_FILE_PUBLIC, &file, error, sizeof error), -1);
    assert_non_null(strstr(error, "everybody can write it"));
}

static void refuses_what_is_no_secret(void **state)
{
    static char large[SECRET_FILE_MAX + 1];
    struct secret_file file;
    char error[256] = "";

    (void)state;
    write_secret("", 0, 0600);
    check_refused("is empty");
    write_secret(SECRET "\0x", sizeof SECRET + 1, 0600);
    check_refused("NUL");
    memset(large, 'x', sizeof large);
    write_secret(large, sizeof large, 0600);
    check_refused("64 KiB");
    write_secret(large, sizeof large - 1, 0600);
    assert_int_equal(secret_file_read(path, SECRET_FILE_PRIVATE, &file, error, sizeof error), 0);
    assert_int_equal(file.size, SECRET_FILE_MAX);
    secret_file_free(&file);
    unlink(path);
    check_refused("No such file");
    assert_int_equal(secret_file_read(directory, SECRET_FILE_PRIVATE, &file, error, sizeof error),
                     -1);
    assert_non_null(strstr(error, "not a regular file"));
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it: must not wait */
    check_refused("not a regular file");
    unlink(path);
}

/* Whether the mapping that holds `at` is left out of core dumps ("dd" in VmFlags). */
static int is_left_out(const void *at)
{
    char line[256];
    int inside = 0, left_out = 0;
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
            inside = (uintptr_t)at >= from && (uintptr_t)at < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            left_out = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    return left_out;
}

static void stays_out_of_core_dumps(void **state)
{
    struct secret_file file;
    char error[256] = "";
    int on_the_stack = 0;

    (void)state;
    write_secret(SECRET, strlen(SECRET), 0600);
    assert_int_equal(secret_file_read(path, SECRET_FILE_PRIVATE, &file, error, sizeof error), 0);
    assert_true(is_left_out(file.text));
    assert_false(is_left_out(&on_the_stack));
    secret_file_free(&file);
}

static void hides_a_process(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        secret_file_hide_process();
        _exit(prctl(PR_GET_DUMPABLE));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_lines),
        cmocka_unit_test(refuses_what_others_can_read),
        cmocka_unit_test(lets_root_share_with_a_group),
        cmocka_unit_test(lets_everybody_read_a_certificate),
        cmocka_unit_test(refuses_what_is_no_secret),
        cmocka_unit_test(stays_out_of_core_dumps),
        cmocka_unit_test(hides_a_process),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
