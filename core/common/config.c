/*
 * config.c: loads the configuration from its sources in their order, checks what only the whole can
 * tell, and answers for plugins' options. What a source looks like is in config_file.c and
 * config_env.c, what a value looks like in config_value.c, the keys in config_keys.c.
 */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_internal.h"

#define VALUE_SHOWN        200 /* bytes of a value in a message */

#define LEAST_MEMORY       ((int64_t)16 << 20)
#define LEAST_MEMORY_WORDS "16MiB"

/* ---- What is wrong ------------------------------------------------------------------------------ */

/* One line, whatever was in a file. */
static void print_safely(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

void config_report(struct config_load *load, const char *origin, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    load->failed = 1;
    print_safely(load->errors, origin);
    fputs(": ", load->errors);
    print_safely(load->errors, text);
    fputc('\n', load->errors);
}

/* A value as a message may show it: not too long, and without what stands before the @ of a URL, which
 * may be a password. */
static void show_value(const char *text, char out[VALUE_SHOWN + 32])
{
    const char *host = strstr(text, "://");
    const char *at = host != NULL ? strrchr(host, '@') : NULL;
    const char *rest = at != NULL ? at : text;
    int scheme_size = at != NULL ? (int)(host + 3 - text) : 0;
    int size = strlen(rest) > VALUE_SHOWN ? VALUE_SHOWN : (int)strlen(rest);

    if (scheme_size > 16)
        scheme_size = 16;
    while (size < (int)strlen(rest) && size > 0 && ((unsigned char)rest[size] & 0xc0) == 0x80)
        size--; /* not in the middle of a character */
    snprintf(out, VALUE_SHOWN + 32, "%.*s%s%.*s%s", scheme_size, text, at != NULL ? "***" : "",
             size, rest, rest[size] != '\0' ? "..." : "");
}

void config_report_value(struct config_load *load, const struct config_key *key, const char *origin,
                         const char *text, const char *wanted)
{
    char path[CONFIG_NAME_SIZE];
    char shown[VALUE_SHOWN + 32];

    config_key_path(key, path);
    show_value(text, shown);
    config_report(load, origin, "%s: found \"%s\", wanted %s", path, shown, wanted);
}

/* ---- Setting ------------------------------------------------------------------------------------ */

const char *config_origin(const struct config *config, const struct config_key *key)
{
    const char *origin = config->origins->of[key - config_keys];
    return origin != NULL ? origin : "default";
}

/* Of the key that the text begins with; NULL when it begins with none, or that is not known here. */
static const char *find_origin(const struct config *config, const char *text)
{
    char path[CONFIG_NAME_SIZE];

    if (config->origins == NULL || config->origins->are_foreign)
        return NULL;
    for (size_t i = 0; i < config_key_count; i++) {
        config_key_path(&config_keys[i], path);
        size_t size = strlen(path);
        if (strncmp(text, path, size) == 0 && (text[size] == ':' || text[size] == ' '))
            return config_origin(config, &config_keys[i]);
    }
    return NULL;
}

int config_add_error(const struct config *config, char *error, size_t error_size,
                     const char *format, ...)
{
    char text[1024];
    size_t used = strlen(error);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *origin = find_origin(config, text);
    snprintf(error + used, error_size - used, "%s%s%s%s", used > 0 ? "\n" : "",
             origin != NULL ? origin : "", origin != NULL ? ": " : "", text);
    return -1;
}

static int replace_text(char **member, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return -1;
    free(*member);
    *member = copy;
    return 0;
}

void config_set_origin(struct config_load *load, const struct config_key *key, const char *origin)
{
    if (replace_text(&load->config->origins->of[key - config_keys], origin) < 0)
        config_report(load, origin, "out of memory");
}

static void report_store(struct config_load *load, const struct config_key *key, const char *url,
                         const char *origin)
{
    char wanted[512];
    char *masked = config_store_mask(url);

    config_store_wanted(url, wanted, sizeof wanted);
    config_report_value(load, key, origin, masked != NULL ? masked : "", wanted);
    free(masked);
}

void config_set(struct config_load *load, const struct config_key *key, const char *text,
                const char *base, const char *origin)
{
    void *member = config_key_member(load->config, key);
    char wanted[256];

    switch (config_value_read(key, text, base, member)) {
    case 0:
        config_set_origin(load, key, origin);
        break;
    case CONFIG_E_VALUE:
        if (key->type == CONFIG_STORE)
            report_store(load, key, text, origin);
        else {
            config_value_wanted(key, wanted, sizeof wanted);
            config_report_value(load, key, origin, text, wanted);
        }
        break;
    default:
        config_report(load, origin, "out of memory");
    }
}

static void free_plugin_option(struct config_plugin_option *option)
{
    free(option->plugin);
    free(option->key);
    free(option->value);
    free(option->origin);
}

/* The entry of that name, made if there is none; NULL when out of memory. */
static struct config_plugin_option *get_plugin_option(struct config *config, const char *plugin,
                                                      const char *key)
{
    size_t count = config->plugin_option_count;
    struct config_plugin_option *options = config->plugin_options;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].plugin, plugin) == 0 && strcmp(options[i].key, key) == 0)
            return &options[i];
    }
    options = reallocarray(options, count + 1, sizeof *options);
    if (options == NULL)
        return NULL;
    config->plugin_options = options;
    options[count] = (struct config_plugin_option){.plugin = strdup(plugin), .key = strdup(key)};
    if (options[count].plugin == NULL || options[count].key == NULL) {
        free_plugin_option(&options[count]);
        return NULL;
    }
    config->plugin_option_count++;
    return &options[count];
}

void config_set_plugin_option(struct config_load *load, const char *plugin, const char *key,
                              const char *value, const char *origin)
{
    struct config_plugin_option *option = get_plugin_option(load->config, plugin, key);

    if (option == NULL || replace_text(&option->value, value) < 0 ||
        replace_text(&option->origin, origin) < 0)
        config_report(load, origin, "out of memory");
}

/* ---- Defaults, and what only the whole can tell ------------------------------------------------- */

static void set_defaults(struct config_load *load)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].standard != NULL)
            config_set(load, &config_keys[i], config_keys[i].standard, "/", "default");
    }
}

static void set_default_store(struct config_load *load)
{
    const struct config_key *key = config_key_find("store", "url");
    char *url = NULL;

    if (asprintf(&url, "sqlite:%s/pbxhook.db", load->config->state_dir) < 0) {
        config_report(load, "default", "out of memory");
        return;
    }
    config_set(load, key, url, "/", "default");
    free(url);
}

static void set_default_download_dir(struct config_load *load)
{
    char *directory = NULL;

    if (asprintf(&directory, "%s/downloads", load->config->state_dir) < 0) {
        config_report(load, "default", "out of memory");
        return;
    }
    config_set(load, config_key_find("", "download_dir"), directory, "/", "default");
    free(directory);
}

/* The defaults that depend on the rest, for keys that nobody has set. */
static void set_late_defaults(struct config_load *load)
{
    struct config *config = load->config;
    const char *origin = "default";

    if (config->state_dir == NULL) {
        char *directory = config_default_state_dir(load->environment, &origin);
        if (directory == NULL)
            config_report(load, origin,
                          "state_dir: found no home directory to put it in, wanted "
                          "PBXHOOK_STATE_DIR or state_dir set");
        else
            config_set(load, config_key_find("", "state_dir"), directory, "/", origin);
        free(directory);
    }
    if (config->plugin_dir == NULL) {
        char *directory = config_default_plugin_dir();
        if (directory == NULL)
            config_report(load, "default", "out of memory");
        else
            config_set(load, config_key_find("", "plugin_dir"), directory, "/", "default");
        free(directory);
    }
    if (config->store.url == NULL && config->state_dir != NULL)
        set_default_store(load);
    if (config->download_dir == NULL && config->state_dir != NULL)
        set_default_download_dir(load);
}

/* Both databases of SQLite have one writer, and each worker is one. */
static void check_workers(struct config_load *load)
{
    const struct config *config = load->config;
    const struct config_key *key = config_key_find("", "workers");
    char count[32];

    if (config->workers == 1 || config->store.url == NULL ||
        !config_store_is_sqlite(config->store.url))
        return;
    snprintf(count, sizeof count, "%d", config->workers);
    config_report_value(load, key, config_origin(config, key), count,
                        "1: a SQLite store has one writer");
}

/* With less no worker starts, and each would be taken for one whose plugin leaks. */
static void check_worker_memory(struct config_load *load)
{
    const struct config *config = load->config;
    const struct config_key *key = config_key_find("", "worker_memory");
    char bytes[32];

    if (config->worker_memory_bytes == 0 || config->worker_memory_bytes >= LEAST_MEMORY)
        return;
    snprintf(bytes, sizeof bytes, "%lld", (long long)config->worker_memory_bytes);
    config_report_value(load, key, config_origin(config, key), bytes,
                        "0 for no limit, or at least \"" LEAST_MEMORY_WORDS
                        "\": with less no worker starts");
}

/* 0, or a positive errno. */
static int try_to_read(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int code = fd < 0 || fstat(fd, &info) < 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;

    if (fd >= 0)
        close(fd);
    return code;
}

static void check_readable(struct config_load *load, const struct config_key *key, const char *path)
{
    char wanted[256];
    int code = load->environment && path[0] != '\0' ? try_to_read(path) : 0;

    if (code == 0)
        return;
    snprintf(wanted, sizeof wanted, "a file that can be read: %s", strerror(code));
    config_report_value(load, key, config_origin(load->config, key), path, wanted);
}

/* unused: who else is to be set for the password to be anybody's; NULL when that is well. */
static void check_password_file(struct config_load *load, const char *section, const char *path,
                                const char *unused)
{
    const struct config *config = load->config;
    const struct config_key *key = config_key_find(section, "password_file");

    if (path[0] == '\0')
        return;
    if (unused != NULL && !load->failed) /* else it may have been refused */
        config_report_value(load, key, config_origin(config, key), path, unused);
    check_readable(load, key, path);
}

static void check_password_files(struct config_load *load)
{
    const struct config *config = load->config;

    check_password_file(
        load, "pbx", config->pbx.password_file,
        config->pbx.user[0] != '\0' ? NULL : "pbx.user set as well: the password is that user's");
    check_password_file(load, "store", config->store.password_file,
                        config->store.url == NULL || !config_store_is_sqlite(config->store.url)
                            ? NULL
                            : "store.url to be PostgreSQL's: SQLite has no password");
}

/* ---- Loading ------------------------------------------------------------------------------------ */

static struct config *config_new(void)
{
    struct config *config = calloc(1, sizeof *config);

    if (config == NULL)
        return NULL;
    config->origins = calloc(1, sizeof *config->origins);
    if (config->origins != NULL)
        config->origins->of = calloc(config_key_count, sizeof *config->origins->of);
    if (config->origins == NULL || config->origins->of == NULL) {
        config_free(config);
        return NULL;
    }
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config_key_count; i++) {
        config_value_free(&config_keys[i], config_key_member(config, &config_keys[i]));
        if (config->origins != NULL && config->origins->of != NULL)
            free(config->origins->of[i]);
    }
    for (size_t i = 0; i < config->plugin_option_count; i++)
        free_plugin_option(&config->plugin_options[i]);
    free(config->plugin_options);
    config_free_targets(config);
    if (config->origins != NULL)
        free(config->origins->of);
    free(config->origins);
    free(config);
}

static void read_files(struct config_load *load, const char *path)
{
    int optional = 0;

    if (path == NULL && load->environment) {
        path = getenv("PBXHOOK_CONFIG");
        if (path != NULL && path[0] == '\0')
            path = NULL;
    }
    if (path == NULL) {
        path = PBXHOOK_CONFIG_FILE;
        optional = 1;
    }
    config_read_file(load, path, optional);
    if (load->environment)
        config_read_directory(load, path);
}

/* All but the defaults. */
static void load_sources(struct config_load *load, const char *path)
{
    read_files(load, path);
    if (load->environment)
        config_read_environment(load);
    set_late_defaults(load);
    check_workers(load);
    check_worker_memory(load);
    check_password_files(load);
    config_check_targets(load);
    check_readable(load, config_key_find("pbx", "ca_file"), load->config->pbx.ca_file);
    config_check_access(load);
}

int config_load(const char *path, int environment, FILE *errors, struct config **out)
{
    struct config_load load = {
        .config = config_new(), .errors = errors, .environment = environment};

    if (load.config == NULL)
        config_report(&load, "configuration", "out of memory");
    else
        set_defaults(&load);
    if (load.config != NULL)
        load.config->origins->are_foreign = !environment;
    if (!load.failed)
        load_sources(&load, path);
    if (load.failed) {
        config_free(load.config);
        return -1;
    }
    *out = load.config;
    return 0;
}

/* ---- Asking ------------------------------------------------------------------------------------- */

/* A variable's option has no plugin, and PLUGIN_OPTION for its key. */
static int is_option(const struct config_plugin_option *option, const char *plugin, const char *key)
{
    size_t size = strlen(plugin);

    if (option->plugin[0] != '\0')
        return strcmp(option->plugin, plugin) == 0 && strcmp(option->key, key) == 0;
    return strncmp(option->key, plugin, size) == 0 && option->key[size] == '_' &&
           strcmp(option->key + size + 1, key) == 0;
}

const char *config_plugin_option(const struct config *config, const char *plugin, const char *key,
                                 const char **origin)
{
    /* The environment's come after the files', so that they win. */
    for (size_t i = config->plugin_option_count; i > 0; i--) {
        const struct config_plugin_option *option = &config->plugin_options[i - 1];
        if (is_option(option, plugin, key)) {
            if (origin != NULL)
                *origin = option->origin;
            return option->value;
        }
    }
    return NULL;
}
