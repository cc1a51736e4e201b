/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	array = "[" [ item *( "," item ) ] "]"     blanks anywhere
 *	lines = *( [ item ] LF ) [ item ]          an item ends on its line
 */
#define _GNU_SOURCE
#include "http/jsonlist.h"

void jsonlist_init(struct jsonlist *list, struct slice text, enum jsonlist_form form)
{
	*list = (struct jsonlist){ .form = form, .rest = text, .fault = SIZE_MAX };
}

static struct slice skip(struct slice s, size_t n)
{
	return slice_of(s.data + n, s.len - n);
}

static struct slice skip_blanks(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (s.data[n] == ' ' || s.data[n] == '\t' || s.data[n] == '\r' || s.data[n] == '\n'))
		n++;
	return skip(s, n);
}

/* Takes the character from the front of `s`, if it is there. */
static bool take(struct slice *s, uint8_t c)
{
	if (s->len == 0 || s->data[0] != c)
		return false;
	*s = skip(*s, 1);
	return true;
}

/* Bytes of the string at the front, with its quotes; 0: it has no end. */
static size_t string_len(struct slice s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.data[i] == '\\')
			i++;
		else if (s.data[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The same of a flat object. */
static size_t object_len(struct slice s)
{
	unsigned commas = 0;
	size_t i = 1;

	while (i < s.len) {
		uint8_t c = s.data[i];
		size_t n = c == '"' ? string_len(skip(s, i)) : 1;

		if (c == '}')
			return i + 1;
		commas += c == ',';
		if (n == 0 || c == '{' || c == '[' || commas >= JSONLIST_MEMBERS_MAX)
			return 0;
		i += n;
	}
	return 0;
}

static kv_status take_item(struct slice *s, struct slice *ret_item)
{
	size_t len = 0;

	if (s->len > 0 && s->data[0] == '{')
		len = object_len(*s);
	else if (s->len > 0 && s->data[0] == '"')
		len = string_len(*s);
	if (len == 0)
		return KV_INVALID;
	*ret_item = slice_of(s->data, len);
	*s = skip(*s, len);
	return KV_OK;
}

/* What stands before the next item. KV_NOT_FOUND: the end stood there. */
static kv_status open_item(struct jsonlist *list)
{
	struct slice *rest = &list->rest;

	*rest = skip_blanks(*rest);
	if (!list->ended && list->count == 0 && !take(rest, '['))
		return KV_INVALID;
	*rest = skip_blanks(*rest);
	if (list->ended || take(rest, ']')) {
		list->ended = true;
		return skip_blanks(*rest).len == 0 ? KV_NOT_FOUND : KV_INVALID;
	}
	if (list->count > 0 && !take(rest, ','))
		return KV_INVALID;
	*rest = skip_blanks(*rest);
	return KV_OK;
}

static kv_status next_of_lines(struct jsonlist *list, struct slice *ret_item)
{
	const uint8_t *newline;
	struct slice line;
	kv_status status;

	list->rest = skip_blanks(list->rest);
	if (list->rest.len == 0)
		return KV_NOT_FOUND;
	newline = memchr(list->rest.data, '\n', list->rest.len);
	line = slice_of(list->rest.data, newline ? (size_t)(newline - list->rest.data) : list->rest.len);
	list->rest = skip(list->rest, line.len);
	status = take_item(&line, ret_item);
	return status == KV_OK && skip_blanks(line).len > 0 ? KV_INVALID : status;
}

kv_status jsonlist_next(struct jsonlist *list, struct slice *ret_item)
{
	bool lines = list->form == JSONLIST_LINES;
	kv_status status = lines ? KV_OK : open_item(list);

	if (status != KV_OK)
		return status;
	status = lines ? next_of_lines(list, ret_item) : take_item(&list->rest, ret_item);
	if (status == KV_INVALID)
		list->fault = list->count;
	list->count += status == KV_OK;
	return status;
}
