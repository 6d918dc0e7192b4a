/* cors_test.c: who may read the dashboard from another origin, and what caches are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receiver/cors.h"

#define ORIGIN  "Access-Control-Allow-Origin"
#define METHODS "Access-Control-Allow-Methods"

static char *const nobody[] = {NULL};
static char *const two[] = {"https://a.example", "http://b.example:8080", NULL};
static char *const anybody[] = {"*", NULL};

static void matches_whole_origins_only(void **state)
{
    (void)state;
    assert_string_equal(cors_match(two, "https://a.example"), "https://a.example");
    assert_string_equal(cors_match(two, "http://b.example:8080"), "http://b.example:8080");
    assert_null(cors_match(two, "http://a.example"));
    assert_null(cors_match(two, "https://a.example.evil"));
    assert_null(cors_match(two, "http://b.example"));
    assert_null(cors_match(two, "null"));
    assert_null(cors_match(two, ""));
    assert_null(cors_match(two, NULL));
    assert_null(cors_match(nobody, "https://a.example"));
    assert_null(cors_match(NULL, "https://a.example"));
    assert_string_equal(cors_match(anybody, "https://c.example"), "*");
}

/* The header of a fresh response after cors_add_headers(); a copy is not needed: it is compared at once. */
static void check_headers(char *const *origins, const char *origin, const char *allowed,
                          const char *vary)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    assert_non_null(response);
    assert_int_equal(cors_add_headers(response, origins, origin), 0);
    const char *value = MHD_get_response_header(response, ORIGIN);
    if (allowed == NULL)
        assert_null(value);
    else
        assert_string_equal(value, allowed);
    value = MHD_get_response_header(response, "Vary");
    if (vary == NULL)
        assert_null(value);
    else
        assert_string_equal(value, vary);
    MHD_destroy_response(response);
}

static void tells_caches_what_the_answer_depends_on(void **state)
{
    (void)state;
    check_headers(two, "https://a.example", "https://a.example", "Origin");
    check_headers(two, "https://evil.example", NULL, "Origin");
    check_headers(two, NULL, NULL, "Origin");
    check_headers(anybody, "https://c.example", "*", NULL);
    check_headers(nobody, "https://a.example", NULL, NULL);
}

static void preflight_lists_the_methods(void **state)
{
    (void)state;
    struct MHD_Response *response = cors_preflight(two, "https://a.example", "GET, HEAD");
    assert_non_null(response);
    assert_string_equal(MHD_get_response_header(response, ORIGIN), "https://a.example");
    assert_string_equal(MHD_get_response_header(response, METHODS), "GET, HEAD");
    assert_string_equal(MHD_get_response_header(response, "Access-Control-Allow-Headers"),
                        "Authorization, Content-Type");
    assert_string_equal(MHD_get_response_header(response, "Access-Control-Max-Age"), "600");
    assert_string_equal(MHD_get_response_header(response, "Vary"), "Origin");
    MHD_destroy_response(response);
}

static void preflight_of_a_stranger_allows_nothing(void **state)
{
    (void)state;
    struct MHD_Response *response = cors_preflight(two, "https://evil.example", "GET, HEAD");
    assert_non_null(response);
    assert_null(MHD_get_response_header(response, ORIGIN));
    assert_null(MHD_get_response_header(response, METHODS));
    assert_string_equal(MHD_get_response_header(response, "Allow"), "GET, HEAD");
    MHD_destroy_response(response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_whole_origins_only),
        cmocka_unit_test(tells_caches_what_the_answer_depends_on),
        cmocka_unit_test(preflight_lists_the_methods),
        cmocka_unit_test(preflight_of_a_stranger_allows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
