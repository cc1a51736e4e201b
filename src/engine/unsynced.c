/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/unsynced.h"

#include <assert.h>
#include <string.h>

kv_status unsynced_init(struct unsynced *unsynced)
{
	unsynced->count = 0;
	return pthread_mutex_init(&unsynced->mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

static void close_first_locked(struct unsynced *unsynced)
{
	wal_writer_close(unsynced->segments[0].wal);
	unsynced->count--;
	memmove(unsynced->segments, unsynced->segments + 1, unsynced->count * sizeof unsynced->segments[0]);
}

void unsynced_destroy(struct unsynced *unsynced)
{
	while (unsynced->count > 0)
		close_first_locked(unsynced);
	pthread_mutex_destroy(&unsynced->mu);
}

size_t unsynced_count(struct unsynced *unsynced)
{
	size_t ret;

	pthread_mutex_lock(&unsynced->mu);
	ret = unsynced->count;
	pthread_mutex_unlock(&unsynced->mu);
	return ret;
}

void unsynced_add(struct unsynced *unsynced, struct wal_writer *wal, uint64_t last_sequence)
{
	pthread_mutex_lock(&unsynced->mu);
	assert(unsynced->count < UNSYNCED_MAX);
	unsynced->segments[unsynced->count].wal = wal;
	unsynced->segments[unsynced->count].last_sequence = last_sequence;
	unsynced->count++;
	pthread_mutex_unlock(&unsynced->mu);
}

kv_status unsynced_sync(struct unsynced *unsynced, struct kv_error *err)
{
	kv_status status = KV_OK;

	pthread_mutex_lock(&unsynced->mu);
	while (unsynced->count > 0 && (status = wal_sync(unsynced->segments[0].wal, err)) == KV_OK)
		close_first_locked(unsynced);
	pthread_mutex_unlock(&unsynced->mu);
	return status;
}

void unsynced_forget(struct unsynced *unsynced, uint64_t flushed_sequence)
{
	pthread_mutex_lock(&unsynced->mu);
	while (unsynced->count > 0 && unsynced->segments[0].last_sequence <= flushed_sequence)
		close_first_locked(unsynced);
	pthread_mutex_unlock(&unsynced->mu);
}
