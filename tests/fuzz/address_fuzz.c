/*
 * address_fuzz.c: ranges of addresses as the operator writes them, and the fields in which proxies say who the
 * client is. The input is texts, parted by NULs: a trusted range, the peer, lines of X-Forwarded-For, and behind
 * an empty one those of Forwarded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address_list.h"
#include "fuzz.h"

static void check_address(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address again;

    address_format(address, text);
    fuzz_require(address_parse(text, strlen(text), &again) == 0);
    fuzz_require(address_equals(address, &again));
}

static void check_range(const char *text)
{
    struct address_range range, again;
    char first[ADDRESS_TEXT_SIZE], plain[ADDRESS_TEXT_SIZE + 8];

    if (address_range_parse(text, &range) < 0)
        return;
    fuzz_require(range.prefix >= 0 && range.prefix <= 128);
    const struct address_list list = {.range = &range, .count = 1};
    fuzz_require(address_list_has(&list, &range.first));
    check_address(&range.first);
    address_format(&range.first, first);
    int is_dotted = strchr(first, ':') == NULL;
    if (is_dotted && range.prefix < 96)
        return; /* ::ffff:0:0 and less of it: no dotted text says that */
    snprintf(plain, sizeof plain, "%s/%d", first, is_dotted ? range.prefix - 96 : range.prefix);
    fuzz_require(address_range_parse(plain, &again) == 0);
    fuzz_require(again.prefix == range.prefix && address_equals(&again.first, &range.first));
}

static void take_lines(struct fuzz_input *input, char *texts[], struct forwarded_lines *out)
{
    while (input->left > 0) {
        char *text = fuzz_take_text(input);
        int is_end = text[0] == '\0' || out->count == FORWARDED_LINES_MAX;
        if (is_end) {
            free(text);
            return;
        }
        texts[out->count] = text;
        out->line[out->count++] = text;
    }
}

/* Who is taken for the client was either there, or named by somebody who is trusted. */
static void check_client(struct fuzz_input *input, const char *trusted_range, const char *peer_text)
{
    char *texts[2][FORWARDED_LINES_MAX];
    char *ranges[] = {(char *)(uintptr_t)trusted_range, NULL};
    struct forwarded_lines x_forwarded_for = {.count = 0}, forwarded = {.count = 0};
    struct address_list trusted = {.count = 0};
    struct address peer, client;

    take_lines(input, texts[0], &x_forwarded_for);
    take_lines(input, texts[1], &forwarded);
    if (address_parse(peer_text, strlen(peer_text), &peer) == 0 &&
        address_list_read(ranges, &trusted) == 0) {
        int code = address_find_client(&trusted, &peer, &x_forwarded_for, &forwarded, &client);
        if (!address_list_has(&trusted, &peer))
            fuzz_require(code == 0 && address_equals(&client, &peer));
        if (code == 0)
            check_address(&client);
        if (code == 0 && x_forwarded_for.count + forwarded.count == 0)
            fuzz_require(address_equals(&client, &peer));
        address_list_free(&trusted);
    }
    for (int i = 0; i < x_forwarded_for.count; i++)
        free(texts[0][i]);
    for (int i = 0; i < forwarded.count; i++)
        free(texts[1][i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    char *range = fuzz_take_text(&input);
    char *peer = fuzz_take_text(&input);

    check_range(range);
    check_range(peer);
    check_client(&input, range, peer);
    free(peer);
    free(range);
    return 0;
}
