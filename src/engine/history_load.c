/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list at a start. MANIFEST names the segments; their headers tell which sequences they hold. Nobody needs those that were
 * kept for the change feed, so a damaged one shortens the feed and does not keep the store from opening. One that cannot be read shortens
 * it until a start that can.
 */
#include "engine/file_error.h"
#include "engine/filename.h"
#include "engine/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static kv_status read_header(struct history *history, const struct store_id *id, uint64_t number,
	struct wal_header *ret, struct kv_error *err)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	kv_status status = file_open(history->dir, filename_make(name, FILENAME_WAL, number),
		FILE_READ, &file, err);

	if (status == KV_OK)
		status = file_read_at(&file, bytes, sizeof bytes, 0, err);
	file_close(&file);
	if (status == KV_OK && wal_header_decode(bytes, id, number, ret) != KV_OK)
		status = file_error(err, KV_CORRUPT, history->dir->path, name, 0,
			"the segment's header is damaged");
	return status;
}

static kv_status follow(struct history *history, const struct store_id *id, uint64_t number,
	const struct wal_header *next, struct wal_header *ret, struct kv_error *err)
{
	kv_status status = read_header(history, id, number, ret, err);
	char name[FILENAME_MAX_BYTES];

	if (status == KV_OK && ret->first_sequence > next->first_sequence)
		status = file_error(err, KV_CORRUPT, history->dir->path,
			filename_make(name, FILENAME_WAL, number), 0,
			"the segment does not go before its successor");
	return status;
}

static kv_status add_all(struct history *history, const struct wal_header *headers, size_t count,
	const struct wal_header *next)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < count; i++) {
		const struct wal_header *after = i + 1 < count ? &headers[i + 1] : next;

		status = history_add(history, headers[i].number, headers[i].first_sequence,
			after->prev_number == headers[i].number ? after->prev_end : UINT64_MAX);
	}
	return status;
}

static bool may_pass(kv_status status)
{
	return status != KV_OK && status != KV_CORRUPT && status != KV_NOT_FOUND;
}

static kv_status set_unread(struct history *history, const uint64_t *numbers, size_t count)
{
	history->unread = calloc(count, sizeof *history->unread);
	if (!history->unread)
		return KV_NO_MEMORY;
	memcpy(history->unread, numbers, count * sizeof *numbers);
	history->unread_count = count;
	return KV_OK;
}

kv_status history_load(struct history *history, const struct store_id *id, const uint64_t *numbers,
	size_t count, const struct wal_header *next, struct kv_error *ret_lost)
{
	struct wal_header *headers = calloc(count + 1, sizeof *headers);
	struct kv_error lost = { 0 };
	const struct wal_header *after = next;
	size_t from = count;
	kv_status status;

	if (!headers)
		return KV_NO_MEMORY;
	for (; from > 0; after = &headers[--from])
		if (follow(history, id, numbers[from - 1], after, &headers[from - 1], &lost) != KV_OK)
			break;
	status = add_all(history, headers + from, count - from, next);
	if (status == KV_OK && from > 0 && may_pass(lost.status))
		status = set_unread(history, numbers, from);
	*ret_lost = lost;
	free(headers);
	return status;
}
