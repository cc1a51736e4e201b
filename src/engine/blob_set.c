/* SPDX-License-Identifier: BSD-2-Clause */
/* A chained hash table under a mutex, which is held for a few instructions. Only large values come here. */
#include "engine/blob_set.h"

#include "engine/filename.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS_FIRST = 64 }; /* a power of two, as all later counts */

struct blob {
	struct blob *next; /* of its bucket, or of the dropped */
	uint64_t number;
	uint64_t file_bytes;
	uint64_t refs;
	bool found;        /* blob_set_found() */
	bool damaged;
};

struct blob_set {
	const struct dir *dir; /* constant, as the next two */
	void (*garbage)(void *arg);
	void *garbage_arg;

	pthread_mutex_t mu;
	struct blob **buckets; /* guarded by mu, as all below */
	size_t bucket_count;
	size_t count;          /* in buckets */
	struct blob *dropped;
	bool keep_all;
	struct blob_set_stats stats;
};

struct blob_set *blob_set_new(const struct dir *dir, void (*garbage)(void *arg), void *arg)
{
	struct blob_set *set = calloc(1, sizeof *set);

	if (!set)
		return NULL;
	set->dir = dir;
	set->garbage = garbage;
	set->garbage_arg = arg;
	set->bucket_count = BUCKETS_FIRST;
	set->buckets = calloc(set->bucket_count, sizeof(struct blob *));
	if (!set->buckets || pthread_mutex_init(&set->mu, NULL) != 0) {
		free(set->buckets);
		free(set);
		return NULL;
	}
	return set;
}

static void free_list(struct blob *blob)
{
	while (blob) {
		struct blob *next = blob->next;

		free(blob);
		blob = next;
	}
}

struct blob_set *blob_set_free(struct blob_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->bucket_count; i++)
		free_list(set->buckets[i]);
	free_list(set->dropped);
	free(set->buckets);
	pthread_mutex_destroy(&set->mu);
	free(set);
	return NULL;
}

/* Numbers are handed out in a row, so their low bits are spread well enough. */
static struct blob **bucket_of(struct blob **buckets, size_t count, uint64_t number)
{
	return &buckets[number & (count - 1)];
}

/* Where the pointer to it stands, or the one at the end of its chain. */
static struct blob **find_locked(struct blob_set *set, uint64_t number)
{
	struct blob **at = bucket_of(set->buckets, set->bucket_count, number);

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

/* Without memory for more buckets the chains get longer. */
static void grow_locked(struct blob_set *set)
{
	size_t count = set->bucket_count * 2;
	struct blob **buckets = calloc(count, sizeof(struct blob *));

	if (!buckets)
		return;
	for (size_t i = 0; i < set->bucket_count; i++)
		while (set->buckets[i]) {
			struct blob *blob = set->buckets[i];
			struct blob **to = bucket_of(buckets, count, blob->number);

			set->buckets[i] = blob->next;
			blob->next = *to;
			*to = blob;
		}
	free(set->buckets);
	set->buckets = buckets;
	set->bucket_count = count;
}

static kv_status add_locked(struct blob_set *set, uint64_t number, uint64_t file_bytes)
{
	struct blob *blob = malloc(sizeof *blob);
	struct blob **at;

	if (!blob)
		return KV_NO_MEMORY;
	if (set->count >= set->bucket_count)
		grow_locked(set);
	at = bucket_of(set->buckets, set->bucket_count, number);
	*blob = (struct blob){ .next = *at, .number = number, .file_bytes = file_bytes, .refs = 1 };
	*at = blob;
	set->count++;
	set->stats.files++;
	set->stats.bytes += file_bytes;
	return KV_OK;
}

static void note_bytes_locked(struct blob_set *set, struct blob *blob, uint64_t file_bytes)
{
	if (blob->file_bytes != 0 || file_bytes == 0)
		return;
	blob->file_bytes = file_bytes;
	set->stats.bytes += file_bytes;
}

kv_status blob_set_ref(struct blob_set *set, uint64_t number, uint64_t file_bytes)
{
	kv_status status = KV_OK;
	struct blob *blob;

	assert(number != 0);
	pthread_mutex_lock(&set->mu);
	blob = *find_locked(set, number);
	if (blob) {
		blob->refs++;
		note_bytes_locked(set, blob, file_bytes);
	} else {
		status = add_locked(set, number, file_bytes);
	}
	pthread_mutex_unlock(&set->mu);
	return status;
}

bool blob_set_unref(struct blob_set *set, uint64_t number)
{
	struct blob **at;
	struct blob *blob;
	bool last;

	pthread_mutex_lock(&set->mu);
	at = find_locked(set, number);
	blob = *at;
	assert(blob);
	/* one that is never removed may be asked for again, by whoever finds a pointer to it in a table that could not be read before */
	last = --blob->refs == 0 && !set->keep_all;
	if (last) {
		*at = blob->next;
		blob->next = set->dropped;
		set->dropped = blob;
		set->count--;
	}
	pthread_mutex_unlock(&set->mu);
	if (last && set->garbage)
		set->garbage(set->garbage_arg);
	return last;
}

void blob_set_set_bytes(struct blob_set *set, uint64_t number, uint64_t file_bytes)
{
	struct blob *blob;

	pthread_mutex_lock(&set->mu);
	blob = *find_locked(set, number);
	assert(blob);
	note_bytes_locked(set, blob, file_bytes);
	pthread_mutex_unlock(&set->mu);
}

bool blob_set_note_damage(struct blob_set *set, uint64_t number)
{
	struct blob *blob;
	bool ret;

	pthread_mutex_lock(&set->mu);
	blob = *find_locked(set, number);
	ret = blob && blob->refs > 0 && !blob->damaged;
	if (ret) {
		blob->damaged = true;
		set->stats.damaged++;
	}
	pthread_mutex_unlock(&set->mu);
	return ret;
}

void blob_set_keep_all(struct blob_set *set)
{
	pthread_mutex_lock(&set->mu);
	set->keep_all = true;
	pthread_mutex_unlock(&set->mu);
}

bool blob_set_keeps_all(struct blob_set *set)
{
	bool ret;

	pthread_mutex_lock(&set->mu);
	ret = set->keep_all;
	pthread_mutex_unlock(&set->mu);
	return ret;
}

bool blob_set_found(struct blob_set *set, uint64_t number, uint64_t file_bytes, uint64_t *ret_expected)
{
	struct blob *blob;

	pthread_mutex_lock(&set->mu);
	blob = *find_locked(set, number);
	if (blob) {
		note_bytes_locked(set, blob, file_bytes);
		blob->found = true;
		*ret_expected = blob->file_bytes;
	}
	pthread_mutex_unlock(&set->mu);
	return blob != NULL;
}

void blob_set_each_missing(struct blob_set *set, void (*each)(void *arg, uint64_t number), void *arg)
{
	pthread_mutex_lock(&set->mu);
	for (size_t i = 0; i < set->bucket_count; i++)
		for (const struct blob *blob = set->buckets[i]; blob; blob = blob->next)
			if (!blob->found)
				each(arg, blob->number);
	pthread_mutex_unlock(&set->mu);
}

static kv_status unlink_one(struct blob_set *set, const struct blob *blob, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	kv_status status = dir_unlink(set->dir, filename_make(name, FILENAME_BLOB, blob->number), err);

	return status == KV_NOT_FOUND ? KV_OK : status;
}

kv_status blob_set_trim(struct blob_set *set, struct kv_error *err)
{
	struct blob_set_stats gone = { 0 };
	struct blob *dropped, *next;
	kv_status ret = KV_OK;

	pthread_mutex_lock(&set->mu);
	dropped = set->keep_all ? NULL : set->dropped;
	if (dropped)
		set->dropped = NULL;
	pthread_mutex_unlock(&set->mu);
	if (!dropped)
		return KV_OK;
	for (; dropped; dropped = next) {
		kv_status status = unlink_one(set, dropped, ret == KV_OK ? err : NULL);

		next = dropped->next;
		if (ret == KV_OK)
			ret = status;
		gone.files++;
		gone.bytes += dropped->file_bytes;
		gone.damaged += dropped->damaged;
		free(dropped);
	}
	pthread_mutex_lock(&set->mu);
	set->stats.files -= gone.files;
	set->stats.bytes -= gone.bytes;
	set->stats.damaged -= gone.damaged;
	pthread_mutex_unlock(&set->mu);
	return ret;
}

void blob_set_get_stats(struct blob_set *set, struct blob_set_stats *ret)
{
	pthread_mutex_lock(&set->mu);
	*ret = set->stats;
	pthread_mutex_unlock(&set->mu);
}
