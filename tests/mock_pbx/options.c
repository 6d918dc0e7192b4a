/*
 * options.c: the command line, driven by one table: name, kind, place and limits of each option.
 * The text of --help is in help.c.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "memory.h"

#define OPTIONS_BASE_URL    "http://127.0.0.1:3000"
#define OPTIONS_SECRET_SIZE 4096
#define OPTIONS_MAX_MS      86400000.0
#define OPTIONS_FIRST_CODE  1000 /* of getopt_long(): above every character */

enum option_kind {
    OPTION_FLAG,
    OPTION_COUNT,
    OPTION_REAL,
    OPTION_SPAN, /* milliseconds: MS or MIN-MAX */
    OPTION_TEXT,
    OPTION_ENVELOPE,
    OPTION_FAILURE, /* PERCENT[:STATUS] */
    OPTION_HELP,
    OPTION_VERSION
};

struct option_spec {
    const char *name;
    enum option_kind kind;
    size_t place; /* in struct options */
    double min, max;
};

#define PLACE(member) offsetof(struct options, member)

static const struct option_spec option_specs[] = {
    {"calls",           OPTION_COUNT,    PLACE(calls),                      0,     1e12          },
    {"forever",         OPTION_FLAG,     PLACE(forever),                    0,     0             },
    {"rate",            OPTION_REAL,     PLACE(rate),                       0,     1e6           },
    {"max-active",      OPTION_COUNT,    PLACE(max_active),                 1,     100000        },
    {"step-ms",         OPTION_SPAN,     PLACE(step_ms),                    0,     OPTIONS_MAX_MS},
    {"talk-ms",         OPTION_SPAN,     PLACE(talk_ms),                    0,     OPTIONS_MAX_MS},
    {"returning",       OPTION_REAL,     PLACE(returning_percent),          0,     100           },
    {"number-prefix",   OPTION_TEXT,     PLACE(number_prefix),              1,     24            },
    {"our-number",      OPTION_TEXT,     PLACE(our_number),                 1,     40            },
    {"seed",            OPTION_COUNT,    PLACE(seed),                       0,     9e18          },
    {"webhook",         OPTION_TEXT,     PLACE(webhook),                    1,     2000          },
    {"envelope",        OPTION_ENVELOPE, PLACE(envelope),                   0,     0             },
    {"connections",     OPTION_COUNT,    PLACE(connections),                1,     4096          },
    {"webhook-timeout", OPTION_REAL,     PLACE(webhook_timeout_s),          0.01,  3600          },
    {"webhook-retries", OPTION_COUNT,    PLACE(webhook_retries),            0,     1e6           },
    {"retry-cap",       OPTION_REAL,     PLACE(retry_cap_s),                0.001, 3600          },
    {"no-retry",        OPTION_FLAG,     PLACE(no_retry),                   0,     0             },
    {"webhook-id",      OPTION_FLAG,     PLACE(webhook_id),                 0,     0             },
    {"user",            OPTION_TEXT,     PLACE(user),                       1,     200           },
    {"password-file",   OPTION_TEXT,     PLACE(password_file),              1,     4000          },
    {"token-file",      OPTION_TEXT,     PLACE(token_file),                 1,     4000          },
    {"secret-file",     OPTION_TEXT,     PLACE(secret_file),                1,     4000          },
    {"known-queue",     OPTION_TEXT,     PLACE(known_queue),                1,     40            },
    {"new-queue",       OPTION_TEXT,     PLACE(new_queue),                  1,     40            },
    {"action-type",     OPTION_TEXT,     PLACE(action_type),                1,     60            },
    {"action-timeout",  OPTION_REAL,     PLACE(action_timeout_s),           0.01,  86400         },
    {"idempotent",      OPTION_FLAG,     PLACE(idempotent),                 0,     0             },
    {"linger",          OPTION_COUNT,    PLACE(linger_ms),                  0,     3600000       },
    {"listen",          OPTION_TEXT,     PLACE(listen),                     1,     300           },
    {"port-file",       OPTION_TEXT,     PLACE(port_file),                  1,     4000          },
    {"stay",            OPTION_FLAG,     PLACE(stay),                       0,     0             },
    {"slow-actions",    OPTION_SPAN,     PLACE(slow_actions),               0,     OPTIONS_MAX_MS},
    {"fail-actions",    OPTION_FAILURE,  PLACE(fail_percent),               0,     100           },
    {"silent-actions",  OPTION_REAL,     PLACE(silent_percent),             0,     100           },
    {"silence",         OPTION_REAL,     PLACE(silence_s),                  0.01,  86400         },
    {"drop-actions",    OPTION_REAL,     PLACE(drop_percent),               0,     100           },
    {"drop-before",     OPTION_FLAG,     PLACE(drop_before),                0,     0             },
    {"waiting-first",   OPTION_SPAN,     PLACE(waiting_first),              1,     OPTIONS_MAX_MS},
    {"duplicate",       OPTION_REAL,     PLACE(misdeeds.duplicate_percent), 0,     100           },
    {"late",            OPTION_REAL,     PLACE(misdeeds.late_percent),      0,     100           },
    {"shuffle",         OPTION_FLAG,     PLACE(misdeeds.shuffle),           0,     0             },
    {"missing",         OPTION_REAL,     PLACE(misdeeds.missing_percent),   0,     100           },
    {"report",          OPTION_TEXT,     PLACE(report),                     1,     4000          },
    {"acknowledged",    OPTION_TEXT,     PLACE(acknowledged),               1,     4000          },
    {"verbose",         OPTION_FLAG,     PLACE(verbose),                    0,     0             },
    {"help",            OPTION_HELP,     0,                                 0,     0             },
    {"version",         OPTION_VERSION,  0,                                 0,     0             },
};

#define OPTION_COUNT_ALL (sizeof option_specs / sizeof option_specs[0])

/* Writes the complaint and gives -1. */
static int option_refuse(const struct option_spec *spec, const char *value, const char *wanted)
{
    fprintf(stderr, "mock-pbx: --%s %s: wanted %s; see mock-pbx --help\n", spec->name, value,
            wanted);
    return -1;
}

/* A decimal number at the start of text; *end after it. -1 when there is none. */
static int option_read_number(const char *text, const char **end, double *out)
{
    char *stop;

    if (text[strspn(text, "0123456789.")] == 'x' || strchr("0123456789.", text[0]) == NULL)
        return -1;
    errno = 0;
    *out = strtod(text, &stop);
    *end = stop;
    return stop == text || errno != 0 ? -1 : 0;
}

static int option_set_real(const struct option_spec *spec, const char *value, double *out)
{
    char wanted[80];
    const char *end;
    double number;

    if (option_read_number(value, &end, &number) == 0 && *end == '\0' && number >= spec->min &&
        number <= spec->max) {
        *out = number;
        return 0;
    }
    snprintf(wanted, sizeof wanted, "a number from %.15g to %.15g", spec->min, spec->max);
    return option_refuse(spec, value, wanted);
}

static int option_set_count(const struct option_spec *spec, const char *value, uint64_t *out)
{
    char wanted[80];
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (strchr("0123456789", value[0]) != NULL && value[0] != '\0' && *end == '\0' && errno == 0 &&
        (double)number >= spec->min && (double)number <= spec->max) {
        *out = number;
        return 0;
    }
    snprintf(wanted, sizeof wanted, "a whole number from %.15g to %.15g", spec->min, spec->max);
    return option_refuse(spec, value, wanted);
}

static int option_set_span(const struct option_spec *spec, const char *value, struct span_ms *out)
{
    char wanted[120];
    const char *end;
    double min, max;

    if (option_read_number(value, &end, &min) == 0) {
        max = min;
        if (*end != '-' || option_read_number(end + 1, &end, &max) == 0) {
            if (*end == '\0' && min >= spec->min && max >= min && max <= spec->max) {
                *out = (struct span_ms){(uint64_t)min, (uint64_t)max};
                return 0;
            }
        }
    }
    snprintf(wanted, sizeof wanted, "milliseconds from %.15g to %.15g, as MS or MIN-MAX", spec->min,
             spec->max);
    return option_refuse(spec, value, wanted);
}

static int option_set_text(const struct option_spec *spec, const char *value, const char **out)
{
    char wanted[80];
    size_t size = strlen(value);

    if ((double)size >= spec->min && (double)size <= spec->max) {
        *out = value;
        return 0;
    }
    snprintf(wanted, sizeof wanted, "a text of %.15g to %.15g characters", spec->min, spec->max);
    return option_refuse(spec, value, wanted);
}

static int option_set_envelope(const struct option_spec *spec, const char *value,
                               enum envelope *out)
{
    static const char *const names[] = {"seed", "flat", "mixed"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = (enum envelope)i;
            return 0;
        }
    }
    return option_refuse(spec, value, "seed, flat or mixed");
}

static int option_set_failure(const struct option_spec *spec, const char *value,
                              struct options *options)
{
    const char *end;
    double percent, status = 503;

    if (option_read_number(value, &end, &percent) == 0 && percent <= spec->max &&
        (*end != ':' || option_read_number(end + 1, &end, &status) == 0) && *end == '\0' &&
        status >= 400 && status <= 599) {
        options->fail_percent = percent;
        options->fail_status = (unsigned)status;
        return 0;
    }
    return option_refuse(spec, value, "PERCENT or PERCENT:STATUS with a status from 400 to 599");
}

static int option_set(const struct option_spec *spec, const char *value, struct options *options)
{
    void *place = (char *)options + spec->place;

    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return 0;
    case OPTION_COUNT:
        return option_set_count(spec, value, place);
    case OPTION_REAL:
        return option_set_real(spec, value, place);
    case OPTION_SPAN:
        return option_set_span(spec, value, place);
    case OPTION_TEXT:
        return option_set_text(spec, value, place);
    case OPTION_ENVELOPE:
        return option_set_envelope(spec, value, place);
    case OPTION_FAILURE:
        return option_set_failure(spec, value, options);
    case OPTION_HELP:
    case OPTION_VERSION:
        break;
    }
    return 0;
}

static void options_set_defaults(struct options *options)
{
    *options = (struct options){
        .rate = 10,
        .max_active = 20000,
        .returning_percent = 30,
        .our_number = "0800111111",
        .seed = dice_get_seed(),
        .connections = 64,
        .webhook_timeout_s = 10,
        .webhook_retries = 20,
        .retry_cap_s = 2,
        .known_queue = "900",
        .new_queue = "901",
        .action_timeout_s = 10,
        .linger_ms = 300,
        .listen = "127.0.0.1:3001",
        .silence_s = 30,
    };
}

/* The first line of the file, without its end; new. NULL after a complaint. */
static char *options_read_secret(const char *name, const char *path)
{
    char line[OPTIONS_SECRET_SIZE];
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        fprintf(stderr, "mock-pbx: --%s %s: %s\n", name, path, strerror(errno));
        return NULL;
    }
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0') {
        fprintf(stderr, "mock-pbx: --%s %s: the first line is empty\n", name, path);
        return NULL;
    }
    return memory_dup_text(line);
}

static int options_read_key(struct options *options)
{
    char *text = options_read_secret("secret-file", options->secret_file);
    int code = text == NULL ? -1 : sign_read_key(text, &options->key);

    if (text != NULL && code != 0)
        fprintf(stderr, "mock-pbx: --secret-file %s: wanted whsec_ and base64\n",
                options->secret_file);
    free(text);
    return code;
}

static int options_read_secrets(struct options *options)
{
    if (options->password_file != NULL) {
        options->password = options_read_secret("password-file", options->password_file);
        if (options->password == NULL)
            return -1;
    }
    if (options->token_file != NULL) {
        options->token = options_read_secret("token-file", options->token_file);
        if (options->token == NULL)
            return -1;
    }
    return options->secret_file != NULL ? options_read_key(options) : 0;
}

/* An address without a path gets the one of the envelope. */
static char *options_make_url(const char *base, const char *path)
{
    const char *host = strstr(base, "://");
    size_t size = strlen(base);
    char *url;

    host = host != NULL ? host + 3 : base;
    while (size > 0 && base[size - 1] == '/' && strchr(host, '/') == base + size - 1)
        size--;
    if (host[strcspn(host, "/?")] != '\0' && base[size] == '\0')
        path = "";
    url = memory_get(size + strlen(path) + 1, 1);
    memcpy(url, base, size);
    memcpy(url + size, path, strlen(path));
    return url;
}

static int options_complain(const char *message)
{
    fprintf(stderr, "mock-pbx: %s; see mock-pbx --help\n", message);
    return -1;
}

static int options_check(struct options *options)
{
    const char *base = options->webhook != NULL ? options->webhook : OPTIONS_BASE_URL;

    if (options->forever && options->calls > 0)
        return options_complain("--forever and --calls: give one of them");
    if (options->forever && options->rate <= 0)
        return options_complain("--forever needs a --rate above 0");
    if (options->forever && options->stay)
        return options_complain("--stay makes no sense with --forever, which never ends by itself");
    if (options->slow_actions.max > 0 && options->waiting_first.max > 0)
        return options_complain("--slow-actions and --waiting-first: give one of them");
    if (options->number_prefix != NULL &&
        options->number_prefix[strspn(options->number_prefix, "+0123456789")] != '\0')
        return options_complain("--number-prefix: wanted digits");
    if (strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0)
        return options_complain(
            "--webhook: wanted an address that begins with http:// or https://");
    if (strchr("/?#:", strstr(base, "://")[3]) != NULL)
        return options_complain("--webhook: the address has no host");
    if ((options->user != NULL) != (options->password_file != NULL))
        return options_complain("--user and --password-file: give both or none");
    if (options->token_file != NULL && options->user != NULL)
        return options_complain("--token-file and --user: give one of them");
    if (options->secret_file != NULL)
        options->webhook_id = true; /* it is part of what is signed */
    if (options->no_retry)
        options->webhook_retries = 0;
    options->webhook_url[ENVELOPE_SEED] = options_make_url(base, "/api/client/webhook");
    options->webhook_url[ENVELOPE_FLAT] = options_make_url(base, "/webhook");
    return options_read_secrets(options);
}

static void options_make_table(struct option *table)
{
    memset(table, 0, (OPTION_COUNT_ALL + 1) * sizeof *table);
    for (size_t i = 0; i < OPTION_COUNT_ALL; i++) {
        enum option_kind kind = option_specs[i].kind;
        bool alone = kind == OPTION_FLAG || kind == OPTION_HELP || kind == OPTION_VERSION;

        table[i].name = option_specs[i].name;
        table[i].has_arg = alone ? no_argument : required_argument;
        table[i].val = OPTIONS_FIRST_CODE + (int)i;
    }
}

enum options_result options_read(struct options *options, int argc, char **argv)
{
    struct option table[OPTION_COUNT_ALL + 1];
    int code;

    options_set_defaults(options);
    options_make_table(table);
    while ((code = getopt_long(argc, argv, "hVv", table, NULL)) != -1) {
        const struct option_spec *spec;

        if (code == '?') {
            fputs("see mock-pbx --help\n", stderr);
            return OPTIONS_WRONG;
        }
        spec = code >= OPTIONS_FIRST_CODE ? &option_specs[code - OPTIONS_FIRST_CODE] : NULL;
        if (code == 'h' || (spec != NULL && spec->kind == OPTION_HELP)) {
            options_print_help();
            return OPTIONS_EXIT;
        }
        if (code == 'V' || (spec != NULL && spec->kind == OPTION_VERSION)) {
            puts("mock-pbx " PBXHOOK_VERSION);
            return OPTIONS_EXIT;
        }
        if (spec == NULL)
            options->verbose = true;
        else if (option_set(spec, optarg, options) != 0)
            return OPTIONS_WRONG;
    }
    if (optind < argc) {
        fprintf(stderr, "mock-pbx: %s: not an option; see mock-pbx --help\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    return options_check(options) == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}

void options_free(struct options *options)
{
    free(options->webhook_url[ENVELOPE_SEED]);
    free(options->webhook_url[ENVELOPE_FLAT]);
    free(options->password);
    free(options->token);
}

bool options_place_calls(const struct options *options)
{
    return options->forever || options->calls > 0;
}
