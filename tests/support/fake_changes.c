/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/fake_changes.h"

#include "support/runner.h"

#include <pthread.h>
#include <stdlib.h>

enum { CHANGES_MAX = 100000 };

struct store_changes {
	uint64_t next; /* index into changes[] */
	bool was_busy;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct store_change *changes; /* guarded by mu, as all below */
static uint64_t count;
static kv_status after_last;
static bool busy;
static unsigned open_count;
static struct store_watch *watches;

void fake_changes_begin(void)
{
	changes = calloc(CHANGES_MAX, sizeof *changes);
	ck_assert_ptr_nonnull(changes);
	count = 0;
	after_last = KV_NOT_FOUND;
	busy = false;
}

static struct slice copy(const char *text)
{
	char *own = strdup(text);

	ck_assert_ptr_nonnull(own);
	return slice_of_string(own);
}

static void free_copy(struct slice s)
{
	free((void *)(uintptr_t)s.data);
}

void fake_changes_end(void)
{
	ck_assert_uint_eq(fake_changes_open(), 0);
	for (uint64_t i = 0; i < count; i++) {
		free_copy(changes[i].key);
		free_copy(changes[i].value);
	}
	free(changes);
	changes = NULL;
}

static void tell_locked(void)
{
	for (struct store_watch *watch = watches; watch; watch = watch->next)
		watch->notify(watch->arg);
}

void fake_changes_add(enum store_change_kind kind, const char *key, const char *value)
{
	pthread_mutex_lock(&mu);
	ck_assert_uint_lt(count, CHANGES_MAX);
	changes[count] = (struct store_change){
		.kind = kind,
		.key = copy(key),
		.value = copy(value),
		.size = strlen(value),
		.version = count + 1,
		.committed_unix_us = UINT64_C(1790000000000000) + count * 1000,
	};
	count++;
	tell_locked();
	pthread_mutex_unlock(&mu);
}

void fake_changes_fail(kv_status status)
{
	pthread_mutex_lock(&mu);
	after_last = status;
	tell_locked();
	pthread_mutex_unlock(&mu);
}

void fake_changes_be_busy(void)
{
	pthread_mutex_lock(&mu);
	busy = true;
	pthread_mutex_unlock(&mu);
}

unsigned fake_changes_open(void)
{
	unsigned ret;

	pthread_mutex_lock(&mu);
	ret = open_count;
	for (struct store_watch *watch = watches; watch; watch = watch->next)
		ret++;
	pthread_mutex_unlock(&mu);
	return ret;
}

/* ---- store.h ---- */

kv_status store_changes_open(struct store *store, uint64_t since, struct store_changes **ret,
	struct kv_error *err)
{
	struct store_changes *reader = calloc(1, sizeof *reader);
	kv_status status = KV_OK;

	(void)store;
	pthread_mutex_lock(&mu);
	if (!reader)
		status = kv_error_set(err, KV_NO_MEMORY, "no memory for a reader of changes");
	else if (!changes)
		status = kv_error_set(err, KV_UNSUPPORTED, "no changes are kept here");
	else if (since > count)
		status = kv_error_set(err, KV_INVALID, "there is no such change yet");
	open_count += status == KV_OK;
	pthread_mutex_unlock(&mu);
	if (status != KV_OK) {
		free(reader);
		return status;
	}
	reader->next = since;
	*ret = reader;
	return KV_OK;
}

kv_status store_changes_next(struct store_changes *reader, struct store_change *ret,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	pthread_mutex_lock(&mu);
	reader->was_busy = busy && !reader->was_busy;
	if (reader->was_busy)
		status = KV_BUSY;
	else if (reader->next < count)
		*ret = changes[reader->next++];
	else
		status = after_last;
	pthread_mutex_unlock(&mu);
	if (status != KV_OK && status != KV_NOT_FOUND)
		kv_error_set(err, status, "as the test \"wanted\" it");
	return status;
}

struct store_changes *store_changes_close(struct store_changes *reader)
{
	pthread_mutex_lock(&mu);
	open_count -= reader != NULL;
	pthread_mutex_unlock(&mu);
	free(reader);
	return NULL;
}

uint64_t store_changes_oldest(struct store *store)
{
	(void)store;
	return 0;
}

void store_watch_add(struct store *store, struct store_watch *watch)
{
	(void)store;
	pthread_mutex_lock(&mu);
	watch->prev = NULL;
	watch->next = watches;
	if (watches)
		watches->prev = watch;
	watches = watch;
	pthread_mutex_unlock(&mu);
}

void store_watch_remove(struct store *store, struct store_watch *watch)
{
	(void)store;
	pthread_mutex_lock(&mu);
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		watches = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	pthread_mutex_unlock(&mu);
}
