/* sanitizers.c: see sanitizers.h. */
#include "sanitizers.h"

#include "cmocka_all.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scratch.h"

#define SHOWN_BYTES 4000

/* "==1==ERROR: AddressSanitizer: ...", "WARNING: ThreadSanitizer: ...", "x.c:1:2: runtime error: ..." */
static const char *const marks[] = {"Sanitizer: ", "runtime error: "};

void sanitizers_check_text(const char *text)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const char *report = strstr(text, marks[i]);
        if (report == NULL)
            continue;
        while (report > text && report[-1] != '\n')
            report--;
        fail_msg("a sanitizer has found something: %.*s", SHOWN_BYTES, report);
    }
}

void sanitizers_check_files(const char *directory)
{
    DIR *files = opendir(directory);
    assert_non_null(files);
    for (const struct dirent *entry; (entry = readdir(files)) != NULL;) {
        char path[SCRATCH_PATH];
        struct stat info;
        scratch_path(directory, entry->d_name, path);
        if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
            continue;
        char *text = scratch_read(path);
        sanitizers_check_text(text);
        free(text);
    }
    closedir(files);
}
