/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table of counted objects under one mutex. Being listed counts as one holder; so dropping and releasing are the same, and a
 * picture is given back outside of the mutex by whoever was the last. The id's random bytes are the hash.
 */
#define _GNU_SOURCE
#include "http/snapshots.h"

#include "base/clock.h"
#include "http/base64.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { BUCKETS = 1024 };

struct snapshot {
	/* constant */
	struct snapshots *owner;
	uint8_t id[SNAPSHOT_ID_BYTES];
	struct store_snapshot *picture;
	bool named;
	uint64_t ends_us;          /* at the latest */
	uint64_t expires_unix_ms;  /* the same, for people */

	/* guarded by owner->mu */
	unsigned holders;
	uint64_t used_us;
	struct snapshot *next_in_bucket;
	struct snapshot *older, *newer; /* ring of its kind, by use */
};

struct ring {
	struct snapshot ends; /* only its links are used */
	size_t count;
};

struct snapshots {
	struct store *store;  /* constant, as the next two */
	uint64_t max_age_us;
	size_t limit;

	pthread_mutex_t mu;
	struct snapshot *buckets[BUCKETS]; /* guarded by mu, as all below */
	struct ring named, cursors;
	uint64_t next_due_us;              /* nothing is to be dropped before */
};

static void ring_init(struct ring *ring)
{
	ring->ends.older = ring->ends.newer = &ring->ends;
}

struct snapshots *snapshots_new(struct store *store, uint64_t max_age_ms, size_t limit)
{
	struct snapshots *snapshots = calloc(1, sizeof *snapshots);

	if (!snapshots)
		return NULL;
	snapshots->store = store;
	snapshots->max_age_us = max_age_ms * 1000;
	snapshots->limit = limit;
	pthread_mutex_init(&snapshots->mu, NULL);
	ring_init(&snapshots->named);
	ring_init(&snapshots->cursors);
	return snapshots;
}

static void destroy(struct snapshot *snapshot)
{
	store_snapshot_free(snapshot->picture);
	free(snapshot);
}

/* ---- with mu held ---- */

static struct snapshot **bucket_of(struct snapshots *snapshots, const uint8_t *id)
{
	return &snapshots->buckets[((unsigned)id[0] << 8 | id[1]) % BUCKETS];
}

static struct ring *ring_of(struct snapshot *snapshot)
{
	return snapshot->named ? &snapshot->owner->named : &snapshot->owner->cursors;
}

static void link_locked(struct snapshot *snapshot)
{
	struct ring *ring = ring_of(snapshot);

	snapshot->older = ring->ends.older;
	snapshot->newer = &ring->ends;
	ring->ends.older->newer = snapshot;
	ring->ends.older = snapshot;
	ring->count++;
}

static void unlink_locked(struct snapshot *snapshot)
{
	snapshot->older->newer = snapshot->newer;
	snapshot->newer->older = snapshot->older;
	ring_of(snapshot)->count--;
}

static uint64_t due_us(const struct snapshot *snapshot)
{
	uint64_t idle_us = snapshot->used_us + SNAPSHOT_IDLE_MS * UINT64_C(1000);

	return snapshot->named || idle_us > snapshot->ends_us ? snapshot->ends_us : idle_us;
}

static void list_locked(struct snapshot *snapshot)
{
	struct snapshots *snapshots = snapshot->owner;
	struct snapshot **bucket = bucket_of(snapshots, snapshot->id);

	snapshot->holders++;
	snapshot->next_in_bucket = *bucket;
	*bucket = snapshot;
	link_locked(snapshot);
	if (due_us(snapshot) < snapshots->next_due_us || snapshots->next_due_us == 0)
		snapshots->next_due_us = due_us(snapshot);
}

/* Returns it when nobody holds it any more: to be destroyed. */
static struct snapshot *release_locked(struct snapshot *snapshot)
{
	return --snapshot->holders == 0 ? snapshot : NULL;
}

static struct snapshot *drop_locked(struct snapshot *snapshot)
{
	struct snapshot **at = bucket_of(snapshot->owner, snapshot->id);

	while (*at != snapshot)
		at = &(*at)->next_in_bucket;
	*at = snapshot->next_in_bucket;
	unlink_locked(snapshot);
	return release_locked(snapshot);
}

static struct snapshot *find_locked(struct snapshots *snapshots, const uint8_t *id)
{
	struct snapshot *at = *bucket_of(snapshots, id);

	while (at && memcmp(at->id, id, SNAPSHOT_ID_BYTES) != 0)
		at = at->next_in_bucket;
	return at;
}

/* Takes the due ones of a ring out; chains those to be destroyed by `older`. */
static struct snapshot *drop_due_locked(struct ring *ring, uint64_t now_us, struct snapshot *dropped,
	uint64_t *next_due_us)
{
	struct snapshot *next;

	for (struct snapshot *at = ring->ends.newer; at != &ring->ends; at = next) {
		uint64_t due = due_us(at);

		next = at->newer;
		if (due > now_us) {
			if (*next_due_us == 0 || due < *next_due_us)
				*next_due_us = due;
		} else if (drop_locked(at)) {
			at->older = dropped;
			dropped = at;
		}
	}
	return dropped;
}

/* ---- making ---- */

/* Takes the picture over, NULL as well: then there was no memory for it. */
static struct snapshot *make(struct snapshots *snapshots, struct store_snapshot *picture, bool named,
	uint64_t age_us)
{
	struct snapshot *snapshot = picture ? calloc(1, sizeof *snapshot) : NULL;

	if (!snapshot || getrandom(snapshot->id, sizeof snapshot->id, 0) != sizeof snapshot->id) {
		store_snapshot_free(picture);
		free(snapshot);
		return NULL;
	}
	snapshot->owner = snapshots;
	snapshot->picture = picture;
	snapshot->named = named;
	snapshot->used_us = clock_monotonic_us();
	snapshot->ends_us = snapshot->used_us + age_us;
	snapshot->expires_unix_ms = clock_wall_ms() + age_us / 1000;
	snapshot->holders = 1;
	return snapshot;
}

kv_status snapshots_create(struct snapshots *snapshots, uint64_t ttl_ms, struct snapshot **ret)
{
	uint64_t age_us = ttl_ms < snapshots->max_age_us / 1000 ? ttl_ms * 1000 : snapshots->max_age_us;
	struct snapshot *snapshot = make(snapshots, store_snapshot_new(snapshots->store), true, age_us);
	bool full;

	if (!snapshot)
		return KV_NO_MEMORY;
	pthread_mutex_lock(&snapshots->mu);
	full = snapshots->named.count >= snapshots->limit;
	if (!full)
		list_locked(snapshot);
	pthread_mutex_unlock(&snapshots->mu);
	if (full) {
		destroy(snapshot);
		return KV_BUSY;
	}
	*ret = snapshot;
	return KV_OK;
}

kv_status snapshots_keep(struct snapshots *snapshots, struct store_snapshot *picture,
	struct snapshot **ret)
{
	struct snapshot *snapshot = make(snapshots, picture, false, snapshots->max_age_us);
	struct snapshot *dropped = NULL;

	if (!snapshot)
		return KV_NO_MEMORY;
	pthread_mutex_lock(&snapshots->mu);
	if (snapshots->cursors.count > 0 && snapshots->cursors.count >= snapshots->limit)
		dropped = drop_locked(snapshots->cursors.ends.newer);
	list_locked(snapshot);
	pthread_mutex_unlock(&snapshots->mu);
	if (dropped)
		destroy(dropped);
	*ret = snapshot;
	return KV_OK;
}

/* ---- finding and dropping ---- */

/* NULL: there is none whose time is not over; the tick will drop the others. */
static struct snapshot *find_live_locked(struct snapshots *snapshots, const uint8_t *id, uint64_t now_us)
{
	struct snapshot *snapshot = find_locked(snapshots, id);

	return snapshot && due_us(snapshot) > now_us ? snapshot : NULL;
}

kv_status snapshots_find(struct snapshots *snapshots, const uint8_t *id, struct snapshot **ret)
{
	uint64_t now_us = clock_monotonic_us();
	struct snapshot *snapshot;

	pthread_mutex_lock(&snapshots->mu);
	snapshot = find_live_locked(snapshots, id, now_us);
	if (snapshot) {
		snapshot->holders++;
		snapshot->used_us = now_us;
		unlink_locked(snapshot);
		link_locked(snapshot);
	}
	pthread_mutex_unlock(&snapshots->mu);
	if (!snapshot)
		return KV_GONE;
	*ret = snapshot;
	return KV_OK;
}

kv_status snapshots_drop(struct snapshots *snapshots, const uint8_t *id)
{
	uint64_t now_us = clock_monotonic_us();
	struct snapshot *snapshot, *last = NULL;

	pthread_mutex_lock(&snapshots->mu);
	snapshot = find_live_locked(snapshots, id, now_us);
	if (snapshot && !snapshot->named)
		snapshot = NULL;
	if (snapshot)
		last = drop_locked(snapshot);
	pthread_mutex_unlock(&snapshots->mu);
	if (last)
		destroy(last);
	return snapshot ? KV_OK : KV_GONE;
}

void snapshots_tick(struct snapshots *snapshots, uint64_t now_us)
{
	struct snapshot *dropped = NULL, *next;
	uint64_t next_due_us = 0;

	pthread_mutex_lock(&snapshots->mu);
	if (snapshots->next_due_us != 0 && snapshots->next_due_us <= now_us) {
		dropped = drop_due_locked(&snapshots->named, now_us, NULL, &next_due_us);
		dropped = drop_due_locked(&snapshots->cursors, now_us, dropped, &next_due_us);
		snapshots->next_due_us = next_due_us;
	}
	pthread_mutex_unlock(&snapshots->mu);
	for (; dropped; dropped = next) {
		next = dropped->older;
		destroy(dropped);
	}
}

bool snapshots_is_empty(struct snapshots *snapshots)
{
	bool empty;

	pthread_mutex_lock(&snapshots->mu);
	empty = snapshots->named.count + snapshots->cursors.count == 0;
	pthread_mutex_unlock(&snapshots->mu);
	return empty;
}

struct snapshots *snapshots_free(struct snapshots *snapshots)
{
	if (!snapshots)
		return NULL;
	snapshots_tick(snapshots, UINT64_MAX);
	pthread_mutex_destroy(&snapshots->mu);
	free(snapshots);
	return NULL;
}

/* ---- one of them ---- */

struct snapshot *snapshot_release(struct snapshot *snapshot)
{
	struct snapshots *owner;

	if (!snapshot)
		return NULL;
	owner = snapshot->owner;
	pthread_mutex_lock(&owner->mu);
	snapshot = release_locked(snapshot);
	pthread_mutex_unlock(&owner->mu);
	if (snapshot)
		destroy(snapshot);
	return NULL;
}

const struct store_snapshot *snapshot_picture(const struct snapshot *snapshot)
{
	return snapshot->picture;
}

const uint8_t *snapshot_id(const struct snapshot *snapshot)
{
	return snapshot->id;
}

uint64_t snapshot_expires_unix_ms(const struct snapshot *snapshot)
{
	return snapshot->expires_unix_ms;
}

void snapshot_id_text(const uint8_t *id, char ret[SNAPSHOT_ID_TEXT + 1])
{
	size_t len = base64_encode((uint8_t *)ret, slice_of(id, SNAPSHOT_ID_BYTES), BASE64_URL);

	ret[len] = '\0';
}

bool snapshot_id_parse(struct slice text, uint8_t ret[SNAPSHOT_ID_BYTES])
{
	uint8_t bytes[SNAPSHOT_ID_TEXT / 4 * 3 + 2];
	size_t len;

	if (text.len != SNAPSHOT_ID_TEXT || !base64_decode_url(bytes, text, &len) || len != SNAPSHOT_ID_BYTES)
		return false;
	memcpy(ret, bytes, SNAPSHOT_ID_BYTES);
	return true;
}
