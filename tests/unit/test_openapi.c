/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The description that /openapi.json gives out, against the table of routes in both directions, and against the rules of OpenAPI
 * 3.0 that clients' tools need. A row whose path ends in '/' is described with a parameter there, "/v1/kv/{key}".
 */
#define _GNU_SOURCE
#include "config.h"

#include "http/asset.h"
#include "http/reply.h"
#include "http/route.h"
#include "support/runner.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *description;

static void load(void)
{
	const struct asset *asset = asset_find("openapi.json");
	json_error_t error;

	ck_assert_ptr_nonnull(asset);
	ck_assert_uint_eq(strlen(asset->data), asset->len);
	description = json_loadb(asset->data, asset->len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(description != NULL, "line %d: %s", error.line, error.text);
}

static void unload(void)
{
	json_decref(description);
}

static json_t *member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	ck_assert_msg(value != NULL, "no '%s' in %s", name, json_dumps(object, JSON_ENCODE_ANY));
	return value;
}

/* What "#/a/b" names. */
static json_t *follow(const char *reference)
{
	char path[200];
	char *rest = path, *part;
	json_t *at = description;

	ck_assert_msg(strncmp(reference, "#/", 2) == 0, "%s", reference);
	ck_assert_uint_lt(strlen(reference), sizeof path);
	strcpy(path, reference + 2);
	while ((part = strsep(&rest, "/")) != NULL)
		at = member(at, part);
	return at;
}

static json_t *resolved(json_t *value)
{
	json_t *reference = json_object_get(value, "$ref");

	if (!reference)
		return value;
	ck_assert_uint_eq(json_object_size(value), 1);
	return follow(json_string_value(reference));
}

static const char *text(json_t *object, const char *name)
{
	const char *value = json_string_value(member(object, name));

	ck_assert_msg(value != NULL && value[0] != '\0', "'%s' of %s", name, json_dumps(object, 0));
	return value;
}

/* "/v1/kv/{key}" is the row "/v1/kv/". */
static bool is_path_of_row(const char *described, const char *row)
{
	size_t len = strcspn(described, "{");

	return strlen(row) == len && strncmp(described, row, len) == 0;
}

static bool is_method(const char *name)
{
	static const char *const methods[] = { "get", "head", "post", "put", "delete", "options", "patch", "trace" };

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(name, methods[i]) == 0)
			return true;
	return false;
}

static unsigned method_bit(const char *name)
{
	char upper[16];

	ck_assert_uint_lt(strlen(name), sizeof upper);
	for (size_t i = 0; i <= strlen(name); i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	return route_method(upper);
}

static void each_operation(void (*see)(const char *path, const char *method, json_t *operation))
{
	const char *path, *method;
	json_t *item, *operation;
	size_t seen = 0;

	json_object_foreach(member(description, "paths"), path, item) {
		json_object_foreach(item, method, operation) {
			ck_assert_msg(is_method(method), "%s %s", path, method);
			see(path, method, operation);
			seen++;
		}
	}
	ck_assert_uint_ge(seen, 15);
}

/* ---- both directions ---- */

static unsigned described_methods(const char *row)
{
	const char *path, *method;
	json_t *item, *operation;
	unsigned methods = 0;

	json_object_foreach(member(description, "paths"), path, item) {
		if (!is_path_of_row(path, row))
			continue;
		json_object_foreach(item, method, operation)
			methods |= method_bit(method);
	}
	return methods;
}

START_TEST(every_route_is_described)
{
	char missing[ROUTE_ALLOW_MAX];

	for (size_t i = 0; route_at(i); i++) {
		unsigned left = route_at(i)->methods & ~described_methods(route_at(i)->path);

		ck_assert_msg(left == 0, "openapi.json lacks %s of %s",
			route_allow_text(left, missing, sizeof missing), route_at(i)->path);
	}
}
END_TEST

static void is_routed(const char *path, const char *method, json_t *operation)
{
	(void)operation;
	for (size_t i = 0; route_at(i); i++)
		if (is_path_of_row(path, route_at(i)->path) && (route_at(i)->methods & method_bit(method)) != 0)
			return;
	ck_abort_msg("openapi.json has %s %s, which is not routed", method, path);
}

START_TEST(nothing_is_described_that_is_not_routed)
{
	each_operation(is_routed);
}
END_TEST

/* ---- an operation's parts ---- */

static void has_summary_and_tags(const char *path, const char *method, json_t *operation)
{
	json_t *tags = member(operation, "tags");
	json_t *known, *tag;
	size_t i, k;

	text(operation, "summary");
	ck_assert_msg(json_array_size(tags) > 0, "%s %s", method, path);
	json_array_foreach(tags, i, tag) {
		bool found = false;

		json_array_foreach(member(description, "tags"), k, known)
			found = found || strcmp(text(known, "name"), json_string_value(tag)) == 0;
		ck_assert_msg(found, "%s %s: tag %s", method, path, json_string_value(tag));
	}
}

START_TEST(every_operation_has_a_summary_and_known_tags)
{
	each_operation(has_summary_and_tags);
}
END_TEST

static void check_content(json_t *content)
{
	const char *type;
	json_t *media;

	ck_assert_uint_gt(json_object_size(content), 0);
	json_object_foreach(content, type, media) {
		ck_assert_msg(strchr(type, '/') != NULL, "%s", type);
		ck_assert(json_is_object(member(media, "schema")));
	}
}

static void check_response(const char *path, const char *method, const char *status, json_t *response)
{
	int number = atoi(status);
	json_t *content = json_object_get(response, "content");

	ck_assert_msg(strlen(status) == 3 && number >= 100 && number <= 599, "%s %s: %s", method, path, status);
	ck_assert_msg(number < 400 || strcmp(reply_error_code((unsigned)number), "error") != 0,
		"%s %s: no answer has the status %s", method, path, status);
	text(response, "description");
	ck_assert_msg(strcmp(method, "head") != 0 || !content, "HEAD %s: %s has a body", path, status);
	if (content)
		check_content(content);
}

static void has_statuses(const char *path, const char *method, json_t *operation)
{
	const char *status;
	json_t *response;
	bool good = false;

	json_object_foreach(member(operation, "responses"), status, response) {
		check_response(path, method, status, resolved(response));
		good = good || status[0] == '2' || status[0] == '3';
	}
	ck_assert_msg(good, "%s %s: no way to succeed", method, path);
}

START_TEST(every_operation_has_its_statuses)
{
	each_operation(has_statuses);
}
END_TEST

static bool is_path_parameter(const char *path, const char *name)
{
	char in_braces[100];

	snprintf(in_braces, sizeof in_braces, "{%s}", name);
	return strstr(path, in_braces) != NULL;
}

static void has_parameters(const char *path, const char *method, json_t *operation)
{
	json_t *parameters = json_object_get(operation, "parameters");
	json_t *parameter, *other;
	size_t i, k;
	bool path_is_told = strchr(path, '{') == NULL;

	json_array_foreach(parameters, i, parameter) {
		parameter = resolved(parameter);
		const char *name = text(parameter, "name"), *in = text(parameter, "in");

		text(parameter, "description");
		ck_assert_msg(json_object_get(member(parameter, "schema"), "type") != NULL, "%s", name);
		if (strcmp(in, "path") == 0) {
			ck_assert_msg(is_path_parameter(path, name), "%s %s: %s", method, path, name);
			ck_assert(json_is_true(member(parameter, "required")));
			path_is_told = true;
		} else {
			ck_assert_msg(strcmp(in, "query") == 0 || strcmp(in, "header") == 0, "%s", in);
		}
		json_array_foreach(parameters, k, other)
			ck_assert_msg(k == i || strcmp(text(resolved(other), "name"), name) != 0,
				"%s %s: %s twice", method, path, name);
	}
	ck_assert_msg(path_is_told, "%s %s: the parameter of the path is missing", method, path);
}

START_TEST(every_parameter_has_a_place_and_a_schema)
{
	each_operation(has_parameters);
}
END_TEST

static void body_belongs(const char *path, const char *method, json_t *operation)
{
	json_t *body = json_object_get(operation, "requestBody");

	if (!body)
		return;
	ck_assert_msg(strcmp(method, "post") == 0 || strcmp(method, "put") == 0, "%s %s", method, path);
	check_content(member(resolved(body), "content"));
	member(member(operation, "responses"), "413");
	member(member(operation, "responses"), "408");
}

START_TEST(a_body_can_be_too_large_and_too_slow)
{
	each_operation(body_belongs);
}
END_TEST

/* ---- the whole ---- */

START_TEST(it_is_of_this_version)
{
	json_t *info = member(description, "info");

	ck_assert_str_eq(text(description, "openapi"), "3.0.3");
	ck_assert_str_eq(text(info, "version"), PACKAGE_VERSION);
	text(info, "title");
}
END_TEST

START_TEST(it_tells_which_failures_wrote_nothing)
{
	const char *says = text(member(description, "info"), "description");

	ck_assert_ptr_nonnull(strstr(says, "a 503 or 507 that nothing was written"));
	ck_assert_ptr_nonnull(strstr(says, "a 500 that the outcome is not known"));
}
END_TEST

/* More items than a page may have are cut down to those; lines have no bound and no default: neither is there for all who take the parameter. */
START_TEST(a_limit_has_no_bound_but_1)
{
	json_t *schema = member(member(member(member(description, "components"), "parameters"), "limit"), "schema");

	ck_assert_int_eq(json_integer_value(member(schema, "minimum")), 1);
	ck_assert_ptr_null(json_object_get(schema, "maximum"));
	ck_assert_ptr_null(json_object_get(schema, "default"));
}
END_TEST

static void check_references(json_t *value)
{
	const char *name;
	json_t *part;
	size_t i;

	json_array_foreach(value, i, part)
		check_references(part);
	json_object_foreach(value, name, part) {
		if (strcmp(name, "$ref") == 0)
			follow(json_string_value(part));
		check_references(part);
	}
}

START_TEST(every_reference_leads_somewhere)
{
	check_references(description);
}
END_TEST

START_TEST(every_component_is_used)
{
	const char *data = asset_find("openapi.json")->data;
	const char *kind, *name;
	char reference[200];
	json_t *components, *component;

	json_object_foreach(member(description, "components"), kind, components) {
		if (strcmp(kind, "securitySchemes") == 0)
			continue;
		json_object_foreach(components, name, component) {
			snprintf(reference, sizeof reference, "\"#/components/%s/%s\"", kind, name);
			ck_assert_msg(strstr(data, reference) != NULL, "%s is not used", reference);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("openapi");
	TCase *tc = tcase_create("openapi");

	tcase_add_checked_fixture(tc, load, unload);
	tcase_add_test(tc, every_route_is_described);
	tcase_add_test(tc, nothing_is_described_that_is_not_routed);
	tcase_add_test(tc, every_operation_has_a_summary_and_known_tags);
	tcase_add_test(tc, every_operation_has_its_statuses);
	tcase_add_test(tc, every_parameter_has_a_place_and_a_schema);
	tcase_add_test(tc, a_body_can_be_too_large_and_too_slow);
	tcase_add_test(tc, it_is_of_this_version);
	tcase_add_test(tc, it_tells_which_failures_wrote_nothing);
	tcase_add_test(tc, a_limit_has_no_bound_but_1);
	tcase_add_test(tc, every_reference_leads_somewhere);
	tcase_add_test(tc, every_component_is_used);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
