/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens at open, in order:
 *
 *	1. identity: FORMAT is read, or made in a directory that holds no file of ours
 *	2. MANIFEST: every file that it names must be there
 *	3. the WAL segments are replayed, oldest first, into memtables; a torn tail of the newest is set aside; where a power cut
 *	   has taken the end of one that was left without a sync, the store ends there
 *	4. what was replayed is settled on stable storage: it will be read, so no crash may take it back; the change feed is told its segments
 *	5. a new segment is begun, whose header says where the last one ends; it is never appended to again
 *	6. a new MANIFEST names it; from here on the store is open
 *	7. orphans (files of ours that the MANIFEST does not name) are removed
 *	8. the reserve is made: no write is taken before it is known whether there is space
 *
 * Until 5 nothing on disk is changed (but for a copy of the torn tail, and FORMAT and an empty MANIFEST of a new store), so a crash in
 * here repeats it. On a full disk, when the reserve does not help, the store opens after 4: it can be read, and the flush thread goes on with
 * the rest when there is space. Until then no MANIFEST may be written, since the log of before is not yet in the catalog.
 */
#include "engine/catalog_ranges.h"
#include "engine/filename.h"
#include "engine/lost_found.h"
#include "engine/recover_internal.h"
#include "engine/reserve.h"

#include <inttypes.h>
#include <stdlib.h>

/* The segment that was made ahead holds only zeros. MANIFEST names it, so it stays there, with nothing but room for its header. */
static bool cut_unused(struct recovery *recovery)
{
	uint64_t number = recovery->replay.unused;

	if (number == 0 || recovery->unused_is_cut)
		return false;
	recovery->unused_is_cut = true;
	return wal_resize_segment(&recovery->engine->dir, number, WAL_FIRST_GROUP_OFFSET, NULL) == KV_OK;
}

/* On a full disk the reserve is for this, too: then the store is open for reading and for deletes. False: there is no space to be had any more. */
static bool finds_space(struct recovery *recovery, kv_status status)
{
	if (status != KV_NO_SPACE || (!reserve_release(&recovery->engine->dir) && !cut_unused(recovery)))
		return false;
	health_set(&recovery->engine->health, HEALTH_DISK_FULL, "there was no space for the start but the reserve, or a log segment made ahead");
	return true;
}

/* ---- 3 and 4 ---- */

static kv_status replay_segments(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct replay *replay = &recovery->replay;

	replay->dir = &engine->dir;
	replay->blobs = engine->blobs;
	replay->id = &engine->id;
	replay->memtable_bytes = engine->options.memtable_bytes;
	replay->last_sequence = recovery->manifest.last_sequence;
	return replay_run(replay, recovery->manifest.wal_numbers, recovery->manifest.wal_count, err);
}

static kv_status keep_torn_tail(struct recovery *recovery, struct kv_error *err)
{
	const struct replay *replay = &recovery->replay;
	struct engine *engine = recovery->engine;
	const char *where;
	kv_status status = lost_found_keep(&engine->dir, replay->last_used, replay->end, replay->torn_end, &where, err);

	if (status == KV_OK)
		health_event(&engine->health, LOG_LEVEL_WARNING, "%06" PRIu64 ".wal at offset %" PRIu64 ": %" PRIu64
			" bytes of an incomplete last group were set aside into %s",
			replay->last_used, replay->end, replay->torn_end - replay->end, where);
	return status;
}

static kv_status keep_torn(struct recovery *recovery, struct kv_error *err)
{
	const struct replay *replay = &recovery->replay;
	kv_status status = KV_OK;

	if (!recovery->torn_is_kept && replay->torn_end > replay->end)
		do
			status = keep_torn_tail(recovery, err);
		while (finds_space(recovery, status));
	recovery->torn_is_kept = status == KV_OK;
	return status;
}

static void tell_lost_segments(struct recovery *recovery)
{
	const struct replay *replay = &recovery->replay;

	if (replay->lost_segments > 0)
		health_event(&recovery->engine->health, LOG_LEVEL_WARNING, "%06" PRIu64 ".wal ends at offset %" PRIu64
			" instead of where its successor says: what came behind that, in %zu more segments, was not asked to be durable and is lost",
			replay->last_used, replay->end, replay->lost_segments);
}

/* ---- 5 and 6 ---- */

/* Every used segment that MANIFEST names: those kept for the change feed, then those replayed. */
static uint64_t *list_used(const struct recovery *recovery, size_t *ret_count)
{
	const struct manifest *manifest = &recovery->manifest;
	uint64_t *numbers = calloc(manifest->history_count + manifest->wal_count + 1, sizeof *numbers);
	size_t count = 0;

	for (size_t i = 0; numbers && i < manifest->history_count; i++)
		if (recovery->engine->options.change_log_bytes > 0)
			numbers[count++] = manifest->history[i];
	for (size_t i = 0; numbers && i < manifest->wal_count; i++)
		if (manifest->wal_numbers[i] <= recovery->replay.last_used)
			numbers[count++] = manifest->wal_numbers[i];
	*ret_count = count;
	return numbers;
}

/* How the log goes on: of the segment that is to be begun, but for its number. */
static struct wal_header next_header(const struct recovery *recovery)
{
	const struct replay *replay = &recovery->replay;

	return (struct wal_header){
		.prev_number = replay->last_used,
		.prev_end = replay->end,
		.first_sequence = replay->last_sequence + 1,
	};
}

static void tell_lost_changes(struct recovery *recovery, const struct kv_error *lost)
{
	struct engine *engine = recovery->engine;
	struct history *history = &engine->catalog.history;
	char text[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];

	health_event(&engine->health, LOG_LEVEL_WARNING,
		"the change feed begins after %" PRIu64 ", what was before it is %s: %s",
		history->count > 0 ? engine_changes_oldest(engine) : recovery->replay.last_sequence,
		history->unread_count > 0 ? "not there until a start that can read it" : "lost",
		kv_error_format(lost, text, sizeof text));
}

/* Once, and while there is one thread: the change feed can be read also where there is no space to go on with the log. */
static kv_status load_history(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct wal_header next = next_header(recovery);
	struct kv_error lost = { 0 };
	size_t count;
	uint64_t *numbers = list_used(recovery, &count);
	kv_status status = KV_NO_MEMORY;

	if (numbers)
		status = history_load(&engine->catalog.history, &engine->id, numbers, count, &next, &lost);
	free(numbers);
	if (status != KV_OK)
		return kv_error_set(err, status, "out of memory for the log's history");
	if (lost.status != KV_OK)
		tell_lost_changes(recovery, &lost);
	return KV_OK;
}

static kv_status begin_segment(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct history *history = &engine->catalog.history;
	struct wal_header header = next_header(recovery);
	kv_status status = history_prepare(history);

	if (status != KV_OK)
		return kv_error_set(err, status, "out of memory for the log's history");
	do {
		header.number = recovery->segment = catalog_new_file_number(&engine->catalog);
		status = wal_make_segment(&engine->dir, header.number,
			spare_first_bytes(engine, replay_memory_bytes(&recovery->replay)), WAL_WRITTEN, err);
	} while (finds_space(recovery, status));
	if (status != KV_OK)
		return status;
	status = wal_writer_open(&engine->dir, &engine->id, &header, &engine->commit.wal, err);
	if (status != KV_OK) {
		catalog_remove_wal(&engine->catalog, header.number); /* the next attempt makes another one */
		return status;
	}
	history_begin(history, header.number, header.first_sequence);
	recovery->has_begun = true;
	return KV_OK;
}

/* The memtable that goes on being written: the last of the replay, or a new one. */
static kv_status active_memtable(struct recovery *recovery, struct memtable **ret,
	struct kv_error *err)
{
	struct replay *replay = &recovery->replay;

	if (replay->count > 0) {
		*ret = replay->memtables[--replay->count];
		return KV_OK;
	}
	/* of the segment to be begun, or one that comes before it: nothing is in either */
	*ret = memtable_new(recovery->has_begun ? recovery->segment : catalog_new_file_number(&recovery->engine->catalog));
	if (!*ret)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a memtable");
	memtable_keep_blobs(*ret, recovery->engine->blobs);
	memtable_add_filter(*ret, recovery->engine->options.memtable_bytes);
	return KV_OK;
}

/* A table that cannot be read costs its own keys only; but then nobody knows which large values it needs. */
static kv_status hold_blobs(struct engine *engine, struct table *table)
{
	struct kv_error err = { 0 };
	kv_status status = table_hold_blobs(table, engine->blobs, &err);

	if (status == KV_OK || status == KV_NO_MEMORY)
		return status;
	blob_set_keep_all(engine->blobs);
	health_event(&engine->health, LOG_LEVEL_ERROR,
		"%s: %s: the large values that it needs are not known, so none is removed until it is repaired",
		err.file, err.text);
	return KV_OK;
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
		if (!tables[count]) {
			status = KV_NO_MEMORY;
			break;
		}
		status = hold_blobs(recovery->engine, tables[count++]);
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
	struct range_set *ranges = NULL;
	struct view *view = NULL;
	kv_status status = active_memtable(recovery, &active, err);

	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++)
		status = load_level(recovery, n, &levels[n]);
	if (status == KV_OK)
		status = catalog_ranges_load(&recovery->manifest, &ranges);
	/* the replay has them oldest first */
	for (size_t i = 0; i < replay->count / 2; i++) {
		swap = replay->memtables[i];
		replay->memtables[i] = replay->memtables[replay->count - 1 - i];
		replay->memtables[replay->count - 1 - i] = swap;
	}
	if (status == KV_OK)
		view = view_new(active, replay->memtables, replay->count, levels);
	if (view) {
		view_set_ranges(view, ranges, recovery->manifest.last_sequence);
		recovery->engine->commit.active = memtable_ref(active);
	}
	range_set_unref(ranges);
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
	uint64_t *numbers = calloc(recovery->manifest.wal_count + 1, sizeof *numbers);
	size_t count = 0;

	if (!numbers)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < recovery->manifest.wal_count; i++) {
		uint64_t number = recovery->manifest.wal_numbers[i];

		if (number >= replay->oldest_needed && number <= replay->last_used)
			numbers[count++] = number;
	}
	numbers[count++] = recovery->segment;
	/* it may be the second time; and who asks for statistics is there already */
	pthread_mutex_lock(&catalog->views->mu);
	free(catalog->wal_numbers);
	catalog->wal_numbers = numbers;
	catalog->wal_count = count;
	pthread_mutex_unlock(&catalog->views->mu);
	return KV_OK;
}

static kv_status write_manifest(struct recovery *recovery, struct kv_error *err)
{
	struct catalog *catalog = &recovery->engine->catalog;
	struct history_plan plan = { 0 };
	struct manifest manifest = { 0 };
	kv_status status = list_wals(recovery);

	if (status == KV_OK)
		status = history_plan(&catalog->history, catalog->wal_numbers[0], false, &plan);
	if (status == KV_OK)
		status = catalog_describe(catalog, views_peek(&recovery->engine->views)->levels,
			views_peek(&recovery->engine->views)->ranges, catalog->wal_numbers, catalog->wal_count, &manifest);
	if (status == KV_OK)
		status = history_describe(&catalog->history, &plan, &manifest);
	if (status == KV_OK) {
		manifest.generation = catalog->generation = recovery->manifest.generation + 1;
		do
			status = manifest_write(catalog->dir, catalog->id, &manifest, err);
		while (finds_space(recovery, status));
	} else {
		kv_error_set(err, status, "out of memory for MANIFEST");
	}
	if (status == KV_OK)
		history_apply(&catalog->history, &plan); /* the files are swept */
	history_plan_free(&plan);
	manifest_free(&manifest);
	return status;
}

/* ---- 7 ---- */

static bool is_live(const struct recovery *recovery, enum filename_kind kind, uint64_t number)
{
	const struct catalog *catalog = &recovery->engine->catalog;

	if (kind == FILENAME_WAL && history_has(&recovery->engine->catalog.history, number))
		return true;
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
	struct kv_error err = { 0 };

	if (dir_list(&engine->dir, sweep_one, recovery, NULL) != KV_OK)
		recovery->sweep_errors++;
	/* if they came back and MANIFEST were lost, they would stand against what is written from now on */
	if (recovery->replay.lost_segments > 0 && dir_sync(&engine->dir, &err) != KV_OK)
		health_report(&engine->health, "segments of the log that were given up may come back", &err);
	recovery->sweep_errors += blob_sweep(engine);
	if (recovery->sweep_errors > 0)
		health_event(&engine->health, LOG_LEVEL_WARNING,
			"%" PRIu64 " files left by a crash could not be removed",
			recovery->sweep_errors);
}

/* ---- all ---- */

static kv_status set_counters(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	uint64_t next = recovery->file_number_max + 1;

	if (next < recovery->manifest.next_file_number)
		next = recovery->manifest.next_file_number;
	if (recovery->replay.blob_number_max > FILENAME_NUMBER_USED_MAX)
		return kv_error_corrupt(err, recovery->engine->dir.path, 0, "the log tells of a large value in file %" PRIu64
			", which no store comes to", recovery->replay.blob_number_max);
	/* of a blob file that somebody has removed: what the log says of it is not to be said of another one */
	if (next <= recovery->replay.blob_number_max)
		next = recovery->replay.blob_number_max + 1;
	if (next > FILENAME_NUMBER_USED_MAX + 1)
		return kv_error_corrupt(err, recovery->engine->dir.path, 0, "a file's name has the number %" PRIu64
			", which no store comes to, and none for new files is left behind it", next - 1);
	atomic_store(&engine->catalog.next_file_number, next);
	engine->catalog.flushed_sequence = recovery->manifest.last_sequence;
	atomic_store(&engine->catalog.visible_sequence, recovery->replay.last_sequence);
	engine->commit.last_sequence = recovery->replay.last_sequence;
	return KV_OK;
}

static void report(struct recovery *recovery)
{
	const struct replay *replay = &recovery->replay;

	health_event(&recovery->engine->health, LOG_LEVEL_INFO,
		"recovered %zu tables and %" PRIu64 " writes from %zu WAL segments",
		recovery->manifest.table_count, replay->operations, replay->segments);
}

/* 5 to 7, as far as they have not been done. */
static kv_status begin(struct recovery *recovery, struct kv_error *err)
{
	kv_status status = keep_torn(recovery, err);

	if (status == KV_OK && !recovery->has_begun)
		status = begin_segment(recovery, err);
	if (status == KV_OK && !views_peek(&recovery->engine->views))
		status = load_view(recovery, err);
	if (status == KV_OK)
		status = write_manifest(recovery, err);
	if (status == KV_OK)
		sweep(recovery);
	return status;
}

/* The rest waits for space; the store can be read. */
static kv_status open_unbegun(struct recovery *recovery, const struct kv_error *why, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	kv_status status = KV_OK;

	if (!views_peek(&engine->views))
		status = load_view(recovery, err);
	if (status != KV_OK)
		return status;
	engine->catalog.generation = recovery->manifest.generation;
	atomic_store(&engine->catalog.unbegun, true);
	engine->recovery = recovery;
	health_report(&engine->health, "cannot begin a log", why);
	return KV_OK;
}

kv_status recover_begin(struct engine *engine, struct kv_error *err)
{
	kv_status status = begin(engine->recovery, err);

	if (status != KV_OK)
		return status;
	recover_free(engine->recovery);
	engine->recovery = NULL;
	atomic_store(&engine->catalog.unbegun, false); /* after all that the leader of the commit needs */
	return KV_OK;
}

void recover_free(struct recovery *recovery)
{
	if (!recovery)
		return;
	replay_free(&recovery->replay);
	manifest_free(&recovery->manifest);
	free(recovery);
}

static kv_status look_and_replay(struct recovery *recovery, struct kv_error *err)
{
	kv_status status = recover_files(recovery, err);

	if (status == KV_OK)
		status = replay_segments(recovery, err);
	if (status == KV_OK)
		status = set_counters(recovery, err);
	if (status == KV_OK)
		status = load_history(recovery, err);
	return status;
}

kv_status recover_run(struct engine *engine, struct kv_error *err)
{
	struct recovery *recovery = calloc(1, sizeof *recovery);
	struct kv_error why = { 0 };
	kv_status status;

	if (!recovery)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for the recovery");
	recovery->engine = engine;
	status = look_and_replay(recovery, err);
	if (status == KV_OK) {
		status = begin(recovery, &why);
		if (status == KV_NO_SPACE)
			status = open_unbegun(recovery, &why, err);
		else if (status != KV_OK && err)
			*err = why;
	}
	if (status == KV_OK) {
		tell_lost_segments(recovery);
		report(recovery);
		spare_keep_reserve(engine);
	}
	if (!engine->recovery)
		recover_free(recovery);
	return status;
}
