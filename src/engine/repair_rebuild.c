/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Without a MANIFEST nobody knows which table is in which level, or in force at all. But entries have sequences: where tables have keys in
 * common they are merged into one; then no two have, and all of them make up the last level.
 */
#include "engine/block_cache.h"
#include "engine/iter_merge.h"
#include "engine/repair.h"
#include "engine/sst_reader.h"

#include <stdlib.h>

enum { LAST_LEVEL = MANIFEST_LEVELS - 1, TABLE_BYTES = 64 << 20, CACHE_BYTES = 1 << 20 };

struct rebuild {
	struct repair *repair;
	struct sst_meta *tables; /* owned, and what they own */
	size_t count;
	struct block_cache *cache;
};

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "no memory to make a new MANIFEST");
}

/* Copies. */
static kv_status add(struct rebuild *rebuild, const struct sst_meta *meta, struct kv_error *err)
{
	struct sst_meta *grown = reallocarray(rebuild->tables, rebuild->count + 1, sizeof *grown);

	if (!grown)
		return no_memory(err);
	rebuild->tables = grown;
	grown[rebuild->count] = (struct sst_meta){ 0 };
	if (sst_meta_copy(meta, &grown[rebuild->count]) != KV_OK)
		return no_memory(err);
	rebuild->count++;
	return KV_OK;
}

static kv_status add_all(struct rebuild *rebuild, const struct compact_result *result, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < result->table_count; i++)
		status = add(rebuild, &result->tables[i], err);
	return status;
}

/* ---- what is there ---- */

static kv_status salvage(struct rebuild *rebuild, const char *name, uint64_t number, struct kv_error *err)
{
	struct repair_source source = { .repair = rebuild->repair, .name = name };
	struct compact_result result = { 0 };
	kv_status status = repair_salvage(&source, name, number, NULL, &result, err), left;

	/* a flush that was killed leaves the half of a table: its last sequence does not say that all before it are in tables */
	rebuild->repair->tables_damaged = true;
	if (status == KV_OK)
		status = add_all(rebuild, &result, err);
	if (status == KV_OK && result.table_count == 0)
		check_say(&rebuild->repair->check, FSCK_LOST, name, "nothing in it can be used");
	if (status == KV_OK)
		status = repair_rescue(rebuild->repair, name, err);
	compact_result_free(&result);
	left = repair_leave(&source, err);
	return status == KV_OK ? left : status;
}

/* Those that check stay as they are. */
static kv_status take_table(struct rebuild *rebuild, uint64_t number, struct kv_error *err)
{
	struct check *check = &rebuild->repair->check;
	struct sst_reader *reader = NULL;
	struct check_table table = { 0 };
	char name[FILENAME_MAX_BYTES];
	kv_status status;

	check->quiet = true;
	status = check_one_table(check, filename_make(name, FILENAME_TABLE, number), number, NULL, &table, err);
	check->quiet = false;
	if (status != KV_OK)
		return status;
	if (table.bad || table.blob_bad)
		return salvage(rebuild, name, number, err);
	status = sst_reader_open(&check->dir, &check->id, number, NULL, rebuild->cache, &reader, err);
	if (status == KV_OK)
		status = add(rebuild, sst_reader_meta(reader), err);
	sst_reader_close(reader);
	return status;
}

static kv_status take_tables(struct rebuild *rebuild, struct kv_error *err)
{
	const struct check *check = &rebuild->repair->check;
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < check->file_count; i++)
		if (check->files[i].kind == FILENAME_TABLE)
			status = take_table(rebuild, check->files[i].number, err);
	return status;
}

static uint64_t last_sequence(const struct rebuild *rebuild, bool with_ranges)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < rebuild->count; i++) {
		const struct sst_meta *meta = &rebuild->tables[i];

		if (meta->last_sequence > ret)
			ret = meta->last_sequence;
		if (with_ranges && meta->range_applied > ret)
			ret = meta->range_applied;
	}
	return ret;
}

static kv_status take_log(struct rebuild *rebuild, struct kv_error *err)
{
	struct manifest *next = &rebuild->repair->next;
	struct compact_result result = { 0 };
	uint64_t applied = last_sequence(rebuild, true);
	kv_status status = repair_log(rebuild->repair, last_sequence(rebuild, false), true, &result, &next->last_sequence,
		err);

	if (status == KV_OK)
		status = add_all(rebuild, &result, err);
	compact_result_free(&result);
	if (next->last_sequence < applied)
		next->last_sequence = applied;
	return status;
}

/* ---- merging ---- */

static int compare_smallest(const void *a, const void *b)
{
	const struct sst_meta *x = a, *y = b;

	return slice_compare(buf_slice(&x->smallest), buf_slice(&y->smallest));
}

/* Takes the readers' iterators, which the merge then owns. */
static kv_status open_inputs(struct rebuild *rebuild, size_t from, size_t count, struct sst_reader **readers,
	struct iter **ret, struct kv_error *err)
{
	struct check *check = &rebuild->repair->check;
	struct iter **inputs = calloc(count, sizeof(struct iter *));
	kv_status status = inputs ? KV_OK : no_memory(err);
	size_t opened = 0;

	for (; status == KV_OK && opened < count; opened++) {
		status = sst_reader_open(&check->dir, &check->id, rebuild->tables[from + opened].number, NULL, rebuild->cache,
			&readers[opened], err);
		if (status == KV_OK)
			inputs[opened] = sst_reader_iter(readers[opened], false);
		if (status != KV_OK || !inputs[opened])
			break;
	}
	if (status == KV_OK && opened == count) {
		*ret = iter_merge_new(inputs, count);
	} else {
		for (size_t i = 0; inputs && i < opened; i++)
			iter_close(inputs[i]);
		status = status == KV_OK ? no_memory(err) : status;
	}
	if (status == KV_OK && !*ret)
		status = no_memory(err);
	free(inputs);
	return status;
}

static kv_status merge(struct rebuild *rebuild, size_t from, size_t count, struct kv_error *err)
{
	struct repair *repair = rebuild->repair;
	struct sst_reader **readers = calloc(count, sizeof(struct sst_reader *));
	struct compact_result result = { 0 };
	struct iter *input = NULL;
	kv_status status = readers ? open_inputs(rebuild, from, count, readers, &input, err) : no_memory(err);

	if (status == KV_OK)
		status = repair_write(repair, input, TABLE_BYTES, &result, err);
	iter_close(input);
	for (size_t i = 0; readers && i < count; i++)
		sst_reader_close(readers[i]);
	free(readers);
	for (size_t i = 0; status == KV_OK && i < result.table_count; i++)
		if (manifest_add_table(&repair->next, LAST_LEVEL, &result.tables[i]) != KV_OK)
			status = no_memory(err);
	for (size_t i = 0; status == KV_OK && i < count; i++)
		status = repair_rescue_numbered(repair, FILENAME_TABLE, rebuild->tables[from + i].number, err);
	if (status == KV_OK)
		check_say(&repair->check, FSCK_DONE, "", "%zu tables with keys in common were merged", count);
	compact_result_free(&result);
	return status;
}

/* How many tables from `from` on have keys in common with one before them. */
static size_t group_at(const struct rebuild *rebuild, size_t from)
{
	struct slice largest = buf_slice(&rebuild->tables[from].largest);
	size_t at = from + 1;

	for (; at < rebuild->count; at++) {
		const struct sst_meta *meta = &rebuild->tables[at];

		if (slice_compare(buf_slice(&meta->smallest), largest) > 0)
			break;
		if (slice_compare(buf_slice(&meta->largest), largest) > 0)
			largest = buf_slice(&meta->largest);
	}
	return at - from;
}

static kv_status arrange(struct rebuild *rebuild, struct kv_error *err)
{
	kv_status status = KV_OK;
	size_t count;

	if (rebuild->count > 1)
		qsort(rebuild->tables, rebuild->count, sizeof *rebuild->tables, compare_smallest);
	for (size_t i = 0; status == KV_OK && i < rebuild->count; i += count) {
		count = group_at(rebuild, i);
		if (count > 1)
			status = merge(rebuild, i, count, err);
		else if (manifest_add_table(&rebuild->repair->next, LAST_LEVEL, &rebuild->tables[i]) != KV_OK)
			status = no_memory(err);
	}
	return status;
}

kv_status repair_rebuild(struct repair *repair, struct kv_error *err)
{
	struct rebuild rebuild = { .repair = repair, .cache = block_cache_new(CACHE_BYTES) };
	struct fsck_finding finding = { .kind = FSCK_LOST, .file = "MANIFEST", .scope = FSCK_SCOPE_ANY,
		.what = "range deletes that are in no log any more, and which tables were out of force: what had been deleted may be back" };
	kv_status status = rebuild.cache ? take_tables(&rebuild, err) : no_memory(err);

	if (status == KV_OK)
		status = take_log(&rebuild, err);
	if (status == KV_OK)
		status = arrange(&rebuild, err);
	if (status == KV_OK)
		check_tell(&repair->check, &finding);
	for (size_t i = 0; i < rebuild.count; i++)
		sst_meta_free(&rebuild.tables[i]);
	free(rebuild.tables);
	block_cache_free(rebuild.cache);
	return status;
}
