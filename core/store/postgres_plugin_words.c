/*
 * postgres_plugin_words.c: looks at the words of a plugin's SQL before the server does: whether it is one
 * statement, which parameters it has, and whether it would end the transaction, change the session or alter
 * pbxhook's own tables. Against mistakes, not against malice. Pure.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
static const char *const own_names[] = {"events",
                                        "calls",
                                        "payloads",
                                        "users",
                                        "actions",
                                        "handlings",
                                        "counts",
                                        "migrations",
                                        "calls_active",
                                        "actions_pending",
                                        "actions_sending",
                                        "actions_unsettled",
                                        "handlings_due",
                                        "events_id",
                                        "events_id_seq",
                                        "pbxhook",
                                        NULL};
/* Behind these stands what a statement of ours to change names; behind others, as REFERENCES and FROM,
 * what it only reads. */
static const char *const target_words[] = {"table", "view",   "index",    "exists", "on", "only",
                                           "into",  "schema", "sequence", "rename", "to", NULL};

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

static int is_target(const struct token *before, const char *first)
{
    if (before->kind == TOKEN_WORD)
        return is_among(before->word, target_words);
    return before->word[0] == ',' && strcmp(first, "drop") == 0;
}

const char *pg_plugin_check(const char *sql, struct pg_words *words)
{
    struct token token, before = {0};
    char first[WORD_SIZE] = "";
    const char *at = sql;
    int ended = 0;
    *words = (struct pg_words){0};
    while (at = next_token(at, &token), token.kind != TOKEN_END) {
        if (token.kind == TOKEN_OTHER && token.word[0] == ';') {
            ended = first[0] != '\0';
            continue;
        }
        if (ended)
            return "more than one statement";
        if (first[0] == '\0') {
            snprintf(first, sizeof(first), "%s", token.word);
            const char *refusal = token.kind == TOKEN_WORD ? refuse_first(token.word) : NULL;
            if (refusal != NULL)
                return refusal;
            words->is_ddl = is_among(first, ddl_words);
        }
        if (token.kind == TOKEN_PARAMETER) {
            if (token.number > words->parameters)
                words->parameters = token.number;
            if (token.number >= 1 && token.number <= 64)
                words->used |= UINT64_C(1) << (token.number - 1);
        }
        if (words->is_ddl && token.kind == TOKEN_WORD && is_target(&before, first) &&
            is_among(token.word, own_names))
            return "it would change a table of pbxhook's own, which is done through the other functions "
                   "of the db service";
        before = token;
    }
    return first[0] == '\0' ? "there is no statement in this text" : NULL;
}
