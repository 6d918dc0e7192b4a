/* problem_test.c: problem details are JSON whatever the texts are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "receiver/problem.h"

static json_t *make(const struct problem *problem)
{
    size_t size = 0;
    char *text = problem_json(problem, &size);
    assert_non_null(text);
    assert_int_equal(size, strlen(text));
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

static const char *get(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    json_t *object = make(&(struct problem){.status = 400,
                                            .reason = "missing_member",
                                            .detail = "chamada.call_id is missing",
                                            .member = "chamada.call_id"});
    assert_string_equal(get(object, "type"), "about:blank");
    assert_string_equal(get(object, "title"), "Bad Request");
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 400);
    assert_string_equal(get(object, "reason"), "missing_member");
    assert_string_equal(get(object, "detail"), "chamada.call_id is missing");
    assert_string_equal(get(object, "member"), "chamada.call_id");
    json_decref(object);
}

static void leaves_out_what_it_has_not(void **state)
{
    (void)state;
    json_t *object = make(&(struct problem){.status = 404, .member = ""});
    assert_int_equal(json_object_size(object), 3);
    json_decref(object);
}

static void escapes_what_a_client_sent(void **state)
{
    (void)state;
    json_t *object = make(&(struct problem){.status = 400, .detail = "near '\"\\\n'"});
    assert_string_equal(get(object, "detail"), "near '\"\\\n'");
    json_decref(object);
}

static void drops_a_character_that_was_cut(void **state)
{
    (void)state;
    json_t *object = make(&(struct problem){
        .status = 400, .detail = "caf\xc3\xa9 \xf0\x9f\x98", .member = "\xff\xfe members \xff"});
    assert_string_equal(get(object, "detail"), "caf\xc3\xa9 ");
    assert_null(json_object_get(object, "member"));
    json_decref(object);
}

static void response_has_its_headers(void **state)
{
    (void)state;
    struct MHD_Response *response =
        problem_response(&(struct problem){.status = 405, .header = "Allow", .value = "GET, HEAD"});
    assert_non_null(response);
    assert_string_equal(MHD_get_response_header(response, "Content-Type"),
                        "application/problem+json");
    assert_string_equal(MHD_get_response_header(response, "Cache-Control"), "no-store");
    assert_string_equal(MHD_get_response_header(response, "Allow"), "GET, HEAD");
    MHD_destroy_response(response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(leaves_out_what_it_has_not),
        cmocka_unit_test(escapes_what_a_client_sent),
        cmocka_unit_test(drops_a_character_that_was_cut),
        cmocka_unit_test(response_has_its_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
