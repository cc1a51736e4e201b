/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine as the bench drives it: one table of functions an engine, over its C interface. Every function of every adapter ends the program
 * at the first failure (support/die.h): a bench that goes on after one measures nothing.
 *
 * A database is opened by one thread; its sessions belong to the thread that opened them, one a thread. A reader's moves and gets return slices
 * that are good until the next call on the session, and are given up by it: got() after a get, iter_end() after moves.
 */
#ifndef KV_BENCH_ADAPTER_H
#define KV_BENCH_ADAPTER_H

#include "config.h"

#include "base/slice.h"

struct adapter_options {
	const char *dir;
	bool sync;            /* every commit durable, by fdatasync; otherwise a commit survives the process: written, not synced */
	bool lz4;             /* compression; an engine without LZ4 takes what comes nearest and says so */
	bool cold;            /* the store is larger than what shall be cached, and read at random */
	uint64_t cache_bytes;
	uint64_t write_buffer_bytes;
	uint64_t data_bytes_max; /* keys and values, all that this run may write */
	unsigned filter_bits;    /* a key */
};

enum adapter_move { ADAPTER_FIRST, ADAPTER_LAST, ADAPTER_SEEK, ADAPTER_NEXT, ADAPTER_PREV };

struct adapter {
	const char *name;
	const char *(*version)(void);
	/* options in words, as they were chosen for these */
	void (*describe)(const struct adapter_options *options, char *ret, size_t size);

	void *(*open)(const struct adapter_options *options); /* creates what is not there */
	void (*close)(void *database);                        /* the clean end that the engine recommends */
	void (*settle)(void *database); /* what is in memory only, but would be written by itself later; may be NULL */

	void *(*session_open)(void *database);
	void (*session_close)(void *session);

	void (*put)(void *session, struct slice key, struct slice value);
	void (*del)(void *session, struct slice key);
	/* a batch that commits as one; one at a time */
	void (*batch_begin)(void *session);
	void (*batch_put)(void *session, struct slice key, struct slice value);
	void (*batch_commit)(void *session);

	bool (*get)(void *session, struct slice key, struct slice *ret_value); /* whether it is there */
	void (*got)(void *session);

	/* iter_begin: over the state of now. A move tells whether it found an entry; only ADAPTER_SEEK takes a key (first key >= it). */
	void (*iter_begin)(void *session);
	bool (*iter_move)(void *session, enum adapter_move move, struct slice key, struct slice *ret_key,
		struct slice *ret_value);
	void (*iter_end)(void *session);
};

extern const struct adapter adapter_kvstored;
#ifdef HAVE_LEVELDB
extern const struct adapter adapter_leveldb;
#endif
#ifdef HAVE_ROCKSDB
extern const struct adapter adapter_rocksdb;
#endif
#ifdef HAVE_LMDB
extern const struct adapter adapter_lmdb;
#endif
#ifdef HAVE_WIREDTIGER
extern const struct adapter adapter_wiredtiger;
#endif

#endif
