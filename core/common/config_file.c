/*
 * config_file.c: one configuration file, read by libconfuse. Every key is a text to the library; the
 * callback below reads and checks it, so that a wrong value does not end the reading. Called by
 * config.c. Not reentrant: neither is the library.
 *
 * All sections are of the library's free form (CFGF_KEYSTRVAL). In it an option that was not declared
 * is told to the error function, with its line, and kept: for a plugin's section that is what we want,
 * and elsewhere we can go on and name all unknown options instead of the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <confuse.h>

#include "common/config_internal.h"

/* What a file of a person's may hold. What the server has printed for its workers is all of the files together and
 * each target's every option, so there is no saying how much that is. */
#define FILE_MAX (1024 * 1024) /* bytes */
/* Undeclared options. The library finds an option by looking at all of them, so garbage would take it minutes. */
#define FREE_MAX    1000

#define FIRST_READ  (64 * 1024) /* bytes that most files have room in */

#define ORIGIN_SIZE (4096 + 16)

#define NO_SUCH     "no such option '%s'"
#define TITLE_TWICE "found duplicate title '%s'"
#define NO_EQUALS   "missing equal sign after option '%s'"

/* Where an undeclared option was seen first. */
struct place {
    const cfg_t *section;
    char *name;
    int line;
};

struct reader {
    struct config_load *load;
    const char *path;
    char *base; /* relative paths are taken from here */
    struct place *places;
    size_t place_count, place_capacity;
};

/* The library hands its callbacks no pointer of ours. Set while config_read_file() parses. */
static struct reader *current;

/* ---- What the library calls --------------------------------------------------------------------- */

static void format_origin(const struct reader *reader, int line, char out[ORIGIN_SIZE])
{
    if (line > 0)
        snprintf(out, ORIGIN_SIZE, "%s:%d", reader->path, line);
    else
        snprintf(out, ORIGIN_SIZE, "%s", reader->path);
}

static const struct place *find_place(const struct reader *reader, const cfg_t *section,
                                      const char *name)
{
    for (size_t i = 0; i < reader->place_count; i++) {
        const struct place *place = &reader->places[i];
        if (place->section == section && (name == NULL || strcmp(place->name, name) == 0))
            return place;
    }
    return NULL;
}

/* Room for one more: 0, or -1 when out of memory. */
static int reserve_place(struct reader *reader)
{
    if (reader->place_count < reader->place_capacity)
        return 0;
    size_t capacity = reader->place_capacity > 0 ? reader->place_capacity * 2 : 64;
    struct place *larger = realloc(reader->places, capacity * sizeof *larger);
    if (larger == NULL)
        return -1;
    reader->places = larger;
    reader->place_capacity = capacity;
    return 0;
}

static void note_place(cfg_t *section, const char *name)
{
    int is_one_too_many = current->load->environment && current->place_count == FREE_MAX;
    char *copy = is_one_too_many || reserve_place(current) < 0 ? NULL : strdup(name);

    if (copy == NULL) {
        /* No longer of the free form, the section ends the parsing here. */
        section->flags &= ~CFGF_KEYSTRVAL;
        char origin[ORIGIN_SIZE];
        format_origin(current, section->line, origin);
        if (is_one_too_many)
            config_report(current->load, origin, "found more than %d options, wanted less",
                          FREE_MAX);
        else
            config_report(current->load, origin, "out of memory");
        return;
    }
    current->places[current->place_count++] = (struct place){section, copy, section->line};
}

/* Sections with a title, whose options the library does not know. */
static int has_free_options(const char *name)
{
    return strcmp(name, "plugin") == 0 || strcmp(name, "target") == 0;
}

/* The first value of a message that begins with one in quotes, as those below do. */
static const char *first_value(va_list arguments)
{
    va_list copy;

    va_copy(copy, arguments);
    const char *value = va_arg(copy, const char *);
    va_end(copy);
    return value;
}

/*
 * Messages are told apart by the format they are made of. They are the English ones, since nothing
 * here calls setlocale(); were they not, an unknown option would be reported in the library's words.
 */
__attribute__((format(printf, 2, 0))) static void take_error(cfg_t *section, const char *format,
                                                             va_list arguments)
{
    char origin[ORIGIN_SIZE];
    char text[512];

    format_origin(current, section->line, origin);
    if (strcmp(format, NO_SUCH) == 0) {
        note_place(section, first_value(arguments));
    } else if (strcmp(format, TITLE_TWICE) == 0) {
        config_report(current->load, origin,
                      "found the section \"%s\" twice, wanted its options in one",
                      first_value(arguments));
    } else if (strcmp(format, NO_EQUALS) != 0 ||
               find_place(current, section, first_value(arguments)) == NULL ||
               has_free_options(section->name)) {
        vsnprintf(text, sizeof text, format, arguments);
        config_report(current->load, origin, "%s", text);
    } /* else an unknown section: it is reported as such when the parsing has ended */
}

static const char *section_name(const cfg_t *section)
{
    return strcmp(section->name, "root") == 0 ? "" : section->name;
}

/* Where this file has set the key before; NULL: nowhere. A list may be added to. */
static const char *find_earlier(const struct config_key *key)
{
    const char *origin = config_origin(current->load->config, key);
    size_t size = strlen(current->path);

    return key->type != CONFIG_LIST && strncmp(origin, current->path, size) == 0 &&
                   origin[size] == ':'
               ? origin
               : NULL;
}

static void report_twice(const struct config_key *key, const char *origin)
{
    char path[CONFIG_NAME_SIZE];

    config_key_path(key, path);
    config_report(current->load, origin, "%s: found it twice, wanted it once: it is set in %s too",
                  path, find_earlier(key));
}

/* The library keeps the text too, which only lists need. */
static int take_value(cfg_t *section, cfg_opt_t *option, const char *text, void *result)
{
    const struct config_key *key = config_key_find(section_name(section), option->name);
    struct config_load *load = current->load;
    char origin[ORIGIN_SIZE];

    *(const char **)result = text;
    format_origin(current, section->line, origin);
    if (key == NULL) /* the library's own notation, section|option, leads here */
        config_report(load, origin, "%s: no such option outside of its section", option->name);
    else if (find_earlier(key) != NULL)
        report_twice(key, origin);
    else if (key->type != CONFIG_LIST)
        config_set(load, key, text, current->base, origin);
    else if (config_value_check_element(key, text))
        config_set_origin(load, key, origin);
    else
        config_report_value(load, key, origin, text, key->wanted);
    return 0;
}

/* ---- The options, as the library wants them declared --------------------------------------------- */

static cfg_opt_t declare_key(const struct config_key *key)
{
    return (cfg_opt_t){.name = key->name,
                       .type = CFGT_STR,
                       .flags = CFGF_NODEFAULT | (key->type == CONFIG_LIST ? CFGF_LIST : CFGF_NONE),
                       .parsecb = take_value};
}

/* The options of one level; the zeros behind them are the end. */
static size_t declare_keys(const char *section, cfg_opt_t *out)
{
    size_t count = 0;

    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].section, section) == 0)
            out[count++] = declare_key(&config_keys[i]);
    }
    return count;
}

static cfg_t *new_parser(void)
{
    size_t level = config_key_count + 3; /* no level has more options than that */
    cfg_opt_t *options = calloc(level * (config_key_count + 3), sizeof *options);
    cfg_opt_t *inner = options + level;
    cfg_t *parser = NULL;

    if (options == NULL)
        return NULL;
    size_t count = declare_keys("", options);
    for (size_t i = 0; i < config_key_count; i++) {
        const char *section = config_keys[i].section;
        if (section[0] == '\0' || strcmp(section, config_keys[i - 1].section) == 0)
            continue;
        declare_keys(section, inner);
        options[count++] = (cfg_opt_t)CFG_SEC(section, inner, CFGF_NONE);
        inner += level;
    }
    options[count++] =
        (cfg_opt_t)CFG_SEC("plugin", inner, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    options[count] =
        (cfg_opt_t)CFG_SEC("target", inner, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    errno = 0;
    parser = cfg_init(options, CFGF_KEYSTRVAL); /* copies them; sections inherit the flag */
    int is_whole = errno != ENOMEM;             /* it does not say */
    free(options);
    if (parser == NULL || !is_whole)
        return NULL; /* what is half made can't be freed: see parse_file() */
    cfg_set_error_function(parser, take_error);
    return parser;
}

static cfg_opt_t *find_list(cfg_t *parser, const struct config_key *key)
{
    char path[CONFIG_NAME_SIZE];
    snprintf(path, sizeof path, "%s%s%s", key->section, key->section[0] == '\0' ? "" : "|",
             key->name);
    return cfg_getopt(parser, path);
}

/* Gives the library the lists of earlier files, so that += adds to them. */
static int seed_lists(struct reader *reader, cfg_t *parser)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].type != CONFIG_LIST)
            continue;
        char **list = *(char ***)config_key_member(reader->load->config, &config_keys[i]);
        cfg_opt_t *option = find_list(parser, &config_keys[i]);
        if (option == NULL)
            return -1;
        for (unsigned n = 0; list != NULL && list[n] != NULL; n++) {
            if (cfg_opt_setnstr(option, list[n], n) != CFG_SUCCESS)
                return -1;
        }
        option->flags &= ~CFGF_MODIFIED;
    }
    return 0;
}

/* ---- After the parsing -------------------------------------------------------------------------- */

static int take_list(struct reader *reader, const struct config_key *key, cfg_opt_t *option)
{
    char ***member = config_key_member(reader->load->config, key);
    char **list = NULL;

    if ((option->flags & CFGF_MODIFIED) == 0)
        return 0;
    list = calloc(cfg_opt_size(option) + 1, sizeof *list);
    if (list == NULL)
        return -1;
    for (unsigned i = 0; i < cfg_opt_size(option); i++) {
        const char *text = cfg_opt_getnstr(option, i);
        list[i] = text != NULL ? strdup(text) : NULL;
        if (list[i] == NULL) {
            config_list_free(list);
            return -1;
        }
    }
    config_list_free(*member);
    *member = list;
    if (list[0] == NULL) /* an empty list made no callback */
        config_set_origin(reader->load, key, reader->path);
    return 0;
}

static void take_plugin_option(struct reader *reader, cfg_t *section, cfg_opt_t *option)
{
    const struct place *place = find_place(reader, section, option->name);
    const char *text = cfg_opt_getnstr(option, 0);
    char origin[ORIGIN_SIZE];

    format_origin(reader, place != NULL ? place->line : 0, origin);
    if (text == NULL) /* the parsing ended before its value */
        return;
    if (!config_check_name(option->name))
        config_report(reader->load, origin,
                      "plugin \"%s\": found the option \"%s\", wanted a name of a-z, 0-9 and _",
                      section->title, option->name);
    else if (!config_check_utf8(text))
        config_report(reader->load, origin, "plugin \"%s\": %s: found bytes, wanted UTF-8 text",
                      section->title, option->name);
    else
        config_set_plugin_option(reader->load, section->title, option->name, text, origin);
}

/* A section without a name is what config_print() makes of the options in the environment. */
static void take_plugin(struct reader *reader, cfg_t *section)
{
    const struct place *first = find_place(reader, section, NULL);
    int is_variables = section->title[0] == '\0' && !reader->load->environment;
    char origin[ORIGIN_SIZE];

    if (!is_variables && !config_check_name(section->title)) {
        format_origin(reader, first != NULL ? first->line : section->line, origin);
        config_report(reader->load, origin,
                      "found plugin \"%s\", wanted a name of a-z, 0-9 and _ that begins with a-z",
                      section->title);
        return;
    }
    for (cfg_opt_t *option = section->opts; option->name != NULL; option++)
        take_plugin_option(reader, section, option);
}

static void take_target_option(struct reader *reader, cfg_t *section, cfg_opt_t *option,
                               struct config_target *target)
{
    const struct place *place = find_place(reader, section, option->name);
    const char *text = cfg_opt_getnstr(option, 0);
    char origin[ORIGIN_SIZE];

    format_origin(reader, place != NULL ? place->line : 0, origin);
    if (text != NULL) /* else the parsing ended before its value */
        config_set_target_option(reader->load, target, option->name, text, reader->base, origin);
}

static void take_target(struct reader *reader, cfg_t *section)
{
    const struct place *first = find_place(reader, section, NULL);
    char origin[ORIGIN_SIZE];

    format_origin(reader, first != NULL ? first->line : section->line, origin);
    if (!config_check_name(section->title)) {
        config_report(reader->load, origin,
                      "found target \"%s\", wanted a name of a-z, 0-9 and _ that begins with a-z",
                      section->title);
        return;
    }
    struct config_target *target = config_get_target(reader->load, section->title, origin);
    for (cfg_opt_t *option = section->opts; target != NULL && option->name != NULL; option++)
        take_target_option(reader, section, option, target);
}

static void report_unknown(struct reader *reader, cfg_t *section, const char *name)
{
    const struct place *place = find_place(reader, section, name);
    const char *in = section_name(section);
    char origin[ORIGIN_SIZE];
    char advice[256];

    config_suggest_key(in, name, advice, sizeof advice);
    format_origin(reader, place != NULL ? place->line : 0, origin);
    config_report(reader->load, origin, "%s%s%s: no such option%s", in, in[0] == '\0' ? "" : ".",
                  name, advice);
}

static int take_section(struct reader *reader, cfg_t *section);

static int take_sections(struct reader *reader, cfg_opt_t *option)
{
    int is_plugin = strcmp(option->name, "plugin") == 0;
    int has_title = has_free_options(option->name);
    int code = 0;

    for (unsigned i = 0; i < cfg_opt_size(option) && code == 0; i++) {
        cfg_t *section = cfg_opt_getnsec(option, i);
        /* The library leaves a section half made when memory runs out. */
        if (section == NULL || section->opts == NULL || (has_title && section->title == NULL))
            code = -1;
        else if (is_plugin)
            take_plugin(reader, section);
        else if (has_title)
            take_target(reader, section);
        else
            code = take_section(reader, section);
    }
    return code;
}

/* What the parser holds when it is done, or gave up. Only what was not declared has no callback. */
static int take_section(struct reader *reader, cfg_t *section)
{
    int code = 0;

    for (cfg_opt_t *option = section->opts; option->name != NULL && code == 0; option++) {
        if (option->type == CFGT_SEC)
            code = take_sections(reader, option);
        else if (option->parsecb == NULL)
            report_unknown(reader, section, option->name);
        else if ((option->flags & CFGF_LIST) != 0)
            code = take_list(reader, config_key_find(section_name(section), option->name), option);
    }
    return code;
}

/* ---- The file ----------------------------------------------------------------------------------- */

/*
 * 0, or -1 when out of memory, of which the library says nothing. Then it may hold pointers to what it has freed, and
 * neither reading nor freeing what it holds is safe. Where it goes on all the same, its lexer clears errno
 * when it reads on, and nobody knows.
 */
static int parse_file(struct reader *reader, cfg_t *parser, FILE *file)
{
    size_t places = reader->place_count;
    int failed = reader->load->failed;

    errno = 0;
    reader->load->failed = 0;
    int parsed = cfg_parse_fp(parser, file);
    int is_short = errno == ENOMEM;
    int is_told = reader->load->failed || reader->place_count > places;
    reader->load->failed |= failed;
    return is_short || (parsed != CFG_SUCCESS && !is_told) ? -1 : 0;
}

/* 0, or -1 when out of memory; all else that is wrong has been reported. */
static int parse(struct reader *reader, char *text, size_t size)
{
    cfg_t *parser = new_parser();
    FILE *file = size > 0 ? fmemopen(text, size, "r") : fopen("/dev/null", "re");
    int code = -1;

    current = reader;
    if (parser != NULL && file != NULL && seed_lists(reader, parser) == 0) {
        if (parse_file(reader, parser, file) == 0)
            code = take_section(reader, parser);
        else
            parser = NULL; /* left as it is */
    }
    current = NULL;
    if (file != NULL)
        fclose(file);
    cfg_free(parser);
    return code;
}

/* What the file holds and a NUL, into a new text: its size, or a negative errno. More than `most` is too much. */
static ssize_t slurp(int fd, size_t most, char **out)
{
    size_t size = 0, capacity = 0;
    char *text = NULL;
    ssize_t part;
    do {
        if (capacity - size < 2) {
            capacity = capacity > 0 ? capacity * 2 : FIRST_READ;
            char *larger = realloc(text, capacity);
            if (larger == NULL) {
                free(text);
                return -ENOMEM;
            }
            text = larger;
        }
        part = read(fd, text + size, capacity - size - 1);
        size += part > 0 ? (size_t)part : 0;
    } while (size <= most && (part > 0 || (part < 0 && errno == EINTR)));
    if (part < 0 || size > most) {
        int code = part < 0 ? -errno : -EFBIG; /* of a directory: EISDIR */
        free(text);
        return code;
    }
    text[size] = '\0';
    *out = text;
    return (ssize_t)size;
}

static ssize_t slurp_path(const char *path, size_t most, char **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t size = slurp(fd, most, out);
    close(fd);
    return size;
}

static void read_text(struct reader *reader, char *text, size_t size)
{
    char origin[ORIGIN_SIZE];
    const char *reason = NULL;
    int line = 0;

    if (config_scan(text, size, &line, &reason) < 0) {
        format_origin(reader, line, origin);
        config_report(reader->load, origin, "%s", reason);
    } else if (parse(reader, text, size) < 0) {
        config_report(reader->load, reader->path, "out of memory");
    }
}

void config_read_file(struct config_load *load, const char *path, int optional)
{
    struct reader *reader = calloc(1, sizeof *reader);
    char *text = NULL;
    char *base = config_path_directory(path);

    if (reader == NULL || base == NULL) {
        config_report(load, path, "out of memory");
    } else {
        ssize_t size = slurp_path(path, load->environment ? FILE_MAX : SSIZE_MAX, &text);
        reader->load = load;
        reader->path = path;
        reader->base = base;
        if (size >= 0)
            read_text(reader, text, (size_t)size);
        else if (size == -EFBIG)
            config_report(load, path, "found more than %d bytes, wanted less", FILE_MAX);
        else if (size == -ENOMEM)
            config_report(load, path, "out of memory");
        else if (!optional || (size != -ENOENT && size != -ENOTDIR))
            config_report(load, path, "can't be read: %s", strerror((int)-size));
        for (size_t i = 0; i < reader->place_count; i++)
            free(reader->places[i].name);
        free(reader->places);
    }
    free(base);
    free(text);
    free(reader);
}
