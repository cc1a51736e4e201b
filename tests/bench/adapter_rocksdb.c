/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RocksDB, through rocksdb/c.h. Options: what its tuning guide recommends to begin with ("Setup Options and Basic Tuning": dynamic level sizes,
 * bytes_per_sync, full bloom filters), but blocks of 4 KiB, since values are small and read from the cache.
 */
#include "bench/adapter.h"

#include "support/die.h"

#include <inttypes.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKGROUND_JOBS = 2, BYTES_PER_SYNC = 1 << 20, BLOCK_BYTES = 4096 };

struct database {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table_options; /* owns the filter policy */
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *write;
	rocksdb_readoptions_t *read;
};

struct session {
	struct database *database;
	rocksdb_writebatch_t *batch;
	rocksdb_iterator_t *iter;       /* between iter_begin and iter_end */
	rocksdb_pinnableslice_t *value; /* between get and got */
};

static void check(char *error)
{
	if (error)
		die("rocksdb: %s", error);
}

/* c.h does not tell it, and version.h is C++. */
static const char *version(void)
{
	return ROCKSDB_VERSION;
}

static void describe(const struct adapter_options *options, char *ret, size_t size)
{
	snprintf(ret, size,
		"write_buffer_size %" PRIu64 " MiB; block cache %" PRIu64 " MiB LRU; block based tables of %d byte blocks, full "
		"bloom filter %u bits; level compaction with level_compaction_dynamic_level_bytes; max_background_jobs %d; "
		"bytes_per_sync %d; max_open_files -1; gets by pinned slices; checksums of blocks verified when read from "
		"the file (the default); compression %s; sync %d",
		options->write_buffer_bytes >> 20, options->cache_bytes >> 20, BLOCK_BYTES, options->filter_bits,
		BACKGROUND_JOBS, BYTES_PER_SYNC, options->lz4 ? "lz4" : "none", options->sync);
}

static void set_table_options(const struct adapter_options *options, struct database *database)
{
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

	database->cache = rocksdb_cache_create_lru(options->cache_bytes);
	rocksdb_block_based_options_set_block_cache(table, database->cache);
	rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
	rocksdb_block_based_options_set_filter_policy(table,
		rocksdb_filterpolicy_create_bloom_full((double)options->filter_bits));
	rocksdb_options_set_block_based_table_factory(database->options, table);
	database->table_options = table;
}

static void set_options(const struct adapter_options *options, rocksdb_options_t *set)
{
	rocksdb_options_set_create_if_missing(set, 1);
	rocksdb_options_set_write_buffer_size(set, options->write_buffer_bytes);
	rocksdb_options_set_max_open_files(set, -1);
	rocksdb_options_set_max_background_jobs(set, BACKGROUND_JOBS);
	rocksdb_options_set_bytes_per_sync(set, BYTES_PER_SYNC);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(set, 1);
	rocksdb_options_set_compression(set, options->lz4 ? rocksdb_lz4_compression : rocksdb_no_compression);
}

static void *open_database(const struct adapter_options *options)
{
	struct database *ret = calloc(1, sizeof *ret);
	char *error = NULL;

	if (!ret)
		die("no memory");
	ret->options = rocksdb_options_create();
	set_options(options, ret->options);
	set_table_options(options, ret);
	ret->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(ret->write, options->sync);
	ret->read = rocksdb_readoptions_create();
	ret->db = rocksdb_open(ret->options, options->dir, &error);
	check(error);
	return ret;
}

static void close_database(void *arg)
{
	struct database *database = arg;

	rocksdb_close(database->db);
	rocksdb_readoptions_destroy(database->read);
	rocksdb_writeoptions_destroy(database->write);
	rocksdb_options_destroy(database->options);
	rocksdb_block_based_options_destroy(database->table_options);
	rocksdb_cache_destroy(database->cache);
	free(database);
}

static void *session_open(void *database)
{
	struct session *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	ret->database = database;
	ret->batch = rocksdb_writebatch_create();
	return ret;
}

static void session_close(void *arg)
{
	struct session *session = arg;

	rocksdb_writebatch_destroy(session->batch);
	free(session);
}

static void put(void *arg, struct slice key, struct slice value)
{
	struct session *session = arg;
	char *error = NULL;

	rocksdb_put(session->database->db, session->database->write, (const char *)key.data, key.len,
		(const char *)value.data, value.len, &error);
	check(error);
}

static void del(void *arg, struct slice key)
{
	struct session *session = arg;
	char *error = NULL;

	rocksdb_delete(session->database->db, session->database->write, (const char *)key.data, key.len, &error);
	check(error);
}

static void batch_begin(void *arg)
{
	rocksdb_writebatch_clear(((struct session *)arg)->batch);
}

static void batch_put(void *arg, struct slice key, struct slice value)
{
	rocksdb_writebatch_put(((struct session *)arg)->batch, (const char *)key.data, key.len,
		(const char *)value.data, value.len);
}

static void batch_commit(void *arg)
{
	struct session *session = arg;
	char *error = NULL;

	rocksdb_write(session->database->db, session->database->write, session->batch, &error);
	check(error);
}

static bool get(void *arg, struct slice key, struct slice *ret_value)
{
	struct session *session = arg;
	char *error = NULL;

	session->value = rocksdb_get_pinned(session->database->db, session->database->read, (const char *)key.data,
		key.len, &error);
	check(error);
	if (!session->value)
		return false;
	ret_value->data = (const uint8_t *)rocksdb_pinnableslice_value(session->value, &ret_value->len);
	return true;
}

static void got(void *arg)
{
	struct session *session = arg;

	rocksdb_pinnableslice_destroy(session->value);
	session->value = NULL;
}

static void iter_begin(void *arg)
{
	struct session *session = arg;

	session->iter = rocksdb_create_iterator(session->database->db, session->database->read);
}

static void move_iter(rocksdb_iterator_t *iter, enum adapter_move move, struct slice key)
{
	switch (move) {
	case ADAPTER_FIRST:
		rocksdb_iter_seek_to_first(iter);
		break;
	case ADAPTER_LAST:
		rocksdb_iter_seek_to_last(iter);
		break;
	case ADAPTER_SEEK:
		rocksdb_iter_seek(iter, (const char *)key.data, key.len);
		break;
	case ADAPTER_NEXT:
		rocksdb_iter_next(iter);
		break;
	case ADAPTER_PREV:
		rocksdb_iter_prev(iter);
		break;
	}
}

static bool iter_move(void *arg, enum adapter_move move, struct slice key, struct slice *ret_key,
	struct slice *ret_value)
{
	struct session *session = arg;
	char *error = NULL;

	move_iter(session->iter, move, key);
	if (!rocksdb_iter_valid(session->iter)) {
		rocksdb_iter_get_error(session->iter, &error);
		check(error);
		return false;
	}
	ret_key->data = (const uint8_t *)rocksdb_iter_key(session->iter, &ret_key->len);
	ret_value->data = (const uint8_t *)rocksdb_iter_value(session->iter, &ret_value->len);
	return true;
}

static void iter_end(void *arg)
{
	struct session *session = arg;

	rocksdb_iter_destroy(session->iter);
	session->iter = NULL;
}

const struct adapter adapter_rocksdb = {
	.name = "rocksdb",
	.version = version,
	.describe = describe,
	.open = open_database,
	.close = close_database,
	.session_open = session_open,
	.session_close = session_close,
	.put = put,
	.del = del,
	.batch_begin = batch_begin,
	.batch_put = batch_put,
	.batch_commit = batch_commit,
	.get = get,
	.got = got,
	.iter_begin = iter_begin,
	.iter_move = iter_move,
	.iter_end = iter_end,
};
