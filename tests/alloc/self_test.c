/*
 * self_test.c: what run.sh must find, and what it must not: it runs this first, and compares. Each case does one thing
 * wrong, or right, when its allocation fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/wait.h>

/* Keeps the compiler from knowing what it is. */
static void *volatile kept;

static void writes_to_what_it_did_not_get(void **state)
{
    (void)state;
    char *text = malloc(10);
    text[0] = 'a';
    kept = text;
    free(text);
}

static void waits_for_ever_for_what_it_did_not_get(void **state)
{
    (void)state;
    void *block = malloc(10);
    while (block == NULL)
        pause();
    free(block);
}

/* Memory that was freed, or never written, is no string that it could know. */
static void reads_what_it_freed(void **state)
{
    (void)state;
    char **list = calloc(1, sizeof *list);
    assert_non_null(list);
    list[0] = malloc(40);
    if (list[0] == NULL) {
        kept = list;
        free(list);
        list = kept;
        list[0][0] = 'a';
    }
    free(list[0]);
    free(list);
}

static void crash_in_a_set_up(void **state)
{
    (void)state;
}

static int set_up_without_looking(void **state)
{
    *state = malloc(10);
    memset(*state, 'a', 10);
    return 0;
}

static void ends_the_process(void **state)
{
    (void)state;
    void *block = malloc(10);
    if (block == NULL)
        _exit(3);
    free(block);
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* ---- Right ------------------------------------------------------------------------------------------- */

static void fails_in_words(void **state)
{
    (void)state;
    void *block = malloc(10);
    assert_non_null(block);
    free(block);
}

/* Each way to allocate counts: the ways of libc that end at malloc, too. */
#define WAY(name, expression)                                                                      \
    static void way_##name(void **state)                                                           \
    {                                                                                              \
        (void)state;                                                                               \
        kept = expression;                                                                         \
        free(kept);                                                                                \
    }

static void *use_posix_memalign(void)
{
    void *block = NULL;
    return posix_memalign(&block, 64, 64) == 0 ? block : NULL;
}

static char *use_asprintf(void)
{
    char *text = NULL;
    return asprintf(&text, "%d", 1) < 0 ? NULL : text;
}

static char *use_getline(void)
{
    char *line = NULL;
    size_t size = 0;
    return getline(&line, &size, stdin) < 0 ? line : NULL;
}

static char *use_memstream(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file != NULL)
        fclose(file);
    return text;
}

static char *use_fopen(void)
{
    FILE *file = fopen("/dev/null", "re");
    if (file != NULL)
        fclose(file);
    return NULL;
}

WAY(malloc, malloc(1))
WAY(calloc, calloc(1, 1))
WAY(realloc, realloc(NULL, 1))
WAY(reallocarray, reallocarray(NULL, 1, 1))
WAY(aligned_alloc, aligned_alloc(64, 64))
WAY(posix_memalign, use_posix_memalign())
WAY(strdup, strdup("a"))
WAY(strndup, strndup("ab", 1))
WAY(asprintf, use_asprintf())
WAY(getline, use_getline())
WAY(memstream, use_memstream())
WAY(fopen, use_fopen())

/* Who forks is not told what its child does. */
static void child_is_let_alone(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        void *block = malloc(10);
        _exit(block == NULL ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_to_what_it_did_not_get),
        cmocka_unit_test(waits_for_ever_for_what_it_did_not_get),
        cmocka_unit_test(reads_what_it_freed),
        cmocka_unit_test_setup_teardown(crash_in_a_set_up, set_up_without_looking, tear_down),
        cmocka_unit_test(ends_the_process),
        cmocka_unit_test(fails_in_words),
        cmocka_unit_test(way_malloc),
        cmocka_unit_test(way_calloc),
        cmocka_unit_test(way_realloc),
        cmocka_unit_test(way_reallocarray),
        cmocka_unit_test(way_aligned_alloc),
        cmocka_unit_test(way_posix_memalign),
        cmocka_unit_test(way_strdup),
        cmocka_unit_test(way_strndup),
        cmocka_unit_test(way_asprintf),
        cmocka_unit_test(way_getline),
        cmocka_unit_test(way_memstream),
        cmocka_unit_test(way_fopen),
        cmocka_unit_test(child_is_let_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
