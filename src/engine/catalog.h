/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The catalog: which tables and WAL segments are live, on disk (MANIFEST) and in memory (the current view). Every change goes
 * through catalog_apply(): first durable, then visible. Also hands out file numbers and keeps the WAL
 * segments: the ones in use, one made ahead, and retired ones to make the next from.
 */
#ifndef KV_ENGINE_CATALOG_H
#define KV_ENGINE_CATALOG_H

#include "engine/history.h"
#include "engine/view.h"

#include <stdatomic.h>

/* Who is at the segment made ahead. */
enum spare_use { SPARE_FREE, SPARE_HELD, SPARE_RESIZED };

struct catalog {
	const struct dir *dir;      /* constant */
	const struct store_id *id;  /* constant */
	struct views *views;        /* constant; views->mu guards what says so below */
	struct table_cache *tables; /* constant */

	_Atomic uint64_t next_file_number;
	_Atomic uint64_t visible_sequence; /* written by the leader of the commit; readers see entries up to it */

	pthread_mutex_t io_mu;      /* held over a change of the MANIFEST; never taken by readers or commits */
	uint64_t generation;        /* guarded by io_mu, as the next two */
	uint64_t flushed_sequence;  /* every entry up to it is in tables */
	atomic_bool unbegun;        /* a start that found no space has yet to write its MANIFEST: until then no other is written */
	bool uncertain;             /* disk and memory may differ since a change that failed: no other is made */

	uint64_t *wal_numbers;      /* guarded by views->mu: in the MANIFEST, ascending */
	size_t wal_count;           /* guarded by views->mu */
	uint64_t wal_spare;         /* guarded by views->mu: made ahead, in the MANIFEST, not in use; 0: none */
	uint64_t wal_spare_bytes;   /* guarded by views->mu: size of its file */
	enum spare_use wal_spare_use; /* guarded by views->mu */
	uint64_t wal_retired;       /* guarded by views->mu: no longer in the MANIFEST, kept for reuse; 0: none */
	struct history history;     /* guards itself: what the change feed reads */
};

kv_status catalog_init(struct catalog *catalog, const struct dir *dir, const struct store_id *id,
	struct views *views, struct table_cache *tables);
void catalog_destroy(struct catalog *catalog);

uint64_t catalog_new_file_number(struct catalog *catalog); /* any thread */

/* Levels and range deletes of the current view as a MANIFEST, with the given WAL numbers and no history. io_mu is held, or nobody
 * else is there yet. For recovery, checkpoint and catalog_apply. */
kv_status catalog_describe(struct catalog *catalog, struct view_level *const levels[MANIFEST_LEVELS],
	const struct range_set *ranges, const uint64_t *wal_numbers, size_t wal_count, struct manifest *ret);

struct catalog_edit {
	struct table *const *added;        /* new tables of added_level, sorted; a flush adds one to level 0 */
	size_t added_count;
	unsigned added_level;
	const uint64_t *removed;           /* numbers of tables, of any level */
	size_t removed_count;
	struct memtable *flushed;          /* the oldest frozen one: leaves the view, and its WAL segments the MANIFEST */
	uint64_t oldest_snapshot;          /* of those open since `flushed` was frozen, UINT64_MAX: none; 0: unknown */
	uint64_t new_wal;                  /* a segment made ahead, 0: none */
	uint64_t new_wal_bytes;            /* the size of its file */
	bool forget_wals;                  /* no segment is needed any more: the clean end */
	uint64_t wals_removed;             /* result: segments whose files were removed */
};

/* Makes the change durable, then installs the new view; removed tables become obsolete. KV_NO_SPACE, KV_NO_MEMORY: nothing changed (the former also as long as it is `unbegun`). KV_UNCERTAIN,
 * KV_IO: the store must go to failed; after the former every other change gets KV_IO. Background threads; not inside a read section. */
kv_status catalog_apply(struct catalog *catalog, struct catalog_edit *edit, struct kv_error *err);

/* Makes a segment ahead when there is none: from the retired one, if that has about `bytes`, else of so many zeros; with WAL_ALLOCATED
 * always a new one, of space that is only reserved. Background thread. */
kv_status catalog_make_spare(struct catalog *catalog, uint64_t bytes, enum wal_space space, struct kv_error *err);

/* Gives the segment made ahead another size; nobody can take it meanwhile. KV_NOT_FOUND: there is none, or it is being taken. After
 * KV_NO_SPACE and KV_NO_MEMORY (descriptors, too) all is as it was; after any other failure it is no longer one to be taken. Background thread. */
kv_status catalog_resize_spare(struct catalog *catalog, uint64_t bytes, struct kv_error *err);

/* Is there one to make it from? */
bool catalog_has_retired(struct catalog *catalog);
/* Gives that one's space back. Background thread. */
void catalog_drop_retired(struct catalog *catalog);

/* The segment made ahead; 0 when there is none. Any thread. */
uint64_t catalog_peek_spare(struct catalog *catalog);
/* The leader of the commit: the same, and it stays as it is until it is taken or released. 0 also while it is being resized: progress is told
 * after that. */
uint64_t catalog_hold_spare(struct catalog *catalog);
void catalog_release_spare(struct catalog *catalog); /* what is held is not needed after all; or nothing is held */
void catalog_take_spare(struct catalog *catalog);    /* what is held has been begun */
uint64_t catalog_spare_bytes(struct catalog *catalog); /* the size of its file */

/* Bytes of the files of the log that memory needs, without the one made ahead; looks at each file. Any thread but the leader of the commit. */
uint64_t catalog_log_bytes(struct catalog *catalog);

/* ---- for catalog.c ---- */

/* A file that cannot be removed is an orphan, which the next start sweeps: nothing is lost by it. */
bool catalog_remove_wal(struct catalog *catalog, uint64_t number);
/* Exchanges the segment that is kept to make the next from; 0: none. */
uint64_t catalog_set_retired(struct catalog *catalog, uint64_t number);

/* Replaces the active memtable by `fresh` and freezes it. KV_NO_MEMORY leaves all as it was. The leader of the commit. */
kv_status catalog_rotate(struct catalog *catalog, struct memtable *fresh);

#endif
