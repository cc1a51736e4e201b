/* SPDX-License-Identifier: BSD-2-Clause */
/* LevelDB, through leveldb/c.h. */
#include "bench/adapter.h"

#include "support/die.h"

#include <inttypes.h>
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPEN_FILES = 20000 }; /* above the 1000 of the default: 20M keys have more tables of 2 MiB than that */

struct database {
	leveldb_t *db;
	leveldb_options_t *options;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *filter;
	leveldb_writeoptions_t *write;
	leveldb_readoptions_t *read;
};

struct session {
	struct database *database;
	leveldb_writebatch_t *batch;
	leveldb_iterator_t *iter; /* between iter_begin and iter_end */
	char *value;              /* between get and got */
};

static void check(char *error)
{
	if (error)
		die("leveldb: %s", error);
}

static const char *version(void)
{
	static char text[16];

	snprintf(text, sizeof text, "%d.%d", leveldb_major_version(), leveldb_minor_version());
	return text;
}

static void describe(const struct adapter_options *options, char *ret, size_t size)
{
	snprintf(ret, size,
		"write_buffer_size %" PRIu64 " MiB; block_cache %" PRIu64 " MiB LRU; bloom filter %u bits; max_open_files %d; "
		"block_size and max_file_size as by default (4 KiB, 2 MiB); checksums of blocks not verified by reads (the "
		"default); compression %s; sync %d",
		options->write_buffer_bytes >> 20, options->cache_bytes >> 20, options->filter_bits, OPEN_FILES,
		options->lz4 ? "snappy (it has no LZ4)" : "none", options->sync);
}

static leveldb_options_t *make_options(const struct adapter_options *options, const struct database *database)
{
	leveldb_options_t *ret = leveldb_options_create();

	leveldb_options_set_create_if_missing(ret, 1);
	leveldb_options_set_write_buffer_size(ret, options->write_buffer_bytes);
	leveldb_options_set_max_open_files(ret, OPEN_FILES);
	leveldb_options_set_cache(ret, database->cache);
	leveldb_options_set_filter_policy(ret, database->filter);
	leveldb_options_set_compression(ret, options->lz4 ? leveldb_snappy_compression : leveldb_no_compression);
	return ret;
}

static void *open_database(const struct adapter_options *options)
{
	struct database *ret = calloc(1, sizeof *ret);
	char *error = NULL;

	if (!ret)
		die("no memory");
	ret->cache = leveldb_cache_create_lru(options->cache_bytes);
	ret->filter = leveldb_filterpolicy_create_bloom((int)options->filter_bits);
	ret->options = make_options(options, ret);
	ret->write = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(ret->write, options->sync);
	ret->read = leveldb_readoptions_create();
	ret->db = leveldb_open(ret->options, options->dir, &error);
	check(error);
	return ret;
}

static void close_database(void *arg)
{
	struct database *database = arg;

	leveldb_close(database->db);
	leveldb_readoptions_destroy(database->read);
	leveldb_writeoptions_destroy(database->write);
	leveldb_options_destroy(database->options);
	leveldb_filterpolicy_destroy(database->filter);
	leveldb_cache_destroy(database->cache);
	free(database);
}

static void *session_open(void *database)
{
	struct session *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	ret->database = database;
	ret->batch = leveldb_writebatch_create();
	return ret;
}

static void session_close(void *arg)
{
	struct session *session = arg;

	leveldb_writebatch_destroy(session->batch);
	free(session);
}

static void put(void *arg, struct slice key, struct slice value)
{
	struct session *session = arg;
	char *error = NULL;

	leveldb_put(session->database->db, session->database->write, (const char *)key.data, key.len,
		(const char *)value.data, value.len, &error);
	check(error);
}

static void del(void *arg, struct slice key)
{
	struct session *session = arg;
	char *error = NULL;

	leveldb_delete(session->database->db, session->database->write, (const char *)key.data, key.len, &error);
	check(error);
}

static void batch_begin(void *arg)
{
	leveldb_writebatch_clear(((struct session *)arg)->batch);
}

static void batch_put(void *arg, struct slice key, struct slice value)
{
	leveldb_writebatch_put(((struct session *)arg)->batch, (const char *)key.data, key.len,
		(const char *)value.data, value.len);
}

static void batch_commit(void *arg)
{
	struct session *session = arg;
	char *error = NULL;

	leveldb_write(session->database->db, session->database->write, session->batch, &error);
	check(error);
}

static bool get(void *arg, struct slice key, struct slice *ret_value)
{
	struct session *session = arg;
	char *error = NULL;
	size_t len = 0;

	session->value = leveldb_get(session->database->db, session->database->read, (const char *)key.data, key.len,
		&len, &error);
	check(error);
	*ret_value = slice_of(session->value, len);
	return session->value != NULL;
}

static void got(void *arg)
{
	struct session *session = arg;

	leveldb_free(session->value);
	session->value = NULL;
}

static void iter_begin(void *arg)
{
	struct session *session = arg;

	session->iter = leveldb_create_iterator(session->database->db, session->database->read);
}

static void move_iter(leveldb_iterator_t *iter, enum adapter_move move, struct slice key)
{
	switch (move) {
	case ADAPTER_FIRST:
		leveldb_iter_seek_to_first(iter);
		break;
	case ADAPTER_LAST:
		leveldb_iter_seek_to_last(iter);
		break;
	case ADAPTER_SEEK:
		leveldb_iter_seek(iter, (const char *)key.data, key.len);
		break;
	case ADAPTER_NEXT:
		leveldb_iter_next(iter);
		break;
	case ADAPTER_PREV:
		leveldb_iter_prev(iter);
		break;
	}
}

static bool iter_move(void *arg, enum adapter_move move, struct slice key, struct slice *ret_key,
	struct slice *ret_value)
{
	struct session *session = arg;
	char *error = NULL;

	move_iter(session->iter, move, key);
	if (!leveldb_iter_valid(session->iter)) {
		leveldb_iter_get_error(session->iter, &error);
		check(error);
		return false;
	}
	ret_key->data = (const uint8_t *)leveldb_iter_key(session->iter, &ret_key->len);
	ret_value->data = (const uint8_t *)leveldb_iter_value(session->iter, &ret_value->len);
	return true;
}

static void iter_end(void *arg)
{
	struct session *session = arg;

	leveldb_iter_destroy(session->iter);
	session->iter = NULL;
}

const struct adapter adapter_leveldb = {
	.name = "leveldb",
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
