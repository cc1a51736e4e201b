/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing what is live. The order of catalog_apply is the rule that matters: the new MANIFEST is durable before
 * any reader sees the new view, and files leave the disk only after both.
 *
 * Only catalog_apply (under io_mu) changes levels, so what it read from the view stays true while it writes the MANIFEST; the
 * memtables may meanwhile change by a rotation, therefore the new view is put together under views->mu.
 */
#include "engine/catalog.h"

#include "engine/catalog_ranges.h"
#include "engine/filename.h"
#include "engine/wal.h"

#include <assert.h>
#include <stdlib.h>

enum { FROZEN_MEANWHILE = 8 }; /* memtables frozen during one change: as many as there are segments made ahead, one */

kv_status catalog_init(struct catalog *catalog, const struct dir *dir, const struct store_id *id,
	struct views *views, struct table_cache *tables)
{
	*catalog = (struct catalog){ .dir = dir, .id = id, .views = views, .tables = tables };
	atomic_init(&catalog->next_file_number, 1);
	atomic_init(&catalog->visible_sequence, 0);
	if (pthread_mutex_init(&catalog->io_mu, NULL) != 0)
		return KV_NO_MEMORY;
	return history_init(&catalog->history, dir);
}

void catalog_destroy(struct catalog *catalog)
{
	free(catalog->wal_numbers);
	history_destroy(&catalog->history);
	pthread_mutex_destroy(&catalog->io_mu);
}

uint64_t catalog_new_file_number(struct catalog *catalog)
{
	return atomic_fetch_add_explicit(&catalog->next_file_number, 1, memory_order_relaxed);
}

kv_status catalog_describe(struct catalog *catalog, struct view_level *const levels[MANIFEST_LEVELS],
	const struct range_set *ranges, const uint64_t *wal_numbers, size_t wal_count, struct manifest *ret)
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
	if (status == KV_OK)
		status = catalog_ranges_describe(ranges, &manifest);
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
	uint64_t *kept; /* malloc'ed: the numbers of those that the MANIFEST will list to be replayed */
	size_t kept_count;
	uint64_t *unused; /* malloc'ed: those that go and were never begun */
	size_t unused_count;
	struct history_plan history;
};

static void wal_change_free(struct wal_change *change)
{
	free(change->kept);
	free(change->unused);
	history_plan_free(&change->history);
}

/* The oldest segment that memory still needs once edit->flushed is gone. */
static uint64_t oldest_needed_locked(const struct view *view, const struct memtable *flushed)
{
	for (size_t i = view->frozen_count; i > 0; i--)
		if (view->frozen[i - 1] != flushed)
			return memtable_wal_number(view->frozen[i - 1]);
	return memtable_wal_number(view->active);
}

static uint64_t oldest_needed(struct catalog *catalog, const struct catalog_edit *edit)
{
	uint64_t number = 0;

	if (edit->forget_wals)
		return UINT64_MAX;
	pthread_mutex_lock(&catalog->views->mu);
	if (edit->flushed)
		number = oldest_needed_locked(views_peek(catalog->views), edit->flushed);
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

static kv_status plan_wals(struct catalog *catalog, const struct catalog_edit *edit,
	struct wal_change *ret)
{
	struct wal_change change = { 0 };
	uint64_t needed = oldest_needed(catalog, edit);
	kv_status status = history_plan(&catalog->history, needed, edit->forget_wals,
		&change.history);

	pthread_mutex_lock(&catalog->views->mu);
	change.kept = malloc((catalog->wal_count + 1) * sizeof *change.kept);
	change.unused = malloc((catalog->wal_count + 1) * sizeof *change.unused);
	if (status == KV_OK && change.kept && change.unused) {
		for (size_t i = 0; i < catalog->wal_count; i++) {
			uint64_t number = catalog->wal_numbers[i];

			if (number >= needed)
				change.kept[change.kept_count++] = number;
			else if (!history_has(&catalog->history, number))
				change.unused[change.unused_count++] = number;
		}
		if (edit->new_wal != 0)
			change.kept[change.kept_count++] = edit->new_wal;
	}
	pthread_mutex_unlock(&catalog->views->mu);
	if (status != KV_OK || !change.kept || !change.unused) {
		wal_change_free(&change);
		return KV_NO_MEMORY;
	}
	*ret = change;
	return KV_OK;
}

static void remove_wal(struct catalog *catalog, struct catalog_edit *edit, uint64_t number)
{
	if (number != 0 && catalog_remove_wal(catalog, number))
		edit->wals_removed++;
}

/* The largest that no reader is in. */
static const struct history_item *best_to_reuse(const struct history_plan *plan)
{
	const struct history_item *best = NULL;

	for (size_t i = 0; i < plan->count; i++) {
		const struct history_item *item = &plan->items[i];

		if (!item->kept && !item->held && (!best || item->bytes > best->bytes))
			best = item;
	}
	return best;
}

static void retire_wals(struct catalog *catalog, struct catalog_edit *edit, struct wal_change *change)
{
	struct history_plan *plan = &change->history;
	const struct history_item *reuse = NULL;

	history_apply(&catalog->history, plan);
	if (!edit->forget_wals)
		reuse = best_to_reuse(plan);
	for (size_t i = 0; i < plan->count; i++)
		if (!plan->items[i].kept && &plan->items[i] != reuse)
			remove_wal(catalog, edit, plan->items[i].number);
	for (size_t i = 0; i < change->unused_count; i++)
		remove_wal(catalog, edit, change->unused[i]);
	if (reuse || edit->forget_wals)
		remove_wal(catalog, edit, catalog_set_retired(catalog, reuse ? reuse->number : 0));
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

/* Memory for the next view, taken before the MANIFEST is written: so that nothing can fail after it. */
struct next_view {
	struct view *view;
	struct memtable **frozen;
	size_t frozen_max;
};

static void next_view_free(struct next_view *next)
{
	free(next->view);
	free(next->frozen);
}

static kv_status next_view_make(const struct view *before, struct next_view *ret)
{
	ret->frozen_max = before->frozen_count + FROZEN_MEANWHILE;
	ret->view = view_room(ret->frozen_max);
	ret->frozen = malloc(ret->frozen_max * sizeof(struct memtable *));
	return ret->view && ret->frozen ? KV_OK : KV_NO_MEMORY;
}

static kv_status install_locked(struct catalog *catalog, const struct catalog_edit *edit,
	struct view_level *levels[MANIFEST_LEVELS], struct range_set *ranges, struct wal_change *wals,
	struct next_view *next)
{
	struct view *old = views_peek(catalog->views);
	struct view *view = next->view;

	if (old->frozen_count > next->frozen_max)
		return KV_NO_MEMORY;
	view_fill(view, old->active, next->frozen, frozen_without(old, edit->flushed, next->frozen), levels);
	next->view = NULL;
	view_set_ranges(view, ranges, catalog->flushed_sequence);
	views_replace_locked(catalog->views, view);
	free(catalog->wal_numbers);
	catalog->wal_numbers = wals->kept;
	catalog->wal_count = wals->kept_count;
	wals->kept = NULL;
	if (edit->new_wal != 0) {
		catalog->wal_spare = edit->new_wal;
		catalog->wal_spare_bytes = edit->new_wal_bytes;
	}
	if (edit->forget_wals)
		catalog->wal_spare = catalog->wal_spare_bytes = 0;
	if (edit->flushed)
		memtable_set_state(edit->flushed, MEMTABLE_FLUSHED);
	return KV_OK;
}

/* The MANIFEST is durable, so the memory must follow; what it needs is there. */
static kv_status install(struct catalog *catalog, const struct catalog_edit *edit,
	struct view_level *levels[MANIFEST_LEVELS], struct range_set *ranges, struct wal_change *wals,
	struct next_view *next, struct kv_error *err)
{
	kv_status status;

	pthread_mutex_lock(&catalog->views->mu);
	status = install_locked(catalog, edit, levels, ranges, wals, next);
	pthread_mutex_unlock(&catalog->views->mu);
	if (status != KV_OK)
		return kv_error_set(err, KV_UNCERTAIN,
			"too many memtables were frozen during a change of MANIFEST");
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
	struct view_level *levels[MANIFEST_LEVELS], const struct range_set *ranges,
	const struct wal_change *wals, struct kv_error *err)
{
	struct manifest manifest = { 0 };
	kv_status status = catalog_describe(catalog, levels, ranges, wals->kept, wals->kept_count,
		&manifest);

	if (status == KV_OK)
		status = history_describe(&catalog->history, &wals->history, &manifest);
	if (status != KV_OK) {
		manifest_free(&manifest);
		return kv_error_set(err, status, "out of memory for MANIFEST");
	}
	manifest.generation = catalog->generation + 1;
	if (edit->flushed && memtable_last_sequence(edit->flushed) > manifest.last_sequence) /* it may be empty */
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
	struct range_set *ranges = NULL;
	struct wal_change wals = { 0 };
	struct next_view next = { 0 };
	kv_status status = edit_levels(edit, before, levels);

	if (status == KV_OK)
		status = catalog_ranges_after(before, edit->flushed, levels, edit->oldest_snapshot, &ranges);
	if (status == KV_OK)
		status = plan_wals(catalog, edit, &wals);
	if (status == KV_OK)
		status = next_view_make(before, &next);
	if (status != KV_OK) {
		kv_error_set(err, status, "out of memory for a change of tables");
		goto out;
	}
	status = write_manifest(catalog, edit, levels, ranges, &wals, err);
	if (status == KV_OK)
		status = install(catalog, edit, levels, ranges, &wals, &next, err);
	if (status == KV_OK) {
		mark_removed(edit, before);
		retire_wals(catalog, edit, &wals);
	}
out:
	next_view_free(&next);
	range_set_unref(ranges);
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
	else if (atomic_load(&catalog->unbegun))
		status = kv_error_set(err, KV_NO_SPACE, "there was no space yet to begin a log since the start");
	else
		status = apply_locked(catalog, edit, before, err);
	if (status == KV_UNCERTAIN)
		catalog->uncertain = true;
	view_unref(before);
	pthread_mutex_unlock(&catalog->io_mu);
	return status;
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
		view_set_ranges(view, old->ranges, old->flushed_sequence);
		memtable_set_state(old->active, MEMTABLE_FROZEN);
		views_replace_locked(views, view);
	}
	pthread_mutex_unlock(&views->mu);
	free(frozen);
	return view ? KV_OK : KV_NO_MEMORY;
}
