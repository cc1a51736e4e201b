/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log as the change feed sees it: the used WAL segments in a row, from the oldest that is kept to the one that is being
 * written, each with the sequences that it holds. The catalog decides with it which segments leave the MANIFEST; a reader of changes finds
 * its segment here and holds it: a held segment is never made into another one, so what is read of it stays what it was.
 */
#ifndef KV_ENGINE_HISTORY_H
#define KV_ENGINE_HISTORY_H

#include "engine/manifest.h"
#include "engine/wal.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HISTORY_HINTS = 64 };

/* Where in a segment a group begins, so that a reader need not look for it from the start. */
struct history_hint {
	uint64_t sequence; /* of its first operation */
	uint64_t offset;
};

/* One used segment. Counted: the list holds it, and each reader in it. */
struct history_segment {
	uint64_t number;               /* constant, as the next */
	uint64_t first_sequence;
	_Atomic uint64_t end_sequence; /* the first of the next segment; UINT64_MAX: it is being written */
	_Atomic uint64_t end;          /* its visible groups end here; UINT64_MAX: with the file */
	_Atomic uint32_t hint_count;   /* hints[] is written by the leader of the commit, before this */
	struct history_hint hints[HISTORY_HINTS];

	/* guarded by history.mu */
	unsigned references;
	bool listed;
	struct file file;              /* open only as long as a reader holds it */
	uint64_t bytes;                /* of the file, once memory no longer needs it */
};

struct history {
	const struct dir *dir; /* constant, as the next three; set before there is a second thread */
	uint64_t bytes_max;    /* so much is kept for readers only, and at most one segment more; 0: nothing */
	uint64_t hint_bytes;   /* from one hint to the next */
	uint64_t *unread;      /* malloc'ed, ascending: before all segments; could not be read at the start, the next may */

	/* The leader of the commit; recovery before there is one. */
	struct history_segment *spare;  /* made by history_prepare() */
	struct history_segment *active;
	uint64_t hint_due;     /* offset */

	pthread_mutex_t mu;    /* nothing else is locked under it, and nothing waits */
	struct history_segment **segments; /* guarded by mu, as all below; ascending */
	size_t count, capacity;
	size_t unread_count;
	uint64_t needed;       /* segments below it are kept for readers only */
	uint64_t last_used;    /* bytes of the one that was needed last */
};

kv_status history_init(struct history *history, const struct dir *dir);
void history_destroy(struct history *history); /* a zeroed one, too */

/* ---- recovery, in ascending order: a segment that is there. The one added last is being written. ---- */
kv_status history_add(struct history *history, uint64_t number, uint64_t first_sequence, uint64_t end);
/* Adds those of `numbers` (ascending) that are there and can be followed up to the segment with the header `next`; looks at their headers
 * only. Where one is missing or damaged, the list begins after it, and *ret_lost tells why (KV_OK: none is). The same where one cannot be
 * read; but then it is kept with those before it, as long as all after it are, since the next start may read it. */
kv_status history_load(struct history *history, const struct store_id *id, const uint64_t *numbers,
	size_t count, const struct wal_header *next, struct kv_error *ret_lost);
bool history_has(struct history *history, uint64_t number); /* what could not be read, too */

/* ---- the leader of the commit ---- */

/* So that the next history_begin() cannot fail. KV_NO_MEMORY. */
kv_status history_prepare(struct history *history);
/* The log goes on in this segment, before its predecessor is frozen. */
void history_begin(struct history *history, uint64_t number, uint64_t first_sequence);
/* The groups up to `end`, before which `next_sequence` has not come, are about to become visible. */
void history_advance(struct history *history, uint64_t next_sequence, uint64_t end);

/* ---- what is kept; catalog.io_mu is held ---- */

/* What becomes of the listed segments that memory does not need. */
struct history_plan {
	uint64_t needed; /* memory needs the segments from this one on */
	size_t count;
	struct history_item {
		struct history_segment *segment;
		uint64_t number;
		uint64_t bytes;  /* of its file */
		uint64_t cut_to; /* what is behind it is given back; 0: nothing is */
		bool kept;       /* for readers */
		bool held;       /* result of history_apply(): of one that is not kept: a reader is in it */
	} *items; /* owned; ascending */
	bool keeps_unread;
	size_t unread_count;     /* of history.unread: kept and no longer needed */
};

/* Plans for the time when memory needs nothing below segment `needed`. Looks at the sizes of files and changes nothing. What was used only
 * in part gives back the rest of its space; at the clean end, where none will be made into another one, that goes for all. KV_NO_MEMORY. */
kv_status history_plan(struct history *history, uint64_t needed, bool clean_end,
	struct history_plan *ret);
void history_plan_free(struct history_plan *plan);
/* Appends what is kept to the MANIFEST. KV_NO_MEMORY: the manifest is only good to be freed. */
kv_status history_describe(const struct history *history, const struct history_plan *plan,
	struct manifest *manifest);
/* The plan is durable. What is not kept leaves the list, and its file is the caller's: to be removed or, unless it is held, to be made
 * into another segment. */
void history_apply(struct history *history, struct history_plan *plan);

/* ---- readers; any thread ---- */

/* The segment that holds `sequence`, held for the caller. KV_GONE: it is no longer kept. `sequence` is visible. */
kv_status history_find(struct history *history, uint64_t sequence, struct history_segment **ret);
/* Its file, open until the segment is released. KV_GONE: it was removed meanwhile. */
kv_status history_open_file(struct history *history, struct history_segment *segment,
	const struct file **ret, struct kv_error *err);
/* NULL is allowed; returns NULL. */
struct history_segment *history_release(struct history *history, struct history_segment *segment);
/* The last hint for a sequence not above this one. */
struct history_hint history_hint(const struct history_segment *segment, uint64_t sequence);

uint64_t history_oldest(struct history *history); /* the first sequence that is there, or is to come */
uint64_t history_bytes(struct history *history);  /* of what is kept for readers only */
/* How far the segment was used that memory gave up last; 0: not known. */
uint64_t history_last_used(struct history *history);

#endif
