/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mutex over a sorted array of entries. Iterators copy the array's keys and values at their opening: slow and simple, and
 * they do not move with later writes.
 */
#define _GNU_SOURCE
#include "support/fake_store.h"

#include "base/buf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
	struct buf key;
	struct buf value;
	uint64_t version;
	uint64_t expires_unix_ms; /* told, but nothing expires */
};

struct operation {
	struct buf key;
	struct buf value;
	uint64_t expires_unix_ms;
	bool is_delete;
	bool is_check;
	struct store_condition condition;
	struct store_outcome outcome;
};

struct store_batch {
	struct operation *operations;
	size_t count;
	size_t failed_index;
	store_done done;
	void *arg;
	struct store_batch *next;
};

struct store {
	pthread_mutex_t mu;
	pthread_cond_t changed;
	struct entry *entries;
	size_t count, capacity;
	uint64_t version;
	enum fake_store_commits commits;
	struct store_batch *queue, **queue_end;
	size_t held;
	bool ending;
	kv_status write_status, read_status;
	enum store_state state;
	char reason[100];
	unsigned patience;
	unsigned iterators, snapshots;
	pthread_t thread;
};

/* Copies of what there was. */
struct picture {
	struct entry *entries;
	size_t count;
	uint64_t version;
};

struct store_snapshot {
	struct store *store;
	struct picture picture;
};

struct store_iter {
	struct store *store;
	struct entry *entries;
	size_t count;
	size_t at; /* == count: not valid */
	unsigned moves_left;
	bool gave_up, backward;
};

/* Not Check's assertions: fake_server uses this outside of any test. */
static void must(bool condition)
{
	if (!condition)
		abort();
}

/* First entry >= key. */
static size_t lower_bound(const struct entry *entries, size_t count, struct slice key)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;

		if (slice_compare(buf_slice(&entries[middle].key), key) < 0)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

static bool is_at(const struct store *store, size_t at, struct slice key)
{
	return at < store->count && slice_equal(buf_slice(&store->entries[at].key), key);
}

static void free_entries(struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_free(&entries[i].key);
		buf_free(&entries[i].value);
	}
	free(entries);
}

static bool condition_holds(const struct operation *op, bool existed, uint64_t version)
{
	switch (op->condition.expect) {
	case STORE_EXPECT_EXISTS:
	case STORE_EXPECT_NOT_ABSENT:
		return existed;
	case STORE_EXPECT_ABSENT:
		return !existed;
	case STORE_EXPECT_VERSION:
		return existed && version == op->condition.version;
	default:
		return true;
	}
}

/* The batch's bytes move into the array. There is room for them. */
static void apply(struct store *store, struct operation *op)
{
	size_t at = lower_bound(store->entries, store->count, buf_slice(&op->key));
	bool existed = is_at(store, at, buf_slice(&op->key));

	op->outcome.existed = existed;
	op->outcome.version = ++store->version;
	if (existed) {
		buf_free(&store->entries[at].key);
		buf_free(&store->entries[at].value);
	}
	if (op->is_delete) {
		if (existed)
			memmove(&store->entries[at], &store->entries[at + 1],
				(--store->count - at) * sizeof store->entries[0]);
		return;
	}
	if (!existed)
		memmove(&store->entries[at + 1], &store->entries[at],
			(store->count++ - at) * sizeof store->entries[0]);
	store->entries[at] = (struct entry){ .key = op->key, .value = op->value, .version = store->version,
		.expires_unix_ms = op->expires_unix_ms };
	op->key = (struct buf){ 0 };
	op->value = (struct buf){ 0 };
}

static bool make_room(struct store *store, size_t more)
{
	size_t wanted = store->count + more;
	struct entry *grown;

	if (wanted <= store->capacity)
		return true;
	grown = realloc(store->entries, 2 * wanted * sizeof *grown);
	if (!grown)
		return false;
	store->entries = grown;
	store->capacity = 2 * wanted;
	return true;
}

static kv_status commit_locked(struct store *store, struct store_batch *batch)
{
	if (store->write_status != KV_OK)
		return store->write_status;
	for (size_t i = 0; i < batch->count; i++) {
		struct operation *op = &batch->operations[i];
		size_t at = lower_bound(store->entries, store->count, buf_slice(&op->key));
		bool existed = is_at(store, at, buf_slice(&op->key));

		if (!condition_holds(op, existed, existed ? store->entries[at].version : 0)) {
			batch->failed_index = i;
			return KV_CONDITION;
		}
	}
	if (!make_room(store, batch->count))
		return KV_NO_MEMORY;
	for (size_t i = 0; i < batch->count; i++)
		if (!batch->operations[i].is_check)
			apply(store, &batch->operations[i]);
	return KV_OK;
}

static kv_status commit(struct store *store, struct store_batch *batch)
{
	kv_status status;

	pthread_mutex_lock(&store->mu);
	status = commit_locked(store, batch);
	pthread_mutex_unlock(&store->mu);
	return status;
}

static void *run(void *arg)
{
	struct store *store = arg;

	pthread_mutex_lock(&store->mu);
	for (;;) {
		struct store_batch *group;

		while (!store->ending && (!store->queue || store->commits == FAKE_STORE_HELD))
			pthread_cond_wait(&store->changed, &store->mu);
		group = store->queue;
		if (!group)
			break;
		store->queue = NULL;
		store->queue_end = &store->queue;
		store->held = 0;
		pthread_mutex_unlock(&store->mu);
		while (group) {
			struct store_batch *next = group->next;

			group->done(group, commit(store, group), group->arg);
			group = next;
		}
		pthread_mutex_lock(&store->mu);
	}
	pthread_mutex_unlock(&store->mu);
	return NULL;
}

struct store *fake_store_new(void)
{
	struct store *store = calloc(1, sizeof *store);

	must(store != NULL);
	pthread_mutex_init(&store->mu, NULL);
	pthread_cond_init(&store->changed, NULL);
	store->queue_end = &store->queue;
	must(pthread_create(&store->thread, NULL, run, store) == 0);
	return store;
}

struct store *fake_store_free(struct store *store)
{
	pthread_mutex_lock(&store->mu);
	store->ending = true;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->mu);
	pthread_join(store->thread, NULL);
	free_entries(store->entries, store->count);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->mu);
	free(store);
	return NULL;
}

/* ---- what a test sets ---- */

void fake_store_set_commits(struct store *store, enum fake_store_commits commits)
{
	pthread_mutex_lock(&store->mu);
	store->commits = commits;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->mu);
}

void fake_store_wait_held(struct store *store, size_t count)
{
	pthread_mutex_lock(&store->mu);
	while (store->held < count)
		pthread_cond_wait(&store->changed, &store->mu);
	pthread_mutex_unlock(&store->mu);
}

void fake_store_fail_writes(struct store *store, kv_status status)
{
	pthread_mutex_lock(&store->mu);
	store->write_status = status;
	pthread_mutex_unlock(&store->mu);
}

void fake_store_fail_reads(struct store *store, kv_status status)
{
	pthread_mutex_lock(&store->mu);
	store->read_status = status;
	pthread_mutex_unlock(&store->mu);
}

void fake_store_set_state(struct store *store, enum store_state state, const char *reason)
{
	pthread_mutex_lock(&store->mu);
	store->state = state;
	snprintf(store->reason, sizeof store->reason, "%s", reason);
	pthread_mutex_unlock(&store->mu);
}

void fake_store_set_patience(struct store *store, unsigned moves)
{
	pthread_mutex_lock(&store->mu);
	store->patience = moves;
	pthread_mutex_unlock(&store->mu);
}

uint64_t fake_store_changes(struct store *store)
{
	uint64_t version;

	pthread_mutex_lock(&store->mu);
	version = store->version;
	pthread_mutex_unlock(&store->mu);
	return version;
}

/* ---- store.h: writing ---- */

struct store_batch *store_batch_new(struct store *store)
{
	(void)store;
	return calloc(1, sizeof(struct store_batch));
}

struct store_batch *store_batch_free(struct store_batch *batch)
{
	if (!batch)
		return NULL;
	for (size_t i = 0; i < batch->count; i++) {
		buf_free(&batch->operations[i].key);
		buf_free(&batch->operations[i].value);
	}
	free(batch->operations);
	free(batch);
	return NULL;
}

static kv_status add_operation(struct store_batch *batch, struct slice key, struct slice value,
	bool is_delete, uint64_t expires_unix_ms, const struct store_condition *condition)
{
	struct operation op = { .is_delete = is_delete, .expires_unix_ms = expires_unix_ms };
	struct operation *grown;

	if (key.len == 0 || key.len > STORE_KEY_MAX)
		return KV_INVALID;
	if (condition)
		op.condition = *condition;
	grown = realloc(batch->operations, (batch->count + 1) * sizeof *grown);
	if (!grown)
		return KV_NO_MEMORY;
	batch->operations = grown;
	if (buf_set(&op.key, key) != KV_OK || buf_set(&op.value, value) != KV_OK) {
		buf_free(&op.key);
		buf_free(&op.value);
		return KV_NO_MEMORY;
	}
	grown[batch->count++] = op;
	return KV_OK;
}

kv_status store_batch_put(struct store_batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	return add_operation(batch, key, value, false, expires_unix_ms, condition);
}

kv_status store_batch_delete(struct store_batch *batch, struct slice key,
	const struct store_condition *condition)
{
	return add_operation(batch, key, slice_of(NULL, 0), true, 0, condition);
}

kv_status store_batch_check(struct store_batch *batch, struct slice key, const struct store_condition *condition)
{
	kv_status status = add_operation(batch, key, slice_of(NULL, 0), false, 0, condition);

	if (status == KV_OK)
		batch->operations[batch->count - 1].is_check = true;
	return status;
}

size_t store_batch_count(const struct store_batch *batch)
{
	return batch->count;
}

struct store_outcome store_batch_outcome(const struct store_batch *batch, size_t index)
{
	must(index < batch->count);
	return batch->operations[index].outcome;
}

size_t store_batch_failed_index(const struct store_batch *batch)
{
	return batch->failed_index;
}

const struct kv_error *store_batch_error(const struct store_batch *batch)
{
	(void)batch;
	return NULL;
}

void store_submit(struct store *store, struct store_batch *batch, store_done done, void *arg)
{
	bool at_once;

	batch->done = done;
	batch->arg = arg;
	batch->next = NULL;
	pthread_mutex_lock(&store->mu);
	at_once = store->commits == FAKE_STORE_INLINE;
	if (!at_once) {
		*store->queue_end = batch;
		store->queue_end = &batch->next;
		store->held++;
		pthread_cond_broadcast(&store->changed);
	}
	pthread_mutex_unlock(&store->mu);
	if (at_once)
		done(batch, commit(store, batch), arg);
}

void store_submit_all(struct store *store, const struct store_submission *submissions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_submit(store, submissions[i].batch, submissions[i].done, submissions[i].arg);
}

/* ---- store.h: reading ---- */

/* What there is, or was when the snapshot was taken. store->mu is held. */
static struct picture picture_locked(const struct store *store, const struct store_snapshot *snapshot)
{
	return snapshot ? snapshot->picture :
		(struct picture){ .entries = store->entries, .count = store->count, .version = store->version };
}

kv_status store_get(struct store *store, const struct store_snapshot *snapshot, struct slice key,
	struct store_value *ret, struct kv_error *err)
{
	struct picture picture;
	const struct entry *entry;
	kv_status status;
	struct buf value = { 0 };
	size_t at;

	pthread_mutex_lock(&store->mu);
	picture = picture_locked(store, snapshot);
	status = store->read_status;
	at = lower_bound(picture.entries, picture.count, key);
	entry = at < picture.count ? &picture.entries[at] : NULL;
	if (status == KV_OK && (!entry || !slice_equal(buf_slice(&entry->key), key)))
		status = KV_NOT_FOUND;
	if (status == KV_OK)
		status = buf_set(&value, buf_slice(&entry->value));
	if (status == KV_OK) {
		ret->value = pinned_malloced(value.data, value.len);
		ret->version = entry->version;
		ret->expires_unix_ms = entry->expires_unix_ms;
		ret->large = NULL;
		ret->size = value.len;
	} else if (status == KV_CORRUPT) {
		status = kv_error_corrupt(err, "000012.sst", 4096, "block checksum does not match");
	} else {
		status = kv_error_set(err, status, "reads fail");
	}
	pthread_mutex_unlock(&store->mu);
	return status;
}

/* False: no memory; nothing is left of it. */
static bool copy_picture(const struct picture *from, struct entry **ret, size_t *ret_count)
{
	struct entry *entries = calloc(from->count + 1, sizeof entries[0]);

	for (size_t i = 0; entries && i < from->count; i++) {
		entries[i].version = from->entries[i].version;
		if (buf_set(&entries[i].key, buf_slice(&from->entries[i].key)) != KV_OK ||
			buf_set(&entries[i].value, buf_slice(&from->entries[i].value)) != KV_OK) {
			free_entries(entries, i + 1);
			entries = NULL;
		}
	}
	if (entries) {
		*ret = entries;
		*ret_count = from->count;
	}
	return entries != NULL;
}

struct store_snapshot *store_snapshot_new(struct store *store)
{
	struct store_snapshot *snapshot = calloc(1, sizeof *snapshot);
	struct picture now;
	bool copied;

	if (!snapshot)
		return NULL;
	snapshot->store = store;
	pthread_mutex_lock(&store->mu);
	now = picture_locked(store, NULL);
	snapshot->picture.version = now.version;
	copied = copy_picture(&now, &snapshot->picture.entries, &snapshot->picture.count);
	store->snapshots += copied;
	pthread_mutex_unlock(&store->mu);
	if (!copied) {
		free(snapshot);
		return NULL;
	}
	return snapshot;
}

struct store_snapshot *store_snapshot_free(struct store_snapshot *snapshot)
{
	if (!snapshot)
		return NULL;
	pthread_mutex_lock(&snapshot->store->mu);
	snapshot->store->snapshots--;
	pthread_mutex_unlock(&snapshot->store->mu);
	free_entries(snapshot->picture.entries, snapshot->picture.count);
	free(snapshot);
	return NULL;
}

uint64_t store_snapshot_version(const struct store_snapshot *snapshot)
{
	return snapshot->picture.version;
}

kv_status store_iter_open(struct store *store, const struct store_snapshot *snapshot,
	struct store_iter **ret, struct kv_error *err)
{
	struct store_iter *iter = calloc(1, sizeof *iter);
	struct picture picture;
	kv_status status;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	iter->store = store;
	pthread_mutex_lock(&store->mu);
	status = store->read_status;
	picture = picture_locked(store, snapshot);
	if (status == KV_OK && !copy_picture(&picture, &iter->entries, &iter->count))
		status = KV_NO_MEMORY;
	iter->at = iter->count;
	iter->moves_left = store->patience;
	store->iterators++;
	pthread_mutex_unlock(&store->mu);
	if (status != KV_OK) {
		store_iter_close(iter);
		return kv_error_set(err, status, "reads fail");
	}
	*ret = iter;
	return KV_OK;
}

struct store_iter *store_iter_close(struct store_iter *iter)
{
	if (!iter)
		return NULL;
	pthread_mutex_lock(&iter->store->mu);
	iter->store->iterators--;
	pthread_mutex_unlock(&iter->store->mu);
	free_entries(iter->entries, iter->count);
	free(iter);
	return NULL;
}

static void move_to(struct store_iter *iter, size_t at)
{
	iter->at = at;
	if (iter->store->patience != 0 && at < iter->count && iter->moves_left-- == 0)
		iter->gave_up = true;
}

void store_iter_seek_first(struct store_iter *iter)
{
	iter->backward = false;
	move_to(iter, 0);
}

void store_iter_seek_last(struct store_iter *iter)
{
	iter->backward = true;
	move_to(iter, iter->count > 0 ? iter->count - 1 : 0);
}

void store_iter_seek(struct store_iter *iter, struct slice key)
{
	iter->backward = false;
	move_to(iter, lower_bound(iter->entries, iter->count, key));
}

void store_iter_seek_before(struct store_iter *iter, struct slice key)
{
	size_t at = lower_bound(iter->entries, iter->count, key);

	iter->backward = true;
	move_to(iter, at > 0 ? at - 1 : iter->count);
}

void store_iter_next(struct store_iter *iter)
{
	iter->backward = false;
	move_to(iter, iter->at + 1);
}

void store_iter_prev(struct store_iter *iter)
{
	iter->backward = true;
	move_to(iter, iter->at > 0 ? iter->at - 1 : iter->count);
}

bool store_iter_valid(const struct store_iter *iter)
{
	return !iter->gave_up && iter->at < iter->count;
}

struct slice store_iter_key(const struct store_iter *iter)
{
	/* where it gave up: what was passed last, or what comes next */
	return buf_slice(&iter->entries[iter->at + (iter->gave_up && iter->backward)].key);
}

struct slice store_iter_value(const struct store_iter *iter)
{
	return buf_slice(&iter->entries[iter->at].value);
}

uint64_t store_iter_version(const struct store_iter *iter)
{
	return iter->entries[iter->at].version;
}

uint64_t store_iter_expires_unix_ms(const struct store_iter *iter)
{
	(void)iter;
	return 0;
}

kv_status store_iter_status(const struct store_iter *iter, struct kv_error *err)
{
	return iter->gave_up ? kv_error_set(err, KV_BUSY, "the deadline has passed") : KV_OK;
}

void store_iter_set_deadline(struct store_iter *iter, uint64_t deadline_us)
{
	(void)iter;
	(void)deadline_us; /* fake_store_set_patience() does this without a clock */
}

/* ---- store.h: looking after it ---- */

const char *store_state_name(enum store_state state)
{
	static const char *const names[] = { "healthy", "stalled", "disk_full", "failed", "finished" };

	return names[state];
}

enum store_state store_get_state(struct store *store, char *reason, size_t size)
{
	enum store_state state;

	pthread_mutex_lock(&store->mu);
	state = store->state;
	snprintf(reason, size, "%s", store->reason);
	pthread_mutex_unlock(&store->mu);
	return state;
}

void store_get_stats(struct store *store, struct store_stats *ret)
{
	*ret = (struct store_stats){ .level_count = 2 };
	pthread_mutex_lock(&store->mu);
	ret->memtable_entries = store->count;
	ret->last_version = store->version;
	ret->iterators = store->iterators;
	ret->snapshots = store->snapshots;
	pthread_mutex_unlock(&store->mu);
	ret->levels[1].tables = 3;
}
