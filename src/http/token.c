/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plain hash is enough, and a slow one for passwords would be wrong: there is nothing to guess in 256 random bits, and each
 * request is hashed. A lookup compares with all digests and all of their bytes, so its time tells nothing.
 */
#define _GNU_SOURCE
#include "http/token.h"

#include "http/base64.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

static const char token_mark[] = "kv_";

void token_text(const uint8_t random[TOKEN_RANDOM_BYTES], char ret[TOKEN_TEXT_SIZE])
{
	size_t mark_len = sizeof token_mark - 1;
	size_t len;

	memcpy(ret, token_mark, mark_len);
	len = base64_encode((uint8_t *)ret + mark_len, slice_of(random, TOKEN_RANDOM_BYTES), BASE64_URL);
	ret[mark_len + len] = '\0';
}

kv_status token_digest(struct slice text, uint8_t ret[TOKEN_DIGEST_BYTES])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data, text.len, ret) == 0 ? KV_OK : KV_NO_MEMORY;
}

bool token_name_is_good(struct slice name)
{
	static const char others[] = "._-@";

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		uint8_t lower = c | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || !strchr(others, c)))
			return false;
	}
	return name.len > 0 && name.len < TOKEN_NAME_SIZE;
}

/* ---- the text ---- */

struct slice token_next_line(struct slice *rest)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->len);
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct slice line = slice_of(rest->data, len);

	len += end != NULL;
	*rest = slice_of(rest->data + len, rest->len - len);
	return line;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice next_word(struct slice *rest)
{
	size_t begin = 0;
	size_t end;

	while (begin < rest->len && is_blank(rest->data[begin]))
		begin++;
	for (end = begin; end < rest->len && !is_blank(rest->data[end]);)
		end++;
	struct slice word = slice_of(rest->data + begin, end - begin);
	*rest = slice_of(rest->data + end, rest->len - end);
	return word;
}

struct slice token_line_name(struct slice line)
{
	struct slice name = next_word(&line);

	return name.len > 0 && name.data[0] == '#' ? slice_of(name.data, 0) : name;
}

static const char *read_name(struct slice word, struct token *token)
{
	if (!token_name_is_good(word))
		return "a name is up to 64 letters, digits and the characters . _ - @";
	memcpy(token->name, word.data, word.len);
	return NULL;
}

static const char *read_role(struct slice word, struct token *token)
{
	return access_role_of(word, &token->role) && token->role != ACCESS_NONE ? NULL :
		"the role must be read, write or admin";
}

static const char no_memory[] = "out of memory";

static const char *read_prefix(struct slice word, struct token *token)
{
	size_t len;

	if (slice_equal(word, slice_of_string("-")))
		return NULL;
	if (word.len > base64_encoded_size(TOKEN_PREFIX_MAX))
		return "the prefix is too long";
	if (buf_reserve(&token->prefix, word.len + 2) != KV_OK)
		return no_memory;
	if (word.len == 0 || !base64_decode_url(token->prefix.data, word, &len))
		return "the prefix must be in base64 of the URL alphabet without padding, or '-' for none";
	token->prefix.len = len;
	return len <= TOKEN_PREFIX_MAX ? NULL : "the prefix is too long";
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *read_digest(struct slice word, struct token *token)
{
	if (word.len != 2 * TOKEN_DIGEST_BYTES)
		return "the digest must have 64 hexadecimal digits";
	for (size_t i = 0; i < TOKEN_DIGEST_BYTES; i++) {
		int high = hex_digit(word.data[2 * i]);
		int low = hex_digit(word.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return "the digest must have 64 hexadecimal digits, in lower case";
		token->digest[i] = (uint8_t)(high << 4 | low);
	}
	return NULL;
}

/* Fills in a zeroed token; NULL or what is wrong. */
static const char *read_line(struct slice line, struct token *token)
{
	static const char *(*const fields[])(struct slice word, struct token *token) = {
		read_name, read_role, read_prefix, read_digest,
	};
	const char *wrong = NULL;

	for (size_t i = 0; i < sizeof fields / sizeof fields[0] && !wrong; i++)
		wrong = fields[i](next_word(&line), token);
	if (!wrong && next_word(&line).len > 0)
		wrong = "there is something after the digest";
	if (!wrong && token->role == ACCESS_ADMIN && token->prefix.len > 0)
		wrong = "the role admin is for the whole store: it takes no prefix";
	return wrong;
}

static const char *check_new(const struct token_list *list, const struct token *token)
{
	if (list->count >= TOKEN_COUNT_MAX)
		return "there are more than 4096 tokens";
	if (token_list_named(list, slice_of_string(token->name)))
		return "there is another token of this name";
	if (token_list_find(list, token->digest))
		return "there is another token with this digest";
	return NULL;
}

static kv_status grow(struct token_list *list)
{
	struct token *grown;

	if (list->count % 64 != 0)
		return KV_OK;
	grown = realloc(list->items, (list->count + 64) * sizeof *grown);
	if (!grown)
		return KV_NO_MEMORY;
	list->items = grown;
	return KV_OK;
}

static kv_status add_line(struct token_list *list, struct slice line, const char **ret_wrong)
{
	struct token token = { .role = ACCESS_NONE };

	*ret_wrong = read_line(line, &token);
	if (!*ret_wrong)
		*ret_wrong = check_new(list, &token);
	if (!*ret_wrong && grow(list) == KV_OK) {
		list->items[list->count++] = token;
		return KV_OK;
	}
	buf_free(&token.prefix);
	return *ret_wrong && *ret_wrong != no_memory ? KV_INVALID : KV_NO_MEMORY;
}

kv_status token_list_parse(struct slice text, const char *file, struct token_list *ret, struct kv_error *err)
{
	struct token_list list = { 0 };
	kv_status status = KV_OK;
	const char *wrong = NULL;
	unsigned number = 0;

	while (text.len > 0 && status == KV_OK) {
		struct slice line = token_next_line(&text);

		number++;
		if (token_line_name(line).len > 0)
			status = add_line(&list, line, &wrong);
	}
	if (status == KV_OK) {
		*ret = list;
		return KV_OK;
	}
	token_list_free(&list);
	if (status == KV_NO_MEMORY)
		return kv_error_set(err, status, "cannot hold the tokens of '%s'", file);
	return kv_error_set(err, status, "%s:%u: %s", file, number, wrong);
}

kv_status token_format(const struct token *token, struct buf *to)
{
	size_t size = base64_encoded_size(token->prefix.len);
	kv_status status = buf_printf(to, "%s %s ", token->name, access_role_name(token->role));

	if (status == KV_OK)
		status = buf_reserve(to, size + 2 * TOKEN_DIGEST_BYTES + 3);
	if (status != KV_OK)
		return status;
	if (token->prefix.len == 0)
		to->data[to->len++] = '-';
	to->len += base64_encode(to->data + to->len, buf_slice(&token->prefix), BASE64_URL);
	to->data[to->len++] = ' ';
	for (size_t i = 0; i < TOKEN_DIGEST_BYTES; i++) {
		to->data[to->len++] = (uint8_t)"0123456789abcdef"[token->digest[i] >> 4];
		to->data[to->len++] = (uint8_t)"0123456789abcdef"[token->digest[i] & 15];
	}
	to->data[to->len++] = '\n';
	return KV_OK;
}

/* ---- the list ---- */

void token_list_free(struct token_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		buf_free(&list->items[i].prefix);
	free(list->items);
	*list = (struct token_list){ 0 };
}

const struct token *token_list_find(const struct token_list *list, const uint8_t digest[TOKEN_DIGEST_BYTES])
{
	const struct token *found = NULL;

	for (size_t i = 0; i < list->count; i++)
		found = gnutls_memcmp(list->items[i].digest, digest, TOKEN_DIGEST_BYTES) == 0 ? &list->items[i] : found;
	return found;
}

const struct token *token_list_named(const struct token_list *list, struct slice name)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_equal(slice_of_string(list->items[i].name), name))
			return &list->items[i];
	return NULL;
}
