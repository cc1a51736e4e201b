/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list is read under a lock, but only when a connection does not remember. What was found is copied: the request goes on with
 * it when the list is replaced meanwhile. The generation is published after the list, so memory of the old list can never be
 * taken for that of the new one.
 */
#define _GNU_SOURCE
#include "http/tokens.h"

#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct tokens {
	pthread_rwlock_t lock;
	struct token_list list;            /* guarded by lock */
	atomic_uint_fast64_t generation;   /* written under lock; at least 1 */
};

struct tokens *tokens_new(void)
{
	struct tokens *tokens = calloc(1, sizeof *tokens);

	if (!tokens)
		return NULL;
	pthread_rwlock_init(&tokens->lock, NULL);
	atomic_init(&tokens->generation, 1);
	return tokens;
}

struct tokens *tokens_free(struct tokens *tokens)
{
	if (!tokens)
		return NULL;
	token_list_free(&tokens->list);
	pthread_rwlock_destroy(&tokens->lock);
	free(tokens);
	return NULL;
}

void tokens_replace(struct tokens *tokens, struct token_list *list)
{
	struct token_list old;

	pthread_rwlock_wrlock(&tokens->lock);
	old = tokens->list;
	tokens->list = *list;
	atomic_fetch_add(&tokens->generation, 1);
	pthread_rwlock_unlock(&tokens->lock);
	*list = (struct token_list){ 0 };
	token_list_free(&old);
}

static bool bearer(struct slice header, struct slice *ret_token)
{
	static const char scheme[] = "Bearer ";
	size_t len = sizeof scheme - 1;

	if (header.len <= len || strncasecmp((const char *)header.data, scheme, len) != 0)
		return false;
	while (len < header.len && header.data[len] == ' ')
		len++;
	*ret_token = slice_of(header.data + len, header.len - len);
	return true;
}

/* In constant time: several clients may share a connection of a proxy. */
static bool remembers(const struct token_memory *memory, struct slice header, uint64_t generation)
{
	return memory->generation == generation && memory->header.len == header.len &&
		gnutls_memcmp(memory->header.data, header.data, header.len) == 0;
}

static kv_status remember_locked(struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES],
	struct token_memory *memory)
{
	const struct token *token = token_list_find(&tokens->list, digest);
	kv_status status = token ? buf_set(&memory->prefix, buf_slice(&token->prefix)) : KV_NOT_FOUND;

	if (status != KV_OK)
		return status;
	memory->access = (struct access){ .role = token->role, .prefix = buf_slice(&memory->prefix), .by_token = true };
	memory->generation = atomic_load(&tokens->generation);
	return KV_OK;
}

kv_status tokens_find(struct tokens *tokens, struct slice header, struct token_memory *memory)
{
	uint8_t digest[TOKEN_DIGEST_BYTES];
	struct slice text;
	kv_status status;

	if (remembers(memory, header, atomic_load_explicit(&tokens->generation, memory_order_acquire)))
		return KV_OK;
	memory->generation = 0;
	if (!bearer(header, &text))
		return KV_NOT_FOUND;
	status = token_digest(text, digest);
	if (status == KV_OK)
		status = buf_set(&memory->header, header);
	if (status != KV_OK)
		return status;
	pthread_rwlock_rdlock(&tokens->lock);
	status = remember_locked(tokens, digest, memory);
	pthread_rwlock_unlock(&tokens->lock);
	return status;
}

static bool is_same_locked(const struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES],
	const struct token_memory *memory)
{
	const struct token *token = token_list_find(&tokens->list, digest);

	return token && token->role == memory->access.role &&
		slice_equal(buf_slice(&token->prefix), memory->access.prefix);
}

bool tokens_still_good(struct tokens *tokens, struct token_memory *memory)
{
	uint8_t digest[TOKEN_DIGEST_BYTES];
	struct slice text;
	bool same;

	if (memory->generation == atomic_load_explicit(&tokens->generation, memory_order_acquire))
		return true;
	if (!bearer(buf_slice(&memory->header), &text) || token_digest(text, digest) != KV_OK)
		return false;
	pthread_rwlock_rdlock(&tokens->lock);
	same = is_same_locked(tokens, digest, memory);
	if (same)
		memory->generation = atomic_load(&tokens->generation);
	pthread_rwlock_unlock(&tokens->lock);
	return same;
}

void token_memory_free(struct token_memory *memory)
{
	buf_free(&memory->header);
	buf_free(&memory->prefix);
	memory->generation = 0;
}
