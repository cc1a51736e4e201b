/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/small_store.h"

#include "base/clock.h"
#include "support/runner.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Events come from any thread. */
static pthread_mutex_t events = PTHREAD_MUTEX_INITIALIZER;

static void remember(void *arg, enum log_level level, const char *text)
{
	struct small_store *small = arg;
	size_t used;

	if (level > LOG_LEVEL_WARNING)
		return;
	pthread_mutex_lock(&events);
	small->warnings++;
	used = strlen(small->warning_text);
	snprintf(small->warning_text + used, sizeof small->warning_text - used, "%s\n", text);
	pthread_mutex_unlock(&events);
}

unsigned small_warnings(struct small_store *small)
{
	unsigned ret;

	pthread_mutex_lock(&events);
	ret = small->warnings;
	pthread_mutex_unlock(&events);
	return ret;
}

bool small_was_warned(struct small_store *small, const char *part)
{
	bool ret;

	pthread_mutex_lock(&events);
	ret = strstr(small->warning_text, part) != NULL;
	pthread_mutex_unlock(&events);
	return ret;
}

void small_forget_warnings(struct small_store *small)
{
	pthread_mutex_lock(&events);
	small->warnings = 0;
	small->warning_text[0] = '\0';
	pthread_mutex_unlock(&events);
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
	small->options.tunables.scrub_interval_s = 0;
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

void small_wait_for_segments(struct small_store *small, uint64_t count)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	struct store_stats stats = { 0 };

	while (stats.wal_segments < count) {
		ck_assert(clock_monotonic_us() < deadline);
		ck_assert_int_ge(sched_yield(), 0);
		store_get_stats(small->store, &stats);
	}
}

void small_wait_for_spare(struct small_store *small)
{
	small_wait_for_segments(small, 2);
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

kv_status small_delete_range(struct small_store *small, const char *start, const char *end)
{
	struct store_batch *batch = store_batch_new(small->store);

	if (!batch)
		return KV_NO_MEMORY;
	return commit(small, batch, store_batch_delete_range(batch, slice_of_string(start),
		slice_of_string(end)));
}

void small_fill(struct small_store *small, unsigned from, unsigned to, const char *value)
{
	char key[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(small_put(small, key, value), KV_OK);
	}
}

struct store_stats small_stats(struct small_store *small)
{
	struct store_stats ret;

	store_get_stats(small->store, &ret);
	return ret;
}

uint64_t small_tables(struct small_store *small)
{
	struct store_stats stats = small_stats(small);
	uint64_t ret = 0;

	for (unsigned n = 0; n < stats.level_count; n++)
		ret += stats.levels[n].tables;
	return ret;
}

unsigned small_count_keys(struct small_store *small, const struct store_snapshot *snapshot)
{
	struct store_iter *iter;
	unsigned forward = 0, backward = 0;

	ck_assert_int_eq(store_iter_open(small->store, snapshot, &iter, NULL), KV_OK);
	for (store_iter_seek_first(iter); store_iter_valid(iter); store_iter_next(iter))
		forward++;
	for (store_iter_seek_last(iter); store_iter_valid(iter); store_iter_prev(iter))
		backward++;
	ck_assert_int_eq(store_iter_status(iter, NULL), KV_OK);
	ck_assert_uint_eq(forward, backward);
	store_iter_close(iter);
	return forward;
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
