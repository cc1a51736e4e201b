/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "daemon/credentials.h"
#include "daemon/text_file.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { PEM_BYTES_MAX = 256 * 1024 };

static const struct text_file_kind tokens_kind = { "tokens", SERVER_TOKENS_BYTES_MAX, TEXT_FILE_SECRET };
static const struct text_file_kind certificate_kind = { "TLS certificate", PEM_BYTES_MAX, 0 };
static const struct text_file_kind key_kind = { "TLS key", PEM_BYTES_MAX, TEXT_FILE_SECRET };

/* Whatever keeps us from reading it, the configuration is wrong: it names a file that we cannot use. */
static kv_status read_file(const char *path, const struct text_file_kind *kind, struct buf *text,
	struct kv_error *err)
{
	struct kv_error why = { 0 };
	char line[KV_ERROR_TEXT_MAX];
	kv_status status = text_file_read(path, kind, text, &why);

	if (status == KV_OK)
		return KV_OK;
	if (status == KV_IO)
		return kv_error_set(err, KV_INVALID, "%s", kv_error_format(&why, line, sizeof(line)));
	return kv_error_set(err, status == KV_NOT_FOUND ? KV_INVALID : status, "%s", why.text);
}

static kv_status load_tokens(const struct config *config, struct server *server, struct kv_error *err)
{
	struct buf text = { 0 };
	kv_status status;

	if (config->tokens_file[0] == '\0')
		return KV_OK;
	status = read_file(config->tokens_file, &tokens_kind, &text, err);
	if (status == KV_OK)
		status = server ? server_set_tokens(server, config->tokens_file, buf_slice(&text), err) :
			server_check_tokens(config->tokens_file, buf_slice(&text), err);
	if (status == KV_OK && server)
		log_info("tokens read from '%s'", config->tokens_file);
	buf_free(&text);
	return status;
}

static kv_status load_certificate(const struct config *config, struct server *server, struct kv_error *err)
{
	struct buf chain = { 0 };
	struct buf key = { 0 };
	char names[200];
	kv_status status;

	if (config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0')
		return KV_OK;
	snprintf(names, sizeof(names), "%s, %s", config->tls_certificate, config->tls_key);
	status = read_file(config->tls_certificate, &certificate_kind, &chain, err);
	if (status == KV_OK)
		status = read_file(config->tls_key, &key_kind, &key, err);
	if (status == KV_OK)
		status = server ? server_set_certificate(server, names, buf_slice(&chain), buf_slice(&key), err) :
			server_check_certificate(names, buf_slice(&chain), buf_slice(&key), err);
	if (status == KV_OK && server)
		log_info("certificate and key read from %s", names);
	if (key.data)
		explicit_bzero(key.data, key.len);
	buf_free(&key);
	buf_free(&chain);
	return status;
}

static const struct {
	kv_status (*load)(const struct config *config, struct server *server, struct kv_error *err);
	const char *what;
} kinds[] = {
	{ load_tokens, "tokens" },
	{ load_certificate, "certificate and key" },
};

kv_status credentials_load(const struct config *config, struct server *server, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && status == KV_OK; i++)
		status = kinds[i].load(config, server, err);
	return status;
}

void credentials_reload(const struct config *config, struct server *server)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct kv_error err = { 0 };

		if (kinds[i].load(config, server, &err) != KV_OK)
			log_error("%s not reloaded, the old ones stay in use: %s", kinds[i].what, err.text);
	}
}
