/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scan is asked for, taken apart, and the one snapshot that it reads: the one that the request names, the one that its cursor
 * carries, or one taken for it. The latter is given up at the end, unless a cursor is handed out: then it is kept for the pages that follow.
 */
#ifndef KV_HTTP_SCAN_H
#define KV_HTTP_SCAN_H

#include "http/request.h"
#include "http/scan_range.h"
#include "http/scan_walk.h"
#include "http/snapshots.h"

struct scan {
	struct service *service;
	struct scan_range range;    /* borrows from the request, as the next */
	struct slice snapshot_text; /* the parameter; empty: none */
	uint64_t limit;             /* items; for who made it, as the next */
	bool keys_only;

	struct snapshot *snapshot;       /* held: of the request or of its cursor; NULL: neither */
	struct store_snapshot *own;      /* otherwise; NULL once it is kept for a cursor */
	struct scan_walk walk;
	uint64_t count;                  /* items so far */
};

/* The parameters that every scan has, at the beginning of its table of parameters. */
enum { SCAN_PREFIX, SCAN_START, SCAN_END, SCAN_SNAPSHOT, SCAN_PARAMS };
#define SCAN_PARAM_NAMES \
	[SCAN_PREFIX] = { .name = "prefix" }, [SCAN_START] = { .name = "start" }, \
	[SCAN_END] = { .name = "end" }, [SCAN_SNAPSHOT] = { .name = "snapshot" }

/* Fills in one that is zeroed but for range.reverse and must stay where it is; `cursor`: NULL, or a parameter that may have one. False
 * has answered. */
bool scan_take(struct request *request, const struct urlkey_param *params,
	const struct urlkey_param *cursor, struct scan *scan);

/* After scan_walk_pause(): appends the cursor for what is left. */
kv_status scan_append_cursor(struct scan *scan, struct buf *to);

uint64_t scan_version(const struct scan *scan); /* of the snapshot */
void scan_free(struct scan *scan);              /* safe on a zeroed one and twice */

#endif
