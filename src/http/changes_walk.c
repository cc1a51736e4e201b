/* SPDX-License-Identifier: BSD-2-Clause */
/* A range delete may concern keys of which the client may not even know the names, so it is cut to the prefix. */
#define _GNU_SOURCE
#include "http/changes_walk.h"

#include "base/clock.h"
#include "http/condition.h"
#include "http/jsontext.h"

#include <inttypes.h>

enum { CLOCK_EVERY = 64 }; /* changes passed over between two looks at the clock */

kv_status changes_walk_open(struct changes_walk *walk, struct store *store, struct slice prefix,
	uint64_t since, struct kv_error *err)
{
	kv_status status;

	*walk = (struct changes_walk){ .position = since };
	status = buf_set(&walk->prefix, prefix);
	if (status == KV_OK)
		status = scan_range_set(&walk->range, buf_slice(&walk->prefix), slice_of(NULL, 0),
			slice_of(NULL, 0));
	if (status != KV_OK)
		kv_error_set(err, status, "out of memory for a reader of changes");
	else
		status = store_changes_open(store, since, &walk->changes, err);
	if (status != KV_OK)
		changes_walk_close(walk);
	return status;
}

void changes_walk_close(struct changes_walk *walk)
{
	walk->changes = store_changes_close(walk->changes);
	scan_range_free(&walk->range);
	buf_free(&walk->prefix);
}

static bool ends_above(struct slice end, struct slice key)
{
	return end.len == 0 || slice_compare(end, key) > 0;
}

/* False: the change does not concern the prefix. */
static bool fit(const struct changes_walk *walk, struct store_change *change)
{
	struct slice low = walk->range.low, high = buf_slice(&walk->range.high);

	if (change->kind != STORE_CHANGE_DELETE_RANGE)
		return slice_starts_with(change->key, low);
	if (!ends_above(change->value, low) || !ends_above(high, change->key))
		return false;
	if (slice_compare(change->key, low) < 0)
		change->key = low;
	if (high.len > 0 && ends_above(change->value, high))
		change->value = high;
	return true;
}

kv_status changes_walk_next(struct changes_walk *walk, uint64_t until_us, struct store_change *ret,
	struct kv_error *err)
{
	kv_status status;

	if (walk->held) {
		walk->held = false;
		walk->position = walk->next.version;
		*ret = walk->next;
		return KV_OK;
	}
	for (unsigned i = 1;; i++) {
		status = store_changes_next(walk->changes, &walk->next, err);
		if (status != KV_OK)
			return status;
		walk->position = walk->next.version;
		if (fit(walk, &walk->next))
			break;
		if (i % CLOCK_EVERY == 0 && clock_monotonic_us() >= until_us)
			return KV_BUSY;
	}
	*ret = walk->next;
	return KV_OK;
}

kv_status changes_walk_peek(struct changes_walk *walk, uint64_t until_us, struct kv_error *err)
{
	struct store_change change;
	kv_status status = changes_walk_next(walk, until_us, &change, err);

	if (status == KV_OK) {
		walk->held = true;
		walk->position = change.version - 1;
	}
	return status;
}

/* ---- as JSON ---- */

const char *changes_walk_name(enum store_change_kind kind)
{
	static const char *const names[] = {
		[STORE_CHANGE_PUT] = "put",
		[STORE_CHANGE_DELETE] = "delete",
		[STORE_CHANGE_DELETE_RANGE] = "delete_range",
	};

	return names[kind];
}

static kv_status append_put(struct buf *to, const struct store_change *change)
{
	char etag[CONDITION_ETAG_SIZE];
	kv_status status = buf_append_byte(to, ',');

	condition_etag(change->version, etag);
	if (status == KV_OK && change->large)
		status = buf_printf(to, "\"large\":%" PRIu64, change->size);
	else if (status == KV_OK)
		status = jsontext_bytes(to, "value", change->value);
	if (status == KV_OK)
		status = buf_append_slice(to, slice_of_string(",\"etag\":"));
	if (status == KV_OK)
		status = jsontext_string(to, slice_of_string(etag));
	if (status == KV_OK && change->expires_unix_ms != 0)
		status = buf_printf(to, ",\"expires\":%" PRIu64, change->expires_unix_ms);
	return status;
}

/* Without a bound there is no end. */
static kv_status append_end(struct buf *to, struct slice end)
{
	kv_status status;

	if (end.len == 0)
		return KV_OK;
	status = buf_append_byte(to, ',');
	return status == KV_OK ? jsontext_bytes(to, "end", end) : status;
}

kv_status changes_walk_append(struct buf *to, const struct store_change *change)
{
	bool is_range = change->kind == STORE_CHANGE_DELETE_RANGE;
	kv_status status = buf_printf(to, "{\"op\":\"%s\",", changes_walk_name(change->kind));

	if (status == KV_OK)
		status = jsontext_bytes(to, is_range ? "start" : "key", change->key);
	if (status == KV_OK && change->kind == STORE_CHANGE_PUT)
		status = append_put(to, change);
	if (status == KV_OK && is_range)
		status = append_end(to, change->value);
	if (status == KV_OK)
		status = buf_printf(to, ",\"committed\":%" PRIu64 ",\"position\":\"%" PRIu64 "\"}",
			change->committed_unix_us / 1000, change->version);
	return status;
}
