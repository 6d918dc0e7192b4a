/* options.c: getopt_long, plain checks with messages that name the option, and getaddrinfo. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char help[] =
    "Usage: pbxhook-load [OPTION]...\n"
    "\n"
    "Posts the life of calls to a webhook (seven events each, in order) and measures the answers.\n"
    "\n"
    "  -u, --url URL          the webhook [http://127.0.0.1:3000/api/client/webhook]\n"
    "  -c, --connections N    keep-alive connections [64]\n"
    "  -n, --events N         stop after N events; N/7 whole calls\n"
    "  -s, --seconds S        stop after S seconds [10, unless --events or --rounds]\n"
    "  -r, --rate R           open loop: R events/s are due on a schedule, and latency counts from\n"
    "                         the due time; without it closed loop: each connection sends its next\n"
    "                         event when the last one was answered\n"
    "  -l, --lockstep         all connections send at once, when all were answered\n"
    "      --rounds N         stop after N rounds of --lockstep\n"
    "      --returning P      per cent of the callers that called before in this run [30]\n"
    "  -b, --body TEXT        post this text every time in place of the events\n"
    "  -t, --timeout S        give a request up after S seconds [10]\n"
    "      --seed N           of numbers and call ids, to repeat a run [random]\n"
    "  -o, --report FILE      the result as JSON; \"-\" is standard output\n"
    "      --acknowledged FILE  a line \"<call_id> <type>\" for each event answered with 2xx\n"
    "  -q, --quiet            no summary\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit status: 0 all answered with 2xx, 1 some not, 2 wrong usage, 3 the connections could not be opened.\n";

static int options_complain(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "pbxhook-load: --%s '%s': %s\n", option, value, wanted);
    return -1;
}

static int options_read_count(const char *option, const char *text, uint64_t min, uint64_t max,
                              uint64_t *out)
{
    char wanted[80];
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
        value > max) {
        snprintf(wanted, sizeof wanted, "wants a whole number from %llu to %llu",
                 (unsigned long long)min, (unsigned long long)max);
        return options_complain(option, text, wanted);
    }
    *out = value;
    return 0;
}

static int options_read_number(const char *option, const char *text, double min, double max,
                               double *out)
{
    char wanted[80];
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value) || value < min ||
        value > max) {
        snprintf(wanted, sizeof wanted, "wants a number from %g to %g", min, max);
        return options_complain(option, text, wanted);
    }
    *out = value;
    return 0;
}

/* Takes http://HOST[:PORT][/PATH] apart; HOST may be an IPv6 address in brackets. */
static int options_resolve(struct options *options)
{
    static const char scheme[] = "http://";
    const char *authority = options->url + sizeof scheme - 1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    char name[sizeof options->host];
    char *host = name;
    char *port;
    size_t size;
    int error;

    if (strncmp(options->url, scheme, sizeof scheme - 1) != 0)
        return options_complain("url", options->url, "wants http://HOST:PORT/PATH");
    size = strcspn(authority, "/?#");
    if (size == 0 || size >= sizeof name || strlen(authority + size) >= sizeof options->path ||
        strpbrk(authority, "@# \r\n\t") != NULL)
        return options_complain("url", options->url, "wants http://HOST:PORT/PATH");
    snprintf(options->host, sizeof options->host, "%.*s", (int)size, authority);
    snprintf(options->path, sizeof options->path, "%s%s", authority[size] == '/' ? "" : "/",
             authority + size);
    memcpy(name, options->host, sizeof name);
    port = strrchr(name, ':');
    if (name[0] == '[' && strchr(name, ']') != NULL) {
        host = name + 1;
        port = strchr(name, ']');
        *port++ = '\0';
    }
    if (port != NULL && *port == ':')
        *port++ = '\0';
    error = getaddrinfo(host, port != NULL && *port != '\0' ? port : "80", &hints, &found);
    if (error != 0)
        return options_complain("url", options->url, gai_strerror(error));
    memcpy(&options->address, found->ai_addr, found->ai_addrlen);
    options->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* What only makes sense together, and the defaults that depend on others. */
static int options_complete(struct options *options)
{
    if (options->rounds > 0 && !options->lockstep) {
        fputs("pbxhook-load: --rounds needs --lockstep\n", stderr);
        return -1;
    }
    if (options->lockstep && options->rate > 0) {
        fputs("pbxhook-load: --lockstep and --rate exclude each other\n", stderr);
        return -1;
    }
    if (options->rounds > 0 && options->events == 0)
        options->events = options->rounds * options->connections;
    if (options->events == 0 && options->seconds <= 0)
        options->seconds = 10;
    return options_resolve(options);
}

static int options_take(struct options *options, int option, const char *value)
{
    uint64_t count;

    switch (option) {
    case 'u':
        options->url = value;
        return 0;
    case 'c':
        if (options_read_count("connections", value, 1, OPTIONS_MAX_CONNECTIONS, &count) != 0)
            return -1;
        options->connections = (unsigned)count;
        return 0;
    case 'n':
        return options_read_count("events", value, 1, UINT64_C(1) << 40, &options->events);
    case 's':
        return options_read_number("seconds", value, 0.01, 86400, &options->seconds);
    case 'r':
        return options_read_number("rate", value, 0.1, OPTIONS_MAX_RATE, &options->rate);
    case 'l':
        options->lockstep = true;
        return 0;
    case 'N':
        return options_read_count("rounds", value, 1, UINT64_C(1) << 24, &options->rounds);
    case 'R':
        return options_read_number("returning", value, 0, 100, &options->returning);
    case 'b':
        options->body = value;
        return 0;
    case 't':
        return options_read_number("timeout", value, 0.01, 3600, &options->timeout_s);
    case 'S':
        return options_read_count("seed", value, 0, UINT64_MAX, &options->seed);
    case 'o':
        options->report = value;
        return 0;
    case 'a':
        options->acknowledged = value;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    default:
        fputs("pbxhook-load: see pbxhook-load --help\n", stderr);
        return -1;
    }
}

enum options_verdict options_read(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"url", required_argument, NULL, 'u'},
        {"connections", required_argument, NULL, 'c'},
        {"events", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},
        {"lockstep", no_argument, NULL, 'l'},
        {"rounds", required_argument, NULL, 'N'},
        {"returning", required_argument, NULL, 'R'},
        {"body", required_argument, NULL, 'b'},
        {"timeout", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'S'},
        {"report", required_argument, NULL, 'o'},
        {"acknowledged", required_argument, NULL, 'a'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct options){.url = "http://127.0.0.1:3000/api/client/webhook",
                                .connections = 64,
                                .returning = 30,
                                .timeout_s = 10};
    if (getrandom(&options->seed, sizeof options->seed, 0) != (ssize_t)sizeof options->seed)
        options->seed = (uint64_t)time(NULL);
    options->seed &=
        (UINT64_C(1) << 53) - 1; /* a number that every reader of the report can hold */
    while ((option = getopt_long(argc, argv, "u:c:n:s:r:lb:t:o:qh", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return OPTIONS_SHOWN;
        }
        if (options_take(options, option, optarg) != 0)
            return OPTIONS_WRONG;
    }
    if (optind < argc) {
        fprintf(stderr, "pbxhook-load: unexpected '%s'; see pbxhook-load --help\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    return options_complete(options) == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}
