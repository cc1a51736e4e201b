/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WiredTiger, through wiredtiger.h: one table (a B-tree of rows), a session and a cursor a thread, kept; the cursor is reset after a read, so that it holds no page.
 * Checkpoints as MongoDB has them: a minute after the last, or after a GiB of log. Not synced is transaction_sync with the method "none": a commit is
 * handed to the kernel, as the other engines do; without transaction_sync it would stay in the process for some time.
 */
#include "bench/adapter.h"

#include "support/die.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <wiredtiger.h>

#define TABLE "table:bench"

struct session {
	WT_SESSION *session;
	WT_CURSOR *cursor;
};

static void check(int error)
{
	if (error != 0)
		die("wiredtiger: %s", wiredtiger_strerror(error));
}

static const char *version(void)
{
	int major, minor, patch;
	static char text[32];

	wiredtiger_version(&major, &minor, &patch);
	snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
	return text;
}

static const char compressor[] = "libwiredtiger_snappy.so";

static void connection_config(const struct adapter_options *options, char *ret, size_t size)
{
	snprintf(ret, size,
		"create,cache_size=%" PRIu64 "M,session_max=512,log=(enabled=true,file_max=100M),"
		"transaction_sync=(enabled=true,method=%s),checkpoint=(wait=60,log_size=1G)%s%s%s",
		(options->cache_bytes + options->write_buffer_bytes) >> 20, options->sync ? "fsync" : "none",
		options->lz4 ? ",extensions=[" : "", options->lz4 ? compressor : "", options->lz4 ? "]" : "");
}

static void describe(const struct adapter_options *options, char *ret, size_t size)
{
	char config[500];

	connection_config(options, config, sizeof config);
	snprintf(ret, size,
		"%s (its cache is also its write buffer: the sum of both); key_format=u, value_format=u, pages as by default; "
		"cursors kept, reset after a read; compression %s",
		config, options->lz4 ? "snappy (this build has no LZ4)" : "none");
}

static void settle(void *database)
{
	WT_CONNECTION *connection = database;
	WT_SESSION *session;

	check(connection->open_session(connection, NULL, NULL, &session));
	check(session->checkpoint(session, NULL));
	check(session->close(session, NULL));
}

static void *open_database(const struct adapter_options *options)
{
	WT_CONNECTION *connection;
	WT_SESSION *session;
	char config[500];

	connection_config(options, config, sizeof config);
	check(wiredtiger_open(options->dir, NULL, config, &connection));
	check(connection->open_session(connection, NULL, NULL, &session));
	check(session->create(session, TABLE,
		options->lz4 ? "key_format=u,value_format=u,block_compressor=snappy" : "key_format=u,value_format=u"));
	check(session->close(session, NULL));
	return connection;
}

static void close_database(void *database)
{
	WT_CONNECTION *connection = database;

	check(connection->close(connection, NULL));
}

static void *session_open(void *database)
{
	WT_CONNECTION *connection = database;
	struct session *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	check(connection->open_session(connection, NULL, NULL, &ret->session));
	check(ret->session->open_cursor(ret->session, TABLE, NULL, NULL, &ret->cursor));
	return ret;
}

static void session_close(void *arg)
{
	struct session *session = arg;

	check(session->session->close(session->session, NULL)); /* its cursors, too */
	free(session);
}

static void set_key(WT_CURSOR *cursor, struct slice key)
{
	WT_ITEM item = { .data = key.data, .size = key.len };

	cursor->set_key(cursor, &item);
}

static int insert(WT_CURSOR *cursor, struct slice key, struct slice value)
{
	WT_ITEM item = { .data = value.data, .size = value.len };

	set_key(cursor, key);
	cursor->set_value(cursor, &item);
	return cursor->insert(cursor);
}

/* A commit of its own; WiredTiger asks to try again when the cache is full or two collide. */
static void put(void *arg, struct slice key, struct slice value)
{
	struct session *session = arg;
	int error;

	do
		error = insert(session->cursor, key, value);
	while (error == WT_ROLLBACK);
	check(error);
}

static void del(void *arg, struct slice key)
{
	struct session *session = arg;
	int error;

	do {
		set_key(session->cursor, key);
		error = session->cursor->remove(session->cursor);
	} while (error == WT_ROLLBACK);
	if (error != WT_NOTFOUND)
		check(error);
}

static void batch_begin(void *arg)
{
	struct session *session = arg;

	check(session->session->begin_transaction(session->session, NULL));
}

static void batch_put(void *arg, struct slice key, struct slice value)
{
	check(insert(((struct session *)arg)->cursor, key, value));
}

static void batch_commit(void *arg)
{
	struct session *session = arg;

	check(session->session->commit_transaction(session->session, NULL));
}

static bool get(void *arg, struct slice key, struct slice *ret_value)
{
	WT_CURSOR *cursor = ((struct session *)arg)->cursor;
	WT_ITEM item;
	int error;

	set_key(cursor, key);
	error = cursor->search(cursor);
	if (error == WT_NOTFOUND)
		return false;
	check(error);
	check(cursor->get_value(cursor, &item));
	*ret_value = slice_of(item.data, item.size);
	return true;
}

static void reset(void *arg)
{
	WT_CURSOR *cursor = ((struct session *)arg)->cursor;

	check(cursor->reset(cursor));
}

/* search_near() may stop at the key before. */
static int seek(WT_CURSOR *cursor, struct slice key)
{
	int exact, error;

	set_key(cursor, key);
	error = cursor->search_near(cursor, &exact);
	if (error == 0 && exact < 0)
		error = cursor->next(cursor);
	return error;
}

static int move_cursor(WT_CURSOR *cursor, enum adapter_move move, struct slice key)
{
	switch (move) {
	case ADAPTER_SEEK:
		return seek(cursor, key);
	case ADAPTER_FIRST: /* of a cursor that was reset */
	case ADAPTER_NEXT:
		return cursor->next(cursor);
	case ADAPTER_LAST:
	case ADAPTER_PREV:
		return cursor->prev(cursor);
	}
	return WT_NOTFOUND;
}

static bool iter_move(void *arg, enum adapter_move move, struct slice key, struct slice *ret_key,
	struct slice *ret_value)
{
	WT_CURSOR *cursor = ((struct session *)arg)->cursor;
	int error = move_cursor(cursor, move, key);
	WT_ITEM item;

	if (error == WT_NOTFOUND)
		return false;
	check(error);
	check(cursor->get_key(cursor, &item));
	*ret_key = slice_of(item.data, item.size);
	check(cursor->get_value(cursor, &item));
	*ret_value = slice_of(item.data, item.size);
	return true;
}

const struct adapter adapter_wiredtiger = {
	.name = "wiredtiger",
	.version = version,
	.describe = describe,
	.open = open_database,
	.close = close_database,
	.settle = settle,
	.session_open = session_open,
	.session_close = session_close,
	.put = put,
	.del = del,
	.batch_begin = batch_begin,
	.batch_put = batch_put,
	.batch_commit = batch_commit,
	.get = get,
	.got = reset,
	.iter_begin = reset,
	.iter_move = iter_move,
	.iter_end = reset,
};
