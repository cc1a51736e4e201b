/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The WAL segment made ahead. It stands in MANIFEST from its beginning, so that one that is missing at a start is noticed, and belongs to
 * the flush thread until the leader of the commit begins it: the latter holds it first, so that it is not resized under its hands.
 */
#include "engine/catalog.h"

#include "engine/filename.h"
#include "engine/wal.h"

bool catalog_remove_wal(struct catalog *catalog, uint64_t number)
{
	char name[FILENAME_MAX_BYTES];

	return dir_unlink(catalog->dir, filename_make(name, FILENAME_WAL, number), NULL) == KV_OK;
}

uint64_t catalog_set_retired(struct catalog *catalog, uint64_t number)
{
	uint64_t before;

	pthread_mutex_lock(&catalog->views->mu);
	before = catalog->wal_retired;
	catalog->wal_retired = number;
	pthread_mutex_unlock(&catalog->views->mu);
	return before;
}

bool catalog_has_retired(struct catalog *catalog)
{
	bool ret;

	pthread_mutex_lock(&catalog->views->mu);
	ret = catalog->wal_retired != 0;
	pthread_mutex_unlock(&catalog->views->mu);
	return ret;
}

void catalog_drop_retired(struct catalog *catalog)
{
	uint64_t retired = catalog_set_retired(catalog, 0);

	if (retired != 0)
		catalog_remove_wal(catalog, retired);
}

/* 0: it cannot be looked at. */
static uint64_t segment_bytes(const struct catalog *catalog, uint64_t number)
{
	char name[FILENAME_MAX_BYTES];
	struct file file;
	uint64_t bytes = 0;

	if (file_open(catalog->dir, filename_make(name, FILENAME_WAL, number), FILE_READ, &file, NULL) != KV_OK)
		return 0;
	if (file_size(&file, &bytes, NULL) != KV_OK)
		bytes = 0;
	file_close(&file);
	return bytes;
}

/* ---- making and resizing: the flush thread ---- */

/* A segment that one huge batch has blown up gives its space back instead; one that is too short would have to grow. */
static bool is_worth_keeping(uint64_t now, uint64_t bytes)
{
	return now / 2 <= bytes && now >= bytes / 2;
}

kv_status catalog_make_spare(struct catalog *catalog, uint64_t bytes, enum wal_space space, struct kv_error *err)
{
	uint64_t number = catalog_new_file_number(catalog);
	uint64_t retired = catalog_set_retired(catalog, 0);
	struct catalog_edit edit = { .new_wal = number, .new_wal_bytes = bytes };
	kv_status status;

	if (retired != 0)
		edit.new_wal_bytes = segment_bytes(catalog, retired);
	/* to make one from what was not synced would write all of it */
	if (retired != 0 && (space == WAL_ALLOCATED || !is_worth_keeping(edit.new_wal_bytes, bytes))) {
		catalog_remove_wal(catalog, retired);
		retired = 0;
		edit.new_wal_bytes = bytes;
	}
	if (retired != 0)
		status = wal_recycle_segment(catalog->dir, retired, number, err);
	else
		status = wal_make_segment(catalog->dir, number, bytes, space, err);
	if (status == KV_OK)
		status = catalog_apply(catalog, &edit, err);
	/* no MANIFEST names it, whichever of the two names it has */
	if (status != KV_OK && status != KV_UNCERTAIN) {
		catalog_remove_wal(catalog, number);
		if (retired != 0)
			catalog_remove_wal(catalog, retired);
	}
	return status;
}

static uint64_t withdraw(struct catalog *catalog)
{
	uint64_t number = 0;

	pthread_mutex_lock(&catalog->views->mu);
	if (catalog->wal_spare_use == SPARE_FREE)
		number = catalog->wal_spare;
	if (number != 0)
		catalog->wal_spare_use = SPARE_RESIZED;
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

kv_status catalog_resize_spare(struct catalog *catalog, uint64_t bytes, struct kv_error *err)
{
	uint64_t number = withdraw(catalog);
	kv_status status;

	if (number == 0)
		return KV_NOT_FOUND;
	status = wal_resize_segment(catalog->dir, number, bytes, err);
	if (status == KV_NOT_FOUND || status == KV_BUSY) /* would pass for: nothing was done */
		status = kv_error_set(err, KV_IO, "the log segment that was made ahead is gone or locked");
	pthread_mutex_lock(&catalog->views->mu);
	if (status == KV_OK)
		catalog->wal_spare_bytes = bytes;
	if (status == KV_OK || status == KV_NO_SPACE || status == KV_NO_MEMORY)
		catalog->wal_spare_use = SPARE_FREE;
	pthread_mutex_unlock(&catalog->views->mu);
	return status;
}

/* ---- taking: the leader of the commit ---- */

uint64_t catalog_hold_spare(struct catalog *catalog)
{
	uint64_t number = 0;

	pthread_mutex_lock(&catalog->views->mu);
	if (catalog->wal_spare_use != SPARE_RESIZED)
		number = catalog->wal_spare;
	if (number != 0)
		catalog->wal_spare_use = SPARE_HELD;
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

void catalog_release_spare(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->views->mu);
	if (catalog->wal_spare_use == SPARE_HELD)
		catalog->wal_spare_use = SPARE_FREE;
	pthread_mutex_unlock(&catalog->views->mu);
}

void catalog_take_spare(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->views->mu);
	catalog->wal_spare = catalog->wal_spare_bytes = 0;
	catalog->wal_spare_use = SPARE_FREE;
	pthread_mutex_unlock(&catalog->views->mu);
}

/* ---- looking ---- */

uint64_t catalog_peek_spare(struct catalog *catalog)
{
	uint64_t number;

	pthread_mutex_lock(&catalog->views->mu);
	number = catalog->wal_spare;
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

uint64_t catalog_spare_bytes(struct catalog *catalog)
{
	uint64_t bytes;

	pthread_mutex_lock(&catalog->views->mu);
	bytes = catalog->wal_spare_bytes;
	pthread_mutex_unlock(&catalog->views->mu);
	return bytes;
}

/* The i-th that is in MANIFEST to be replayed and not made ahead; 0: there are not so many. */
static uint64_t used_segment(struct catalog *catalog, size_t i)
{
	uint64_t number = 0;

	pthread_mutex_lock(&catalog->views->mu);
	if (i < catalog->wal_count && catalog->wal_numbers[i] != catalog->wal_spare)
		number = catalog->wal_numbers[i];
	pthread_mutex_unlock(&catalog->views->mu);
	return number;
}

uint64_t catalog_log_bytes(struct catalog *catalog)
{
	uint64_t bytes = 0, number;

	for (size_t i = 0; (number = used_segment(catalog, i)) != 0; i++) /* the one made ahead is the last */
		bytes += segment_bytes(catalog, number);
	return bytes;
}
