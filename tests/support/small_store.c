/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/small_store.h"

#include "support/runner.h"

#include <stdio.h>

static void remember(void *arg, enum log_level level, const char *text)
{
	struct small_store *small = arg;

	if (level > LOG_LEVEL_WARNING)
		return;
	small->warnings++;
	snprintf(small->last_warning, sizeof small->last_warning, "%s", text);
}

void small_store_init(struct small_store *small)
{
	*small = (struct small_store){ 0 };
	disk_open(&small->disk);
	store_options_init(&small->options);
	small->options.data_dir = small->disk.path;
	small->options.fs = fault_fs_fs(small->disk.fault);
	small->options.memtable_bytes = 64 * 1024;
	small->options.block_cache_bytes = 16 * 1024;
	small->options.tunables.flush_interval_s = 0;
	small->options.event = remember;
	small->options.event_arg = small;
}

kv_status small_store_try_open(struct small_store *small, struct kv_error *err)
{
	return store_open(&small->options, &small->store, err);
}

void small_store_open(struct small_store *small)
{
	struct kv_error err = { 0 };
	char line[512];

	ck_assert_msg(small_store_try_open(small, &err) == KV_OK, "%s",
		kv_error_format(&err, line, sizeof line));
}

void small_store_crash(struct small_store *small)
{
	small->store = store_close(small->store);
}

void small_store_done(struct small_store *small)
{
	fault_fs_heal(small->disk.fault);
	small_store_crash(small);
	disk_close(&small->disk);
}

static kv_status commit(struct small_store *small, struct store_batch *batch, kv_status status)
{
	if (status == KV_OK)
		status = store_write(small->store, batch);
	store_batch_free(batch);
	return status;
}

kv_status small_put(struct small_store *small, const char *key, const char *value)
{
	struct store_batch *batch = store_batch_new(small->store);

	if (!batch)
		return KV_NO_MEMORY;
	return commit(small, batch, store_batch_put(batch, slice_of_string(key),
		slice_of_string(value), 0, NULL));
}

kv_status small_delete(struct small_store *small, const char *key)
{
	struct store_batch *batch = store_batch_new(small->store);

	if (!batch)
		return KV_NO_MEMORY;
	return commit(small, batch, store_batch_delete(batch, slice_of_string(key), NULL));
}

void small_expect(struct small_store *small, const char *key, const char *value)
{
	struct store_value got;
	struct kv_error err = { 0 };
	kv_status status = store_get(small->store, NULL, slice_of_string(key), &got, &err);

	if (!value) {
		ck_assert_msg(status == KV_NOT_FOUND, "key %s: %s", key, kv_status_text(status));
		return;
	}
	ck_assert_msg(status == KV_OK, "key %s: %s", key, kv_status_text(status));
	ck_assert_msg(slice_equal(got.value.bytes, slice_of_string(value)),
		"key %s: got %.*s, not %s", key, (int)got.value.bytes.len,
		(const char *)got.value.bytes.data, value);
	pinned_release(&got.value);
}

struct search {
	const char *ending;
	char newest[64];
	size_t count;
};

static int look_at(void *arg, const char *name)
{
	struct search *search = arg;
	size_t len = strlen(name), ending = strlen(search->ending);

	if (len < ending || strcmp(name + len - ending, search->ending) != 0)
		return 0;
	search->count++;
	if (strcmp(name, search->newest) > 0)
		snprintf(search->newest, sizeof search->newest, "%s", name);
	return 0;
}

static struct search find(struct small_store *small, const char *ending)
{
	struct search search = { .ending = ending };

	ck_assert_int_eq(dir_list(&small->disk.dir, look_at, &search, NULL), KV_OK);
	return search;
}

const char *small_newest(struct small_store *small, const char *ending)
{
	static char name[64];
	struct search search = find(small, ending);

	ck_assert_uint_gt(search.count, 0);
	snprintf(name, sizeof name, "%s", search.newest);
	return name;
}

size_t small_count(struct small_store *small, const char *ending)
{
	return find(small, ending).count;
}
