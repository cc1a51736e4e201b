/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/route.h"

#include "support/runner.h"

static struct problem problem;
static struct slice raw_key;

static const struct route *find(const char *method, const char *path)
{
	problem.status = 0;
	return route_find(slice_of_string(path), route_method(method), &raw_key, &problem);
}

START_TEST(every_endpoint_takes_its_methods)
{
	static const char *const good[][2] = { { "POST", "/set" }, { "PUT", "/set" }, { "GET", "/get" },
		{ "HEAD", "/get" }, { "DELETE", "/del" }, { "GET", "/shutdown" }, { "POST", "/shutdown" },
		{ "PUT", "/v1/kv/a" }, { "GET", "/v1/kv/a" }, { "HEAD", "/v1/kv/a" }, { "DELETE", "/v1/kv/a" },
		{ "GET", "/v1/kv" }, { "GET", "/healthz" }, { "GET", "/readyz" }, { "GET", "/metrics" },
		{ "GET", "/v1/stats" } };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(find(good[i][0], good[i][1]) != NULL, "%s %s", good[i][0], good[i][1]);
}
END_TEST

START_TEST(the_rest_of_the_path_is_the_key_as_it_is)
{
	ck_assert_ptr_nonnull(find("GET", "/v1/kv/a//b/%2F/.."));
	ck_assert(slice_equal(raw_key, slice_of_string("a//b/%2F/..")));
	ck_assert_ptr_nonnull(find("GET", "/v1/kv/"));
	ck_assert_uint_eq(raw_key.len, 0);
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones)
{
	char text[ROUTE_ALLOW_MAX];

	ck_assert_ptr_null(find("GET", "/set"));
	ck_assert_uint_eq(problem.status, 405);
	ck_assert_str_eq(route_allow_text(problem.allow, text, sizeof text), "POST, PUT");
	ck_assert_ptr_null(find("POST", "/v1/kv/a"));
	ck_assert_uint_eq(problem.status, 405);
	ck_assert_str_eq(route_allow_text(problem.allow, text, sizeof text), "GET, HEAD, PUT, DELETE");
	ck_assert_ptr_null(find("OPTIONS", "/get"));
	ck_assert_uint_eq(problem.status, 405);
	ck_assert_str_eq(route_allow_text(0x1ff, text, sizeof text),
		"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE, CONNECT");
}
END_TEST

START_TEST(other_paths_are_not_found)
{
	static const char *const bad[] = { "/", "/sets", "/se", "/Get", "/get/", "//get", "/%67et", "/v1", "/v1/kvs",
		"/v1/kv%2Fa", "/healthz/x" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_msg(find("GET", bad[i]) == NULL, "%s", bad[i]);
		ck_assert_uint_eq(problem.status, 404);
	}
}
END_TEST

START_TEST(methods_are_case_sensitive)
{
	ck_assert_uint_eq(route_method("get"), 0);
	ck_assert_uint_eq(route_method("GETX"), 0);
	ck_assert_uint_eq(route_method(""), 0);
	ck_assert_uint_eq(route_method("GET"), HTTP_GET);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("route");
	TCase *tc = tcase_create("route");

	tcase_add_test(tc, every_endpoint_takes_its_methods);
	tcase_add_test(tc, the_rest_of_the_path_is_the_key_as_it_is);
	tcase_add_test(tc, a_wrong_method_is_told_the_right_ones);
	tcase_add_test(tc, other_paths_are_not_found);
	tcase_add_test(tc, methods_are_case_sensitive);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
