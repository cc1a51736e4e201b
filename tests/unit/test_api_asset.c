/* SPDX-License-Identifier: BSD-2-Clause */
/* The embedded files over HTTP: the description and the dashboard. */
#define _GNU_SOURCE
#include "http/asset.h"
#include "support/fake_server.h"
#include "support/runner.h"

#include <stdio.h>

static const struct {
	const char *path, *name, *type;
} files[] = {
	{ "/openapi.json", "openapi.json", "application/json" },
	{ "/ui/", "index.html", "text/html; charset=utf-8" },
	{ "/ui/app.js", "app.js", "text/javascript; charset=utf-8" },
	{ "/ui/style.css", "style.css", "text/css; charset=utf-8" },
	{ "/ui/icon.svg", "icon.svg", "image/svg+xml" },
};

START_TEST(a_file_is_served_as_it_is)
{
	const struct asset *asset = asset_find(files[_i].name);
	const struct rawhttp_reply *reply = fake_server_call("GET", files[_i].path, NULL, NULL);

	ck_assert_uint_eq(strlen(asset->data), asset->len);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(fake_server_text(reply), asset->data);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), files[_i].type);
	ck_assert_uint_eq(fake_server_call("HEAD", files[_i].path, NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_server_call("PUT", files[_i].path, NULL, "x")->status, 405);
}
END_TEST

START_TEST(a_file_that_a_client_has_is_not_sent_again)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", files[_i].path, NULL, NULL);
	char etag[100], header[200];

	snprintf(etag, sizeof etag, "%s", rawhttp_header(reply, "ETag"));
	snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
	reply = fake_server_call("GET", files[_i].path, header, NULL);
	ck_assert_uint_eq(reply->status, 304);
	ck_assert_uint_eq(reply->body.len, 0);
	ck_assert_str_eq(rawhttp_header(reply, "ETag"), etag);
	reply = fake_server_call("GET", files[_i].path, "If-None-Match: \"1\"\r\n", NULL);
	ck_assert_uint_eq(reply->status, 200);
}
END_TEST

START_TEST(a_page_runs_only_its_own_script_and_is_framed_by_nobody)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", files[_i].path, NULL, NULL);
	char policy[500];

	snprintf(policy, sizeof policy, "%s", rawhttp_header(reply, "Content-Security-Policy"));
	ck_assert_ptr_nonnull(strstr(policy, "default-src 'none'; script-src 'self';"));
	ck_assert_ptr_nonnull(strstr(policy, "frame-ancestors 'none'"));
	ck_assert_ptr_null(strstr(policy, "unsafe"));
	ck_assert_str_eq(rawhttp_header(reply, "X-Content-Type-Options"), "nosniff");
	ck_assert_str_eq(rawhttp_header(reply, "X-Frame-Options"), "DENY");
	ck_assert_ptr_null(rawhttp_header(reply, "Access-Control-Allow-Origin"));
}
END_TEST

START_TEST(only_the_dashboards_files_are_under_its_path)
{
	static const char *const none[] = { "/ui/index.html", "/ui/openapi.json", "/ui/app.js/", "/ui//app.js", "/ui/../ui/app.js",
		"/ui/%61pp.js", "/ui/app.js%00" };

	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		ck_assert_msg(fake_server_call("GET", none[i], NULL, NULL)->status == 404, "%s", none[i]);
}
END_TEST

START_TEST(the_path_without_slash_leads_there)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", "/ui", NULL, NULL);

	ck_assert_uint_eq(reply->status, 308);
	ck_assert_str_eq(rawhttp_header(reply, "Location"), "/ui/");
	ck_assert_uint_eq(reply->body.len, 0);
}
END_TEST

START_TEST(its_own_page_passes_the_guard_and_others_do_not)
{
	static const char *const own[] = { "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", "Origin: https://localhost\r\n",
		"Sec-Fetch-Site: none\r\n" };
	static const char *const foreign[] = { "Origin: http://example.org\r\n", "Origin: null\r\n", "Origin: http://localhost:1\r\n",
		"Sec-Fetch-Site: cross-site\r\n" };

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		ck_assert_msg(fake_server_call("GET", "/v1/stats", own[i], NULL)->status == 200, "%s", own[i]);
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		ck_assert_msg(fake_server_call("GET", "/v1/stats", foreign[i], NULL)->status == 403, "%s", foreign[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_asset");
	TCase *tc = tcase_create("api_asset");
	int count = sizeof files / sizeof files[0];

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_add_loop_test(tc, a_file_is_served_as_it_is, 0, count);
	tcase_add_loop_test(tc, a_file_that_a_client_has_is_not_sent_again, 0, count);
	tcase_add_loop_test(tc, a_page_runs_only_its_own_script_and_is_framed_by_nobody, 0, count);
	tcase_add_test(tc, only_the_dashboards_files_are_under_its_path);
	tcase_add_test(tc, the_path_without_slash_leads_there);
	tcase_add_test(tc, its_own_page_passes_the_guard_and_others_do_not);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
