/*
 * main.c: the command line. Each command is a function; what it does is elsewhere.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sqlite3.h>

#include "common/config.h"
#include "common/log.h"
#include "operator/operator.h"
#include "receiver/receiver.h"
#include "sdk/plugin_command.h"
#include "worker/plugin_host.h"
#include "worker/rehearsal.h"
#include "worker/worker.h"

#define EXIT_USAGE 2

struct arguments {
    const char *config_path; /* NULL: where it is looked for by itself */
    int quiet;
    const char *older_than;
    int dry_run;
    int json;
    int all;
    char **words; /* behind the command */
    int word_count;
};

struct command {
    const char *name;
    const char *summary;
    int (*run)(const struct arguments *arguments);
    int words;           /* it takes at most so many   */
    const char *options; /* the letters of those it takes, besides -c, -h and -V */
    const char *usage;   /* them as its help shows them                           */
    const char *help;
};

static int load_config(const struct arguments *arguments, struct config **out)
{
    if (config_load(arguments->config_path, 1, stderr, out) < 0)
        return -1;
    log_open("receiver", (*out)->log.level);
    return 0;
}

static int serve(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    json_object_seed(0); /* before there is a second thread */
    int status = config_check_places(config, stderr) < 0
                     ? EXIT_FAILURE
                     : receiver_serve(config, arguments->config_path);
    config_free(config);
    return status;
}

/* Loads the plugins and, unless quiet, prints them. The descriptors are looked at; nothing of theirs is called. */
static int list_plugins(const struct config *config, int quiet)
{
    struct plugin_host *host = NULL;
    int result = plugin_host_load(config, stderr, &host);
    if (host != NULL && !quiet)
        plugin_host_print(host, stdout);
    plugin_host_free(host);
    return result;
}

static int check(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    char error[4096];
    int result = 0;
    if (!arguments->quiet) {
        puts("# In force:");
        result = config_print(config, stdout, 1);
        puts("\n# Plugins:");
    }
    if (list_plugins(config, arguments->quiet) < 0)
        result = -1;
    if (config_check_places(config, stderr) < 0)
        result = -1;
    if (rehearsal_check_logins(config) < 0)
        result = -1;
    if (receiver_check(config, error, sizeof error) < 0) {
        fprintf(stderr, "%s\n", error);
        result = -1;
    }
    config_free(config);
    if (result == 0 && !arguments->quiet)
        puts("\n# All of it is valid.");
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The same for programs, with what is refused in it and not on stderr. */
static int list_plugins_as_json(const struct config *config)
{
    struct plugin_host *host = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    int result = errors == NULL ? -1 : plugin_host_load(config, errors, &host);
    if (errors != NULL && fclose(errors) != 0)
        result = -1;
    if (host == NULL || text == NULL || plugin_host_print_json(host, text, stdout) < 0) {
        fputs("pbxhook plugins: can't write it as JSON\n", stderr);
        result = -1;
    }
    plugin_host_free(host);
    free(text);
    return result;
}

static int plugins(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int result = arguments->json ? list_plugins_as_json(config) : list_plugins(config, 0);
    if (!arguments->json)
        operator_print_plugin_counts(config);
    config_free(config);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage_error(const char *text, const char *what)
{
    fprintf(stderr, "pbxhook: %s%s\nTry `pbxhook --help`.\n", text, what);
    return EXIT_USAGE;
}

static int prune(const struct arguments *arguments)
{
    struct config *config = NULL;
    int64_t older_than_ms = 0;
    if (arguments->older_than == NULL)
        return usage_error("prune needs --older-than, as in --older-than 90d", "");
    if (config_read_period(arguments->older_than, &older_than_ms) < 0)
        return usage_error("--older-than: wanted a duration from " CONFIG_PERIOD_WORDS "; found: ",
                           arguments->older_than);
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int status = operator_prune(config, older_than_ms, arguments->dry_run);
    config_free(config);
    return status;
}

static int forget(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (arguments->word_count == 0)
        return usage_error("forget needs the caller's number, or - to read it from stdin", "");
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int status = operator_forget(config, arguments->words[0], arguments->dry_run);
    config_free(config);
    return status;
}

/* It has commands of its own, so it takes the words as they come: see main(). */
static int plugin_too_late(const struct arguments *arguments)
{
    (void)arguments;
    return usage_error("plugin must be the first word, as in: pbxhook plugin try", "");
}

static int status(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int result = operator_status(config, arguments->json);
    config_free(config);
    return result;
}

static int reload(const struct arguments *arguments)
{
    struct config *config = NULL;
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int result = operator_reload(config);
    config_free(config);
    return result;
}

/* Of a list's command, as the server understands it; NULL: a usage that is wrong. again and again_all are its word
 * for doing it once more. */
static const char *list_action(const struct arguments *arguments, const char *again,
                               const char *again_all)
{
    const char *word = arguments->word_count > 0 ? arguments->words[0] : "list";
    int has_id = arguments->word_count > 1;
    if (strcmp(word, "list") == 0)
        return has_id || arguments->all ? NULL : word;
    if (strcmp(word, again) == 0 && arguments->all)
        return has_id ? NULL : again_all;
    if (strcmp(word, "show") != 0 && strcmp(word, again) != 0 && strcmp(word, "drop") != 0)
        return NULL;
    return has_id && !arguments->all ? word : NULL;
}

static int dead_letters(const struct arguments *arguments)
{
    struct config *config = NULL;
    const char *action = list_action(arguments, "replay", "replay-all");
    if (action == NULL)
        return usage_error("dead-letters: wanted list, show ID, replay ID, replay --all or drop ID",
                           "");
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int result =
        operator_letters(config, action, arguments->word_count > 1 ? arguments->words[1] : NULL);
    config_free(config);
    return result;
}

static int deliveries(const struct arguments *arguments)
{
    struct config *config = NULL;
    const char *action = list_action(arguments, "retry", "retry-all");
    if (action == NULL)
        return usage_error("deliveries: wanted list, show ID, retry ID, retry --all or drop ID",
                           "");
    if (load_config(arguments, &config) < 0)
        return EXIT_FAILURE;
    int result =
        operator_deliveries(config, action, arguments->word_count > 1 ? arguments->words[1] : NULL);
    config_free(config);
    return result;
}

static const struct command commands[] = {
    {"serve", "receive webhooks, run the plugins, answer the PBX", serve, 0, "", "",
     "Runs the server in the foreground until SIGTERM or Ctrl-C. It logs to stderr.\n"
     "With no configuration at all it listens on 127.0.0.1:3000, keeps its data with SQLite in\n"
     "its state directory and finds the PBX at localhost:3001.\n"},
    {"check", "validate the configuration and the plugins, print what is in force", check, 0, "q",
     " [--quiet]",
     "Reads the configuration as `serve` would, loads every plugin and checks its options, the files\n"
     "of secrets, certificates and authorities, the PBX's and the targets' too, and whether its\n"
     "directories can be there and it may listen where it is told to. Prints\n"
     "each key in force with where it comes from. Exits with 1 when anything is wrong; each thing\n"
     "that is wrong is told on stderr with its file and line, or the variable's name.\n"},
    {"plugins", "list the plugins with their events and options", plugins, 0, "j", " [--json]",
     "Lists what is in the plugin directory: file, name, version, events, options with their\n"
     "defaults and the values in force; and why one is refused. While a server runs, also how\n"
     "often each has handled an event, asked for another try, or rejected one.\n\n"
     "  -j, --json  for programs; without the counts, which `pbxhook status --json` has\n"},
    {"status", "tell how the running server is", status, 0, "j", " [--json]",
     "Asks the running server: its pid, version and workers, what waits in the spool, events,\n"
     "actions, plugins and targets, counted since it started. Exits with 3 when none is running.\n\n"
     "  -j, --json  for programs\n"},
    {"reload", "have the running server read its configuration, secrets and plugins anew", reload,
     0, "", "",
     "The server checks them first, in a process of their own; when anything is wrong it says so and\n"
     "nothing changes. Then it replaces its workers, while events are received as ever. SIGHUP does\n"
     "the same without telling how it went. Files of secrets, certificates and keys are read anew, too.\n"
     "Asked for while the server starts, it waits until that is done.\n"
     "It takes its environment as it was when it started. Some keys need a restart: listen, state_dir,\n"
     "workers, http, the store and the spool; it says which.\n"
     "Exits with 3 when no server is running.\n"},
    {"plugin", "write a new plugin, or try one on a file of events", plugin_too_late,
     100 /* whatever follows */, "", "", "Has commands of its own: see `pbxhook plugin --help`.\n"},
    {"prune", "remove old events, finished calls, ended actions and deliveries", prune, 0, "on",
     " --older-than DURATION [--dry-run]",
     "Removes events with their dead letters, finished calls with their payloads, and ended\n"
     "actions and deliveries that are older than DURATION: \"90d\", \"12h\". Users stay, and so does what\n"
     "is still going on: active calls, events that are to be handled again, actions without an end.\n"
     "The running server does it, in small steps between the events; with none running it is done\n"
     "here. Ctrl-C stops it; what was removed by then stays removed. An event that the PBX repeats\n"
     "after that is a new one. The file does not shrink: its space is used again.\n\n"
     "  -o, --older-than DURATION  from \"1h\" to \"36500d\"\n"
     "  -n, --dry-run              only say what would be removed\n\n"
     "store.retention in the configuration has it done every hour.\n"},
    {"forget", "take a caller's number and data out of everything", forget, 1, "n",
     " NUMBER [--dry-run]",
     "Removes the user of this number. Of his calls it keeps what counts: times, states, queues; the\n"
     "number becomes a random token, \"forgotten-1a2b3c4d\", and of the events only type, call id,\n"
     "time and the PBX's own fields stay. Where the events, actions or deliveries of others hold the\n"
     "number as a value, it becomes the token too. Who calls again is a new caller. An event that\n"
     "the PBX repeats is still recognised.\n"
     "The number is matched as a whole, as the PBX sends it; in telephone numbers, spaces and - . ( )\n"
     "do not count, but a + does. NUMBER - is read from stdin.\n"
     "The running server does it, once what it had received is handled, in small steps between the\n"
     "events; with none running it is done here. Ctrl-C stops it; ask again for the rest. With\n"
     "several servers on one database, run it on each. Tables of plugins' own, recordings, backups\n"
     "and archived logs are not its affair.\n"
     "Exits with 4 when nobody with this number is known.\n\n"
     "  -n, --dry-run  only count\n"},
    {"dead-letters", "list events that a plugin did not handle, have them handled again",
     dead_letters, 2, "a", " [list | show ID | replay ID | replay --all | drop ID]",
     "An event that a plugin rejected, failed too often or did not survive is a dead letter of that\n"
     "plugin: kept with the reason, and not tried any more. Without an argument they are listed, the\n"
     "newest first.\n\n"
     "  show ID       one with its event's body\n"
     "  replay ID     have it handled again, as if for the first time: once the plugin was mended\n"
     "  replay --all  all that there are at this moment\n"
     "  drop ID       forget it; the event's record stays\n\n"
     "An ID is the event's row and the plugin: 42/call_standby. The running server does it; with\n"
     "none running it is done here, and handled once one runs.\n"},
    {"deliveries", "list what did not arrive at a target, have it sent again", deliveries, 2, "a",
     " [list | show ID | retry ID | retry --all | drop ID]",
     "What a plugin had posted to a target or downloaded from it, and did not arrive there, is kept\n"
     "with the reason: rejected (the target said no), expired (not within the target's deadline) or\n"
     "unknown (sent, and not answered). Without an argument these are listed, the newest first. What\n"
     "waits or is on its way `pbxhook status` counts.\n\n"
     "  show ID      one with its body\n"
     "  retry ID     have it sent again, with as much time as it had and the same Idempotency-Key\n"
     "  retry --all  all that were rejected or expired until now; not the unknown: the target may\n"
     "               have them\n"
     "  drop ID      forget it\n\n"
     "An ID is the key that the log shows too. The running server does it; with none running it is\n"
     "done here, and sent once one runs.\n"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    fputs("pbxhook: a PBX webhook server with pluggable event handlers\n\n"
          "usage: pbxhook COMMAND [OPTIONS]\n\n"
          "commands:\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-12s  %s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "options:\n"
          "  -c, --config FILE  the configuration (default: $PBXHOOK_CONFIG, else\n"
          "                     " PBXHOOK_CONFIG_FILE " if there is one)\n"
          "  -q, --quiet        check: print only what is wrong\n"
          "  -j, --json         status, plugins: as JSON\n"
          "  -o, --older-than DURATION\n"
          "                     prune: how old, as in 90d\n"
          "  -n, --dry-run      prune, forget: remove nothing, only count\n"
          "  -a, --all          dead-letters replay, deliveries retry: all of them\n"
          "  -h, --help         this text; after a command, that command's\n"
          "  -V, --version      the version\n\n"
          "Every key of the configuration can be set in the environment too: webhook.max_body is\n"
          "PBXHOOK_WEBHOOK_MAX_BODY. `pbxhook check` prints them all.\n",
          out);
}

static void print_help(const struct command *command)
{
    printf("usage: pbxhook %s [--config FILE]%s\n\n%s", command->name, command->usage,
           command->help);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

/* `pbxhook worker N`: what the receiver starts. Not for people, so not among the commands. */
static int run_worker(int count, char **arguments)
{
    char *end = NULL;
    errno = 0;
    long index = count == 3 ? strtol(arguments[2], &end, 10) : -1;
    if (index < 0 || index > 1000 || errno != 0 || *end != '\0')
        return usage_error("worker is started by `pbxhook serve`", "");
    return worker_main((int)index);
}

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"older-than", required_argument, NULL, 'o'},
                                        {"dry-run", no_argument, NULL, 'n'},
                                        {"all", no_argument, NULL, 'a'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {NULL, 0, NULL, 0}};

/* The first option that was given and is none of the command's; NULL when all are. */
static const char *find_stray(const struct command *command, const char *given)
{
    for (; *given != '\0'; given++) {
        if (strchr(command->options, *given) != NULL)
            continue;
        for (const struct option *option = options; option->name != NULL; option++) {
            if (option->val == *given)
                return option->name;
        }
    }
    return NULL;
}

/* An option that there is not, or a word that is given to one that takes none. In words[optind - 1], but for a short
 * one, which may be in the middle of its word. */
static int refuse_option(char *const *words)
{
    const char name[] = {'-', (char)optopt, '\0'};
    int is_known = optopt == 0;
    for (const struct option *option = options; option->name != NULL; option++)
        is_known |= option->val == optopt;
    return usage_error("no such option: ", is_known ? words[optind - 1] : name);
}

/* What goes on when the options were read. */
#define GO_ON (-1)

/* The options, in front of the command and behind it. GO_ON, or the status to end with. `given`: those that not every
 * command takes, each once. */
static int read_options(int count, char **words, struct arguments *arguments, char given[8],
                        int *help)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(count, words, ":c:qjo:nahV", options, NULL)) != -1) {
        if (strchr("chV:?", option) == NULL && strchr(given, option) == NULL)
            given[strlen(given)] = (char)option;
        switch (option) {
        case 'c':
            arguments->config_path = optarg;
            break;
        case 'q':
            arguments->quiet = 1;
            break;
        case 'j':
            arguments->json = 1;
            break;
        case 'o':
            arguments->older_than = optarg;
            break;
        case 'n':
            arguments->dry_run = 1;
            break;
        case 'a':
            arguments->all = 1;
            break;
        case 'h':
            *help = 1;
            break;
        case 'V':
            puts("pbxhook " PBXHOOK_VERSION);
            return EXIT_SUCCESS;
        case ':':
            return usage_error("this option needs a value: ", words[optind - 1]);
        default:
            return refuse_option(words);
        }
    }
    return GO_ON;
}

int main(int count, char **words)
{
    struct arguments arguments = {.config_path = NULL};
    char given[8] = "";
    int help = 0;
    /* Nobody asks SQLite how much memory it has; keeping count costs a seventh of its time. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (count > 1 && strcmp(words[1], "worker") == 0)
        return run_worker(count, words);
    if (count > 1 && strcmp(words[1], "plugin") == 0)
        return plugin_command(count - 1, words + 1);
    if (count > 1 && strcmp(words[1], "rehearse") == 0) /* what the receiver starts, too */
        return rehearsal_main(words[2]);

    int status = read_options(count, words, &arguments, given, &help);
    if (status != GO_ON)
        return status;
    const struct command *command = optind < count ? find_command(words[optind]) : NULL;
    if (optind < count && command == NULL)
        return usage_error("no such command: ", words[optind]);
    int most = optind + 1 + (command != NULL ? command->words : 0);
    if (most < count)
        return usage_error("one argument too many: ", words[most]);
    if (command != NULL) {
        arguments.words = words + optind + 1;
        arguments.word_count = count - optind - 1;
    }
    const char *stray = command != NULL && !help ? find_stray(command, given) : NULL;
    if (stray != NULL) {
        fprintf(stderr, "pbxhook: %s takes no --%s\nTry `pbxhook %s --help`.\n", command->name,
                stray, command->name);
        return EXIT_USAGE;
    }
    if (help && command != NULL)
        print_help(command);
    else if (help)
        print_usage(stdout);
    else if (command == NULL)
        print_usage(stderr);
    else
        return command->run(&arguments);
    return help ? EXIT_SUCCESS : EXIT_USAGE;
}
