/* SPDX-License-Identifier: BSD-2-Clause */
/* The comments go because libconfuse 3.3 counts lines wrongly after one and takes none inside a list. */
#define _GNU_SOURCE
#include "daemon/config_file.h"

#include "daemon/text_file.h"

#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20 };

kv_status config_file_read(const char *path, struct buf *text, struct kv_error *err)
{
	static const struct text_file_kind kind = { "configuration", FILE_BYTES_MAX, 0 };

	return text_file_read(path, &kind, text, err);
}

static size_t skip_string(const char *text, size_t len, size_t at)
{
	char quote = text[at];

	for (at++; at < len && text[at] != quote; at++) {
		if (text[at] == '\\')
			at++;
	}
	return at;
}

static size_t blank_until(char *text, size_t len, size_t at, const char *end)
{
	size_t end_len = strlen(end);

	while (at < len && (len - at < end_len || memcmp(text + at, end, end_len) != 0)) {
		if (text[at] != '\n')
			text[at] = ' ';
		at++;
	}
	return at;
}

size_t config_file_blank_comments(char *text, size_t len)
{
	bool at_word = true;
	size_t stray = len;

	for (size_t at = 0; at < len; at++) {
		bool slash = at_word && text[at] == '/' && at + 1 < len;

		if (text[at] == '"' || text[at] == '\'') {
			at = skip_string(text, len, at);
		} else if (text[at] == '#' || (slash && text[at + 1] == '/')) {
			at = blank_until(text, len, at, "\n");
		} else if (slash && text[at + 1] == '*') {
			at = blank_until(text, len, at, "*/");
			if (at < len)
				text[at] = text[at + 1] = ' ';
		} else if (text[at] == '\\' && stray == len) {
			stray = at;
		}
		at_word = at >= len || strchr(" \t\r\n={},+()\"'", text[at]) != NULL;
	}
	return stray;
}
