/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pictures of the store that outlive a request, found again by an id that cannot be guessed. There are two kinds:
 *   named      made by a client, for as long as it asked
 *   of cursors made when a page did not reach the end of its range, for the pages that follow: each use renews its time
 *
 * Neither lives longer than the age limit, and there are at most so many of each: then a named one is refused, and of the others the
 * one that was not used for longest is dropped. What is dropped is not found any more; the picture itself stays until the
 * last who holds it has released it. All of them end with the process. Any thread.
 */
#ifndef KV_HTTP_SNAPSHOTS_H
#define KV_HTTP_SNAPSHOTS_H

#include "store/store.h"

enum {
	SNAPSHOT_ID_BYTES = 16,
	SNAPSHOT_ID_TEXT = 22, /* its text: base64url, without a NUL */
	SNAPSHOT_IDLE_MS = 300 * 1000, /* one of a cursor that nobody uses */
};

struct snapshots;
struct snapshot; /* held by whoever got it */

struct snapshots *snapshots_new(struct store *store, uint64_t max_age_ms, size_t limit); /* NULL: no memory */
struct snapshots *snapshots_free(struct snapshots *snapshots); /* nobody may hold any; NULL is allowed; returns NULL */

/* Makes a named one, for `ttl_ms` or the age limit if that is less. KV_BUSY: there are too many. */
kv_status snapshots_create(struct snapshots *snapshots, uint64_t ttl_ms, struct snapshot **ret);

/* Makes one for a cursor, of a picture that was taken: it is taken over, on failure, too. */
kv_status snapshots_keep(struct snapshots *snapshots, struct store_snapshot *picture,
	struct snapshot **ret);

/* KV_GONE: there is none with this id, or no longer. */
kv_status snapshots_find(struct snapshots *snapshots, const uint8_t *id, struct snapshot **ret);

/* Drops a named one before its time. KV_GONE: there is none with this id, or no longer. */
kv_status snapshots_drop(struct snapshots *snapshots, const uint8_t *id);

/* Drops those whose time is over. The acceptor calls it, a few times a second, while there are any. */
void snapshots_tick(struct snapshots *snapshots, uint64_t now_us);
bool snapshots_is_empty(struct snapshots *snapshots);

struct snapshot *snapshot_release(struct snapshot *snapshot); /* NULL is allowed; returns NULL */
const struct store_snapshot *snapshot_picture(const struct snapshot *snapshot);
const uint8_t *snapshot_id(const struct snapshot *snapshot);
uint64_t snapshot_expires_unix_ms(const struct snapshot *snapshot); /* of a named one */

void snapshot_id_text(const uint8_t *id, char ret[SNAPSHOT_ID_TEXT + 1]);
bool snapshot_id_parse(struct slice text, uint8_t ret[SNAPSHOT_ID_BYTES]);

#endif
