/* SPDX-License-Identifier: BSD-2-Clause */
/* A change edits the text of the file: comments and the order of lines are their author's. */
#define _GNU_SOURCE
#include "tools/token_command.h"

#include "tools/token_store.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

struct arguments {
	const char *file;
	const char *name; /* NULL: none */
	const char *role;
	const char *prefix;
};

static int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int complain(int code, const char *format, ...)
{
	va_list args;

	fputs("kvctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static int failed(const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	int code = EX_IOERR;

	if (err->status == KV_NOT_FOUND)
		code = EX_NOINPUT;
	else if (err->status == KV_NO_MEMORY)
		code = EX_OSERR;
	else if (err->status == KV_BUSY)
		code = EX_TEMPFAIL;
	else if (err->errnum == EACCES || err->errnum == EPERM || err->errnum == EROFS)
		code = EX_NOPERM;
	else if (err->status == KV_INVALID || err->status == KV_CORRUPT)
		code = EX_DATAERR;
	if (err->file[0] == '\0' && err->errnum == 0)
		return complain(code, "%s", err->text);
	return complain(code, "%s", kv_error_format(err, line, sizeof(line)));
}

/* EX_OK or EX_USAGE. */
static int parse(int argc, char **argv, bool takes_role, struct arguments *ret)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' }, { "role", required_argument, NULL, 'r' },
		{ "prefix", required_argument, NULL, 'p' }, { 0 },
	};
	int letter;

	*ret = (struct arguments){ .file = TOKEN_COMMAND_FILE };
	opterr = 0;
	optind = 1;
	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 'f')
			ret->file = optarg;
		else if (letter == 'r' && takes_role)
			ret->role = optarg;
		else if (letter == 'p' && takes_role)
			ret->prefix = optarg;
		else
			return complain(EX_USAGE, "'%s' does not take '%s', or not so", argv[0], argv[optind - 1]);
	}
	if (optind < argc)
		ret->name = argv[optind++];
	if (optind < argc)
		return complain(EX_USAGE, "unexpected argument '%s'", argv[optind]);
	return EX_OK;
}

static int parse_named(int argc, char **argv, bool takes_role, struct arguments *ret)
{
	int code = parse(argc, argv, takes_role, ret);

	if (code == EX_OK && (!ret->name || !token_name_is_good(slice_of_string(ret->name))))
		code = complain(EX_USAGE, "'%s' needs a name: up to 64 letters, digits and the characters . _ - @", argv[0]);
	return code;
}

/* ---- add ---- */

static int parse_token(const struct arguments *arguments, struct token *token)
{
	size_t prefix_len = arguments->prefix ? strlen(arguments->prefix) : 0;

	if (!arguments->role || !access_role_of(slice_of_string(arguments->role), &token->role) ||
		token->role == ACCESS_NONE)
		return complain(EX_USAGE, "'add' needs --role=read, --role=write or --role=admin");
	if (arguments->prefix && prefix_len == 0)
		return complain(EX_USAGE, "the prefix is empty: without --prefix the token is for every key");
	if (prefix_len > TOKEN_PREFIX_MAX)
		return complain(EX_USAGE, "the prefix is longer than %d bytes", TOKEN_PREFIX_MAX);
	if (prefix_len > 0 && token->role == ACCESS_ADMIN)
		return complain(EX_USAGE, "the role admin is for the whole store: it takes no prefix");
	memcpy(token->name, arguments->name, strlen(arguments->name) + 1); /* its length was checked */
	if (buf_append(&token->prefix, arguments->prefix, prefix_len) != KV_OK)
		return complain(EX_OSERR, "out of memory");
	return EX_OK;
}

static kv_status make_token(struct token *token, char text[TOKEN_TEXT_SIZE], struct kv_error *err)
{
	uint8_t random[TOKEN_RANDOM_BYTES];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return kv_error_errno(err, errno, "", "cannot get random bytes");
	token_text(random, text);
	if (token_digest(slice_of_string(text), token->digest) != KV_OK)
		return kv_error_set(err, KV_NO_MEMORY, "cannot hash the token");
	return KV_OK;
}

static kv_status append_line(struct token_store *store, const struct token *token, struct kv_error *err)
{
	struct buf *text = &store->text;
	kv_status status = KV_OK;

	if (text->len > 0 && text->data[text->len - 1] != '\n')
		status = buf_append_byte(text, '\n');
	if (status == KV_OK)
		status = token_format(token, text);
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "out of memory");
}

static kv_status add(struct token_store *store, struct token *token, char text[TOKEN_TEXT_SIZE],
	struct kv_error *err)
{
	kv_status status = make_token(token, text, err);

	if (token_list_named(&store->list, slice_of_string(token->name)))
		return kv_error_set(err, KV_INVALID, "there is a token '%s' already: remove it first", token->name);
	if (store->list.count >= TOKEN_COUNT_MAX)
		return kv_error_set(err, KV_INVALID, "there are %d tokens already", TOKEN_COUNT_MAX);
	if (status == KV_OK)
		status = append_line(store, token, err);
	return status == KV_OK ? token_store_replace(store, buf_slice(&store->text), err) : status;
}

static void tell_to_reload(void)
{
	fputs("kvctl: in effect after: systemctl reload kvstored\n", stderr);
}

int token_command_add(int argc, char **argv)
{
	struct arguments arguments;
	struct token_store store;
	struct token token = { .role = ACCESS_NONE };
	struct kv_error err = { 0 };
	char text[TOKEN_TEXT_SIZE];
	int code = parse_named(argc, argv, true, &arguments);

	if (code == EX_OK)
		code = parse_token(&arguments, &token);
	if (code != EX_OK)
		return code;
	if (token_store_open(arguments.file, true, &store, &err) != KV_OK || add(&store, &token, text, &err) != KV_OK)
		code = failed(&err);
	else if (puts(text) < 0 || fflush(stdout) != 0)
		code = complain(EX_IOERR, "the token could not be printed: remove '%s' and make another one", token.name);
	else
		tell_to_reload();
	token_store_close(&store);
	buf_free(&token.prefix);
	return code;
}

/* ---- remove ---- */

static kv_status drop_line(const struct token_store *store, struct slice name, struct buf *to, struct kv_error *err)
{
	struct slice rest = buf_slice(&store->text);
	kv_status status = KV_OK;

	if (!token_list_named(&store->list, name))
		return kv_error_set(err, KV_NOT_FOUND, "there is no token '%.*s'", (int)name.len, name.data);
	while (rest.len > 0 && status == KV_OK) {
		const uint8_t *begin = rest.data;
		struct slice line = token_next_line(&rest);

		if (!slice_equal(token_line_name(line), name))
			status = buf_append(to, begin, (size_t)(rest.data - begin));
	}
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "out of memory");
}

int token_command_remove(int argc, char **argv)
{
	struct arguments arguments;
	struct token_store store;
	struct buf text = { 0 };
	struct kv_error err = { 0 };
	int code = parse_named(argc, argv, false, &arguments);

	if (code != EX_OK)
		return code;
	if (token_store_open(arguments.file, false, &store, &err) != KV_OK ||
		drop_line(&store, slice_of_string(arguments.name), &text, &err) != KV_OK ||
		token_store_replace(&store, buf_slice(&text), &err) != KV_OK)
		code = failed(&err);
	else
		tell_to_reload();
	token_store_close(&store);
	buf_free(&text);
	return code;
}

/* ---- list ---- */

/* Bytes that a terminal, or a reader who cuts at blanks, could take for something else are escaped. */
static void print_prefix(struct slice prefix)
{
	if (prefix.len == 0)
		putchar('-');
	for (size_t i = 0; i < prefix.len; i++) {
		uint8_t c = prefix.data[i];

		if (c > 0x20 && c < 0x7f && c != '%')
			putchar(c);
		else
			printf("%%%02X", c);
	}
}

int token_command_list(int argc, char **argv)
{
	struct arguments arguments;
	struct token_store store;
	struct kv_error err = { 0 };
	int code = parse(argc, argv, false, &arguments);

	if (code == EX_OK && arguments.name)
		code = complain(EX_USAGE, "unexpected argument '%s'", arguments.name);
	if (code != EX_OK)
		return code;
	if (token_store_open(arguments.file, false, &store, &err) != KV_OK)
		code = failed(&err);
	for (size_t i = 0; i < store.list.count; i++) {
		printf("%s %s ", store.list.items[i].name, access_role_name(store.list.items[i].role));
		print_prefix(buf_slice(&store.list.items[i].prefix));
		putchar('\n');
	}
	if (fflush(stdout) != 0 && code == EX_OK)
		code = complain(EX_IOERR, "cannot write: %s", strerror(errno));
	token_store_close(&store);
	return code;
}
