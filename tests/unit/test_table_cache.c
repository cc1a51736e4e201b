/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables as views share them: opened when needed, closed when too many, removed after the last reference. */
#include "engine/table_cache.h"

#include "base/checksum.h"
#include "base/rcu.h"
#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { TABLES = 5 };

static char *path;
static struct fault_fs *fault;
static struct dir dir;
static struct block_cache *blocks;
static struct table_cache *cache;
static struct sst_model model;
static struct table *tables[TABLES];
static uint64_t random_state;

static void set_up(void)
{
	struct sst_model_shape shape = { .entries = 200, .keys = 150, .key_bytes_max = 20,
		.value_bytes_max = 50 };
	struct sst_options options;

	random_state = runner_seed();
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
	blocks = block_cache_new(1 << 20);
	cache = table_cache_new(&dir, &sst_model_id, blocks, 2);
	ck_assert_ptr_nonnull(cache);
	model = sst_model_new(shape, &random_state);
	sst_options_init(&options);
	options.block_bytes = 512;
	for (unsigned i = 0; i < TABLES; i++) {
		struct sst_meta meta = sst_model_write(&model, &dir, i + 1, &options);

		tables[i] = table_new(cache, &meta);
		ck_assert_ptr_nonnull(tables[i]);
		ck_assert(sst_meta_equal(table_meta(tables[i]), &meta));
		sst_meta_free(&meta);
	}
}

static void tear_down(void)
{
	for (unsigned i = 0; i < TABLES; i++)
		table_unref(tables[i]);
	cache = table_cache_free(cache);
	blocks = block_cache_free(blocks);
	dir_close(&dir);
	fault = fault_fs_free(fault);
	sst_model_free(&model);
	runner_remove_dir(path);
}

static uint64_t open_readers(void)
{
	struct table_cache_stats stats;

	table_cache_get_stats(cache, &stats);
	ck_assert_int_eq(stats.memory_bytes > 0, stats.open_readers > 0);
	return stats.open_readers;
}

static kv_status get(struct table *table, const struct entry *wanted, struct kv_error *err)
{
	struct entry entry;
	struct pinned pin;
	kv_status status;

	rcu_enter();
	status = KV_NOT_FOUND;
	if (table_may_have(table, key_hash(wanted->key)))
		status = table_get(table, wanted->key, key_hash(wanted->key), wanted->sequence, &entry, &pin,
			err);
	rcu_leave();
	if (status != KV_OK)
		return status;
	if (!sst_model_same(&entry, wanted))
		status = KV_UNCERTAIN; /* means: wrong */
	pinned_release(&pin);
	return status;
}

START_TEST(a_table_is_opened_at_its_first_use)
{
	struct entry missing = { .key = slice_of("not there", 9), .sequence = ENTRY_SEQUENCE_MAX };
	struct table_cache_stats stats;

	ck_assert_uint_eq(open_readers(), 0);
	ck_assert_int_eq(get(tables[0], &model.entries[7], NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 1);
	ck_assert_int_eq(get(tables[0], &model.entries[9], NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 1);
	ck_assert_int_eq(table_check(tables[1], NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 2);
	for (unsigned i = 0; i < 100; i++) {
		missing.key.len = 1 + i % 9;
		ck_assert_int_eq(get(tables[1], &missing, NULL), KV_NOT_FOUND);
	}
	table_cache_get_stats(cache, &stats);
	ck_assert_uint_gt(stats.filter_negatives, 20);
}
END_TEST

START_TEST(trim_closes_those_that_were_not_used_lately)
{
	for (unsigned i = 0; i < TABLES; i++)
		ck_assert_int_eq(table_check(tables[i], NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), TABLES);
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 2);
	/* all still answer, opened anew; then the two that are used stay */
	for (unsigned i = 0; i < TABLES; i++)
		ck_assert_int_eq(get(tables[i], &model.entries[i], NULL), KV_OK);
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert_int_eq(get(tables[1], &model.entries[0], NULL), KV_OK);
	ck_assert_int_eq(get(tables[3], &model.entries[0], NULL), KV_OK);
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 2);
	fault_fs_fail_from(fault, FAULT_OPEN, 1, EMFILE);
	ck_assert_int_eq(get(tables[1], &model.entries[0], NULL), KV_OK);
	ck_assert_int_eq(get(tables[3], &model.entries[0], NULL), KV_OK);
	fault_fs_heal(fault);
}
END_TEST

static void count_calls(void *arg)
{
	++*(unsigned *)arg;
}

START_TEST(whoever_opens_one_too_many_asks_for_a_trim_which_makes_room_for_some)
{
	struct table_cache *own = table_cache_new(&dir, &sst_model_id, blocks, 8);
	struct table_cache_stats stats;
	struct table *many[20];
	unsigned calls = 0;

	table_cache_on_full(own, count_calls, &calls);
	for (unsigned i = 0; i < 20; i++) {
		many[i] = table_new(own, table_meta(tables[i % TABLES]));
		ck_assert_ptr_nonnull(many[i]);
	}
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(table_check(many[i], NULL), KV_OK);
		ck_assert_uint_eq(calls, i < 8 ? 0 : i - 7);
	}
	ck_assert_int_eq(table_warm(many[0], NULL), KV_OK); /* is open */
	ck_assert_int_eq(table_cache_trim(own, NULL), KV_OK);
	table_cache_get_stats(own, &stats);
	ck_assert_uint_eq(stats.open_readers, 7);
	for (unsigned i = 0; i < 20; i++) /* what does not stay open is not read for the cache */
		ck_assert_int_eq(table_warm(many[i], NULL), KV_OK);
	table_cache_get_stats(own, &stats);
	ck_assert_uint_eq(stats.open_readers, 8);
	ck_assert_uint_eq(calls, 12);
	for (unsigned i = 0; i < 20; i++)
		table_unref(many[i]);
	table_cache_free(own);
}
END_TEST

START_TEST(an_iterator_outlives_trim_and_the_last_reference)
{
	struct iter *iter = table_iter(tables[0], _i);

	ck_assert_ptr_nonnull(iter);
	for (unsigned i = 1; i < TABLES; i++)
		ck_assert_int_eq(table_check(tables[i], NULL), KV_OK);
	table_set_obsolete(tables[0]);
	table_unref(tables[0]);
	tables[0] = NULL;
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert(dir_has(&dir, "000001.sst"));
	sst_model_check_iter(&model, iter, 500, &random_state);
	iter_close(iter);
	ck_assert(dir_has(&dir, "000001.sst"));
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert(!dir_has(&dir, "000001.sst"));
	ck_assert_uint_le(open_readers(), 2);
}
END_TEST

START_TEST(the_file_of_a_live_table_is_never_removed)
{
	for (unsigned i = 0; i < TABLES; i++) {
		ck_assert_int_eq(table_check(tables[i], NULL), KV_OK);
		if (i % 2)
			table_set_obsolete(tables[i]);
		table_unref(tables[i]);
		tables[i] = NULL;
	}
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK);
	ck_assert_uint_eq(open_readers(), 0);
	ck_assert(dir_has(&dir, "000001.sst"));
	ck_assert(!dir_has(&dir, "000002.sst"));
	ck_assert(dir_has(&dir, "000003.sst"));
	ck_assert(!dir_has(&dir, "000004.sst"));
	ck_assert(dir_has(&dir, "000005.sst"));
}
END_TEST

START_TEST(a_failed_unlink_is_reported_and_the_rest_is_done)
{
	struct kv_error err;

	for (unsigned i = 0; i < 3; i++) {
		table_set_obsolete(tables[i]);
		table_unref(tables[i]);
		tables[i] = NULL;
	}
	fault_fs_fail(fault, FAULT_UNLINK, 1, EIO);
	ck_assert_int_eq(table_cache_trim(cache, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_int_eq(dir_has(&dir, "000001.sst") + dir_has(&dir, "000002.sst") +
			dir_has(&dir, "000003.sst"), 1);
	ck_assert_int_eq(table_cache_trim(cache, &err), KV_OK);
}
END_TEST

START_TEST(a_table_that_cannot_be_opened_is_reported_each_time)
{
	struct kv_error err = { 0 };
	struct iter *iter;

	fault_fs_fail_from(fault, FAULT_OPEN, 1, EMFILE);
	ck_assert_int_eq(get(tables[0], &model.entries[0], &err), KV_NO_MEMORY);
	ck_assert_int_eq(err.errnum, EMFILE);
	ck_assert_int_eq(table_check(tables[0], &err), KV_NO_MEMORY);
	iter = table_iter(tables[0], true);
	ck_assert_ptr_nonnull(iter);
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, &err), KV_NO_MEMORY);
	iter_close(iter);
	fault_fs_heal(fault);
	ck_assert_int_eq(get(tables[0], &model.entries[0], &err), KV_OK);
}
END_TEST

START_TEST(a_live_table_whose_file_is_gone_is_damage)
{
	struct kv_error err = { 0 };

	ck_assert_int_eq(dir_unlink(&dir, "000001.sst", NULL), KV_OK);
	ck_assert_int_eq(get(tables[0], &model.entries[0], &err), KV_CORRUPT);
	ck_assert_int_eq(err.status, KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.sst"));
}
END_TEST

static struct block_cache_stats block_stats(void)
{
	struct block_cache_stats stats;

	block_cache_get_stats(blocks, &stats);
	return stats;
}

START_TEST(a_warm_table_is_read_without_the_disk)
{
	ck_assert_int_eq(table_warm(tables[0], NULL), KV_OK);
	ck_assert_uint_gt(block_stats().blocks, 5);
	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_PREAD, .nth = 1, .from_then_on = true, .errnum = EIO });
	for (size_t i = 0; i < model.count; i++)
		ck_assert_int_eq(get(tables[0], &model.entries[i], NULL), KV_OK);
	ck_assert_uint_eq(block_stats().misses, 0);
}
END_TEST

/* Warms `second` in a cache that has a block of `first` already. */
static void warm_beside(const struct sst_meta *first_meta, const struct sst_meta *second_meta, uint64_t capacity)
{
	struct block_cache *const shared = blocks;
	struct table_cache *own;
	struct table *first, *second;

	blocks = block_cache_new(capacity);
	own = table_cache_new(&dir, &sst_model_id, blocks, 2);
	first = table_new(own, first_meta);
	second = table_new(own, second_meta);
	ck_assert_int_eq(get(first, &model.entries[0], NULL), KV_OK);
	ck_assert_int_eq(table_warm(second, NULL), KV_OK);
	ck_assert_uint_gt(block_stats().blocks, 1);
	ck_assert_uint_le(block_stats().bytes, capacity);
	ck_assert_int_eq(table_warm(first, NULL), KV_OK);
	ck_assert_uint_eq(block_stats().misses, 1);
	ck_assert_int_eq(get(first, &model.entries[0], NULL), KV_OK);
	ck_assert_uint_eq(block_stats().misses, 1);
	table_unref(first);
	table_unref(second);
	table_cache_free(own);
	block_cache_free(blocks);
	blocks = shared;
}

/* 200 blocks and more into a cache for some of them: those that are there stay. */
START_TEST(warming_takes_nobodys_place)
{
	warm_beside(table_meta(tables[0]), table_meta(tables[1]), 12 * 1024);
}
END_TEST

/* On disk they are so much smaller that one of them nearly always would fit. */
START_TEST(warming_with_compressed_blocks_takes_nobodys_place_either)
{
	struct sst_model_shape shape = { .entries = 2000, .keys = 1500, .key_bytes_max = 20, .value_bytes_max = 50 };
	struct sst_model many = sst_model_new(shape, &random_state);
	struct sst_options options;
	struct sst_meta meta;

	sst_options_init(&options);
	options.block_bytes = 2000;
	options.compression = SST_COMPRESSION_LZ4;
	if (!sst_compression_available(options.compression))
		options.compression = SST_COMPRESSION_NONE;
	meta = sst_model_write(&many, &dir, TABLES + 1, &options);
	for (uint64_t capacity = 8 * 1024; capacity < 11 * 1024; capacity += 256)
		warm_beside(table_meta(tables[0]), &meta, capacity);
	sst_meta_free(&meta);
	sst_model_free(&many);
}
END_TEST

START_TEST(damage_is_found_when_a_table_is_warmed)
{
	struct kv_error err = { 0 };
	char file[400];
	int fd;

	snprintf(file, sizeof file, "%s/000001.sst", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "\377\0\377", 3, 700), 3);
	close(fd);
	ck_assert_int_eq(table_warm(tables[0], &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.sst"));
	ck_assert_int_eq(table_warm(tables[1], NULL), KV_OK);
	table_unref(tables[1]);
	tables[1] = NULL;
	ck_assert_int_eq(table_cache_trim(cache, NULL), KV_OK); /* room for one more */
	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_PREAD, .nth = 1, .from_then_on = true, .errnum = EIO });
	ck_assert_int_eq(table_warm(tables[2], &err), KV_IO);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_nothing_leaks)
{
	struct sst_meta meta;
	kv_status status = KV_NO_MEMORY;

	ck_assert_int_eq(sst_meta_copy(table_meta(tables[4]), &meta), KV_OK);
	for (uint64_t n = 1; status != KV_OK; n++) {
		struct table *table = NULL;
		struct table_cache *own;
		struct iter *iter = NULL;

		fault_alloc_fail(n, false);
		own = table_cache_new(&dir, &sst_model_id, blocks, 1);
		if (own)
			table = table_new(own, &meta);
		if (table)
			iter = table_iter(table, true);
		status = iter ? iter_status(iter, NULL) : KV_NO_MEMORY;
		iter_close(iter);
		table_unref(table);
		table_cache_free(own);
		ck_assert(fault_alloc_failed() == (status != KV_OK));
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_uint_lt(n, 100);
	}
	sst_meta_free(&meta);
}
END_TEST

/* ---- threads: readers, iterators and trim at the same time, with room for fewer readers than tables ---- */

static _Atomic bool stop;
static _Atomic uint64_t wrong;

static void *use_tables(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg | 1;

	for (int i = 0; i < 3000; i++) {
		struct table *table = tables[runner_random(&state) % TABLES];
		size_t at = runner_random(&state) % model.count;

		if (i % 16 == 0) {
			struct iter *iter = table_iter(table, i % 32 == 0);

			iter_seek(iter, model.entries[at].key, model.entries[at].sequence);
			if (!iter->valid || !sst_model_same(iter->entry, &model.entries[at]))
				atomic_fetch_add(&wrong, 1);
			iter_close(iter);
		} else if (get(table, &model.entries[at], NULL) != KV_OK) {
			atomic_fetch_add(&wrong, 1);
		}
	}
	return NULL;
}

static void *trim_tables(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		if (table_cache_trim(cache, NULL) != KV_OK)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

START_TEST(readers_never_notice_that_tables_are_closed_under_them)
{
	pthread_t users[3], trimmer;
	static char places[3];

	ck_assert_int_eq(pthread_create(&trimmer, NULL, trim_tables, NULL), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&users[i], NULL, use_tables, &places[i]), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(users[i], NULL), 0);
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(trimmer, NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table_cache");
	TCase *tc = tcase_create("table_cache");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_table_is_opened_at_its_first_use);
	tcase_add_test(tc, trim_closes_those_that_were_not_used_lately);
	tcase_add_test(tc, whoever_opens_one_too_many_asks_for_a_trim_which_makes_room_for_some);
	tcase_add_loop_test(tc, an_iterator_outlives_trim_and_the_last_reference, 0, 2);
	tcase_add_test(tc, the_file_of_a_live_table_is_never_removed);
	tcase_add_test(tc, a_failed_unlink_is_reported_and_the_rest_is_done);
	tcase_add_test(tc, a_table_that_cannot_be_opened_is_reported_each_time);
	tcase_add_test(tc, a_live_table_whose_file_is_gone_is_damage);
	tcase_add_test(tc, every_failed_allocation_is_reported_and_nothing_leaks);
	tcase_add_test(tc, a_warm_table_is_read_without_the_disk);
	tcase_add_test(tc, warming_takes_nobodys_place);
	tcase_add_test(tc, warming_with_compressed_blocks_takes_nobodys_place_either);
	tcase_add_test(tc, damage_is_found_when_a_table_is_warmed);
	tcase_add_test(tc, readers_never_notice_that_tables_are_closed_under_them);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
