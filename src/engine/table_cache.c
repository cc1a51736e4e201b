/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table's reader hangs on an atomic pointer. Whoever needs it and finds none opens it and publishes it by compare and
 * swap; the slower of two closes its own. The pointer counts as one reference on the reader, an iterator as another. A point
 * read takes none: it is inside a read section, and trim drops the pointer's reference only after rcu_wait().
 *
 * All tables are on one list, under a mutex that nobody holds while doing I/O. Tables without a reference go to a
 * second list, which is pushed to without a lock.
 */
#include "engine/table_cache.h"

#include "base/rcu.h"
#include "engine/filename.h"
#include "engine/thread_counter.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { ROOM_PART = 8 }; /* of open_max is free after a trim, which waits for all readers: not each table that is opened then needs another one */

struct open_reader {
	struct sst_reader *reader; /* constant, as table */
	struct table *table;
	_Atomic uint64_t refs;
	struct open_reader *next_detached; /* trim only, when the table no longer points here */
};

struct table {
	struct table_cache *cache; /* constant */
	struct sst_meta meta;      /* constant */
	struct blob_set *blobs;    /* constant once in a view, as the next two */
	uint64_t *blob_numbers;    /* a reference on each; owned */
	size_t blob_count;
	_Atomic uint64_t refs;
	_Atomic(struct open_reader *) opened; /* read in read sections */
	_Atomic bool used;         /* since the last trim */
	_Atomic bool obsolete;
	_Atomic bool damaged;
	_Atomic bool cold;
	enum table_mark mark;      /* guarded by those who set it */

	struct table *prev, *next; /* of all tables; guarded by the cache's mu */
	struct table *next_dropped; /* set once, by the last unref */
};

struct counter {
	_Alignas(THREAD_COUNTER_LINE_BYTES) _Atomic uint64_t value;
};

struct table_cache {
	const struct dir *dir; /* constant, as up to open_max */
	const struct store_id *id;
	struct block_cache *blocks;
	size_t open_max;
	void (*full)(void *arg); /* set once, before there are tables; NULL: nobody is told */
	void *full_arg;

	_Atomic(struct table *) dropped;
	_Atomic uint64_t open_readers;
	_Atomic uint64_t memory_bytes;
	_Atomic uint64_t damaged;

	pthread_mutex_t mu;
	struct table *tables; /* guarded by mu */

	struct counter filter_negatives[THREAD_COUNTER_LINES];
};

struct table_cache *table_cache_new(const struct dir *dir, const struct store_id *id,
	struct block_cache *blocks, size_t open_max)
{
	struct table_cache *cache = aligned_alloc(_Alignof(struct table_cache), sizeof *cache);

	if (!cache)
		return NULL;
	memset(cache, 0, sizeof *cache);
	if (pthread_mutex_init(&cache->mu, NULL) != 0) {
		free(cache);
		return NULL;
	}
	cache->dir = dir;
	cache->id = id;
	cache->blocks = blocks;
	cache->open_max = open_max;
	return cache;
}

void table_cache_on_full(struct table_cache *cache, void (*full)(void *arg), void *arg)
{
	cache->full = full;
	cache->full_arg = arg;
}

struct table_cache *table_cache_free(struct table_cache *cache)
{
	if (!cache)
		return NULL;
	(void)table_cache_trim(cache, NULL); /* a file that stays is swept at the next start */
	assert(!cache->tables);
	pthread_mutex_destroy(&cache->mu);
	free(cache);
	return NULL;
}

struct table *table_new(struct table_cache *cache, const struct sst_meta *meta)
{
	struct table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	if (sst_meta_copy(meta, &table->meta) != KV_OK) {
		free(table);
		return NULL;
	}
	table->cache = cache;
	atomic_init(&table->refs, 1);
	atomic_init(&table->opened, NULL);
	pthread_mutex_lock(&cache->mu);
	table->next = cache->tables;
	if (table->next)
		table->next->prev = table;
	cache->tables = table;
	pthread_mutex_unlock(&cache->mu);
	return table;
}

struct table *table_ref(struct table *table)
{
	atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
	return table;
}

void table_unref(struct table *table)
{
	struct table_cache *cache;
	struct table *head;

	if (!table || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1)
		return;
	cache = table->cache;
	head = atomic_load_explicit(&cache->dropped, memory_order_relaxed);
	do {
		table->next_dropped = head;
	} while (!atomic_compare_exchange_weak_explicit(&cache->dropped, &head, table,
		memory_order_release, memory_order_relaxed));
}

const struct sst_meta *table_meta(const struct table *table)
{
	return &table->meta;
}

void table_set_obsolete(struct table *table)
{
	atomic_store_explicit(&table->obsolete, true, memory_order_relaxed);
}

void table_set_mark(struct table *table, enum table_mark mark)
{
	table->mark = mark;
}

enum table_mark table_get_mark(const struct table *table)
{
	return table->mark;
}

bool table_note_damage(struct table *table)
{
	if (atomic_exchange_explicit(&table->damaged, true, memory_order_relaxed))
		return false;
	atomic_fetch_add_explicit(&table->cache->damaged, 1, memory_order_relaxed);
	return true;
}

bool table_has_damage(const struct table *table)
{
	return atomic_load_explicit(&table->damaged, memory_order_relaxed);
}

bool table_forget_damage(struct table *table)
{
	if (!atomic_exchange_explicit(&table->damaged, false, memory_order_relaxed))
		return false;
	atomic_fetch_sub_explicit(&table->cache->damaged, 1, memory_order_relaxed);
	return true;
}

bool table_is_obsolete(const struct table *table)
{
	return atomic_load_explicit(&table->obsolete, memory_order_relaxed);
}

/* Any thread, also the one that closes an iterator. */
static void unref_reader(struct table_cache *cache, struct open_reader *opened)
{
	if (!opened || atomic_fetch_sub_explicit(&opened->refs, 1, memory_order_acq_rel) != 1)
		return;
	atomic_fetch_sub_explicit(&cache->memory_bytes, sst_reader_memory(opened->reader),
		memory_order_relaxed);
	atomic_fetch_sub_explicit(&cache->open_readers, 1, memory_order_relaxed);
	sst_reader_close(opened->reader);
	free(opened);
}

/* A file that is missing is damage here: views only hold tables that exist. */
static kv_status open_reader_new(struct table *table, struct open_reader **ret, struct kv_error *err)
{
	struct table_cache *cache = table->cache;
	struct open_reader *opened = malloc(sizeof *opened);
	kv_status status;

	if (!opened)
		return kv_error_set(err, KV_NO_MEMORY, "cannot open a table");
	status = sst_reader_open(cache->dir, cache->id, table->meta.number, &table->meta, cache->blocks,
		&opened->reader, err);
	if (status == KV_NOT_FOUND)
		status = KV_CORRUPT;
	if (status != KV_OK) {
		if (err)
			err->status = status;
		free(opened);
		return status;
	}
	opened->table = table;
	atomic_init(&opened->refs, 1);
	atomic_fetch_add_explicit(&cache->open_readers, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cache->memory_bytes, sst_reader_memory(opened->reader),
		memory_order_relaxed);
	*ret = opened;
	return KV_OK;
}

static void note_used(struct table *table)
{
	if (!atomic_load_explicit(&table->used, memory_order_relaxed))
		atomic_store_explicit(&table->used, true, memory_order_relaxed);
}

static bool is_full(const struct table_cache *cache)
{
	return atomic_load_explicit(&cache->open_readers, memory_order_relaxed) > cache->open_max;
}

/* The table's reader, opened when there is none. */
static kv_status get_open(struct table *table, struct open_reader **ret, struct kv_error *err)
{
	struct open_reader *opened = atomic_load_explicit(&table->opened, memory_order_acquire);
	struct open_reader *mine = NULL;
	kv_status status;

	note_used(table);
	if (opened) {
		*ret = opened;
		return KV_OK;
	}
	status = open_reader_new(table, &mine, err);
	if (status != KV_OK)
		return status;
	if (atomic_compare_exchange_strong_explicit(&table->opened, &opened, mine, memory_order_acq_rel,
		    memory_order_acquire)) {
		*ret = mine;
	} else {
		unref_reader(table->cache, mine);
		*ret = opened;
	}
	if (is_full(table->cache) && table->cache->full)
		table->cache->full(table->cache->full_arg);
	return KV_OK;
}

void table_prefetch_filter(const struct table *table, uint64_t hash)
{
	const struct open_reader *opened = atomic_load_explicit(&table->opened, memory_order_acquire);

	if (opened)
		sst_reader_prefetch_filter(opened->reader, hash);
}

bool table_may_have(struct table *table, uint64_t hash)
{
	const struct open_reader *opened = atomic_load_explicit(&table->opened, memory_order_acquire);
	unsigned line;

	if (!opened || sst_reader_may_have(opened->reader, hash))
		return true;
	note_used(table);
	line = thread_counter_line();
	thread_counter_add(&table->cache->filter_negatives[line].value, line, 1);
	return false;
}

kv_status table_get(struct table *table, struct slice key, uint64_t hash, uint64_t max_sequence,
	struct entry *ret, struct pinned *ret_pin, struct kv_error *err)
{
	bool was_open = atomic_load_explicit(&table->opened, memory_order_relaxed) != NULL;
	struct open_reader *opened;
	kv_status status = get_open(table, &opened, err);

	if (status != KV_OK)
		return status;
	if (!was_open && !table_may_have(table, hash))
		return KV_NOT_FOUND;
	return sst_reader_get(opened->reader, key, hash, max_sequence, ret, ret_pin, err);
}

/* The reader with a reference of the caller's, so that it stays without a read section. */
static kv_status ref_open(struct table *table, struct open_reader **ret, struct kv_error *err)
{
	kv_status status;

	rcu_enter();
	status = get_open(table, ret, err);
	if (status == KV_OK)
		atomic_fetch_add_explicit(&(*ret)->refs, 1, memory_order_relaxed);
	rcu_leave();
	return status;
}

/* Whether it is open, or there is room for one more. */
static bool stays_open(const struct table *table)
{
	return atomic_load_explicit(&table->opened, memory_order_relaxed) != NULL ||
		atomic_load_explicit(&table->cache->open_readers, memory_order_relaxed) < table->cache->open_max;
}

/* What table_iter() took. */
static void release_iter(void *owner)
{
	struct open_reader *opened = owner;
	struct table *table = opened->table;

	unref_reader(table->cache, opened);
	table_unref(table);
}

struct iter *table_iter(struct table *table, bool keep_blocks)
{
	struct open_reader *opened;
	struct kv_error err;
	struct iter *iter;
	kv_status status = ref_open(table, &opened, &err);

	if (status != KV_OK)
		return iter_new_empty(status, &err);
	table_ref(table);
	iter = sst_reader_iter_owned(opened->reader, keep_blocks, release_iter, opened);
	if (!iter)
		release_iter(opened);
	return iter;
}

kv_status table_share(struct table *table, struct slice start, struct slice end, double *ret,
	struct kv_error *err)
{
	struct open_reader *opened;
	kv_status status;

	rcu_enter();
	status = get_open(table, &opened, err);
	if (status == KV_OK)
		*ret = sst_reader_share(opened->reader, start, end);
	rcu_leave();
	return status;
}

kv_status table_check(struct table *table, struct kv_error *err)
{
	struct open_reader *opened;
	kv_status status;

	rcu_enter();
	status = get_open(table, &opened, err);
	rcu_leave();
	return status;
}

kv_status table_warm(struct table *table, struct kv_error *err)
{
	struct open_reader *opened;
	kv_status status;

	if (!stays_open(table))
		return KV_OK; /* what is in the block cache goes with the reader */
	status = ref_open(table, &opened, err);
	if (status != KV_OK)
		return status;
	status = sst_reader_warm(opened->reader, err);
	unref_reader(table->cache, opened);
	return status;
}

void table_leave_cold(struct table *table)
{
	atomic_store(&table->cold, true);
}

bool table_take_cold(struct table *table)
{
	return atomic_load(&table->cold) && atomic_exchange(&table->cold, false);
}

static void drop_blobs(struct table *table)
{
	while (table->blob_numbers && table->blob_count > 0)
		blob_set_unref(table->blobs, table->blob_numbers[--table->blob_count]);
	free(table->blob_numbers);
	table->blob_numbers = NULL;
}

kv_status table_hold_blobs(struct table *table, struct blob_set *blobs, struct kv_error *err)
{
	const struct sst_blobs *list;
	struct open_reader *opened;
	kv_status status;

	if (table->meta.blobs == 0)
		return KV_OK;
	status = stays_open(table) ? ref_open(table, &opened, err) : open_reader_new(table, &opened, err);
	if (status != KV_OK)
		return status;
	list = sst_reader_blobs(opened->reader);
	table->blobs = blobs;
	table->blob_numbers = malloc(list->count * sizeof *table->blob_numbers);
	if (!table->blob_numbers)
		status = KV_NO_MEMORY;
	for (size_t i = 0; status == KV_OK && i < list->count; i++) {
		status = blob_set_ref(blobs, list->numbers[i], 0);
		if (status == KV_OK)
			table->blob_numbers[table->blob_count++] = list->numbers[i];
	}
	unref_reader(table->cache, opened);
	if (status != KV_OK) {
		drop_blobs(table);
		kv_error_set(err, status, "out of memory for the large values of a table");
	}
	return status;
}

void table_each_blob(const struct table *table, void (*each)(void *arg, uint64_t number), void *arg)
{
	for (size_t i = 0; i < table->blob_count; i++)
		each(arg, table->blob_numbers[i]);
}

static void take_off_list(struct table_cache *cache, struct table *table)
{
	if (table->prev)
		table->prev->next = table->next;
	else
		cache->tables = table->next;
	if (table->next)
		table->next->prev = table->prev;
}

/* Where there are more than `open_max`: takes readers away from tables, those first that were not used since the last trim, until there is
 * room for some others again. Returns them as a list; they may still be in use. */
static struct open_reader *detach_locked(struct table_cache *cache)
{
	struct open_reader *ret = NULL;
	size_t open = 0, keep = cache->open_max;

	for (struct table *table = cache->tables; table; table = table->next)
		open += atomic_load_explicit(&table->opened, memory_order_relaxed) != NULL;
	if (open > keep)
		keep -= keep / ROOM_PART;
	/* in the second round nothing counts as used, unless it was in between */
	for (int round = 0; round < 2; round++) {
		for (struct table *table = cache->tables; table; table = table->next) {
			bool used = atomic_exchange_explicit(&table->used, false, memory_order_relaxed);
			struct open_reader *opened;

			if (open <= keep || used)
				continue;
			opened = atomic_exchange_explicit(&table->opened, NULL, memory_order_acq_rel);
			if (!opened)
				continue;
			opened->next_detached = ret;
			ret = opened;
			open--;
		}
		if (open <= keep)
			break;
	}
	return ret;
}

/* No one has a reference any more, and every read section that might have seen it is over. */
static kv_status free_table(struct table *table, struct kv_error *err)
{
	struct table_cache *cache = table->cache;
	char name[FILENAME_MAX_BYTES];
	kv_status ret = KV_OK;

	unref_reader(cache, atomic_load_explicit(&table->opened, memory_order_acquire));
	if (atomic_load_explicit(&table->obsolete, memory_order_relaxed))
		ret = dir_unlink(cache->dir, filename_make(name, FILENAME_TABLE, table->meta.number), err);
	if (atomic_load_explicit(&table->damaged, memory_order_relaxed))
		atomic_fetch_sub_explicit(&cache->damaged, 1, memory_order_relaxed);
	drop_blobs(table);
	sst_meta_free(&table->meta);
	free(table);
	return ret == KV_NOT_FOUND ? KV_OK : ret;
}

static kv_status free_tables(struct table *dropped, struct kv_error *err)
{
	struct table *next;
	kv_status ret = KV_OK;

	for (; dropped; dropped = next) {
		kv_status status;

		next = dropped->next_dropped;
		status = free_table(dropped, ret == KV_OK ? err : NULL);
		if (ret == KV_OK)
			ret = status;
	}
	return ret;
}

kv_status table_cache_trim(struct table_cache *cache, struct kv_error *err)
{
	struct table *dropped = atomic_exchange_explicit(&cache->dropped, NULL, memory_order_acquire);
	struct open_reader *detached, *next;

	pthread_mutex_lock(&cache->mu);
	for (struct table *table = dropped; table; table = table->next_dropped)
		take_off_list(cache, table);
	detached = detach_locked(cache);
	pthread_mutex_unlock(&cache->mu);
	if (!dropped && !detached)
		return KV_OK;
	rcu_wait();
	for (; detached; detached = next) {
		next = detached->next_detached;
		unref_reader(cache, detached);
	}
	return free_tables(dropped, err);
}

void table_cache_get_stats(struct table_cache *cache, struct table_cache_stats *ret)
{
	struct table_cache_stats stats = {
		.open_readers = atomic_load_explicit(&cache->open_readers, memory_order_relaxed),
		.memory_bytes = atomic_load_explicit(&cache->memory_bytes, memory_order_relaxed),
		.damaged = atomic_load_explicit(&cache->damaged, memory_order_relaxed),
	};

	for (unsigned i = 0; i < THREAD_COUNTER_LINES; i++)
		stats.filter_negatives += atomic_load_explicit(&cache->filter_negatives[i].value,
			memory_order_relaxed);
	*ret = stats;
}
