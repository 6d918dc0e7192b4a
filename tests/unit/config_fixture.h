/*
 * config_fixture.h: what config_test.c, config_environment_test.c and config_print_test.c share: a
 * configuration from a text, its errors and its printed form as texts. All are freed by the caller.
 */
#ifndef PBXHOOK_TEST_CONFIG_FIXTURE_H
#define PBXHOOK_TEST_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/config_internal.h"

/* No variable of whoever runs the tests plays a part. A set-up of cmocka's. */
static inline int forget_environment(void **state)
{
    (void)state;
    for (char **entry = environ; *entry != NULL;) {
        char *name = strndup(*entry, strcspn(*entry, "="));
        assert_non_null(name);
        if (strncmp(name, "PBXHOOK_", 8) == 0 || strcmp(name, "STATE_DIRECTORY") == 0) {
            unsetenv(name);
            entry = environ;
        } else {
            entry++;
        }
        free(name);
    }
    return 0;
}

/* config_load() of a file; *errors is what it told. */
static inline int load_file(const char *path, int environment, struct config **out, char **errors)
{
    size_t size = 0;
    FILE *stream = open_memstream(errors, &size);
    assert_non_null(stream);
    int code = config_load(path, environment, stream, out);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(*errors);
    return code;
}

/* config_load() of bytes, in a file without a name. */
static inline int load_bytes_as(const char *bytes, size_t size, int environment,
                                struct config **out, char **errors)
{
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int code = load_file(path, environment, out, errors);
    close(fd);
    return code;
}

/* As a worker gets them: no environment. */
static inline int load_bytes(const char *bytes, size_t size, struct config **out, char **errors)
{
    return load_bytes_as(bytes, size, 0, out, errors);
}

/* The same for a text that has to be right. */
static inline struct config *load_text(const char *text)
{
    struct config *config = NULL;
    char *errors = NULL;
    int code = load_bytes(text, strlen(text), &config, &errors);
    assert_string_equal(errors, "");
    assert_int_equal(code, 0);
    free(errors);
    return config;
}

/* config_load() of an empty file and the environment, which has to be right. */
static inline struct config *load_environment(void)
{
    struct config *config = NULL;
    char *errors = NULL;
    int code = load_file("/dev/null", 1, &config, &errors);
    assert_string_equal(errors, "");
    assert_int_equal(code, 0);
    free(errors);
    return config;
}

static inline const char *origin_of(const struct config *config, const char *section,
                                    const char *name)
{
    return config_origin(config, config_key_find(section, name));
}

static inline char *print_text(const struct config *config, int comments)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_int_equal(config_print(config, stream, comments), 0);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(text);
    return text;
}

#endif
