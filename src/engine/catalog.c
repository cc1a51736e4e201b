/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing what is live. The order of catalog_apply is the rule that matters: the new MANIFEST is durable before
 * any reader sees the new view, and files leave the disk only after both.
 *
 * Only catalog_apply (under io_mu) changes levels, so what it read from the view stays true while it writes the MANIFEST; the
 * memtables may meanwhile change by a rotation, therefore the new view is put together under views->mu.
 */
#include "engine/catalog.h"

#include "engine/filename.h"
#include "engine/wal.h"

#include <assert.h>
#include <stdlib.h>

kv_status catalog_init(struct catalog *catalog, const struct dir *dir, const struct store_id *id,
	struct views *views, struct table_cache *tables)
{
	*catalog = (struct catalog){ .dir = dir, .id = id, .views = views, .tables = tables };
	atomic_init(&catalog->next_file_number, 1);
	atomic_init(&catalog->visible_sequence, 0);
	return pthread_mutex_init(&catalog->io_mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

void catalog_destroy(struct catalog *catalog)
{
	free(catalog->wal_numbers);
	pthread_mutex_destroy(&catalog->io_mu);
}

uint64_t catalog_new_file_number(struct catalog *catalog)
{
	return atomic_fetch_add_explicit(&catalog->next_file_number, 1, memory_order_relaxed);
}

kv_status catalog_describe(struct catalog *catalog, struct view_level *const levels[MANIFEST_LEVELS],
	const uint64_t *wal_numbers, size_t wal_count, struct manifest *ret)
{
	struct manifest manifest = { 0 };
	kv_status status = KV_OK;

	manifest.next_file_number = atomic_load(&catalog->next_file_number);
	manifest.last_sequence = catalog->flushed_sequence;
	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; status == KV_OK && i < levels[n]->count; i++)
			status = manifest_add_table(&manifest, n, table_meta(levels[n]->tables[i]));
	for (size_t i = 0; status == KV_OK && i < wal_count; i++)
		status = manifest_add_wal(&manifest, wal_numbers[i]);
	if (status != KV_OK) {
		manifest_free(&manifest);
		return status;
	}
	*ret = manifest;
	return KV_OK;
}

/* ---- levels ---- */

static bool is_removed(const struct catalog_edit *edit, const struct table *table)
{
	for (size_t i = 0; i < edit->removed_count; i++)
		if (edit->removed[i] == table_meta(table)->number)
			return true;
	return false;
}

static bool touches(const struct catalog_edit *edit, const struct view_level *level, unsigned n)
{
	if (edit->added_count > 0 && n == edit->added_level)
		return true;
	for (size_t i = 0; i < level->count; i++)
		if (is_removed(edit, level->tables[i]))
			return true;
	return false;
}

static int by_smallest_key(const void *a, const void *b)
{
	const struct sst_meta *left = table_meta(*(struct table *const *)a);
	const struct sst_meta *right = table_meta(*(struct table *const *)b);

	return slice_compare(buf_slice(&left->smallest), buf_slice(&right->smallest));
}

/* The level after the edit, with a reference for the caller. */
static struct view_level *edit_level(const struct catalog_edit *edit, struct view_level *level,
	unsigned n)
{
	struct view_level *after;
	struct table **tables;
	size_t count = 0;

	if (!touches(edit, level, n))
		return view_level_ref(level);
	tables = malloc((level->count + edit->added_count + 1) * sizeof(struct table *));
	if (!tables)
		return NULL;
	if (n == edit->added_level)
		for (size_t i = 0; i < edit->added_count; i++)
			tables[count++] = edit->added[i];
	for (size_t i = 0; i < level->count; i++)
		if (!is_removed(edit, level->tables[i]))
			tables[count++] = level->tables[i];
	if (n > 0)
		qsort(tables, count, sizeof(struct table *), by_smallest_key);
	after = view_level_new(tables, count);
	free(tables);
	return after;
}

static void unref_levels(struct view_level *levels[MANIFEST_LEVELS])
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		view_level_unref(levels[n]);
}

static kv_status edit_levels(const struct catalog_edit *edit, const struct view *view,
	struct view_level *ret_levels[MANIFEST_LEVELS])
{
	struct view_level *levels[MANIFEST_LEVELS] = { 0 };

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++) {
		levels[n] = edit_level(edit, view->levels[n], n);
		if (!levels[n]) {
			unref_levels(levels);
			return KV_NO_MEMORY;
		}
	}
	memcpy(ret_levels, levels, sizeof levels);
	return KV_OK;
}

/* ---- WAL segments ---- */

struct wal_change {
	uint64_t *kept; /* malloc'ed: the numbers that the MANIFEST will list */
	size_t kept_count;
	uint64_t *gone; /* malloc'ed */
	size_t gone_count;
};

static void wal_change_free(struct wal_change *change)
{
	free(change->kept);
	free(change->gone);
}

/* The oldest segment that memory still needs once edit->flushed is gone. */
static uint64_t oldest_needed_locked(const struct view *view, const struct memtable *flushed)
{
	for (size_t i = view->frozen_count; i > 0; i--)
		if (view->frozen[i - 1] != flushed)
			return memtable_wal_number(view->frozen[i - 1]);
	return memtable_wal_number(view->active);
}

static kv_status plan_wals(struct catalog *catalog, const struct catalog_edit *edit,
	struct wal_change *ret)
{
	struct wal_change change = { 0 };
	uint64_t needed = 0;

	pthread_mutex_lock(&catalog->views->mu);
	change.kept = malloc((catalog->wal_count + 1) * sizeof *change.kept);
	change.gone = malloc((catalog->wal_count + 1) * sizeof *change.gone);
	if (change.kept && change.gone) {
		if (edit->flushed)
			needed = oldest_needed_locked(views_peek(catalog->views), edit->flushed);
		if (edit->forget_wals)
			needed = UINT64_MAX;
		for (size_t i = 0; i < catalog->wal_count; i++) {
			uint64_t number = catalog->wal_numbers[i];

			if (number < needed)
				change.gone[change.gone_count++] = number;
			else
				change.kept[change.kept_count++] = number;
		}
		if (edit->new_wal != 0)
			change.kept[change.kept_count++] = edit->new_wal;
	}
	pthread_mutex_unlock(&catalog->views->mu);
	if (!change.kept || !change.gone) {
		wal_change_free(&change);
		return KV_NO_MEMORY;
	}
	*ret = change;
	return KV_OK;
}

/* Keeps `number` for reuse if none is kept yet, and not at the clean end; returns what is to be removed instead, 0: nothing. */
static uint64_t keep_or_remove(struct catalog *catalog, uint64_t number, bool clean_end)
{
	uint64_t remove = number;

	pthread_mutex_lock(&catalog->views->mu);
	if (!clean_end && catalog->wal_retired == 0) {
		catalog->wal_retired = number;
		remove = 0;
	}
	pthread_mutex_unlock(&catalog->views->mu);
	return remove;
}

/* A file that cannot be removed is an orphan, which the next start sweeps: nothing is lost by it. */
static bool unlink_wal(struct catalog *catalog, uint64_t number)
{
	char name[FILENAME_MAX_BYTES];

	return dir_unlink(catalog->dir, filename_make(name, FILENAME_WAL, number), NULL) == KV_OK;
}

static void remove_wal(struct catalog *catalog, struct catalog_edit *edit, uint64_t number)
{
	if (number != 0 && unlink_wal(catalog, number))
		edit->wals_removed++;
}

static void retire_wals(struct catalog *catalog, struct catalog_edit *edit,
	const struct wal_change *change)
{
	uint64_t kept_before = 0;

	for (size_t i = 0; i < change->gone_count; i++)
		remove_wal(catalog, edit,
			keep_or_remove(catalog, change->gone[i], edit->forget_wals));
	if (!edit->forget_wals)
		return;
	pthread_mutex_lock(&catalog->views->mu);
	kept_before = catalog->wal_retired;
	catalog->wal_retired = 0;
	pthread_mutex_unlock(&catalog->views->mu);
	remove_wal(catalog, edit, kept_before);
}

/* ---- apply ---- */

static size_t frozen_without(const struct view *view, const struct memtable *flushed,
	struct memtable **to)
{
	size_t count = 0;

	for (size_t i = 0; i < view->frozen_count; i++)
		if (view->frozen[i] != flushed)
			to[count++] = view->frozen[i];
	return count;
}

static kv_status install_locked(struct catalog *catalog, const struct catalog_edit *edit,
	struct view_level *levels[MANIFEST_LEVELS], struct wal_change *wals)
{
	struct view *old = views_peek(catalog->views);
	struct memtable **frozen = malloc((old->frozen_count + 1) * sizeof(struct memtable *));
	struct view *view = NULL;

	if (frozen)
		view = view_new(old->active, frozen, frozen_without(old, edit->flushed, frozen),
			levels);
	free(frozen);
	if (!view)
		return KV_NO_MEMORY;
	views_replace_locked(catalog->views, view);
	free(catalog->wal_numbers);
	catalog->wal_numbers = wals->kept;
	catalog->wal_count = wals->kept_count;
	wals->kept = NULL;
	if (edit->new_wal != 0)
		catalog->wal_spare = edit->new_wal;
	if (edit->forget_wals)
		catalog->wal_spare = 0;
	if (edit->flushed)
		memtable_set_state(edit->flushed, MEMTABLE_FLUSHED);
	return KV_OK;
}

/* The MANIFEST is durable, so the memory must follow: out of memory here may not leave the two apart. */
static kv_status install(struct catalog *catalog, const struct catalog_edit *edit,
	struct view_level *levels[MANIFEST_LEVELS], struct wal_change *wals, struct kv_error *err)
{
	kv_status status;

	pthread_mutex_lock(&catalog->views->mu);
	status = install_locked(catalog, edit, levels, wals);
	pthread_mutex_unlock(&catalog->views->mu);
	if (status != KV_OK)
		return kv_error_set(err, KV_UNCERTAIN,
			"out of memory after a change of MANIFEST");
	return KV_OK;
}

static void mark_removed(const struct catalog_edit *edit, const struct view *before)
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; i < before->levels[n]->count; i++) {
			struct table *table = before->levels[n]->tables[i];
			bool moved = false;

			for (size_t k = 0; k < edit->added_count; k++)
				moved |= edit->added[k] == table;
			if (!moved && is_removed(edit, table))
				table_set_obsolete(table);
		}
}

static kv_status write_manifest(struct catalog *catalog, const struct catalog_edit *edit,
	struct view_level *levels[MANIFEST_LEVELS], const struct wal_change *wals,
	struct kv_error *err)
{
	struct manifest manifest;
	kv_status status = catalog_describe(catalog, levels, wals->kept, wals->kept_count, &manifest);

	if (status != KV_OK)
		return kv_error_set(err, status, "out of memory for MANIFEST");
	manifest.generation = catalog->generation + 1;
	if (edit->flushed)
		manifest.last_sequence = memtable_last_sequence(edit->flushed);
	status = manifest_write(catalog->dir, catalog->id, &manifest, err);
	if (status == KV_OK) {
		catalog->generation = manifest.generation;
		catalog->flushed_sequence = manifest.last_sequence;
	}
	manifest_free(&manifest);
	return status;
}

/* A change after one of unknown outcome could put on disk what memory has missed: e.g. a last sequence without the table that
 * holds what comes before it. */
static kv_status refuse_uncertain(struct kv_error *err)
{
	return kv_error_set(err, KV_IO, "MANIFEST takes no more changes since an earlier one failed");
}

static kv_status apply_locked(struct catalog *catalog, struct catalog_edit *edit,
	struct view *before, struct kv_error *err)
{
	struct view_level *levels[MANIFEST_LEVELS] = { 0 };
	struct wal_change wals = { 0 };
	kv_status status = edit_levels(edit, before, levels);

	if (status == KV_OK)
		status = plan_wals(catalog, edit, &wals);
	if (status != KV_OK) {
		kv_error_set(err, status, "out of memory for a change of tables");
		goto out;
	}
	status = write_manifest(catalog, edit, levels, &wals, err);
	if (status == KV_OK)
		status = install(catalog, edit, levels, &wals, err);
	if (status == KV_OK) {
		mark_removed(edit, before);
		retire_wals(catalog, edit, &wals);
	}
out:
	unref_levels(levels);
	wal_change_free(&wals);
	return status;
}

kv_status catalog_apply(struct catalog *catalog, struct catalog_edit *edit, struct kv_error *err)
{
	struct view *before;
	kv_status status;

	pthread_mutex_lock(&catalog->io_mu);
	before = views_acquire(catalog->views);
	if (catalog->uncertain)
		status = refuse_uncertain(err);
	else
		status = apply_locked(catalog, edit, before, err);
	if (status == KV_UNCERTAIN)
		catalog->uncertain = true;
	view_unref(before);
	pthread_mutex_unlock(&catalog->io_mu);
	return status;
}

/* A segment that one huge batch has blown up gives its space back instead. */
static bool is_worth_keeping(struct catalog *catalog, uint64_t number, uint64_t bytes)
{
	char name[FILENAME_MAX_BYTES];
	struct file file;
	uint64_t now = UINT64_MAX;

	if (file_open(catalog->dir, filename_make(name, FILENAME_WAL, number), FILE_READ, &file,
			NULL) != KV_OK)
		return false;
	if (file_size(&file, &now, NULL) != KV_OK)
		now = UINT64_MAX;
	file_close(&file);
	return now / 2 <= bytes;
}

kv_status catalog_make_spare(struct catalog *catalog, uint64_t bytes, struct kv_error *err)
{
	uint64_t number = catalog_new_file_number(catalog);
	uint64_t retired;
	kv_status status;

	pthread_mutex_lock(&catalog->views->mu);
	retired = catalog->wal_retired;
	catalog->wal_retired = 0;
	pthread_mutex_unlock(&catalog->views->mu);

	if (retired != 0 && !is_worth_keeping(catalog, retired, bytes)) {
		unlink_wal(catalog, retired);
		retired = 0;
	}
	if (retired != 0)
		status = wal_recycle_segment(catalog->dir, retired, number, err);
	else
		status = wal_make_segment(catalog->dir, number, bytes, err);
	if (status == KV_OK)
		status = catalog_apply(catalog, &(struct catalog_edit){ .new_wal = number }, err);
	/* no MANIFEST names it, whichever of the two names it has */
	if (status != KV_OK && status != KV_UNCERTAIN) {
		unlink_wal(catalog, number);
		if (retired != 0)
			unlink_wal(catalog, retired);
	}
	return status;
}

uint64_t catalog_peek_spare(struct catalog *catalog)
{
	uint64_t number;

	pthread_mutex_lock(&catalog->views->mu);
	number = catalog->wal_spare;
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

void catalog_take_spare(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->views->mu);
	catalog->wal_spare = 0;
	pthread_mutex_unlock(&catalog->views->mu);
}

kv_status catalog_rotate(struct catalog *catalog, struct memtable *fresh)
{
	struct views *views = catalog->views;
	struct view *old, *view = NULL;
	struct memtable **frozen;

	pthread_mutex_lock(&views->mu);
	old = views_peek(views);
	frozen = malloc((old->frozen_count + 1) * sizeof(struct memtable *));
	if (frozen) {
		frozen[0] = old->active;
		for (size_t i = 0; i < old->frozen_count; i++)
			frozen[i + 1] = old->frozen[i];
		view = view_new(fresh, frozen, old->frozen_count + 1, old->levels);
	}
	if (view) {
		memtable_set_state(old->active, MEMTABLE_FROZEN);
		views_replace_locked(views, view);
	}
	pthread_mutex_unlock(&views->mu);
	free(frozen);
	return view ? KV_OK : KV_NO_MEMORY;
}
