/* try_directory.c: see its header. Nothing in it is looked at after the run. */
#include "sdk/try_directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The command line has seen to it that neither part needs an escape. */
static void write_target(FILE *file, const char *target)
{
    int length = (int)strcspn(target, "=");

    fprintf(file, "target \"%.*s\" { url = '%s%.*s' }\n", length, target,
            target[length] == '=' ? target + length + 1 : "http://localhost/",
            target[length] == '=' ? 0 : length, target);
}

static int write_config(const struct try_directory *directory, const char *const *targets,
                        size_t count)
{
    FILE *file = fopen(directory->config_path, "we");

    if (file == NULL)
        return -1;
    fprintf(file, "state_dir = \"%s\"\nplugin_dir = \"%s\"\nstore { url = \"sqlite:%s\" }\n",
            directory->path, directory->path, directory->store_path);
    for (size_t i = 0; i < count; i++)
        write_target(file, targets[i]);
    if (ferror(file)) {
        fclose(file);
        return -1;
    }
    return fclose(file);
}

/* The parent's real path, for it goes into a configuration that wants absolute ones. */
static char *make_path(void)
{
    const char *parent = getenv("TMPDIR");
    char *real = realpath(parent != NULL && parent[0] != '\0' ? parent : "/tmp", NULL);
    char *path = NULL;

    if (real == NULL || asprintf(&path, "%s/pbxhook-try-XXXXXX", real) < 0)
        path = NULL;
    free(real);
    if (path == NULL || mkdtemp(path) != NULL)
        return path;
    free(path);
    return NULL;
}

int try_directory_make(struct try_directory *directory, const char *const *targets, size_t count)
{
    directory->path = make_path();
    if (directory->path == NULL)
        goto failed;
    if (asprintf(&directory->config_path, "%s/pbxhook.conf", directory->path) < 0)
        directory->config_path = NULL;
    if (asprintf(&directory->store_path, "%s/try.db", directory->path) < 0)
        directory->store_path = NULL;
    if (directory->config_path != NULL && directory->store_path != NULL &&
        write_config(directory, targets, count) == 0)
        return 0;

failed:
    fprintf(stderr, "pbxhook: can't make a throw-away directory in ${TMPDIR:-/tmp}: %s\n",
            strerror(errno));
    return -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    remove(path); /* what stays behind is the system's to clean up */
    return 0;
}

void try_directory_remove(struct try_directory *directory)
{
    if (directory->path != NULL)
        nftw(directory->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(directory->path);
    free(directory->config_path);
    free(directory->store_path);
    *directory = (struct try_directory){.path = NULL};
}
