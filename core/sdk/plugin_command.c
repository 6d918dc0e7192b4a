/*
 * plugin_command.c: the words behind `pbxhook plugin`. Called by main.c; the work is in try.c and new.c.
 */
#include "sdk/plugin_command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/new.h"
#include "sdk/try.h"

#define EXIT_USAGE        2
#define DEFAULT_TIMEOUT_S 5 /* as handler_timeout in the server's configuration */
#define LONGEST_TIMEOUT_S 86400

struct command {
    const char *name;
    const char *summary;
    const char *usage;
    const char *help;
    int (*run)(const struct command *command, int count, char **words);
};

static int usage_error(const struct command *command, const char *text, const char *what)
{
    fprintf(stderr, "pbxhook plugin %s: %s%s\nTry `pbxhook plugin %s --help`.\n", command->name,
            text, what, command->name);
    return EXIT_USAGE;
}

static void print_command_help(const struct command *command)
{
    printf("usage: pbxhook plugin %s %s\n\n%s", command->name, command->usage, command->help);
}

/* What getopt_long() did not take; for each command's default case. */
static int wrong_option(const struct command *command, int option, char **words)
{
    if (option == ':')
        return usage_error(command, "this option needs a value: ", words[optind - 1]);
    return usage_error(command, "no such option: ", words[optind - 1]);
}

/* ---- new ------------------------------------------------------------------------------------- */

static int run_new(const struct command *command, int count, char **words)
{
    static const struct option options[] = {{"event", required_argument, NULL, 'e'},
                                            {"directory", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct new_arguments arguments = {.event = NULL};
    int option;

    while ((option = getopt_long(count, words, ":e:d:h", options, NULL)) != -1) {
        switch (option) {
        case 'e':
            arguments.event = optarg;
            break;
        case 'd':
            arguments.directory = optarg;
            break;
        case 'h':
            print_command_help(command);
            return EXIT_SUCCESS;
        default:
            return wrong_option(command, option, words);
        }
    }
    if (count - optind != 1)
        return usage_error(command, "wanted one NAME", "");
    if (arguments.event == NULL)
        return usage_error(command, "wanted --event TYPE, as in --event call.finished", "");
    arguments.name = words[optind];
    return new_run(&arguments);
}

/* ---- try ------------------------------------------------------------------------------------- */

static int read_timeout(const char *text, int *timeout_ms)
{
    char *end = NULL;
    long seconds;

    errno = 0;
    seconds = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || seconds < 0 || seconds > LONGEST_TIMEOUT_S)
        return -1;
    *timeout_ms = seconds == 0 ? -1 : (int)seconds * 1000;
    return 0;
}

static int is_option(const char *text)
{
    const char *equals = strchr(text, '=');

    return equals != NULL && equals != text;
}

/* NAME or NAME=URL. It is written into a configuration as it is. */
static int is_target(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

    if (length == 0 || text[0] < 'a' || (text[length] != '=' && text[length] != '\0'))
        return 0;
    for (const char *at = text + length; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || *at == '\'' || *at == '\\')
            return 0;
    }
    return 1;
}

/* `options` and `targets` have room for as many as there are words. */
static int read_try(const struct command *command, int count, char **words, const char **set,
                    const char **targets, struct try_arguments *arguments)
{
    static const struct option options[] = {{"option", required_argument, NULL, 'o'},
                                            {"target", required_argument, NULL, 'T'},
                                            {"watch", no_argument, NULL, 'w'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(count, words, ":o:T:wjt:h", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            if (!is_option(optarg))
                return usage_error(command, "--option: wanted NAME=VALUE, found ", optarg);
            set[arguments->option_count++] = optarg;
            break;
        case 'T':
            if (!is_target(optarg))
                return usage_error(command, "--target: wanted NAME or NAME=URL, found ", optarg);
            targets[arguments->target_count++] = optarg;
            break;
        case 'w':
            arguments->watch = 1;
            break;
        case 'j':
            arguments->json = 1;
            break;
        case 't':
            if (read_timeout(optarg, &arguments->timeout_ms) != 0)
                return usage_error(command, "--timeout: wanted seconds from 0 to 86400, found ",
                                   optarg);
            break;
        case 'h':
            print_command_help(command);
            return -1;
        default:
            return wrong_option(command, option, words);
        }
    }
    if (count - optind != 2)
        return usage_error(command, "wanted FILE.so and EVENTS.jsonl", "");
    arguments->plugin = words[optind];
    arguments->events = words[optind + 1];
    return 0;
}

static int run_try(const struct command *command, int count, char **words)
{
    struct try_arguments arguments = {.timeout_ms = DEFAULT_TIMEOUT_S * 1000};
    const char **set = calloc((size_t)count, sizeof set[0]);
    const char **targets = calloc((size_t)count, sizeof targets[0]);
    int result;

    if (set == NULL || targets == NULL) {
        free(targets);
        free(set);
        fputs("pbxhook: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    arguments.options = set;
    arguments.targets = targets;
    result = read_try(command, count, words, set, targets, &arguments);
    if (result == 0)
        result = try_run(&arguments);
    free(targets);
    free(set);
    return result < 0 ? EXIT_SUCCESS : result; /* below 0: the help was asked for */
}

/* ---- Which ----------------------------------------------------------------------------------- */

static const struct command commands[] = {
    {"new", "write a new plugin: one C file, its build and its test",
     "NAME --event TYPE [--directory DIR]",
     "Writes a project that builds against the installed header, passes its test and loads as it\n"
     "is: NAME.c, CMakeLists.txt, events.jsonl with sample events and what is expected of them, and\n"
     "README.md. Nothing that exists is overwritten.\n\n"
     "  -e, --event TYPE     the event it takes, as in call.finished\n"
     "  -d, --directory DIR  where; default: ./NAME\n",
     run_new},
    {"try", "run a plugin on a file of events, without a server",
     "FILE.so EVENTS.jsonl [--option NAME=VALUE]... [--target NAME]... [--watch]",
     "Runs the plugin in a process of its own, on a throw-away SQLite store, with a PBX that only\n"
     "records. Prints for each event how the plugin answered, which rows it wrote (before and\n"
     "after), which actions and requests it asked for, what it logged, and how long it took. A\n"
     "crash is told, and the next event is tried.\n\n"
     "EVENTS.jsonl holds one JSON object a line: an event as the PBX posts it, or\n"
     "  {\"event\": {...}, \"expect\": {\"result\": \"ok\", \"rows\": {\"TABLE\": [{...}]},\n"
     "   \"deleted\": {\"TABLE\": [{...}]}, \"actions\": [{...}], \"requests\": [{...}],\n"
     "   \"error\": \"part of it\"}}\n"
     "Of a row, an action, a request the members named must be equal; the rest is not looked at.\n"
     "Exits with 1 when an expectation does not come true, the plugin is refused, crashes or hangs.\n\n"
     "  -o, --option NAME=VALUE  sets an option of the plugin\n"
     "  -T, --target NAME[=URL]  a target that it may post to and download from; nothing is sent\n"
     "  -w, --watch              again whenever one of the two files changes\n"
     "  -j, --json               one JSON object a line instead\n"
     "  -t, --timeout SECONDS    of one call of the plugin (default 5; 0: none, for a debugger)\n",
     run_try},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    fputs("usage: pbxhook plugin COMMAND ...\n\ncommands:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-4s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`pbxhook plugin COMMAND --help` says more. What is loaded: `pbxhook plugins`.\n", out);
}

int plugin_command(int count, char **words)
{
    const char *name = count > 1 ? words[1] : NULL;

    opterr = 0;
    for (size_t i = 0; name != NULL && i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(&commands[i], count - 1, words + 1);
    }
    if (name != NULL && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (name != NULL)
        fprintf(stderr, "pbxhook plugin: no such command: %s\n\n", name);
    print_usage(stderr);
    return EXIT_USAGE;
}
