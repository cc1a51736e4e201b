/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading JSON that clients send, strictly: a member that nobody knows, one given twice, or one of another type is refused. Bytes
 * appear as NAME (text) or NAME_b64 (RFC 4648 with padding), as jsontext.h writes them.
 *
 * All return KV_OK, KV_NO_MEMORY, or KV_INVALID with `problem` (400) filled in; functions about one member also KV_NOT_FOUND when
 * it is not there. A failure leaves the results alone.
 */
#ifndef KV_HTTP_JSONREAD_H
#define KV_HTTP_JSONREAD_H

#include "base/buf.h"
#include "http/problem.h"

#include <jansson.h>

/* Any value; the caller gives it up with json_decref(). */
kv_status jsonread_parse(struct slice text, json_t **ret, struct problem *problem);

/* Is it an object whose members all are among `names` (the last one NULL)? */
kv_status jsonread_check(const json_t *value, const char *const *names, struct problem *problem);

/* The bytes of NAME or NAME_b64. They lie in the object, or in `decoded`, whose content is replaced. Both: KV_INVALID. */
kv_status jsonread_bytes(const json_t *object, const char *name, struct buf *decoded,
	struct slice *ret, struct problem *problem);

kv_status jsonread_string(const json_t *object, const char *name, struct slice *ret,
	struct problem *problem);
kv_status jsonread_bool(const json_t *object, const char *name, bool *ret, struct problem *problem);
/* An integer that is not negative. */
kv_status jsonread_uint64(const json_t *object, const char *name, uint64_t *ret,
	struct problem *problem);

#endif
