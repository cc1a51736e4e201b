/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of an import:
 *	{"key":...,"value":...}                     a key and its value; perhaps "expires" (ms since 1970), "op":"put", "etag" (not looked at)
 *	{"key":...,"op":"delete"}
 *	{"key":...,"size":S,"offset":O,"value":...}  a part of a value of S bytes
 *	{"kvstored_export":1,...}                   what follows is an export, which has an end:
 *	{"complete":...,"count":N,...}              N keys came since then
 * Bytes are NAME or NAME_b64 as everywhere.
 */
#ifndef KV_HTTP_IMPORT_LINE_H
#define KV_HTTP_IMPORT_LINE_H

#include "http/jsonread.h"

enum import_line_kind { IMPORT_LINE_PUT, IMPORT_LINE_DELETE, IMPORT_LINE_PART, IMPORT_LINE_HEAD, IMPORT_LINE_END };

struct import_line {
	enum import_line_kind kind;
	struct slice key, value;  /* lie in what is below */
	uint64_t expires_unix_ms; /* 0: never */
	uint64_t size, offset;    /* of a part */
	uint64_t count;           /* of an end */

	json_t *json;
	struct buf key_bytes, value_bytes;
};

/* Reads one into a zeroed or used `line`. KV_NO_MEMORY; KV_INVALID with `problem`. */
kv_status import_line_read(struct import_line *line, struct slice text, struct problem *problem);
void import_line_free(struct import_line *line); /* safe on a zeroed one and twice */

#endif
