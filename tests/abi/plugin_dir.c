/* plugin_dir.c: see its header. Used by the tests of the plugin host and of dispatch. */
#include "plugin_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BUILT PBXHOOK_BUILD_DIR "/tests/abi"

void plugin_dir_make(struct plugin_dir *dir)
{
    char name[] = BUILT "/dir-XXXXXX";
    char *real;

    assert_non_null(mkdtemp(name));
    real = realpath(name, NULL);
    assert_non_null(real);
    assert_true(snprintf(dir->path, sizeof dir->path, "%s", real) < (int)sizeof dir->path);
    free(real);
}

static void remove_tree(const char *path)
{
    DIR *list = opendir(path);
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        char *inner;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_true(asprintf(&inner, "%s/%s", path, entry->d_name) > 0);
        if (unlink(inner) != 0)
            remove_tree(inner);
        free(inner);
    }
    if (list != NULL)
        closedir(list);
    assert_int_equal(rmdir(path), 0);
}

void plugin_dir_remove(struct plugin_dir *dir)
{
    remove_tree(dir->path);
}

static char *built_path(const char *name)
{
    char *path;

    assert_true(asprintf(&path, BUILT "/plugins/%s.so", name) > 0);
    return path;
}

char *plugin_dir_join(const struct plugin_dir *dir, const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", dir->path, name) > 0);
    return path;
}

static char *target_path(const struct plugin_dir *dir, const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s.so", dir->path, name) > 0);
    return path;
}

void plugin_dir_link(const struct plugin_dir *dir, const char *name)
{
    char *from = built_path(name);
    char *to = target_path(dir, name);

    assert_int_equal(symlink(from, to), 0);
    free(from);
    free(to);
}

void plugin_dir_copy(const struct plugin_dir *dir, const char *name)
{
    char *from = built_path(name);
    char *to = target_path(dir, name);
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    char part[16384];
    size_t size;

    assert_non_null(in);
    assert_non_null(out);
    while ((size = fread(part, 1, sizeof part, in)) > 0)
        assert_int_equal(fwrite(part, 1, size, out), size);
    assert_int_equal(ferror(in), 0);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(to, 0644), 0);
    free(from);
    free(to);
}

void plugin_dir_write(const struct plugin_dir *dir, const char *name, const char *text)
{
    char *path = plugin_dir_join(dir, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
    free(path);
}

char *plugin_dir_expand(const struct plugin_dir *dir, const char *text)
{
    static const char mark[] = "%DIR%";
    char *result = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&result, &size);
    const char *at;

    assert_non_null(out);
    while ((at = strstr(text, mark)) != NULL) {
        fprintf(out, "%.*s%s", (int)(at - text), text, dir->path);
        text = at + sizeof mark - 1;
    }
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    return result;
}
