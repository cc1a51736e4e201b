/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tokens that are good now, replaced as a whole by a reload. A connection remembers the last Authorization header that it had
 * looked up, so that the next request with the same one costs a comparison; a reload makes it forget.
 */
#ifndef KV_HTTP_TOKENS_H
#define KV_HTTP_TOKENS_H

#include "http/token.h"

#include <stdatomic.h>

struct tokens;

/* Of one connection; its worker's thread. A zeroed one knows nothing. */
struct token_memory {
	struct buf header;
	struct buf prefix;
	struct access access;  /* its prefix lies in `prefix` */
	uint64_t generation;   /* of the tokens that it was found in; 0: none */
};

struct tokens *tokens_new(void); /* no token at all; NULL: no memory */
struct tokens *tokens_free(struct tokens *tokens); /* NULL is allowed; returns NULL */

/* Takes over the list. What is not in it is refused from the next request on, also on open connections. Main thread. */
void tokens_replace(struct tokens *tokens, struct token_list *list);

/* The access that an Authorization header gives, in memory->access. KV_NOT_FOUND: none, or it is no Bearer token; KV_NO_MEMORY. */
kv_status tokens_find(struct tokens *tokens, struct slice header, struct token_memory *memory);

/* Whether what was found is still good, with the same role and prefix; looks again only after a replacement, and changes nothing that a
 * request under way uses. */
bool tokens_still_good(struct tokens *tokens, struct token_memory *memory);

void token_memory_free(struct token_memory *memory);

#endif
