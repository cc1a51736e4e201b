/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A document of operations, a JSON array or lines, into a batch of the store:
 *
 *	operation = {"op":"put",    "key":..., "value":..., ["ttl":"60s" | "expires":MS], ["if_match":ETAG | "if_absent":true]}
 *	          | {"op":"delete", "key":..., ["if_match":ETAG]}
 *	          | {"op":"check",  "key":..., ("if_match":ETAG | "if_absent":true)}
 *
 * Strict: what is not in this grammar is refused. An ETag is one that we gave out, or "*": the key exists. Any thread.
 */
#ifndef KV_HTTP_BATCHREAD_H
#define KV_HTTP_BATCHREAD_H

#include "base/buf.h"
#include "http/access.h"
#include "http/jsonlist.h"
#include "http/problem.h"
#include "store/store.h"

enum { BATCHREAD_OPERATIONS_MAX = 100000 }; /* so that one batch does not hold up all other commits for long */

enum batchread_kind { BATCHREAD_PUT, BATCHREAD_DELETE, BATCHREAD_CHECK };

struct batchread {
	/* filled in before */
	struct slice text;
	enum jsonlist_form form;
	struct access access;    /* keys that it does not cover are refused */
	uint64_t value_max;      /* bytes */
	uint64_t now_unix_ms;

	/* results */
	struct buf kinds;        /* an enum batchread_kind in a byte for each operation */
	struct problem problem;  /* after KV_INVALID */
	size_t index;            /* of the operation that `problem` is about; SIZE_MAX: of none */
};

/* KV_INVALID: `problem` has the status of the answer. KV_NO_MEMORY. The batch may then hold a part of the operations. */
kv_status batchread_run(struct batchread *read, struct store_batch *batch);

void batchread_free(struct batchread *read); /* the content */

#endif
