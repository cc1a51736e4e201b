/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens at open, in order:
 *
 *	1. identity: FORMAT is read, or made in a directory that holds no file of ours
 *	2. MANIFEST: every file that it names must be there
 *	3. the WAL segments are replayed, oldest first, into memtables; a torn tail of the newest is set aside
 *	4. what was replayed is settled on stable storage: it will be read, so no crash may take it back
 *	5. a new segment is begun, whose header says where the last one ends; it is never appended to again
 *	6. a new MANIFEST names it; from here on the store is open
 *	7. orphans (files of ours that the MANIFEST does not name) are removed
 *
 * Until 5 nothing on disk is changed (but for a copy of the torn tail, and FORMAT and an empty MANIFEST of a new store), so a crash in
 * here repeats it.
 */
#include "engine/engine_internal.h"
#include "engine/filename.h"
#include "engine/identity.h"
#include "engine/lost_found.h"
#include "engine/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_SEGMENT_BYTES = 1 << 20 }; /* small, so that a start is quick; the next is made ahead */

struct recovery {
	struct engine *engine;
	struct manifest manifest;
	uint64_t file_number_max; /* of all files that are there */
	size_t data_files;        /* MANIFEST, WAL, table and blob files that are there */
	struct replay replay;
	uint64_t segment;         /* the one begun */
	uint64_t sweep_errors;
};

/* ---- 1 and 2 ---- */

static int look_at(void *arg, const char *name)
{
	struct recovery *recovery = arg;
	uint64_t number;
	enum filename_kind kind = filename_parse(name, &number);

	if (number > recovery->file_number_max)
		recovery->file_number_max = number;
	if (kind == FILENAME_MANIFEST || kind == FILENAME_WAL || kind == FILENAME_TABLE ||
		kind == FILENAME_BLOB)
		recovery->data_files++;
	return 0;
}

static kv_status open_identity(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	kv_status status = identity_read(&engine->dir, &engine->id, err);

	if (status != KV_NOT_FOUND)
		return status;
	if (recovery->data_files > 0)
		return kv_error_corrupt(err, "FORMAT", 0,
			"it is missing, but the directory holds files of a store");
	return identity_create(&engine->dir, &engine->id, err);
}

static kv_status check_table(struct recovery *recovery, const struct sst_meta *meta,
	struct kv_error *err)
{
	const struct dir *dir = &recovery->engine->dir;
	char name[FILENAME_MAX_BYTES];
	struct file file;
	uint64_t bytes;
	kv_status status = file_open(dir, filename_make(name, FILENAME_TABLE, meta->number),
		FILE_READ, &file, err);

	if (status == KV_NOT_FOUND)
		return kv_error_corrupt(err, name, 0, "a table that MANIFEST names is missing");
	if (status != KV_OK)
		return status;
	status = file_size(&file, &bytes, err);
	if (status == KV_OK && bytes != meta->file_bytes)
		status = kv_error_corrupt(err, name, bytes < meta->file_bytes ? bytes :
			meta->file_bytes, "%" PRIu64 " bytes long instead of %" PRIu64, bytes,
			meta->file_bytes);
	file_close(&file);
	return status;
}

static kv_status open_manifest(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct manifest *manifest = &recovery->manifest;
	kv_status status = manifest_read(&engine->dir, &engine->id, manifest, err);

	if (status == KV_NOT_FOUND) {
		if (recovery->data_files > 0)
			return kv_error_corrupt(err, "MANIFEST", 0,
				"it is missing, but there are tables or WAL segments");
		/* before any other file is made: so a missing MANIFEST is always damage */
		manifest->generation = 1;
		manifest->next_file_number = 1;
		return manifest_write(&engine->dir, &engine->id, manifest, err);
	}
	for (size_t i = 0; status == KV_OK && i < manifest->table_count; i++)
		status = check_table(recovery, &manifest->tables[i].meta, err);
	for (size_t i = 0; status == KV_OK && i < manifest->wal_count; i++) {
		char name[FILENAME_MAX_BYTES];

		filename_make(name, FILENAME_WAL, manifest->wal_numbers[i]);
		if (!dir_has(&engine->dir, name))
			status = kv_error_corrupt(err, name, 0,
				"a WAL segment that MANIFEST names is missing");
	}
	return status;
}

/* ---- 3 and 4 ---- */

static kv_status replay_segments(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct replay *replay = &recovery->replay;
	kv_status status;

	replay->dir = &engine->dir;
	replay->id = &engine->id;
	replay->memtable_bytes = engine->options.memtable_bytes;
	replay->last_sequence = recovery->manifest.last_sequence;
	status = replay_run(replay, recovery->manifest.wal_numbers, recovery->manifest.wal_count,
		err);
	if (status != KV_OK || replay->torn_end <= replay->end)
		return status;
	health_event(&engine->health, LOG_LEVEL_WARNING,
		"%06" PRIu64 ".wal at offset %" PRIu64 ": %" PRIu64
		" bytes of an incomplete last group were set aside into lost+found",
		replay->last_used, replay->end, replay->torn_end - replay->end);
	return lost_found_keep(&engine->dir, replay->last_used, replay->end, replay->torn_end, err);
}

/* ---- 5 and 6 ---- */

static kv_status begin_segment(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct replay *replay = &recovery->replay;
	struct wal_header header = {
		.prev_number = replay->last_used,
		.prev_end = replay->end,
		.first_sequence = replay->last_sequence + 1,
	};
	uint64_t bytes = engine->wal_segment_bytes;
	kv_status status;

	if (bytes > FIRST_SEGMENT_BYTES)
		bytes = FIRST_SEGMENT_BYTES;
	header.number = recovery->segment = catalog_new_file_number(&engine->catalog);
	status = wal_make_segment(&engine->dir, header.number, bytes, err);
	if (status == KV_OK)
		status = wal_writer_open(&engine->dir, &engine->id, &header, &engine->commit.wal,
			err);
	return status;
}

/* The memtable that goes on being written: the last of the replay, or a new one. */
static kv_status active_memtable(struct recovery *recovery, struct memtable **ret,
	struct kv_error *err)
{
	struct replay *replay = &recovery->replay;

	if (replay->count > 0)
		*ret = replay->memtables[--replay->count];
	else
		*ret = memtable_new(recovery->segment);
	return *ret ? KV_OK : kv_error_set(err, KV_NO_MEMORY, "out of memory for a memtable");
}

static kv_status load_level(struct recovery *recovery, unsigned n, struct view_level **ret)
{
	const struct manifest *manifest = &recovery->manifest;
	struct table **tables = calloc(manifest->table_count + 1, sizeof(struct table *));
	kv_status status = tables ? KV_OK : KV_NO_MEMORY;
	size_t count = 0;

	for (size_t i = 0; status == KV_OK && i < manifest->table_count; i++) {
		if (manifest->tables[i].level != n)
			continue;
		tables[count] = table_new(recovery->engine->tables, &manifest->tables[i].meta);
		if (tables[count])
			count++;
		else
			status = KV_NO_MEMORY;
	}
	if (status == KV_OK) {
		*ret = view_level_new(tables, count);
		if (!*ret)
			status = KV_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		table_unref(tables[i]);
	free(tables);
	return status;
}

static kv_status load_view(struct recovery *recovery, struct kv_error *err)
{
	struct view_level *levels[MANIFEST_LEVELS] = { 0 };
	struct replay *replay = &recovery->replay;
	struct memtable *active = NULL, *swap;
	struct view *view = NULL;
	kv_status status = active_memtable(recovery, &active, err);

	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++)
		status = load_level(recovery, n, &levels[n]);
	/* the replay has them oldest first */
	for (size_t i = 0; i < replay->count / 2; i++) {
		swap = replay->memtables[i];
		replay->memtables[i] = replay->memtables[replay->count - 1 - i];
		replay->memtables[replay->count - 1 - i] = swap;
	}
	if (status == KV_OK)
		view = view_new(active, replay->memtables, replay->count, levels);
	if (view)
		recovery->engine->commit.active = memtable_ref(active);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		view_level_unref(levels[n]);
	memtable_unref(active);
	if (!view)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for the first view");
	pthread_mutex_lock(&recovery->engine->views.mu);
	views_replace_locked(&recovery->engine->views, view);
	pthread_mutex_unlock(&recovery->engine->views.mu);
	return KV_OK;
}

/* The segments that memory still needs, and the new one. */
static kv_status list_wals(struct recovery *recovery)
{
	struct catalog *catalog = &recovery->engine->catalog;
	const struct replay *replay = &recovery->replay;
	size_t most = recovery->manifest.wal_count + 1;

	catalog->wal_numbers = calloc(most, sizeof *catalog->wal_numbers);
	if (!catalog->wal_numbers)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < recovery->manifest.wal_count; i++) {
		uint64_t number = recovery->manifest.wal_numbers[i];

		if (number >= replay->oldest_needed && number <= replay->last_used)
			catalog->wal_numbers[catalog->wal_count++] = number;
	}
	catalog->wal_numbers[catalog->wal_count++] = recovery->segment;
	return KV_OK;
}

static kv_status write_manifest(struct recovery *recovery, struct kv_error *err)
{
	struct catalog *catalog = &recovery->engine->catalog;
	struct manifest manifest;
	kv_status status = list_wals(recovery);

	if (status == KV_OK)
		status = catalog_describe(catalog, views_peek(&recovery->engine->views)->levels,
			catalog->wal_numbers, catalog->wal_count, &manifest);
	if (status != KV_OK)
		return kv_error_set(err, status, "out of memory for MANIFEST");
	manifest.generation = catalog->generation = recovery->manifest.generation + 1;
	status = manifest_write(catalog->dir, catalog->id, &manifest, err);
	manifest_free(&manifest);
	return status;
}

/* ---- 7 ---- */

static bool is_live(const struct recovery *recovery, enum filename_kind kind, uint64_t number)
{
	const struct catalog *catalog = &recovery->engine->catalog;

	if (kind == FILENAME_WAL)
		for (size_t i = 0; i < catalog->wal_count; i++)
			if (catalog->wal_numbers[i] == number)
				return true;
	if (kind == FILENAME_TABLE)
		for (size_t i = 0; i < recovery->manifest.table_count; i++)
			if (recovery->manifest.tables[i].meta.number == number)
				return true;
	return false;
}

static int sweep_one(void *arg, const char *name)
{
	struct recovery *recovery = arg;
	uint64_t number;
	enum filename_kind kind = filename_parse(name, &number);
	bool orphan = kind == FILENAME_TEMP || ((kind == FILENAME_WAL || kind == FILENAME_TABLE) &&
		!is_live(recovery, kind, number));

	if (orphan && dir_unlink(&recovery->engine->dir, name, NULL) != KV_OK)
		recovery->sweep_errors++;
	return 0;
}

/* Orphans cost only space: what cannot be removed is told and left. */
static void sweep(struct recovery *recovery)
{
	struct engine *engine = recovery->engine;

	if (dir_list(&engine->dir, sweep_one, recovery, NULL) != KV_OK)
		recovery->sweep_errors++;
	if (recovery->sweep_errors > 0)
		health_event(&engine->health, LOG_LEVEL_WARNING,
			"%" PRIu64 " files left by a crash could not be removed",
			recovery->sweep_errors);
}

/* ---- all ---- */

static void set_counters(struct recovery *recovery)
{
	struct engine *engine = recovery->engine;
	uint64_t next = recovery->file_number_max + 1;

	if (next < recovery->manifest.next_file_number)
		next = recovery->manifest.next_file_number;
	atomic_store(&engine->catalog.next_file_number, next);
	engine->catalog.flushed_sequence = recovery->manifest.last_sequence;
	atomic_store(&engine->catalog.visible_sequence, recovery->replay.last_sequence);
	engine->commit.last_sequence = recovery->replay.last_sequence;
}

static void report(struct recovery *recovery)
{
	const struct replay *replay = &recovery->replay;

	health_event(&recovery->engine->health, LOG_LEVEL_INFO,
		"recovered %zu tables and %" PRIu64 " writes from %zu WAL segments",
		recovery->manifest.table_count, replay->operations, replay->segments);
}

kv_status recover_run(struct engine *engine, struct kv_error *err)
{
	struct recovery recovery = { .engine = engine };
	kv_status status = dir_list(&engine->dir, look_at, &recovery, err);

	if (status == KV_OK)
		status = open_identity(&recovery, err);
	if (status == KV_OK)
		status = open_manifest(&recovery, err);
	if (status == KV_OK)
		status = replay_segments(&recovery, err);
	if (status == KV_OK) {
		set_counters(&recovery);
		status = begin_segment(&recovery, err);
	}
	if (status == KV_OK)
		status = load_view(&recovery, err);
	if (status == KV_OK)
		status = write_manifest(&recovery, err);
	if (status == KV_OK) {
		sweep(&recovery);
		report(&recovery);
	}
	replay_free(&recovery.replay);
	manifest_free(&recovery.manifest);
	return status;
}
