/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The change feed over the engine's log, and those who want to be told of commits.
 *
 * The watches are called under their lock, against the rule: only so is none called once store_watch_remove() has returned. They
 * must not block, and the lock is taken by the commit only while there are any.
 */
#include "store/lsm.h"

#include <assert.h>
#include <stdlib.h>

struct lsm_changes {
	struct store_changes base;
	struct engine_changes *changes;
};

kv_status lsm_changes_open(struct store *store, uint64_t since, struct store_changes **ret,
	struct kv_error *err)
{
	struct lsm_changes *changes = malloc(sizeof *changes);
	kv_status status;

	if (!changes)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a reader of changes");
	changes->base.backend = &store_backend_lsm;
	status = engine_changes_open(lsm_engine(store), since, &changes->changes, err);
	if (status != KV_OK) {
		free(changes);
		return status;
	}
	*ret = &changes->base;
	return KV_OK;
}

static enum store_change_kind kind_of(enum entry_kind kind)
{
	switch (kind) {
	case ENTRY_DELETE:
		return STORE_CHANGE_DELETE;
	case ENTRY_RANGE_DELETE:
		return STORE_CHANGE_DELETE_RANGE;
	case ENTRY_PUT:
	case ENTRY_BLOB:
		break;
	}
	return STORE_CHANGE_PUT;
}

kv_status lsm_changes_next(struct store_changes *base, struct store_change *ret, struct kv_error *err)
{
	struct engine_change from;
	kv_status status = engine_changes_next(((struct lsm_changes *)base)->changes, &from, err);

	if (status == KV_OK)
		*ret = (struct store_change){
			.kind = kind_of(from.kind),
			.large = from.large,
			.key = from.key,
			.value = from.value,
			.size = from.size,
			.version = from.sequence,
			.expires_unix_ms = from.expires_unix_ms,
			.committed_unix_us = from.committed_unix_us,
		};
	return status;
}

void lsm_changes_close(struct store_changes *base)
{
	struct lsm_changes *changes = (struct lsm_changes *)base;

	engine_changes_close(changes->changes);
	free(changes);
}

uint64_t lsm_changes_oldest(struct store *store)
{
	return engine_changes_oldest(lsm_engine(store));
}

/* ---- watches ---- */

kv_status lsm_watches_init(struct lsm_watches *watches)
{
	watches->first = NULL;
	return pthread_mutex_init(&watches->mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

void lsm_watches_destroy(struct lsm_watches *watches)
{
	assert(!watches->first);
	pthread_mutex_destroy(&watches->mu);
}

void lsm_watches_notify(void *arg)
{
	struct lsm_watches *watches = arg;

	pthread_mutex_lock(&watches->mu);
	for (struct store_watch *watch = watches->first; watch; watch = watch->next)
		watch->notify(watch->arg);
	pthread_mutex_unlock(&watches->mu);
}

void lsm_watch_add(struct store *store, struct store_watch *watch)
{
	struct lsm_watches *watches = &((struct lsm_store *)store)->watches;

	pthread_mutex_lock(&watches->mu);
	watch->prev = NULL;
	watch->next = watches->first;
	if (watches->first)
		watches->first->prev = watch;
	watches->first = watch;
	engine_watch(lsm_engine(store), true);
	pthread_mutex_unlock(&watches->mu);
}

void lsm_watch_remove(struct store *store, struct store_watch *watch)
{
	struct lsm_watches *watches = &((struct lsm_store *)store)->watches;

	pthread_mutex_lock(&watches->mu);
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		watches->first = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	if (!watches->first)
		engine_watch(lsm_engine(store), false);
	pthread_mutex_unlock(&watches->mu);
}
