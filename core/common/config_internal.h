/*
 * config_internal.h: what the files config*.c share, and nobody else: the table of keys, the values'
 * text forms, and the loading run that collects what is wrong. One thread.
 */
#ifndef PBXHOOK_CONFIG_INTERNAL_H
#define PBXHOOK_CONFIG_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/config.h"

/* ---- The keys (config_keys.c) ------------------------------------------------------------------ */

/* What a key's text is read as, and the member of struct config that holds it. */
enum config_type {
    CONFIG_TEXT,     /* char *                                                          */
    CONFIG_PATH,     /* char *, absolute, or "" where the key allows that               */
    CONFIG_STORE,    /* char *, "sqlite:" and an absolute path, or "postgresql://..."   */
    CONFIG_INTEGER,  /* int                                                             */
    CONFIG_BOOLEAN,  /* int, 0 or 1                                                     */
    CONFIG_WORD,     /* int: the word's index in `words`                                */
    CONFIG_DURATION, /* int, ms; "10s", "1500ms", a bare number is seconds              */
    CONFIG_PERIOD,   /* int64_t, ms; as CONFIG_DURATION, of days and years; 0 is for ever */
    CONFIG_SIZE,     /* int64_t, bytes; "1MiB", a bare number is bytes                  */
    CONFIG_LIST      /* char **, NULL at the end, each element as CONFIG_TEXT           */
};

/* One key, written once: the file's options, the variables, the checks and the printing follow it. */
struct config_key {
    const char *section; /* "" for the top level; keys of a section stand together  */
    const char *name;
    enum config_type type;
    const char *standard; /* the default as in a file; NULL: none, or config.c finds it */
    int64_t min, max;     /* of a number; of a text its length in bytes             */
    const char *const *words;
    int (*check)(const char *text); /* 1 when it will do; NULL: any text will       */
    const char *wanted;             /* completes "found ..., wanted ": of texts      */
    const char *help;               /* one line                                     */
    int live;                       /* a reload may change it: who uses it looks anew */
    size_t offset;                  /* of the member in struct config               */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* Long enough for "section.name", and for PBXHOOK_SECTION_NAME. */
#define CONFIG_NAME_SIZE 64

/* NULL when there is none. */
const struct config_key *config_key_find(const char *section, const char *name);
const struct config_key *config_key_find_variable(const char *variable);

/* "webhook.max_body", and "PBXHOOK_WEBHOOK_MAX_BODY". */
void config_key_path(const struct config_key *key, char out[CONFIG_NAME_SIZE]);
void config_key_variable(const struct config_key *key, char out[CONFIG_NAME_SIZE]);

/* The key's member of config. */
void *config_key_member(const struct config *config, const struct config_key *key);

/* "; did you mean ...?" for the known name that is nearest to an unknown one, or "". */
void config_suggest_key(const char *section, const char *name, char *out, size_t size);
void config_suggest_variable(const char *variable, char *out, size_t size);

/* ---- Values and their text (config_value.c) ---------------------------------------------------- */

#define CONFIG_E_VALUE  (-1) /* the text is no value of this key */
#define CONFIG_E_MEMORY (-2)

/*
 * Reads text as the key's value into *member, freeing what was there. Relative paths are taken from
 * the directory `base`. 0, or CONFIG_E_... with *member untouched. Of a list it reads all elements,
 * separated by commas, as a variable holds them.
 */
int config_value_read(const struct config_key *key, const char *text, const char *base,
                      void *member);

/* Whether text will do as one element of the list. */
int config_value_check_element(const struct config_key *key, const char *text);

/* Completes "found ..., wanted ". */
void config_value_wanted(const struct config_key *key, char *out, size_t size);

/* Writes the value as a file has it. */
void config_value_print(const struct config_key *key, const void *member, FILE *out);

/* Frees what the member owns. */
void config_value_free(const struct config_key *key, void *member);

/* ---- store.url (config_store.c) ----------------------------------------------------------------- */

/* "sqlite:PATH" with the path made absolute, or a URL of PostgreSQL's as it is: 0 and a new *out, or
 * CONFIG_E_... */
int config_store_read(const char *text, const char *base, char **out);

/* Completes "found ..., wanted ": for a URL of PostgreSQL's with what libpq has against it. */
void config_store_wanted(const char *text, char *out, size_t size);

/* The URL with *** in place of each password: new, NULL when out of memory. */
char *config_store_mask(const char *url);

int config_store_is_sqlite(const char *url);

/* Frees a list, its NULL at the end included; accepts NULL. */
void config_list_free(char **list);

/* Writes text as a quoted string of a file, on one line. */
void config_print_text(const char *text, FILE *out);

/* ---- Checks of texts (config_check.c): 1 when it will do ---------------------------------------- */

int config_check_address(const char *text); /* HOST:PORT, [IPV6]:PORT */
int config_check_url(const char *text);     /* http, https; no user   */
int config_check_origin(const char *text);  /* of the Origin header   */
int config_check_range(const char *text);   /* of addresses, 10.0.0.0/8 */
int config_check_token(const char *text);
int config_check_user(const char *text);   /* of HTTP Basic          */
int config_check_name(const char *text);   /* [a-z][a-z0-9_]*        */
int config_check_target(const char *text); /* config_check_url(), without ? and # */
int config_check_utf8(const char *text);

/* ---- One run of config_load() (config.c) ------------------------------------------------------- */

struct config_origins {
    char **of;       /* as config_keys[]; NULL: not set yet           */
    int are_foreign; /* of a file that another process wrote for this */
};

struct config_load {
    struct config *config;
    FILE *errors;
    int environment;
    int failed; /* something was told to `errors` */
};

/* Tells one thing that is wrong: "ORIGIN: MESSAGE", control characters escaped. */
void config_report(struct config_load *load, const char *origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a value: "ORIGIN: KEY: found "TEXT", wanted WANTED". */
void config_report_value(struct config_load *load, const struct config_key *key, const char *origin,
                         const char *text, const char *wanted);

/* Sets a key, with where that was written; reports a text that won't do. */
void config_set(struct config_load *load, const struct config_key *key, const char *text,
                const char *base, const char *origin);
void config_set_origin(struct config_load *load, const struct config_key *key, const char *origin);
const char *config_origin(const struct config *config, const struct config_key *key);

/* Keeps an option of a plugin; a later one of the same name replaces it. */
void config_set_plugin_option(struct config_load *load, const char *plugin, const char *key,
                              const char *value, const char *origin);

/* ---- target "NAME" { } (config_target.c) --------------------------------------------------------- */

extern const struct config_key config_target_keys[];
extern const size_t config_target_key_count;

/* A new one with the defaults, or the one of that name: NULL when out of memory, which is reported. */
struct config_target *config_get_target(struct config_load *load, const char *name,
                                        const char *origin);
/* Sets one of its options by its name; reports a name that is none and a text that won't do. */
void config_set_target_option(struct config_load *load, struct config_target *target,
                              const char *name, const char *text, const char *base,
                              const char *origin);
/* What only the whole target can tell; reports. */
void config_check_targets(struct config_load *load);
void config_free_targets(struct config *config);

/* Reports what of the keys about access fits together with nothing (config_access.c). */
void config_check_access(struct config_load *load);

/* ---- Sources ----------------------------------------------------------------------------------- */

/* Reads one file (config_file.c). One that does not exist is passed over when it is optional. */
void config_read_file(struct config_load *load, const char *path, int optional);

/* Reads the files DIR/conf.d/?*.conf beside `path` in lexical order (config_directory.c). */
void config_read_directory(struct config_load *load, const char *path);

/* Reads PBXHOOK_... (config_env.c). */
void config_read_environment(struct config_load *load);

/*
 * Makes a file's text fit for libconfuse, in place (config_scan.c): comments become blanks, and what
 * the library would accept without a word is refused: -1, *line and *reason (a constant).
 */
int config_scan(char *text, size_t size, int *line, const char **reason);

/* New absolute forms; NULL when out of memory (config_paths.c). */
char *config_path_absolute(const char *base, const char *path);
char *config_path_directory(const char *path); /* the absolute directory that holds path */

/* The defaults that depend on where and as whom this runs: new, or NULL when out of memory or, for
 * the state directory, when there is no home directory to put it in. *origin becomes a constant. */
char *config_default_state_dir(int environment, const char **origin);
char *config_default_plugin_dir(void);

#endif
