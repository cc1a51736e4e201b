/* SPDX-License-Identifier: BSD-2-Clause */
/* A raw request target. Decoding agrees with a decoder that goes byte by byte; what was decoded, escaped and decoded again is the same; a route's
 * key is the rest of its path. */
#include "fuzz/fuzz.h"
#include "http/route.h"
#include "http/urlkey.h"

#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 4096 };

static int hex(uint8_t c)
{
	char digit[2] = { (char)c, '\0' };

	return c != '\0' && strchr("0123456789abcdefABCDEF", c) ? (int)strtol(digit, NULL, 16) : -1;
}

/* The plain way. */
static bool decode(struct slice text, bool plus_is_space, uint8_t *to, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		to[len] = text.data[i] == '+' && plus_is_space ? ' ' : text.data[i];
		if (text.data[i] == '%') {
			if (text.len - i < 3 || hex(text.data[i + 1]) < 0 || hex(text.data[i + 2]) < 0)
				return false;
			to[len] = (uint8_t)(hex(text.data[i + 1]) * 16 + hex(text.data[i + 2]));
			i += 2;
		}
		len++;
	}
	*ret_len = len;
	return true;
}

static void check_decode(struct slice text, bool plus_is_space)
{
	static uint8_t plain[INPUT_MAX], decoded[INPUT_MAX];
	static char escaped[INPUT_MAX * 3 + 1];
	size_t plain_len = 0, len = 0;
	bool good = decode(text, plus_is_space, plain, &plain_len);

	if (text.len > 0)
		memcpy(decoded, text.data, text.len);
	FUZZ_REQUIRE(urlkey_decode(decoded, text.len, plus_is_space, &len) == good);
	if (!good)
		return;
	FUZZ_REQUIRE(slice_equal(slice_of(decoded, len), slice_of(plain, plain_len)));
	for (size_t i = 0; i < len; i++)
		snprintf(escaped + 3 * i, 4, i % 2 ? "%%%02x" : "%%%02X", decoded[i]);
	FUZZ_REQUIRE(urlkey_decode((uint8_t *)escaped, 3 * len, plus_is_space, &plain_len));
	FUZZ_REQUIRE(slice_equal(slice_of(escaped, plain_len), slice_of(decoded, len)));
}

static void check_clean(struct slice text)
{
	bool clean = true;

	for (size_t i = 0; i < text.len; i++)
		clean = clean && text.data[i] > 0x20 && text.data[i] != 0x7f;
	FUZZ_REQUIRE(urlkey_target_is_clean(text) == clean);
}

static void check_query(struct slice text)
{
	struct urlkey_param params[] = { { .name = "prefix" }, { .name = "limit" }, { .name = "a" }, { .name = "" } };
	static uint8_t query[INPUT_MAX];
	struct problem problem = { 0 };

	if (text.len > 0)
		memcpy(query, text.data, text.len);
	if (!urlkey_query(query, text.len, params, 4, &problem)) {
		FUZZ_REQUIRE(problem.status == 400);
		return;
	}
	for (size_t i = 0; i < 4; i++)
		if (params[i].present && params[i].value.len > 0)
			FUZZ_REQUIRE(params[i].value.data >= query && params[i].value.len <= text.len &&
				params[i].value.data + params[i].value.len <= query + text.len);
}

static void check_route(struct slice path)
{
	for (unsigned method = HTTP_GET; method <= HTTP_CONNECT; method <<= 1) {
		struct problem problem = { 0 };
		struct slice key = { 0 };
		const struct route *route = route_find(path, method, &key, &problem);

		if (!route) {
			FUZZ_REQUIRE(problem.status == 404 || (problem.status == 405 && problem.allow != 0));
			continue;
		}
		FUZZ_REQUIRE((route->methods & method) != 0 && key.len <= path.len);
		FUZZ_REQUIRE(key.data + key.len == path.data + path.len);
		FUZZ_REQUIRE(path.len - key.len == strlen(route->path));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice target = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
	const uint8_t *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
	size_t path_len = mark ? (size_t)(mark - target.data) : target.len;

	check_decode(target, false);
	check_decode(target, true);
	check_clean(target);
	check_route(slice_of(target.data, path_len));
	if (mark)
		check_query(slice_of(mark + 1, target.len - path_len - 1));
	return 0;
}
