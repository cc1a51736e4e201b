/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files on their way to lost+found. They are linked there before the new MANIFEST is in force, and taken out of the directory after it: so whenever a
 * repair ends, the store has all its files, and nothing is deleted by whoever comes next.
 */
#include "base/number_tree.h"
#include "engine/blob_format.h"
#include "engine/lost_found.h"
#include "engine/repair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_TRIED = 1000 };

uint64_t repair_new_file_number(void *arg)
{
	struct repair *repair = arg;

	return repair->next_file_number++;
}

kv_status repair_rescue(struct repair *repair, const char *name, struct kv_error *err)
{
	char(*grown)[FILENAME_MAX_BYTES];
	kv_status status = dir_look(&repair->check.dir, name, err);

	if (status == KV_NOT_FOUND)
		return KV_OK;
	if (status != KV_OK) /* the next start would remove what is neither in force nor in lost+found */
		return status;
	grown = reallocarray(repair->rescued, repair->rescued_count + 1, sizeof *grown);
	if (!grown)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to repair the store");
	repair->rescued = grown;
	snprintf(grown[repair->rescued_count++], sizeof *grown, "%s", name);
	return KV_OK;
}

kv_status repair_rescue_numbered(struct repair *repair, enum filename_kind kind, uint64_t number, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];

	return repair_rescue(repair, filename_make(name, kind, number), err);
}

/* A directory in the place of a file has no second name. It is nobody's file, so it may go at once. */
static kv_status link_or_move(const struct dir *dir, const char *name, const struct dir *lost, const char *as,
	struct kv_error *err)
{
	struct dir below = { .fd = -1 };
	kv_status status = dir_link(dir, name, lost, as, err);

	if (status == KV_OK || err->errnum != EPERM)
		return status;
	if (dir_open_at(dir, name, false, &below, NULL) == KV_OK)
		status = dir_rename(dir, name, lost, as, true, err);
	dir_close(&below);
	return status;
}

/* Under its own name, or, when that is taken, with a number behind it. */
static kv_status link_one(struct repair *repair, const struct dir *lost, const char *name, struct kv_error *err)
{
	char as[FILENAME_MAX_BYTES + 8];
	struct kv_error own = { 0 };
	kv_status status = KV_INVALID;

	snprintf(as, sizeof as, "%s", name);
	for (int i = 1; i < NAMES_TRIED; i++) {
		status = link_or_move(&repair->check.dir, name, lost, as, &own);
		if (status == KV_OK || own.errnum != EEXIST)
			break;
		snprintf(as, sizeof as, "%s.%d", name, i);
	}
	if (status == KV_OK)
		check_say(&repair->check, FSCK_DONE, name, "moved to %s/%s", lost_found_name(lost), as);
	else if (err)
		*err = own;
	return status;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A file may have been given up for more than one reason. */
static void forget_doubles(struct repair *repair)
{
	size_t count = 1;

	qsort(repair->rescued, repair->rescued_count, sizeof *repair->rescued, compare_names);
	for (size_t i = 1; i < repair->rescued_count; i++)
		if (strcmp(repair->rescued[i], repair->rescued[count - 1]) != 0)
			memmove(repair->rescued[count++], repair->rescued[i], sizeof *repair->rescued);
	repair->rescued_count = count;
}

kv_status repair_link(struct repair *repair, struct kv_error *err)
{
	struct dir lost = { .fd = -1 };
	kv_status status;

	if (repair->rescued_count == 0)
		return KV_OK;
	forget_doubles(repair);
	status = lost_found_open(&repair->check.dir, &lost, err);
	for (size_t i = 0; status == KV_OK && i < repair->rescued_count; i++)
		status = link_one(repair, &lost, repair->rescued[i], err);
	if (status == KV_OK)
		status = dir_sync(&lost, err);
	dir_close(&lost);
	return status;
}

/* MANIFEST and FORMAT were replaced and stay. */
kv_status repair_unlink(struct repair *repair, struct kv_error *err)
{
	kv_status status = KV_OK;
	uint64_t number;

	for (size_t i = 0; status == KV_OK && i < repair->rescued_count; i++) {
		enum filename_kind kind = filename_parse(repair->rescued[i], &number);

		if (kind == FILENAME_FORMAT || kind == FILENAME_MANIFEST)
			continue;
		status = dir_unlink(&repair->check.dir, repair->rescued[i], err);
		if (status == KV_NOT_FOUND)
			status = KV_OK;
	}
	return status == KV_OK ? dir_sync(&repair->check.dir, err) : status;
}

/* ---- what is needed ---- */

struct needed {
	uint64_t *numbers; /* of blob files; owned */
	size_t count, capacity;
};

static kv_status need(struct needed *needed, uint64_t number)
{
	if (needed->count == needed->capacity) {
		size_t capacity = needed->capacity ? 2 * needed->capacity : 64;
		uint64_t *grown = reallocarray(needed->numbers, capacity, sizeof *grown);

		if (!grown)
			return KV_NO_MEMORY;
		needed->numbers = grown;
		needed->capacity = capacity;
	}
	needed->numbers[needed->count++] = number;
	return KV_OK;
}

static void no_fault(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	(void)arg;
	(void)offset;
	(void)what;
	(void)lost;
}

static kv_status need_of_table(struct repair *repair, const struct sst_meta *meta, struct needed *needed,
	struct kv_error *err)
{
	struct sst_scan_events events = { .fault = no_fault };
	char name[FILENAME_MAX_BYTES];
	struct sst_scan *scan = NULL;
	kv_status status;

	if (meta->blobs == 0)
		return KV_OK;
	status = sst_scan_open(&repair->check.dir, filename_make(name, FILENAME_TABLE, meta->number), &repair->check.id,
		meta->number, meta, &events, &scan, err);
	for (size_t i = 0; status == KV_OK && i < sst_scan_blobs(scan)->count; i++)
		status = need(needed, sst_scan_blobs(scan)->numbers[i]);
	sst_scan_close(scan);
	return status;
}

static void ignore_fault(void *arg, const char *name, uint64_t offset, const char *what)
{
	(void)arg;
	(void)name;
	(void)offset;
	(void)what;
}

static void ignore_end(void *arg, const char *name, uint64_t offset, uint64_t bytes)
{
	(void)arg;
	(void)name;
	(void)offset;
	(void)bytes;
}

static void ignore_lost(void *arg, uint64_t first, uint64_t end)
{
	(void)arg;
	(void)first;
	(void)end;
}

static kv_status need_of_operation(void *arg, const struct entry *entry, struct kv_error *err)
{
	struct blob_pointer pointer;
	kv_status status = KV_OK;

	if (entry->kind == ENTRY_BLOB && blob_pointer_decode(entry->value, &pointer))
		status = need(arg, pointer.number);
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "no memory to repair the store");
}

static kv_status list_needed(struct repair *repair, struct needed *needed, struct kv_error *err)
{
	const struct manifest *next = &repair->next;
	struct log_scan log = { .dir = &repair->check.dir, .id = &repair->check.id, .last_sequence = next->last_sequence,
		.events = { ignore_fault, ignore_end, ignore_end, ignore_lost, need_of_operation, needed } };
	kv_status status = log_scan_run(&log, next->wal_numbers, next->wal_count, err);

	for (size_t i = 0; status == KV_OK && i < next->table_count; i++)
		status = need_of_table(repair, &next->tables[i].meta, needed, err);
	return status;
}

static bool is_named(const struct repair *repair, const struct check_file *file, const struct needed *needed)
{
	const struct manifest *next = &repair->next;

	if (file->kind == FILENAME_BLOB)
		return needed->count > 0 &&
			bsearch(&file->number, needed->numbers, needed->count, sizeof *needed->numbers, number_compare) != NULL;
	if (file->kind == FILENAME_WAL)
		return check_in_list(next->wal_numbers, next->wal_count, file->number) ||
			check_in_list(next->history, next->history_count, file->number);
	for (size_t i = 0; i < next->table_count; i++)
		if (next->tables[i].meta.number == file->number)
			return true;
	return false;
}

struct rescue {
	struct repair *repair;
	struct kv_error *err;
	kv_status status;
};

static int rescue_beyond_numbers(void *arg, const char *name)
{
	struct rescue *rescue = arg;
	uint64_t number;

	(void)filename_parse(name, &number);
	if (number > FILENAME_NUMBER_USED_MAX)
		rescue->status = repair_rescue(rescue->repair, name, rescue->err);
	return rescue->status != KV_OK;
}

kv_status repair_rescue_rest(struct repair *repair, struct kv_error *err)
{
	struct rescue rescue = { repair, err, KV_OK };
	struct needed needed = { 0 };
	kv_status status = list_needed(repair, &needed, err);

	if (needed.count > 0)
		qsort(needed.numbers, needed.count, sizeof *needed.numbers, number_compare);
	for (size_t i = 0; status == KV_OK && i < repair->check.file_count; i++) {
		const struct check_file *file = &repair->check.files[i];

		if (!is_named(repair, file, &needed))
			status = repair_rescue_numbered(repair, file->kind, file->number, err);
	}
	if (status == KV_OK)
		status = repair_rescue(repair, "FORMAT.new", err);
	if (status == KV_OK)
		status = repair_rescue(repair, "MANIFEST.new", err);
	if (status == KV_OK)
		status = repair_rescue(repair, "SCRUB.new", err);
	if (status == KV_OK)
		status = dir_list(&repair->check.dir, rescue_beyond_numbers, &rescue, err);
	if (status == KV_OK)
		status = rescue.status;
	free(needed.numbers);
	return status;
}

/* ---- headers of blob files ---- */

/* Nothing is read by the header, so it may be written in place. */
static kv_status write_header(struct repair *repair, uint64_t number, struct kv_error *err)
{
	uint8_t header[BLOB_HEADER_BYTES];
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	kv_status status = file_open(&repair->check.dir, filename_make(name, FILENAME_BLOB, number), FILE_READ_WRITE,
		&file, err);

	blob_header_encode(&repair->check.id, number, header);
	if (status == KV_OK)
		status = file_write_at(&file, slice_of(header, sizeof header), 0, err);
	if (status == KV_OK)
		status = file_sync(&file, err);
	file_close(&file);
	if (status == KV_NOT_FOUND)
		return KV_OK; /* nothing points to it any more, so it was taken away */
	if (status == KV_OK)
		check_say(&repair->check, FSCK_DONE, name, "its header was written anew");
	return status;
}

kv_status repair_blob_headers(struct repair *repair, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < repair->check.file_count; i++) {
		const struct check_file *file = &repair->check.files[i];

		if (file->kind == FILENAME_BLOB && blob_check_has_bad_header(repair->check.blobs, file->number))
			status = write_header(repair, file->number, err);
	}
	return status;
}
