/* SPDX-License-Identifier: BSD-2-Clause */
/* What was verified is remembered by pointer, in ascending order. */
#include "engine/blob_check.h"

#include "engine/blob_format.h"
#include "engine/blob_reader.h"
#include "engine/filename.h"

#include <stdlib.h>

struct verdict {
	struct blob_pointer pointer;
	bool good, bad_header;
};

struct blob_check {
	const struct dir *dir;
	struct store_id id;
	struct blob_check_events events;
	struct verdict *verdicts; /* by number, then the rest */
	size_t count, capacity;
};

struct blob_check *blob_check_new(const struct dir *dir, const struct store_id *id, const struct blob_check_events *events)
{
	struct blob_check *check = calloc(1, sizeof *check);

	if (check)
		*check = (struct blob_check){ .dir = dir, .id = *id, .events = *events };
	return check;
}

struct blob_check *blob_check_free(struct blob_check *check)
{
	if (check)
		free(check->verdicts);
	free(check);
	return NULL;
}

static int compare(const struct blob_pointer *a, const struct blob_pointer *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return (a->checksum > b->checksum) - (a->checksum < b->checksum);
}

/* Where the pointer is, or has to be. */
static size_t find(const struct blob_check *check, const struct blob_pointer *pointer)
{
	size_t low = 0, high = check->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&check->verdicts[middle].pointer, pointer) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static kv_status insert(struct blob_check *check, size_t at, const struct verdict *verdict, struct kv_error *err)
{
	if (check->count == check->capacity) {
		size_t capacity = check->capacity ? 2 * check->capacity : 64;
		struct verdict *grown = reallocarray(check->verdicts, capacity, sizeof *grown);

		if (!grown)
			return kv_error_set(err, KV_NO_MEMORY, "no memory to check large values");
		check->verdicts = grown;
		check->capacity = capacity;
	}
	memmove(&check->verdicts[at + 1], &check->verdicts[at], (check->count - at) * sizeof *verdict);
	check->verdicts[at] = *verdict;
	check->count++;
	return KV_OK;
}

/* ---- the file ---- */

static void tell(struct blob_check *check, const struct kv_error *err, bool value)
{
	const char *slash = strrchr(err->file, '/');

	check->events.fault(check->events.arg, slash ? slash + 1 : err->file, err->offset, err->text, value);
}

static kv_status read_parts(struct blob_check *check, struct blob_reader *reader, struct verdict *verdict,
	uint8_t *part, struct kv_error *err)
{
	uint64_t size = verdict->pointer.size;
	kv_status status = KV_OK;

	for (uint64_t i = 0; i < blob_part_count(size) && (status == KV_OK || status == KV_CORRUPT); i++) {
		status = blob_reader_read(reader, i * BLOB_PART_BYTES, part, blob_part_bytes(size, i), err);
		if (status != KV_CORRUPT)
			continue;
		verdict->good = false;
		tell(check, err, true);
	}
	return status == KV_CORRUPT ? KV_OK : status;
}

static kv_status read_header(struct blob_check *check, struct verdict *verdict, struct kv_error *err)
{
	uint8_t right[BLOB_HEADER_BYTES], there[BLOB_HEADER_BYTES];
	char name[FILENAME_MAX_BYTES];
	struct file file;
	kv_status status = file_open(check->dir, filename_make(name, FILENAME_BLOB, verdict->pointer.number), FILE_READ,
		&file, err);

	if (status != KV_OK)
		return status;
	status = file_read_at(&file, there, sizeof there, 0, err);
	file_close(&file);
	blob_header_encode(&check->id, verdict->pointer.number, right);
	if (status != KV_OK || memcmp(right, there, sizeof right) == 0)
		return status;
	verdict->bad_header = true;
	check->events.fault(check->events.arg, name, 0, "the header is damaged, the value is not", false);
	return KV_OK;
}

static kv_status verify(struct blob_check *check, struct verdict *verdict, struct kv_error *err)
{
	struct blob_reader *reader = NULL;
	uint8_t *part = malloc(BLOB_PART_BYTES);
	kv_status status;

	if (!part)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check large values");
	verdict->good = true;
	status = blob_reader_open(check->dir, &check->id, &verdict->pointer, &reader, err);
	if (status == KV_OK)
		status = read_parts(check, reader, verdict, part, err);
	if (status == KV_OK && verdict->good)
		status = read_header(check, verdict, err);
	if (status == KV_CORRUPT) {
		verdict->good = false;
		tell(check, err, true);
		status = KV_OK;
	}
	blob_reader_close(reader);
	free(part);
	return status;
}

kv_status blob_check_pointer(struct blob_check *check, const struct blob_pointer *pointer, bool *ret_good,
	struct kv_error *err)
{
	struct verdict verdict = { .pointer = *pointer };
	size_t at = find(check, pointer);
	struct kv_error own = { 0 };
	kv_status status;

	if (at < check->count && compare(&check->verdicts[at].pointer, pointer) == 0) {
		*ret_good = check->verdicts[at].good;
		return KV_OK;
	}
	status = verify(check, &verdict, err ? err : &own);
	if (status == KV_OK)
		status = insert(check, at, &verdict, err);
	if (status == KV_OK)
		*ret_good = verdict.good;
	return status;
}

/* ---- by number ---- */

static const struct verdict *first_of(const struct blob_check *check, uint64_t number, size_t *ret_count)
{
	struct blob_pointer pointer = { .number = number };
	size_t at = find(check, &pointer), count = 0;

	while (at + count < check->count && check->verdicts[at + count].pointer.number == number)
		count++;
	*ret_count = count;
	return check->verdicts ? &check->verdicts[at] : NULL;
}

bool blob_check_is_needed(const struct blob_check *check, uint64_t number)
{
	size_t count;

	first_of(check, number, &count);
	return count > 0;
}

bool blob_check_is_good(const struct blob_check *check, uint64_t number)
{
	size_t count;
	const struct verdict *verdicts = first_of(check, number, &count);

	for (size_t i = 0; i < count; i++)
		if (verdicts[i].good)
			return true;
	return false;
}

bool blob_check_has_bad_header(const struct blob_check *check, uint64_t number)
{
	size_t count;
	const struct verdict *verdicts = first_of(check, number, &count);

	for (size_t i = 0; i < count; i++)
		if (verdicts[i].bad_header)
			return true;
	return false;
}
