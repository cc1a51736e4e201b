/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LMDB, through lmdb.h. A write is a transaction; a read renews the session's read transaction, so that it sees the newest state, and
 * resets it, so that it holds no pages back; a cursor is kept and renewed with it.
 */
#include "bench/adapter.h"

#include "support/die.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

struct database {
	MDB_env *env;
	MDB_dbi dbi;
};

struct session {
	struct database *database;
	MDB_txn *read; /* reset between uses */
	MDB_cursor *cursor;
	MDB_txn *batch; /* between batch_begin and batch_commit */
};

static void check(int error)
{
	if (error != 0)
		die("lmdb: %s", mdb_strerror(error));
}

static const char *version(void)
{
	int major, minor, patch;
	static char text[32];

	mdb_version(&major, &minor, &patch);
	snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
	return text;
}

static void describe(const struct adapter_options *options, char *ret, size_t size)
{
	snprintf(ret, size,
		"%s%s; a transaction a commit; read transaction renewed and reset for each operation; the page cache is its "
		"cache, without a limit; no compression",
		options->sync ? "synced (the default: fdatasync)" : "MDB_NOSYNC|MDB_WRITEMAP",
		options->cold ? "; MDB_NORDAHEAD" : "");
}

static unsigned flags(const struct adapter_options *options)
{
	unsigned ret = MDB_NOTLS;

	if (!options->sync)
		ret |= MDB_NOSYNC | MDB_WRITEMAP;
	if (options->cold)
		ret |= MDB_NORDAHEAD;
	return ret;
}

static void *open_database(const struct adapter_options *options)
{
	struct database *ret = calloc(1, sizeof *ret);
	MDB_txn *txn;

	if (!ret)
		die("no memory");
	check(mdb_env_create(&ret->env));
	check(mdb_env_set_mapsize(ret->env, options->data_bytes_max * 8 + (UINT64_C(4) << 30)));
	check(mdb_env_set_maxreaders(ret->env, 512));
	check(mdb_env_open(ret->env, options->dir, flags(options), 0600));
	check(mdb_txn_begin(ret->env, NULL, 0, &txn));
	check(mdb_dbi_open(txn, NULL, 0, &ret->dbi));
	check(mdb_txn_commit(txn));
	return ret;
}

static void settle(void *database)
{
	check(mdb_env_sync(((struct database *)database)->env, 1));
}

static void close_database(void *arg)
{
	struct database *database = arg;

	settle(database);
	mdb_env_close(database->env);
	free(database);
}

static void *session_open(void *database)
{
	struct session *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	ret->database = database;
	check(mdb_txn_begin(ret->database->env, NULL, MDB_RDONLY, &ret->read));
	check(mdb_cursor_open(ret->read, ret->database->dbi, &ret->cursor));
	mdb_txn_reset(ret->read);
	return ret;
}

static void session_close(void *arg)
{
	struct session *session = arg;

	mdb_cursor_close(session->cursor);
	mdb_txn_abort(session->read);
	free(session);
}

static MDB_val val(struct slice bytes)
{
	return (MDB_val){ .mv_size = bytes.len, .mv_data = (void *)(uintptr_t)bytes.data };
}

static struct slice slice_of_val(const MDB_val *bytes)
{
	return slice_of(bytes->mv_data, bytes->mv_size);
}

static void batch_begin(void *arg)
{
	struct session *session = arg;

	check(mdb_txn_begin(session->database->env, NULL, 0, &session->batch));
}

static void batch_put(void *arg, struct slice key, struct slice value)
{
	struct session *session = arg;
	MDB_val k = val(key), v = val(value);

	check(mdb_put(session->batch, session->database->dbi, &k, &v, 0));
}

static void batch_commit(void *arg)
{
	check(mdb_txn_commit(((struct session *)arg)->batch));
}

static void put(void *session, struct slice key, struct slice value)
{
	batch_begin(session);
	batch_put(session, key, value);
	batch_commit(session);
}

static void del(void *arg, struct slice key)
{
	struct session *session = arg;
	MDB_val k = val(key);
	int error;

	batch_begin(session);
	error = mdb_del(session->batch, session->database->dbi, &k, NULL);
	if (error != MDB_NOTFOUND)
		check(error);
	batch_commit(session);
}

static bool get(void *arg, struct slice key, struct slice *ret_value)
{
	struct session *session = arg;
	MDB_val k = val(key), v = { 0 };
	int error;

	check(mdb_txn_renew(session->read));
	error = mdb_get(session->read, session->database->dbi, &k, &v);
	if (error == MDB_NOTFOUND) {
		mdb_txn_reset(session->read);
		return false;
	}
	check(error);
	*ret_value = slice_of_val(&v);
	return true;
}

static void got(void *arg)
{
	mdb_txn_reset(((struct session *)arg)->read);
}

static void iter_begin(void *arg)
{
	struct session *session = arg;

	check(mdb_txn_renew(session->read));
	check(mdb_cursor_renew(session->read, session->cursor));
}

static bool iter_move(void *arg, enum adapter_move move, struct slice key, struct slice *ret_key,
	struct slice *ret_value)
{
	static const MDB_cursor_op ops[] = {
		[ADAPTER_FIRST] = MDB_FIRST,
		[ADAPTER_LAST] = MDB_LAST,
		[ADAPTER_SEEK] = MDB_SET_RANGE,
		[ADAPTER_NEXT] = MDB_NEXT,
		[ADAPTER_PREV] = MDB_PREV,
	};
	struct session *session = arg;
	MDB_val k = val(key), v = { 0 };
	int error = mdb_cursor_get(session->cursor, &k, &v, ops[move]);

	if (error == MDB_NOTFOUND)
		return false;
	check(error);
	*ret_key = slice_of_val(&k);
	*ret_value = slice_of_val(&v);
	return true;
}

const struct adapter adapter_lmdb = {
	.name = "lmdb",
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
	.got = got,
	.iter_begin = iter_begin,
	.iter_move = iter_move,
	.iter_end = got,
};
