/* SPDX-License-Identifier: BSD-2-Clause */
/* One place after another: tables that check stay as they are; of the others, and of those with keys lost in newer places, what stays is written anew. */
#include "engine/repair.h"

#include <inttypes.h>
#include <stdlib.h>

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "no memory to repair the store");
}

void repair_lose(struct repair_source *source, const char *what, bool has_offset, uint64_t offset, struct slice first,
	struct slice last)
{
	struct fsck_finding finding = { .kind = FSCK_LOST, .file = source->name, .has_offset = has_offset,
		.offset = offset, .what = what, .scope = FSCK_SCOPE_KEYS, .first = first, .last = last };
	kv_status status = key_ranges_add(&source->lost, first, last);

	if (status != KV_OK)
		source->status = status;
	check_tell(&source->repair->check, &finding);
}

/* ---- the entries that stay ---- */

struct kept_iter {
	struct iter base; /* first */
	struct iter *input;
	struct repair_source *source;
	kv_status status;
	struct kv_error err;
};

/* With `accept_stale` an older version may stand in for one that is lost. */
static bool is_given_up(struct repair_source *source, struct slice key)
{
	if (source->repair->accept_stale)
		return false;
	if (key_ranges_have(&source->lost, key))
		return true;
	if (!key_ranges_have(&source->repair->lost, key))
		return false;
	source->dropped++;
	return true;
}

static kv_status judge(struct kept_iter *it, const struct entry *entry, bool *ret_stays)
{
	struct check *check = &it->source->repair->check;
	struct blob_pointer pointer;
	bool good = true;
	kv_status status = KV_OK;

	*ret_stays = false;
	if (is_given_up(it->source, entry->key))
		return KV_OK;
	if (entry->kind == ENTRY_BLOB && blob_pointer_decode(entry->value, &pointer)) {
		status = blob_check_pointer(check->blobs, &pointer, &good, &it->err);
		if (status == KV_OK && !good)
			repair_lose(it->source, "its large value cannot be read", false, 0, entry->key, entry->key);
	}
	*ret_stays = good;
	return status;
}

/* From the input's entry on to the next one that stays. */
static void settle(struct kept_iter *it)
{
	bool stays = false;

	it->base.valid = false;
	while (it->status == KV_OK && it->input->valid && !stays) {
		it->status = judge(it, it->input->entry, &stays);
		if (it->status == KV_OK && !stays)
			iter_next(it->input);
	}
	if (it->status == KV_OK)
		it->status = it->source->status;
	if (it->status != KV_OK || !it->input->valid)
		return;
	it->source->entries++;
	iter_show(&it->base, it->input->entry);
}

static void kept_seek_first(struct iter *iter)
{
	struct kept_iter *it = (struct kept_iter *)iter;

	iter_seek_first(it->input);
	settle(it);
}

static void kept_next(struct iter *iter)
{
	struct kept_iter *it = (struct kept_iter *)iter;

	iter_next(it->input);
	settle(it);
}

static kv_status kept_status(const struct iter *iter, struct kv_error *err)
{
	const struct kept_iter *it = (const struct kept_iter *)iter;

	if (it->status == KV_OK)
		return iter_status(it->input, err);
	if (it->err.status == KV_OK)
		return no_memory(err);
	if (err)
		*err = it->err;
	return it->status;
}

static void kept_close(struct iter *iter)
{
	free(iter);
}

static const struct iter_ops kept_ops = {
	.seek_first = kept_seek_first,
	.next = kept_next,
	.status = kept_status,
	.close = kept_close,
};

struct iter *repair_iter(struct repair_source *source, struct iter *input)
{
	struct kept_iter *it = calloc(1, sizeof *it);

	if (!it)
		return NULL;
	it->base.ops = &kept_ops;
	it->input = input;
	it->source = source;
	return &it->base;
}

/* ---- writing ---- */

static kv_status remember_made(struct repair *repair, const struct compact_result *result, struct kv_error *err)
{
	uint64_t *grown = reallocarray(repair->made, repair->made_count + result->table_count + 1, sizeof *grown);

	if (!grown)
		return no_memory(err);
	repair->made = grown;
	for (size_t i = 0; i < result->table_count; i++)
		grown[repair->made_count++] = result->tables[i].number;
	return KV_OK;
}

kv_status repair_write(struct repair *repair, struct iter *input, uint64_t bytes_max, struct compact_result *ret,
	struct kv_error *err)
{
	struct compact_run run = { .dir = &repair->check.dir, .id = &repair->check.id, .table_bytes_max = bytes_max,
		.new_file_number = repair_new_file_number, .file_numbers = repair };
	kv_status status;

	sst_options_init(&run.table);
	status = compact_run(&run, input, ret, err);
	if (status != KV_OK)
		return status;
	status = remember_made(repair, ret, err);
	if (status == KV_OK)
		return KV_OK;
	compact_result_remove(ret, run.dir);
	compact_result_free(ret);
	return status;
}

kv_status repair_leave(struct repair_source *source, struct kv_error *err)
{
	kv_status status = source->status;

	if (status == KV_OK)
		status = key_ranges_add_all(&source->repair->lost, &source->lost);
	key_ranges_free(&source->lost);
	return status == KV_OK ? KV_OK : no_memory(err);
}

static void fault(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	struct repair_source *source = arg;

	source->faults++;
	if (lost)
		repair_lose(source, what, true, offset, lost->first, lost->last);
}

static kv_status write_kept(struct repair_source *source, struct sst_scan *scan, struct compact_result *ret,
	struct kv_error *err)
{
	struct iter *input = sst_scan_iter(scan), *kept = input ? repair_iter(source, input) : NULL;
	kv_status status = kept ? repair_write(source->repair, kept, UINT64_MAX, ret, err) : no_memory(err);

	iter_close(kept);
	iter_close(input);
	return status;
}

kv_status repair_salvage(struct repair_source *source, const char *name, uint64_t number, const struct sst_meta *expected,
	struct compact_result *ret, struct kv_error *err)
{
	struct check *check = &source->repair->check;
	struct sst_scan_events events = { .fault = fault, .arg = source };
	struct sst_scan *scan = NULL;
	kv_status status = sst_scan_open(&check->dir, name, &check->id, number, expected, &events, &scan, err);

	if (status == KV_NOT_FOUND || status == KV_INVALID) {
		source->faults++;
		if (expected)
			repair_lose(source, "the table is missing", false, 0, buf_slice(&expected->smallest),
				buf_slice(&expected->largest));
		return source->status == KV_OK ? KV_OK : no_memory(err);
	}
	if (status == KV_OK)
		status = write_kept(source, scan, ret, err);
	sst_scan_close(scan);
	return status;
}

/* ---- the tables of a MANIFEST ---- */

static void tell_table(struct repair *repair, const struct repair_source *source, const struct compact_result *result)
{
	char name[FILENAME_MAX_BYTES];

	if (source->dropped > 0)
		check_say(&repair->check, FSCK_LOST, source->name,
			"%" PRIu64 " older entries of keys that were given up above are given up, too", source->dropped);
	if (result->table_count > 0)
		check_say(&repair->check, FSCK_DONE, source->name, "%" PRIu64 " entries are in %s now", source->entries,
			filename_make(name, FILENAME_TABLE, result->tables[0].number));
	else
		check_say(&repair->check, FSCK_DONE, source->name, "none of its entries is left");
}

/* Keeps the old file when nothing had to go after all. */
static kv_status take_result(struct repair_source *source, const struct manifest_table *table,
	const struct compact_result *result, struct kv_error *err)
{
	struct repair *repair = source->repair;
	kv_status status = KV_OK;

	if (source->faults == 0 && source->dropped == 0 && source->lost.count == 0) {
		compact_result_remove(result, &repair->check.dir);
		status = manifest_add_table(&repair->next, table->level, &table->meta);
		return status == KV_OK ? KV_OK : no_memory(err);
	}
	for (size_t i = 0; status == KV_OK && i < result->table_count; i++)
		status = manifest_add_table(&repair->next, table->level, &result->tables[i]);
	if (status != KV_OK)
		return no_memory(err);
	tell_table(repair, source, result);
	return repair_rescue(repair, source->name, err);
}

static kv_status repair_one(struct repair *repair, const struct manifest_table *table, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct repair_source source = { .repair = repair,
		.name = filename_make(name, FILENAME_TABLE, table->meta.number) };
	struct compact_result result = { 0 };
	kv_status status = repair_salvage(&source, name, table->meta.number, &table->meta, &result, err), left;

	if (status == KV_OK)
		status = take_result(&source, table, &result, err);
	compact_result_free(&result);
	left = repair_leave(&source, err);
	return status == KV_OK ? left : status;
}

kv_status repair_tables(struct repair *repair, struct kv_error *err)
{
	const struct manifest *manifest = &repair->check.manifest;
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < manifest->table_count; i++) {
		const struct manifest_table *table = &manifest->tables[i];
		bool touched = !repair->accept_stale && key_ranges_touch(&repair->lost,
			buf_slice(&table->meta.smallest), buf_slice(&table->meta.largest));

		if (repair->check.table_bad[i] || touched)
			status = repair_one(repair, table, err);
		else if (manifest_add_table(&repair->next, table->level, &table->meta) != KV_OK)
			status = no_memory(err);
	}
	return status;
}
