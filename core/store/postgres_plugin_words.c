/*
 * postgres_plugin_words.c: looks at the words of a plugin's SQL before the server does: whether it is one
 * statement, which parameters it has, and whether it would end the transaction, change the session or alter
 * pbxhook's own tables. Against mistakes, not against malice. Pure.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/own_tables.h"
#include "store/postgres_internal.h"

#define WORD_SIZE 64

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_PARAMETER, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    char word
        [WORD_SIZE]; /* in lower case, unless it was quoted; of TOKEN_OTHER its first character */
    uint32_t number; /* of a parameter */
};

static int is_word_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static int is_word_part(char c)
{
    return is_word_start(c) || isdigit((unsigned char)c) || c == '$';
}

/* ---- What holds no words ------------------------------------------------------------------------------ */

/* Behind comments, which nest, and space. */
static const char *skip_blank(const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n\f\v");
        if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            int depth = 0;
            do {
                if (at[0] == '/' && at[1] == '*') {
                    depth++;
                    at += 2;
                } else if (at[0] == '*' && at[1] == '/') {
                    depth--;
                    at += 2;
                } else {
                    at++;
                }
            } while (depth > 0 && *at != '\0');
        } else {
            return at;
        }
    }
}

/* Behind the closing quote; a doubled one is part of it, and so is what a backslash escapes in E''. */
static const char *skip_quoted(const char *at, int escapes)
{
    char quote = *at++;
    while (*at != '\0') {
        if (escapes && *at == '\\' && at[1] != '\0')
            at += 2;
        else if (*at != quote)
            at++;
        else if (at[1] == quote)
            at += 2;
        else
            return at + 1;
    }
    return at;
}

/* Behind $tag$...$tag$, or NULL when there is none here. */
static const char *skip_dollars(const char *at)
{
    const char *end = at + 1;
    while (is_word_part(*end) && *end != '$')
        end++;
    if (*end != '$' || isdigit((unsigned char)at[1]))
        return NULL;
    size_t size = (size_t)(end + 1 - at);
    for (const char *close = end + 1; *close != '\0'; close++) {
        if (strncmp(close, at, size) == 0)
            return close + size;
    }
    return end + strlen(end);
}

/* ---- Tokens ----------------------------------------------------------------------------------------- */

static void keep_word(struct token *token, const char *start, const char *end, int fold)
{
    size_t size = (size_t)(end - start) < WORD_SIZE - 1 ? (size_t)(end - start) : WORD_SIZE - 1;
    token->kind = TOKEN_WORD;
    for (size_t i = 0; i < size; i++)
        token->word[i] = fold ? (char)tolower((unsigned char)start[i]) : start[i];
    token->word[size] = '\0';
}

static const char *next_word(const char *at, struct token *token)
{
    const char *end = at;
    while (is_word_part(*end))
        end++;
    keep_word(token, at, end, 1);
    if (*end == '\'' && end == at + 1 && strchr("eEbBxXnN", *at) != NULL) {
        token->kind = TOKEN_OTHER;
        return skip_quoted(end, *at == 'e' || *at == 'E');
    }
    return end;
}

static const char *next_token(const char *at, struct token *token)
{
    *token = (struct token){.kind = TOKEN_OTHER};
    at = skip_blank(at);
    token->word[0] = *at;
    if (*at == '\0') {
        token->kind = TOKEN_END;
        return at;
    }
    if (is_word_start(*at))
        return next_word(at, token);
    if (*at == '\'')
        return skip_quoted(at, 0);
    if (*at == '"') {
        const char *end = skip_quoted(at, 0);
        keep_word(token, at + 1, end - 1, 0);
        return end;
    }
    if (*at == '$' && isdigit((unsigned char)at[1])) {
        token->kind = TOKEN_PARAMETER;
        for (at++; isdigit((unsigned char)*at); at++)
            token->number =
                token->number < 100000 ? token->number * 10 + (uint32_t)(*at - '0') : token->number;
        return at;
    }
    const char *behind = *at == '$' ? skip_dollars(at) : NULL;
    if (behind != NULL)
        return behind;
    if (isdigit((unsigned char)*at)) {
        while (is_word_part(*at) || *at == '.')
            at++;
        return at;
    }
    return at + 1;
}

/* ---- Refusals --------------------------------------------------------------------------------------- */

static int is_among(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasecmp(word, *words) == 0)
            return 1;
    }
    return 0;
}

static const char *const transaction_words[] = {"begin",    "commit",    "end",     "abort",
                                                "rollback", "savepoint", "release", "start",
                                                "prepare",  "vacuum",    NULL};
static const char *const session_words[] = {
    "set",  "reset",   "discard", "execute", "deallocate", "listen", "unlisten",
    "load", "declare", "fetch",   "move",    "close",      NULL};
static const char *const server_words[] = {"copy",     "call",       "do",      "lock",
                                           "cluster",  "checkpoint", "reindex", "reassign",
                                           "security", "import",     NULL};
static const char *const ddl_words[] = {"create", "alter",  "drop",    "comment",
                                        "grant",  "revoke", "refresh", NULL};
/* Behind these stands what a statement of ours to change names, or what it would hold fast; behind others, as
 * FROM, what it only reads. */
static const char *const ddl_target_words[] = {
    "table",    "view",     "index",   "on",      "into",      "schema",     "rename", "to",
    "sequence", "function", "routine", "inherit", "partition", "references", NULL};
static const char *const write_target_words[] = {"into", "update", NULL};
/* They may stand between such a word and the name. */
static const char *const passed_words[] = {"if", "not", "exists", "only", "concurrently", NULL};
/* Plugins' tables are there, and those that pbxhook makes as a plugin would. */
static const char plugins_schema[] = "pbxhook_plugins";

static const char *refuse_first(const char *word)
{
    if (is_among(word, transaction_words))
        return strcmp(word, "rollback") == 0
                   ? "ROLLBACK would undo all events of the batch: the transaction is the event's, and "
                     "pbxhook ends it"
                   : "the transaction is the event's, and pbxhook ends it";
    if (is_among(word, session_words))
        return "it would change the session of all plugins";
    if (is_among(word, server_words))
        return "COPY, CALL, DO and LOCK and what is for administrators is not for plugins";
    return NULL;
}

/* ---- Names of pbxhook's own ----------------------------------------------------------------------- */

/* What has been read of a statement. */
struct reading {
    unsigned where; /* whose names may not be changed: OWN_... */
    char first[WORD_SIZE];
    struct token before, before_that;
    int is_qualified; /* behind the name of the plugins' schema */
    int only_reads;   /* behind SELECT in CREATE VIEW and CREATE TABLE AS */
};

static int is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && strcmp(token->word, word) == 0;
}

static int is_mark(const struct token *token, char mark)
{
    return token->kind == TOKEN_OTHER && token->word[0] == mark;
}

/* Whether a statement that alters the schema changes what is named here. */
static int is_ddl_target(const struct reading *reading)
{
    const struct token *before = &reading->before;
    if (reading->only_reads)
        return 0;
    if (is_mark(before, ','))
        return strcmp(reading->first, "drop") == 0;
    if (is_mark(before, '('))
        return is_word(&reading->before_that, "inherits");
    if (is_word(before, "of"))
        return is_word(&reading->before_that, "partition");
    return before->kind == TOKEN_WORD && is_among(before->word, ddl_target_words);
}

/* Whether rows of what is named here are written. The triggers see that, too, but not what names a partition. */
static int is_write_target(const struct reading *reading)
{
    const struct token *before = &reading->before;
    if (strcmp(reading->first, "truncate") == 0)
        return is_mark(before, ',') || is_word(before, "truncate") || is_word(before, "table");
    if (is_word(before, "from"))
        return is_word(&reading->before_that, "delete");
    return before->kind == TOKEN_WORD && is_among(before->word, write_target_words);
}

static int is_own_name(const struct reading *reading, const char *word)
{
    int is_function = is_word(&reading->before, "function") || is_word(&reading->before, "routine");
    if (reading->where == 0)
        return 0;
    if (strcmp(word, "pbxhook") == 0)
        return 1;
    if (is_function)
        return strcmp(word, "refuse_plugin") == 0 || strcmp(word, "body") == 0;
    if (strcmp(word, plugins_schema) == 0)
        return is_word(&reading->before, "schema") && strcmp(reading->first, "create") != 0;
    return own_relation_is(word, reading->where);
}

static const char *refuse_word(const struct reading *reading, int is_ddl, const char *word)
{
    if (strcmp(word, "set_config") == 0)
        return "it would change the session of all plugins";
    if (!(is_ddl ? is_ddl_target(reading) : is_write_target(reading)) ||
        !is_own_name(reading, word))
        return NULL;
    if (is_word(&reading->before, "references"))
        return "a foreign key to a table of pbxhook's own would keep pbxhook from removing what is old or to be "
               "forgotten";
    return "it would change a table of pbxhook's own, which is done through the other functions of the db "
           "service";
}

/* Keeps what the next token is judged by. */
static void read_on(struct reading *reading, const struct token *token)
{
    int was_qualified = reading->is_qualified;
    reading->is_qualified = is_word(token, plugins_schema);
    if (reading->is_qualified || (was_qualified && is_mark(token, '.')) ||
        (token->kind == TOKEN_WORD && is_among(token->word, passed_words)))
        return;
    reading->only_reads |= strcmp(reading->first, "create") == 0 && is_word(token, "select") &&
                           !is_word(&reading->before, "on");
    reading->before_that = reading->before;
    reading->before = *token;
}

/* ---- The whole ------------------------------------------------------------------------------------- */

static void count_parameter(struct pg_words *words, uint32_t number)
{
    if (number > words->parameters)
        words->parameters = number;
    if (number >= 1 && number <= 64)
        words->used |= UINT64_C(1) << (number - 1);
}

const char *pg_plugin_check(const char *sql, unsigned where, struct pg_words *words)
{
    struct reading reading = {.where = where};
    struct token token;
    const char *at = sql;
    int ended = 0;
    *words = (struct pg_words){0};
    while (at = next_token(at, &token), token.kind != TOKEN_END) {
        const char *refusal = NULL;
        if (is_mark(&token, ';')) {
            ended = reading.first[0] != '\0';
            continue;
        }
        if (ended)
            return "more than one statement";
        if (reading.first[0] == '\0') {
            snprintf(reading.first, sizeof(reading.first), "%s", token.word);
            refusal = token.kind == TOKEN_WORD ? refuse_first(token.word) : NULL;
            words->is_ddl = is_among(reading.first, ddl_words);
        }
        if (token.kind == TOKEN_PARAMETER)
            count_parameter(words, token.number);
        if (refusal == NULL && token.kind == TOKEN_WORD)
            refusal = refuse_word(&reading, words->is_ddl, token.word);
        if (refusal != NULL)
            return refusal;
        read_on(&reading, &token);
    }
    return reading.first[0] == '\0' ? "there is no statement in this text" : NULL;
}
