/* SPDX-License-Identifier: BSD-2-Clause */
/* One table, with the large values that its entries point to. */
#include "engine/check.h"

static void fault(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	struct check_table *table = arg;
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = table->name, .has_offset = true, .offset = offset,
		.what = what };

	table->bad = true;
	if (lost) {
		finding.scope = FSCK_SCOPE_KEYS;
		finding.first = lost->first;
		finding.last = lost->last;
	}
	check_tell(table->check, &finding);
}

struct sst_scan_events check_table_events(struct check_table *table)
{
	return (struct sst_scan_events){ .fault = fault, .arg = table };
}

kv_status check_entry_blob(struct check *check, const char *name, const struct entry *entry, bool *ret_good,
	struct kv_error *err)
{
	struct blob_pointer pointer;
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = name,
		.what = "the large value that an entry points to cannot be read", .scope = FSCK_SCOPE_KEYS,
		.first = entry->key, .last = entry->key };
	kv_status status;

	*ret_good = true;
	if (entry->kind != ENTRY_BLOB || !blob_pointer_decode(entry->value, &pointer))
		return KV_OK;
	status = blob_check_pointer(check->blobs, &pointer, ret_good, err);
	if (status == KV_OK && !*ret_good)
		check_tell(check, &finding);
	return status;
}

static kv_status walk(struct check_table *table, struct sst_scan *scan, struct kv_error *err)
{
	struct iter *iter = sst_scan_iter(scan);
	kv_status status = KV_OK;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check a table");
	for (iter_seek_first(iter); status == KV_OK && iter->valid; iter_next(iter)) {
		bool good;

		status = check_entry_blob(table->check, table->name, iter->entry, &good, err);
		table->blob_bad = table->blob_bad || (status == KV_OK && !good);
		table->check->report.entries++;
	}
	if (status == KV_OK)
		status = iter_status(iter, err);
	iter_close(iter);
	return status;
}

static kv_status tell_missing(struct check_table *table, kv_status status, const struct sst_meta *expected)
{
	struct sst_scan_keys keys;

	if (expected) {
		keys.first = buf_slice(&expected->smallest);
		keys.last = buf_slice(&expected->largest);
	}
	fault(table, 0, status == KV_NOT_FOUND ? "a table that MANIFEST names is missing" : "this is no regular file",
		expected ? &keys : NULL);
	return KV_OK;
}

kv_status check_one_table(struct check *check, const char *name, uint64_t number, const struct sst_meta *expected,
	struct check_table *ret, struct kv_error *err)
{
	struct sst_scan_events events = check_table_events(ret);
	struct sst_scan *scan = NULL;
	kv_status status;

	*ret = (struct check_table){ .check = check, .name = name };
	status = sst_scan_open(&check->dir, name, &check->id, number, expected, &events, &scan, err);
	if (status == KV_NOT_FOUND || status == KV_INVALID)
		return tell_missing(ret, status, expected);
	if (status == KV_OK)
		status = walk(ret, scan, err);
	sst_scan_close(scan);
	return status;
}
