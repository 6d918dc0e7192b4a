/*
 * config_scan.c: looks through a file's text before libconfuse does, for what version 3.3 gets wrong:
 * its line numbers drift with every comment, a comment in a list is an error to it, and it takes a
 * section, string or comment that never ends, and text cut short by a NUL, without a word. Called by
 * config_file.c; it follows the library's lexer and knows no keys.
 */
#include <ctype.h>
#include <string.h>

#include "common/config_internal.h"

struct scanner {
    char *at;
    char *end; /* *end is 0 */
    int line;
    int depth;       /* of braces */
    int opened_line; /* where the outermost brace is */
    const char *reason;
};

static int refuse(struct scanner *scanner, int line, const char *reason)
{
    scanner->line = line;
    scanner->reason = reason;
    return -1;
}

/* One character further, through a newline too. */
static void skip(struct scanner *scanner)
{
    if (*scanner->at == '\n')
        scanner->line++;
    scanner->at++;
}

static int blank_line(struct scanner *scanner)
{
    while (scanner->at < scanner->end && *scanner->at != '\n')
        *scanner->at++ = ' ';
    return 0;
}

static int blank_comment(struct scanner *scanner)
{
    int line = scanner->line;
    char *end = strstr(scanner->at + 2, "*/");

    if (end == NULL)
        return refuse(scanner, line, "found no end of the comment that begins here, wanted */");
    for (; scanner->at < end + 2; skip(scanner)) {
        if (*scanner->at != '\n')
            *scanner->at = ' ';
    }
    return 0;
}

/* Whether a backslash and what follows would put a NUL into the text. */
static int is_nul_escape(const char *escape)
{
    size_t digits = 1;

    if (escape[1] == 'x') {
        digits = escape[2] == '0' ? 1 : 0;
        digits += digits == 1 && escape[3] == '0';
        return digits > 0 && (digits == 2 || !isxdigit((unsigned char)escape[3]));
    }
    while (digits <= 3 && escape[digits] == '0')
        digits++;
    int zeros = (int)digits - 1;
    return zeros > 0 && (zeros == 3 || !isdigit((unsigned char)escape[digits]));
}

/* ${NAME} or ${NAME:-default}, in a string or outside. */
static int scan_variable(struct scanner *scanner)
{
    size_t size = strcspn(scanner->at, "}\n");

    if (scanner->at[size] != '}')
        return refuse(
            scanner, scanner->line,
            "found ${ without }, wanted ${NAME} or ${NAME:-DEFAULT} on one line, or \\${ in "
            "a string for the text itself");
    scanner->at += size + 1;
    return 0;
}

static int is_variable(const char *at)
{
    return at[0] == '$' && at[1] == '{';
}

static int scan_escape(struct scanner *scanner)
{
    if (is_nul_escape(scanner->at))
        return refuse(scanner, scanner->line, "found an escaped NUL, wanted text without");
    scanner->at++;
    if (scanner->at < scanner->end)
        skip(scanner);
    return 0;
}

static int scan_string(struct scanner *scanner)
{
    char quote = *scanner->at++;
    int line = scanner->line;
    int code = 0;

    while (code == 0 && scanner->at < scanner->end && *scanner->at != quote) {
        if (*scanner->at == '\\' && quote == '"')
            code = scan_escape(scanner);
        else if (*scanner->at == '\\' && scanner->at + 1 < scanner->end)
            scanner->at++, skip(scanner);
        else if (quote == '"' && is_variable(scanner->at))
            code = scan_variable(scanner);
        else
            skip(scanner);
    }
    if (code == 0 && scanner->at == scanner->end)
        return refuse(scanner, line, "found no end of the string that begins here, wanted a quote");
    scanner->at++;
    return code;
}

static int scan_word(struct scanner *scanner)
{
    size_t size = strcspn(scanner->at, " \t\r\n#\"'={}()+,*");
    scanner->at += size > 0 ? size : 1;
    return 0;
}

static int scan_brace(struct scanner *scanner)
{
    if (*scanner->at == '{' && scanner->depth++ == 0)
        scanner->opened_line = scanner->line;
    if (*scanner->at == '}' && scanner->depth > 0)
        scanner->depth--;
    scanner->at++;
    return 0;
}

static int scan_one(struct scanner *scanner)
{
    const char *at = scanner->at;

    if (*at == '\n') {
        skip(scanner);
        return 0;
    }
    if (*at == '#' || (at[0] == '/' && at[1] == '/'))
        return blank_line(scanner);
    if (at[0] == '/' && at[1] == '*')
        return blank_comment(scanner);
    if (*at == '"' || *at == '\'')
        return scan_string(scanner);
    if (*at == '{' || *at == '}')
        return scan_brace(scanner);
    if (is_variable(at))
        return scan_variable(scanner);
    /* The library passes over these two as if they were blanks. */
    if (*at == '*' || (*at == '+' && at[1] != '='))
        return refuse(scanner, scanner->line,
                      "found * or + outside of quotes, wanted such a text in quotes");
    return scan_word(scanner);
}

int config_scan(char *text, size_t size, int *line, const char **reason)
{
    static const char bom[] = "\xef\xbb\xbf"; /* some editors begin every file with it */
    struct scanner scanner = {.at = text, .end = text + size, .line = 1};
    const char *nul = memchr(text, '\0', size);
    int code = 0;

    if (size >= sizeof bom - 1 && memcmp(text, bom, sizeof bom - 1) == 0)
        memset(text, ' ', sizeof bom - 1);
    if (nul != NULL)
        scanner.end = text + (nul - text);
    while (code == 0 && scanner.at < scanner.end)
        code = scan_one(&scanner);
    if (code == 0 && nul != NULL)
        code = refuse(&scanner, scanner.line, "found a NUL byte, wanted text");
    if (code == 0 && scanner.depth > 0)
        code = refuse(&scanner, scanner.opened_line,
                      "found no end of the section that begins here, wanted }");
    if (code < 0) {
        *line = scanner.line;
        *reason = scanner.reason;
    }
    return code;
}
