/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_store.h over a real store in a directory of its own, so that fake_server serves that: for tests of endpoints that need what
 * only a real store does. Commits are always those of its thread; nothing can be made to fail.
 */
#define _GNU_SOURCE
#include "support/fake_store.h"
#include "support/runner.h"

static char *dir;

struct store *fake_store_new(void)
{
	struct store_options options;
	struct store *store;
	struct kv_error err = { 0 };
	char line[512];

	dir = runner_new_dir();
	store_options_init(&options);
	options.data_dir = dir;
	options.memtable_bytes = 1 << 20;
	options.block_cache_bytes = 1 << 20;
	options.durability = STORE_DURABLE_OS;
	if (store_open(&options, &store, &err) != KV_OK)
		ck_abort_msg("%s", kv_error_format(&err, line, sizeof line));
	return store;
}

struct store *fake_store_free(struct store *store)
{
	store_close(store);
	runner_remove_dir(dir);
	return NULL;
}

void fake_store_set_commits(struct store *store, enum fake_store_commits commits)
{
	(void)store;
	ck_assert_int_eq(commits, FAKE_STORE_THREAD);
}

uint64_t fake_store_changes(struct store *store)
{
	struct store_stats stats;

	store_get_stats(store, &stats);
	return stats.last_version;
}
