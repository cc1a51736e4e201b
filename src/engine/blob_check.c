/* SPDX-License-Identifier: BSD-2-Clause */
/* What was verified is remembered by pointer, in a tree by number: a store may have millions of large values. */
#include "engine/blob_check.h"

#include "base/number_tree.h"
#include "engine/blob_format.h"
#include "engine/blob_reader.h"
#include "engine/filename.h"

#include <stdlib.h>

struct verdict {
	struct blob_pointer pointer;
	bool good, bad_header;
};

/* Of a file; all but in a damaged store there is one pointer to it. */
struct verdicts {
	struct number_node node;
	struct verdict *list;
	size_t count;
};

struct blob_check {
	const struct dir *dir;
	struct store_id id;
	struct blob_check_events events;
	struct number_tree tree; /* of struct verdicts */
};

struct blob_check *blob_check_new(const struct dir *dir, const struct store_id *id, const struct blob_check_events *events)
{
	struct blob_check *check = calloc(1, sizeof *check);

	if (check)
		*check = (struct blob_check){ .dir = dir, .id = *id, .events = *events };
	return check;
}

static void free_verdicts(void *arg)
{
	struct verdicts *verdicts = arg;

	free(verdicts->list);
	free(verdicts);
}

struct blob_check *blob_check_free(struct blob_check *check)
{
	if (check)
		number_tree_clear(&check->tree, free_verdicts);
	free(check);
	return NULL;
}

/* ---- what is remembered ---- */

/* NULL: no pointer has named the file. */
static struct verdicts *find(const struct blob_check *check, uint64_t number)
{
	return (struct verdicts *)number_tree_find(&check->tree, number); /* its first member */
}

static const struct verdict *find_verdict(const struct blob_check *check, const struct blob_pointer *pointer)
{
	const struct verdicts *verdicts = find(check, pointer->number);

	for (size_t i = 0; verdicts && i < verdicts->count; i++) {
		const struct blob_pointer *known = &verdicts->list[i].pointer;

		if (known->size == pointer->size && known->checksum == pointer->checksum)
			return &verdicts->list[i];
	}
	return NULL;
}

static struct verdicts *insert_number(struct blob_check *check, uint64_t number)
{
	struct verdicts *verdicts = calloc(1, sizeof *verdicts);

	if (!verdicts)
		return NULL;
	verdicts->node.number = number;
	if (number_tree_insert(&check->tree, &verdicts->node))
		return verdicts;
	free(verdicts);
	return NULL;
}

static kv_status remember(struct blob_check *check, const struct verdict *verdict, struct kv_error *err)
{
	struct verdicts *verdicts = find(check, verdict->pointer.number);
	struct verdict *grown = NULL;

	if (!verdicts)
		verdicts = insert_number(check, verdict->pointer.number);
	if (verdicts)
		grown = reallocarray(verdicts->list, verdicts->count + 1, sizeof *grown);
	if (!grown)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check large values");
	verdicts->list = grown;
	verdicts->list[verdicts->count++] = *verdict;
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
	const struct verdict *known = find_verdict(check, pointer);
	struct verdict verdict = { .pointer = *pointer };
	struct kv_error own = { 0 };
	kv_status status;

	if (known) {
		*ret_good = known->good;
		return KV_OK;
	}
	status = verify(check, &verdict, err ? err : &own);
	if (status == KV_OK)
		status = remember(check, &verdict, err);
	if (status == KV_OK)
		*ret_good = verdict.good;
	return status;
}

/* ---- by number ---- */

bool blob_check_is_needed(const struct blob_check *check, uint64_t number)
{
	const struct verdicts *verdicts = find(check, number);

	return verdicts && verdicts->count > 0;
}

bool blob_check_has_bad_header(const struct blob_check *check, uint64_t number)
{
	const struct verdicts *verdicts = find(check, number);

	for (size_t i = 0; verdicts && i < verdicts->count; i++)
		if (verdicts->list[i].bad_header)
			return true;
	return false;
}
