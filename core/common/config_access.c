/*
 * config_access.c: what the keys about access say together: a user and a password, a certificate and a
 * key.
 * Called by config.c after all sources. It opens no file: the receiver does, and `pbxhook check`.
 */
#include "common/config_internal.h"

static int is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Two keys of a section that make sense only together. */
static void check_pair(struct config_load *load, const char *section, const char *name,
                       const char *value, const char *other_name, const char *other_value,
                       const char *why)
{
    char wanted[256];

    if (is_set(value) == is_set(other_value))
        return;
    int has_first = is_set(value);
    const struct config_key *key = config_key_find(section, has_first ? name : other_name);
    snprintf(wanted, sizeof wanted, "%s.%s set as well: %s", section, has_first ? other_name : name,
             why);
    config_report_value(load, key, config_origin(load->config, key),
                        has_first ? value : other_value, wanted);
}

void config_check_access(struct config_load *load)
{
    static const char why[] = "a user and a password belong together";
    const struct config *config = load->config;

    if (load->failed) /* what is missing may have been refused */
        return;
    check_pair(load, "webhook", "user", config->webhook.user, "password_file",
               config->webhook.password_file, why);
    check_pair(load, "dashboard", "user", config->dashboard.user, "password_file",
               config->dashboard.password_file, why);
    check_pair(load, "tls", "certificate_file", config->tls.certificate_file, "key_file",
               config->tls.key_file, "TLS needs both");
}
