/* SPDX-License-Identifier: BSD-2-Clause */
/* kvstored's engine, through store/store.h. */
#include "bench/adapter.h"

#include "config.h"
#include "store/store.h"
#include "support/die.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct session {
	struct store *store;
	uint64_t large_bytes;
	struct store_batch *batch; /* between batch_begin and batch_commit */
	struct store_value value;  /* between get and got */
	struct store_iter *iter;   /* between iter_begin and iter_end */
	uint8_t *large;            /* room for a large value that was read */
	size_t large_room;
};

static void check(kv_status status, const char *what)
{
	if (status != KV_OK)
		die("kvstored: %s: %s", what, kv_status_text(status));
}

static void check_error(kv_status status, const struct kv_error *err)
{
	char text[600];

	if (status != KV_OK)
		die("kvstored: %s", kv_error_format(err, text, sizeof text));
}

static const char *version(void)
{
	return PACKAGE_VERSION;
}

static void describe(const struct adapter_options *options, char *ret, size_t size)
{
	snprintf(ret, size,
		"memtable %" PRIu64 " MiB; block cache %" PRIu64 " MiB; filters of 10 bits, whatever is asked for; the rest by default; "
		"change_log_bytes 0; one compaction thread; compression %s; durability %s",
		options->write_buffer_bytes >> 20, options->cache_bytes >> 20, options->lz4 ? "lz4" : "none",
		options->sync ? "commit (fdatasync)" : "os (log written, not synced)");
}

static void *open_store(const struct adapter_options *options)
{
	struct store_options store_options;
	struct store *ret = NULL;
	struct kv_error err;

	store_options_init(&store_options);
	store_options.data_dir = options->dir;
	store_options.memtable_bytes = options->write_buffer_bytes;
	store_options.block_cache_bytes = options->cache_bytes;
	store_options.change_log_bytes = 0; /* the others have no feed of changes */
	store_options.compression = options->lz4 ? STORE_COMPRESSION_LZ4 : STORE_COMPRESSION_NONE;
	store_options.durability = options->sync ? STORE_DURABLE_COMMIT : STORE_DURABLE_OS;
	check_error(store_open(&store_options, &ret, &err), &err);
	return ret;
}

static void close_store(void *database)
{
	struct store_finish_report report;
	struct kv_error err;

	check_error(store_finish(database, &report, &err), &err);
	store_close(database);
}

static void *session_open(void *database)
{
	struct session *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	ret->store = database;
	ret->large_bytes = store_large_value_bytes(database);
	return ret;
}

static void session_close(void *session)
{
	free(((struct session *)session)->large);
	free(session);
}

static void batch_begin(void *arg)
{
	struct session *session = arg;

	session->batch = store_batch_new(session->store);
	if (!session->batch)
		die("no memory");
}

static void put_large(struct session *session, struct slice key, struct slice value)
{
	struct store_upload *upload = NULL;
	struct kv_error err;

	check_error(store_upload_new(session->store, &upload, &err), &err);
	check_error(store_upload_append(upload, value, &err), &err);
	check(store_batch_put_upload(session->batch, key, upload, 0, NULL), "put of a large value");
}

static void batch_put(void *arg, struct slice key, struct slice value)
{
	struct session *session = arg;

	if (value.len >= session->large_bytes)
		put_large(session, key, value);
	else
		check(store_batch_put(session->batch, key, value, 0, NULL), "put");
}

static void batch_commit(void *arg)
{
	struct session *session = arg;

	check(store_write(session->store, session->batch), "write");
	session->batch = store_batch_free(session->batch);
}

static void put(void *session, struct slice key, struct slice value)
{
	batch_begin(session);
	batch_put(session, key, value);
	batch_commit(session);
}

static void del(void *session, struct slice key)
{
	batch_begin(session);
	check(store_batch_delete(((struct session *)session)->batch, key, NULL), "delete");
	batch_commit(session);
}

/* Read in pieces, as the daemon reads it. */
static struct slice read_large(struct session *session, struct store_large *large)
{
	enum { PIECE = 64 * 1024 };
	uint64_t size = store_large_size(large);
	struct kv_error err;
	size_t piece;

	if (size > session->large_room) {
		free(session->large);
		session->large = malloc(size);
		if (!session->large)
			die("no memory");
		session->large_room = size;
	}
	for (uint64_t at = 0; at < size; at += piece) {
		piece = size - at < PIECE ? size - at : PIECE;
		check_error(store_large_read(large, at, session->large + at, piece, &err), &err);
	}
	return slice_of(session->large, size);
}

static bool get(void *arg, struct slice key, struct slice *ret_value)
{
	struct session *session = arg;
	struct kv_error err;
	kv_status status = store_get(session->store, NULL, key, &session->value, &err);

	if (status == KV_NOT_FOUND)
		return false;
	check_error(status, &err);
	*ret_value = session->value.large ? read_large(session, session->value.large) :
		session->value.value.bytes;
	return true;
}

static void got(void *arg)
{
	struct session *session = arg;

	store_value_release(&session->value);
	session->value = (struct store_value){ 0 };
}

static void iter_begin(void *arg)
{
	struct session *session = arg;
	struct kv_error err;

	check_error(store_iter_open(session->store, NULL, &session->iter, &err), &err);
}

static void move_iter(struct store_iter *iter, enum adapter_move move, struct slice key)
{
	switch (move) {
	case ADAPTER_FIRST:
		store_iter_seek_first(iter);
		break;
	case ADAPTER_LAST:
		store_iter_seek_last(iter);
		break;
	case ADAPTER_SEEK:
		store_iter_seek(iter, key);
		break;
	case ADAPTER_NEXT:
		store_iter_next(iter);
		break;
	case ADAPTER_PREV:
		store_iter_prev(iter);
		break;
	}
}

static struct slice iter_value(struct session *session)
{
	struct store_large *large = NULL;
	struct kv_error err;
	struct slice ret;

	if (store_iter_size(session->iter) < session->large_bytes)
		return store_iter_value(session->iter);
	check_error(store_iter_large(session->iter, &large, &err), &err);
	ret = read_large(session, large);
	store_large_free(large);
	return ret;
}

static bool iter_move(void *arg, enum adapter_move move, struct slice key, struct slice *ret_key,
	struct slice *ret_value)
{
	struct session *session = arg;
	struct kv_error err;

	move_iter(session->iter, move, key);
	if (!store_iter_valid(session->iter)) {
		check_error(store_iter_status(session->iter, &err), &err);
		return false;
	}
	*ret_key = store_iter_key(session->iter);
	*ret_value = iter_value(session);
	return true;
}

static void iter_end(void *arg)
{
	struct session *session = arg;

	session->iter = store_iter_close(session->iter);
}

const struct adapter adapter_kvstored = {
	.name = "kvstored",
	.version = version,
	.describe = describe,
	.open = open_store,
	.close = close_store,
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
