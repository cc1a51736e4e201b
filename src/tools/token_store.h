/* SPDX-License-Identifier: BSD-2-Clause */
/* The tokens file as an editor sees it: opened, changed, replaced as a whole. One at a time: a lock on its directory keeps others out. */
#ifndef KV_TOOLS_TOKEN_STORE_H
#define KV_TOOLS_TOKEN_STORE_H

#include "base/file.h"
#include "http/token.h"

struct token_store {
	struct dir dir;
	const char *path;       /* borrowed */
	char name[64];          /* within dir */
	struct buf text;        /* of the file; {0} when there is none yet */
	struct token_list list; /* what the text says */
	bool exists;
};

/* Opens and reads. With `create`, a missing file is an empty one; else KV_NOT_FOUND. KV_INVALID: its text has an error. Whatever the outcome,
 * token_store_close() must follow. KV_BUSY: somebody else has the lock for ten seconds. */
kv_status token_store_open(const char *path, bool create, struct token_store *ret, struct kv_error *err);
void token_store_close(struct token_store *store);

/* Durably; the owner and the mode stay. A new file is for root and the group kvstored, where there is one and we may, else for us alone.
 * KV_UNCERTAIN: as in file_replace(). */
kv_status token_store_replace(const struct token_store *store, struct slice text, struct kv_error *err);

#endif
