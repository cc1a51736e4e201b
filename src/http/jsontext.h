/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing JSON into a buf. Bytes appear as "NAME": "text" where they are valid UTF-8 and as "NAME_b64": "..." (RFC 4648
 * with padding) where they are not.
 */
#ifndef KV_HTTP_JSONTEXT_H
#define KV_HTTP_JSONTEXT_H

#include "base/buf.h"

/* Whether the bytes are well-formed UTF-8 (no surrogates, nothing overlong, nothing above U+10FFFF). */
bool jsontext_is_utf8(struct slice s);

/* A string literal with its quotes; `s` must be valid UTF-8. */
kv_status jsontext_string(struct buf *to, struct slice s);

/* A member of an object, with no comma: "NAME":"text" or "NAME_b64":"...". */
kv_status jsontext_bytes(struct buf *to, const char *name, struct slice s);

/* The same, always in base64: "NAME_b64":"...". */
kv_status jsontext_base64(struct buf *to, const char *name, struct slice s);

#endif
