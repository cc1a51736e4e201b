/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/fsck_store.h"

#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE = 4096, LARGE_BYTES = 70000, VALUE_BYTES = LARGE_BYTES + 16 };

/* ---- keys and values ---- */

static void key_of(unsigned i, char key[32])
{
	snprintf(key, 32, "key%06u", i);
}

/* Every 43rd key has large values. */
static bool is_large(unsigned key)
{
	return key % 43 == 7;
}

static size_t value_of(unsigned key, unsigned number, char *value)
{
	size_t len = (size_t)snprintf(value, VALUE_BYTES, "value %u of %u ", number, key);
	size_t end = is_large(key) ? LARGE_BYTES : len + number % 5 * 60; /* so tables have several blocks */

	for (; len < end; len++)
		value[len] = (char)('a' + (len * 7 + number + key) % 26);
	return len;
}

/* ---- writing ---- */

static void note(struct fsck_store *fs, unsigned key, unsigned number)
{
	ck_assert_uint_lt(fs->versions[key], FSCK_HISTORY);
	fs->history[key][fs->versions[key]++] = number;
}

static unsigned newest(const struct fsck_store *fs, unsigned key)
{
	return fs->versions[key] ? fs->history[key][fs->versions[key] - 1] : 0;
}

static void put(struct fsck_store *fs, unsigned i)
{
	static unsigned number;
	static char value[VALUE_BYTES];
	struct store_batch *batch = store_batch_new(fs->small.store);
	char key[32];
	size_t len = value_of(i, ++number, value);

	key_of(i, key);
	if (is_large(i)) {
		struct store_upload *upload;

		ck_assert_int_eq(store_upload_new(fs->small.store, &upload, NULL), KV_OK);
		ck_assert_int_eq(store_upload_append(upload, slice_of(value, len), NULL), KV_OK);
		ck_assert_int_eq(store_batch_put_upload(batch, slice_of_string(key), upload, 0, NULL), KV_OK);
	} else {
		ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of(value, len), 0, NULL), KV_OK);
	}
	ck_assert_int_eq(store_write(fs->small.store, batch), KV_OK);
	store_batch_free(batch);
	note(fs, i, number);
}

static void put_all(struct fsck_store *fs, unsigned from, unsigned to, unsigned step)
{
	for (unsigned i = from; i < to; i += step)
		put(fs, i);
}

static void delete_some(struct fsck_store *fs, unsigned from, unsigned to)
{
	char key[32];

	for (unsigned i = from; i < to; i++) {
		key_of(i, key);
		ck_assert_int_eq(small_delete(&fs->small, key), KV_OK);
		note(fs, i, 0);
	}
}

static void delete_range(struct fsck_store *fs, unsigned from, unsigned to)
{
	char start[32], end[32];

	key_of(from, start);
	key_of(to, end);
	ck_assert_int_eq(small_delete_range(&fs->small, start, end), KV_OK);
	for (unsigned i = from; i < to; i++)
		note(fs, i, 0);
}

static void flush(struct fsck_store *fs)
{
	ck_assert_int_eq(store_flush(fs->small.store, NULL), KV_OK);
}

static void fill(struct fsck_store *fs)
{
	struct small_store *small = &fs->small;

	small_store_open(small);
	put_all(fs, 0, 120, 1);
	flush(fs);
	ck_assert_int_eq(store_compact(small->store, NULL), KV_OK); /* the last level */
	put_all(fs, 0, 40, 3);
	delete_some(fs, 40, 50);
	flush(fs);
	delete_range(fs, 60, 70);
	put_all(fs, 64, 68, 2);
	put_all(fs, 50, 120, 17);
	flush(fs);
	put_all(fs, 5, 60, 11);
	delete_some(fs, 100, 104);
	small_store_crash(small);
	small_store_open(small); /* the log has two segments now */
	put_all(fs, 90, 130, 7);
	delete_range(fs, 80, 86);
	put_all(fs, 82, 84, 1);
	small_wait_for_segments(small, 3);
	small_store_crash(small);
}

/* ---- files ---- */

static int note_name(void *arg, const char *name)
{
	struct fsck_store *fs = arg;

	if (strcmp(name, "lost+found") == 0)
		return 0;
	ck_assert_uint_lt(fs->file_count, FSCK_FILES_MAX);
	snprintf(fs->names[fs->file_count++], sizeof fs->names[0], "%s", name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

void fsck_store_open(struct fsck_store *fs)
{
	*fs = (struct fsck_store){ 0 };
	small_store_init(&fs->small);
	fs->small.options.memtable_bytes = 64 * 1024;
	fs->small.options.large_value_bytes = LARGE;
	fs->small.options.change_log_bytes = 1024;
	fs->small.options.compression = STORE_COMPRESSION_NONE;
	fs->small.options.tunables.compaction_threshold = 64;
	fill(fs);
	ck_assert_int_eq(dir_list(&fs->small.disk.dir, note_name, fs, NULL), KV_OK);
	qsort(fs->names, fs->file_count, sizeof fs->names[0], compare_names);
	for (size_t i = 0; i < fs->file_count; i++)
		fs->files[i] = disk_read(&fs->small.disk, fs->names[i]);
}

void fsck_store_done(struct fsck_store *fs)
{
	for (size_t i = 0; i < fs->file_count; i++)
		buf_free(&fs->files[i]);
	small_store_done(&fs->small);
}

static int remove_name(void *arg, const char *name)
{
	const struct dir *dir = arg;
	struct dir below;

	if (strcmp(name, "lost+found") != 0)
		return unlinkat(dir->fd, name, 0);
	ck_assert_int_eq(dir_open_at(dir, name, false, &below, NULL), KV_OK);
	ck_assert_int_eq(dir_list(&below, remove_name, &below, NULL), KV_OK);
	dir_close(&below);
	return unlinkat(dir->fd, name, AT_REMOVEDIR);
}

void fsck_store_restore(struct fsck_store *fs)
{
	ck_assert_int_eq(dir_list(&fs->small.disk.dir, remove_name, &fs->small.disk.dir, NULL), KV_OK);
	for (size_t i = 0; i < fs->file_count; i++)
		disk_write(&fs->small.disk, fs->names[i], buf_slice(&fs->files[i]));
}

struct compare {
	struct fsck_store *fs;
	const char *but;
	struct slice content;
	size_t seen;
	bool same;
};

static int compare_file(void *arg, const char *name)
{
	struct compare *compare = arg;
	struct fsck_store *fs = compare->fs;
	struct buf there;
	size_t i = 0;

	if (strcmp(name, "lost+found") == 0)
		return 0;
	compare->seen++;
	while (i < fs->file_count && strcmp(fs->names[i], name) != 0)
		i++;
	there = disk_read(&fs->small.disk, name);
	if (compare->but && strcmp(name, compare->but) == 0)
		compare->same = compare->same && slice_equal(buf_slice(&there), compare->content);
	else
		compare->same = compare->same && i < fs->file_count &&
			slice_equal(buf_slice(&there), buf_slice(&fs->files[i]));
	buf_free(&there);
	return 0;
}

bool fsck_store_is_unchanged(struct fsck_store *fs, const char *but, struct slice content)
{
	struct compare compare = { .fs = fs, .but = but, .content = content, .same = true };

	ck_assert_int_eq(dir_list(&fs->small.disk.dir, compare_file, &compare, NULL), KV_OK);
	return compare.same && compare.seen >= fs->file_count - (but != NULL);
}

/* ---- check and repair ---- */

void fsck_store_forget(struct fsck_store *fs)
{
	memset(&fs->told, 0, sizeof fs->told);
}

static void note_lost(struct fsck_told *told, const struct store_finding *finding)
{
	struct fsck_range *range = &told->ranges[told->range_count];

	told->lost++;
	told->any = told->any || finding->scope == STORE_SCOPE_ANY;
	if (finding->scope != STORE_SCOPE_KEYS)
		return;
	if (told->range_count == FSCK_RANGES_MAX || finding->first.len > FSCK_TEXT) {
		told->cut = true;
		return;
	}
	range->first_len = finding->first.len;
	range->last_len = finding->last.len < FSCK_TEXT ? finding->last.len : FSCK_TEXT;
	memcpy(range->first, finding->first.data, range->first_len);
	memcpy(range->last, finding->last.data, range->last_len);
	told->range_count++;
}

static void hear(void *arg, const struct store_finding *finding)
{
	struct fsck_told *told = &((struct fsck_store *)arg)->told;

	told->damages += finding->kind == STORE_FINDING_DAMAGE;
	told->remarks += finding->kind == STORE_FINDING_REMARK;
	told->done += finding->kind == STORE_FINDING_DONE;
	if (finding->kind == STORE_FINDING_LOST)
		note_lost(told, finding);
	if (strstr(finding->what, "incomplete last group"))
		told->torn = true;
	snprintf(told->last, sizeof told->last, "%s: %s", finding->file, finding->what);
	if (getenv("FSCK_SHOW"))
		printf("  %d %s %llu %s scope %d '%.*s' '%.*s'\n", (int)finding->kind, finding->file,
			(unsigned long long)finding->offset, finding->what, (int)finding->scope, (int)finding->first.len,
			(const char *)finding->first.data, (int)finding->last.len, (const char *)finding->last.data);
}

kv_status fsck_store_check(struct fsck_store *fs, struct kv_error *err)
{
	return store_check(fs->small.options.fs, fs->small.options.data_dir, hear, fs, &fs->report, err);
}

kv_status fsck_store_repair(struct fsck_store *fs, bool accept_stale, struct kv_error *err)
{
	return store_repair(fs->small.options.fs, fs->small.options.data_dir, accept_stale, hear, fs, &fs->report, err);
}

/* ---- the judge ---- */

static bool is_given_up(const struct fsck_told *told, const char *key)
{
	struct slice k = slice_of_string(key);

	if (told->any || told->cut)
		return true;
	for (size_t i = 0; i < told->range_count; i++) {
		const struct fsck_range *range = &told->ranges[i];

		if (slice_compare(slice_of(range->first, range->first_len), k) <= 0 &&
			slice_compare(k, slice_of(range->last, range->last_len)) <= 0)
			return true;
	}
	return false;
}

static bool is_value(struct slice value, unsigned key, unsigned number)
{
	static char expected[VALUE_BYTES];
	size_t len;

	if (number == 0)
		return false;
	len = value_of(key, number, expected);
	return slice_equal(value, slice_of(expected, len));
}

static bool was_once(const struct fsck_store *fs, unsigned key, struct slice value)
{
	for (unsigned i = 0; i < fs->versions[key]; i++)
		if (is_value(value, key, fs->history[key][i]))
			return true;
	return false;
}

/* The whole value into a buffer of this file. KV_NOT_FOUND; KV_CORRUPT, where that may be. */
static kv_status get(struct fsck_store *fs, const char *key, struct slice *ret)
{
	static char bytes[VALUE_BYTES];
	struct store_value got;
	struct kv_error err = { 0 };
	char line[512];
	kv_status status = store_get(fs->small.store, NULL, slice_of_string(key), &got, &err);

	if (status == KV_OK) {
		*ret = slice_of(bytes, got.size);
		ck_assert_uint_lt(got.size, VALUE_BYTES);
		if (got.large)
			status = store_large_read(got.large, 0, bytes, got.size, &err);
		else
			memcpy(bytes, got.value.bytes.data, got.value.bytes.len);
		store_value_release(&got);
	}
	ck_assert_msg(status == KV_OK || status == KV_NOT_FOUND || (status == KV_CORRUPT && fs->unrepaired), "%s: %s", key,
		kv_error_format(&err, line, sizeof line));
	return status;
}

/* Whether the key has its last value. */
static bool judge_key(struct fsck_store *fs, unsigned i, bool stale, bool *ret_there)
{
	char key[32];
	struct slice value = { 0 };
	kv_status status;
	bool there, right;

	key_of(i, key);
	status = get(fs, key, &value);
	*ret_there = false;
	if (status == KV_CORRUPT)
		return true;
	there = status == KV_OK;
	right = there ? is_value(value, i, newest(fs, i)) : newest(fs, i) == 0;
	*ret_there = there;
	if (right)
		return true;
	ck_assert_msg(is_given_up(&fs->told, key), "key %s is %s and was not told as given up", key,
		there ? "wrong" : "missing");
	if (there)
		ck_assert_msg(stale && was_once(fs, i, value), "key %s has a value that it may not have", key);
	return false;
}

unsigned fsck_store_judge(struct fsck_store *fs, bool stale)
{
	unsigned wrong = 0, count = 0;
	bool there;

	small_store_open(&fs->small);
	for (unsigned i = 0; i < FSCK_KEYS; i++) {
		wrong += !judge_key(fs, i, stale, &there);
		count += there;
	}
	if (!fs->unrepaired) /* a scan ends at what is damaged */
		ck_assert_uint_eq(small_count_keys(&fs->small, NULL), count);
	small_store_crash(&fs->small);
	return wrong;
}
