/*
 * config_target.c: the sections target "NAME" { }: the servers that plugins may post to and download
 * from. Their keys are read as all others are; they have no variables, for there may be any number of
 * targets. Called by config_file.c and config.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_internal.h"

#define MEMBER(name) offsetof(struct config_target, name)

#define TEXT_MAX     4096
#define SECOND       1000
#define HOUR         (3600 * SECOND)
#define MIB          ((int64_t)1024 * 1024)

const struct config_key config_target_keys[] = {
    {.section = "target",
     .name = "url",
     .type = CONFIG_TEXT,
     .standard = "",
     .min = 1,
     .max = TEXT_MAX,
     .check = config_check_target,
     .wanted = "http://HOST[:PORT][/PATH] or https://..., the user in user and not in it",
     .help = "What each path that a plugin gives is put behind.",
     .offset = MEMBER(url)},
    {.section = "target",
     .name = "user",
     .type = CONFIG_TEXT,
     .standard = "",
     .max = 255,
     .check = config_check_user,
     .wanted = "a user name of HTTP Basic: UTF-8 without colon and control characters",
     .help = "User name for HTTP Basic authentication; \"\" for none.",
     .offset = MEMBER(user)},
    {.section = "target",
     .name = "password_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File whose first line is that user's password.",
     .offset = MEMBER(password_file)},
    {.section = "target",
     .name = "token_file",
     .type = CONFIG_PATH,
     .standard = "",
     .max = TEXT_MAX,
     .wanted = "the path of a file",
     .help = "File whose first line is sent as a bearer token.",
     .offset = MEMBER(token_file)},
    {.section = "target",
     .name = "timeout",
     .type = CONFIG_DURATION,
     .standard = "30s",
     .min = 10,
     .max = HOUR,
     .help = "How long one attempt may take, a download's too.",
     .offset = MEMBER(timeout_ms)},
    {.section = "target",
     .name = "deadline",
     .type = CONFIG_DURATION,
     .standard = "1d",
     .min = SECOND,
     .max = 7 * 24 * HOUR,
     .help = "What could not be delivered so long after it was asked for is given up.",
     .offset = MEMBER(deadline_ms)},
    {.section = "target",
     .name = "connections",
     .type = CONFIG_INTEGER,
     .standard = "4",
     .min = 1,
     .max = 64,
     .help = "At most so many requests are on their way to it at one time.",
     .offset = MEMBER(connections)},
    {.section = "target",
     .name = "idempotent",
     .type = CONFIG_BOOLEAN,
     .standard = "false",
     .help = "It takes one Idempotency-Key once: a post whose outcome is unknown is resent.",
     .offset = MEMBER(idempotent)},
    {.section = "target",
     .name = "max_download",
     .type = CONFIG_SIZE,
     .standard = "256MiB",
     .min = 1,
     .max = 1024 * 1024 * MIB,
     .help = "A larger download is broken off and given up.",
     .offset = MEMBER(max_download_bytes)},
};

const size_t config_target_key_count = sizeof config_target_keys / sizeof config_target_keys[0];

static void *member_of(struct config_target *target, const struct config_key *key)
{
    return (char *)target + key->offset;
}

static void free_target(struct config_target *target)
{
    for (size_t i = 0; i < config_target_key_count; i++)
        config_value_free(&config_target_keys[i], member_of(target, &config_target_keys[i]));
    free(target->name);
    free(target->origin);
}

static int set_defaults(struct config_target *target)
{
    target->url = strdup(""); /* there is no default; see config_check_targets() */
    for (size_t i = 1; i < config_target_key_count; i++) {
        const struct config_key *key = &config_target_keys[i];
        if (config_value_read(key, key->standard, "/", member_of(target, key)) < 0)
            return -1;
    }
    return target->url == NULL ? -1 : 0;
}

static struct config_target *add_target(struct config *config, const char *name, const char *origin)
{
    size_t count = config->target_count;
    struct config_target *targets =
        reallocarray(config->targets, count + 1, sizeof config->targets[0]);

    if (targets == NULL)
        return NULL;
    config->targets = targets;
    targets[count] = (struct config_target){.name = strdup(name), .origin = strdup(origin)};
    if (targets[count].name == NULL || targets[count].origin == NULL ||
        set_defaults(&targets[count]) < 0) {
        free_target(&targets[count]);
        return NULL;
    }
    config->target_count++;
    return &targets[count];
}

const struct config_target *config_find_target(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->target_count; i++) {
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i];
    }
    return NULL;
}

struct config_target *config_get_target(struct config_load *load, const char *name,
                                        const char *origin)
{
    struct config_target *target =
        (struct config_target *)(uintptr_t)config_find_target(load->config, name);

    if (target == NULL)
        target = add_target(load->config, name, origin);
    if (target == NULL)
        config_report(load, origin, "out of memory");
    return target;
}

static const struct config_key *find_key(const char *name)
{
    for (size_t i = 0; i < config_target_key_count; i++) {
        if (strcmp(config_target_keys[i].name, name) == 0)
            return &config_target_keys[i];
    }
    return NULL;
}

void config_set_target_option(struct config_load *load, struct config_target *target,
                              const char *name, const char *text, const char *base,
                              const char *origin)
{
    const struct config_key *key = find_key(name);
    char wanted[256];

    if (key == NULL) {
        config_report(load, origin,
                      "target \"%s\": found the option \"%s\", wanted url, user, password_file, "
                      "token_file, timeout, deadline, connections, idempotent or max_download",
                      target->name, name);
        return;
    }
    switch (config_value_read(key, text, base, member_of(target, key))) {
    case 0:
        break;
    case CONFIG_E_VALUE:
        config_value_wanted(key, wanted, sizeof wanted);
        config_report_value(load, key, origin, text, wanted);
        break;
    default:
        config_report(load, origin, "out of memory");
    }
}

static void check_file(struct config_load *load, const struct config_target *target,
                       const char *option, const char *path)
{
    if (path[0] != '\0' && load->environment && access(path, R_OK) < 0)
        config_report(load, target->origin,
                      "target \"%s\": %s: found \"%s\", wanted a file that can be read: %s",
                      target->name, option, path, strerror(errno));
}

/* Every path that is put behind it begins with a slash. */
static void cut_slashes(char *url)
{
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/')
        url[--length] = '\0';
}

void config_check_targets(struct config_load *load)
{
    for (size_t i = 0; i < load->config->target_count; i++) {
        struct config_target *target = &load->config->targets[i];

        if (target->url[0] == '\0' && !load->failed) /* else it may have been refused */
            config_report(load, target->origin, "target \"%s\": found no url, wanted one",
                          target->name);
        if (target->password_file[0] != '\0' && target->user[0] == '\0' && !load->failed)
            config_report(load, target->origin,
                          "target \"%s\": found a password_file and no user, wanted both",
                          target->name);
        if (target->token_file[0] != '\0' && target->user[0] != '\0' && !load->failed)
            config_report(load, target->origin,
                          "target \"%s\": found a token_file and a user, wanted one of them",
                          target->name);
        cut_slashes(target->url);
        check_file(load, target, "password_file", target->password_file);
        check_file(load, target, "token_file", target->token_file);
    }
}

void config_free_targets(struct config *config)
{
    for (size_t i = 0; i < config->target_count; i++)
        free_target(&config->targets[i]);
    free(config->targets);
    config->targets = NULL;
    config->target_count = 0;
}
