/*
 * findings.c: the crashes and hangs of one program. Each place is told once, with the first way there, and counted.
 * Those in other people's code that are known (known_crashes.txt) are counted apart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fail_alloc.h"

#define PLACES_MAX 512
#define KNOWN_MAX  64

struct place {
    uint64_t key;
    long times;
    int known;
    char *text; /* what is told of it, whole */
};

struct known {
    char what[NAME_SIZE], module[NAME_SIZE], function[NAME_SIZE];
};

static struct place places[PLACES_MAX];
static int place_count;
static struct known known[KNOWN_MAX];
static int known_count;
static long times_ours, times_known;

int findings_open(const char *known_path)
{
    char line[512];
    FILE *file = known_path == NULL ? NULL : fopen(known_path, "re");

    if (file == NULL)
        return known_path == NULL ? 0 : -1;
    while (known_count < KNOWN_MAX && fgets(line, sizeof line, file) != NULL) {
        struct known *one = &known[known_count];
        if (line[0] != '#' &&
            sscanf(line, "%95s %95s %95s", one->what, one->module, one->function) == 3)
            known_count++;
    }
    fclose(file);
    return 0;
}

/* A crash is told by where it ended, all else by whose allocation failed; which was that library's own. */
int findings_is_known(const char *what, const struct chain *end, const struct chain *failed)
{
    for (int i = 0; i < known_count; i++) {
        const struct known *one = &known[i];
        const struct chain *place = strcmp(what, "crash") == 0 ? end : failed;
        if (strcmp(one->what, what) == 0 && chain_passes(place, one->module, one->function) &&
            chain_passes(failed, one->module, NULL))
            return 1;
    }
    return 0;
}

static struct place *find_place(uint64_t key)
{
    for (int i = 0; i < place_count; i++) {
        if (places[i].key == key)
            return &places[i];
    }
    if (place_count == PLACES_MAX)
        return &places[PLACES_MAX - 1];
    places[place_count].key = key;
    return &places[place_count++];
}

static void print_one(FILE *to, const struct case_process *process, const char *what)
{
    const struct run *run = case_process_run(process);
    const struct case_to_run *the_case = case_process_case(process);

    fprintf(to, "%s: %s, %s: %s\n", program_invocation_short_name, the_case->group, the_case->name,
            what);
    fwrite(run->report, 1, run->report_size, to);
    case_process_print_output(process, to);
}

static void add(const struct case_process *process, const char *what, uint64_t key, int is_others)
{
    struct place *place = find_place(key);
    size_t size = 0;

    if (place->times++ == 0) {
        FILE *text = open_memstream(&place->text, &size);
        place->known = is_others;
        if (text != NULL) {
            print_one(text, process, what);
            fclose(text);
        }
    }
    *(is_others ? &times_known : &times_ours) += 1;
}

void findings_add(const struct case_process *process, const struct case_end *end)
{
    const struct run *run = case_process_run(process);
    int number = atomic_load(&run->crash_signal);
    char what[NAME_SIZE];

    if (number == 0 && WIFSIGNALED(end->status))
        number = WTERMSIG(end->status);
    snprintf(what, sizeof what, "allocation %ld: %s%s", atomic_load(&run->failed),
             end->hung ? "it hung: " : "", strsignal(number));
    /* What is known and what is not may end in the same place. */
    uint64_t manner = (uint64_t)(end->hung != 0) | (uint64_t)(run->is_known != 0) << 1;
    add(process, what, run->crash_key ^ manner, run->is_known);
}

void findings_add_exit(const struct case_process *process)
{
    const struct chain *failed = &case_process_run(process)->failed_chain;

    add(process, "ends its process, neither passed nor failed", chain_key(failed, KEY_OF_CRASH),
        findings_is_known("exit", failed, failed));
}

void findings_add_text(const struct case_process *process, const char *text)
{
    add(process, text, (uint64_t)(uintptr_t)case_process_case(process)->name, 0);
}

long findings_count(void)
{
    return times_ours;
}

long findings_count_known(void)
{
    return times_known;
}

void findings_print(FILE *to)
{
    for (int i = 0; i < place_count; i++) {
        if (places[i].known)
            continue;
        fputs(places[i].text == NULL ? "?\n" : places[i].text, to);
        if (places[i].times > 1)
            fprintf(to, "  %ld runs ended there\n", places[i].times);
    }
}
