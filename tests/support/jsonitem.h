/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in JSON as kvstored writes them: "NAME" or "NAME_b64". */
#ifndef KV_SUPPORT_JSONITEM_H
#define KV_SUPPORT_JSONITEM_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* The bytes of `name` or of `name_b64`; false: not exactly one of them is there, or it is malformed. */
bool jsonitem_bytes(const json_t *item, const char *name, struct buf *out);

#endif
