/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bearer tokens and the file of them, which kvctl writes and the daemon reads. A token is "kv_" and 32 random bytes in base64 of the URL
 * alphabet; the file has only its SHA-256. The file is text, a line for each token:
 *
 *     NAME ROLE PREFIX DIGEST
 *
 * with blanks between; ROLE is read, write or admin; PREFIX is in base64 (URL alphabet, no padding), "-" for none; DIGEST is in hex.
 * Empty lines and lines that begin with '#' are skipped. Nothing here does I/O.
 */
#ifndef KV_HTTP_TOKEN_H
#define KV_HTTP_TOKEN_H

#include "base/buf.h"
#include "base/status.h"
#include "http/access.h"

enum {
	TOKEN_RANDOM_BYTES = 32,
	TOKEN_TEXT_SIZE = 3 + 43 + 1, /* of a token, with its NUL */
	TOKEN_NAME_SIZE = 64 + 1,
	TOKEN_PREFIX_MAX = 1024,      /* bytes */
	TOKEN_DIGEST_BYTES = 32,
	TOKEN_COUNT_MAX = 4096,       /* each lookup compares with all of them */
	TOKEN_FILE_MAX = 8 * 1024 * 1024,
};

struct token {
	char name[TOKEN_NAME_SIZE];
	enum access_role role;
	struct buf prefix;
	uint8_t digest[TOKEN_DIGEST_BYTES];
};

struct token_list {
	struct token *items; /* owned */
	size_t count;
};

/* The text of a new token out of random bytes, with a NUL. */
void token_text(const uint8_t random[TOKEN_RANDOM_BYTES], char ret[TOKEN_TEXT_SIZE]);

/* KV_NO_MEMORY when the library cannot. */
kv_status token_digest(struct slice text, uint8_t ret[TOKEN_DIGEST_BYTES]);

/* Letters, digits and "._-@", 1 to 64 of them. */
bool token_name_is_good(struct slice name);

/* Reads the text of a file; KV_INVALID with "file:line: what is wrong" in err->text, KV_NO_MEMORY. */
kv_status token_list_parse(struct slice text, const char *file, struct token_list *ret, struct kv_error *err);
void token_list_free(struct token_list *list); /* safe on a zeroed one and twice */

/* The one with the digest, NULL: none. Takes the same time whichever it is. */
const struct token *token_list_find(const struct token_list *list, const uint8_t digest[TOKEN_DIGEST_BYTES]);
const struct token *token_list_named(const struct token_list *list, struct slice name);

/* Appends its line, with the newline. */
kv_status token_format(const struct token *token, struct buf *to);

/* The next line of a text and what follows it: for those who rewrite a file and keep its comments. */
struct slice token_next_line(struct slice *rest);
/* The first word of a line: a token's name; empty for an empty line and a comment. */
struct slice token_line_name(struct slice line);

#endif
