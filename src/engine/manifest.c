/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file: header (format.h), body, checksum. The body:
 *
 *	body  = generation next_file_number last_sequence
 *	        wal_count wal_number* history_count wal_number*
 *	        range_count range* table_count table*         (all varints)
 *	range = sequence:varint start end                     (varint length and bytes each)
 *	table = level:u8 meta                                 (sst_meta.c)
 *
 * What is read is checked as a whole, and what is written is checked by the same function first: a
 * MANIFEST that could not be read again is never put into force.
 */
#include "engine/manifest.h"

#include "base/checksum.h"
#include "base/number_tree.h"
#include "engine/entry.h"
#include "engine/file_error.h"
#include "engine/filename.h"

#include <inttypes.h>
#include <stdlib.h>

#define NAME      "MANIFEST"
#define TEMP_NAME "MANIFEST.new"

enum { BYTES_MAX = 1 << 30 };

static void free_range(struct manifest_range *range)
{
	buf_free(&range->start);
	buf_free(&range->end);
}

void manifest_free(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->table_count; i++)
		sst_meta_free(&manifest->tables[i].meta);
	for (size_t i = 0; i < manifest->range_count; i++)
		free_range(&manifest->ranges[i]);
	free(manifest->tables);
	free(manifest->ranges);
	free(manifest->history);
	free(manifest->wal_numbers);
	*manifest = (struct manifest){ 0 };
}

/* Room for one more in an array that is grown by this function only, to the next power of two:
 * no capacity needs to be stored. */
static bool grow(void **array, size_t count, size_t element_bytes)
{
	void *larger;

	if ((count & (count - 1)) != 0)
		return true;
	if (count > PTRDIFF_MAX / 2 / element_bytes)
		return false;
	larger = realloc(*array, (count ? 2 * count : 1) * element_bytes);
	if (!larger)
		return false;
	*array = larger;
	return true;
}

/* Takes the content of `meta` over, unless it fails. */
static kv_status take_table(struct manifest *manifest, unsigned level, struct sst_meta *meta)
{
	void *tables = manifest->tables;

	if (!grow(&tables, manifest->table_count, sizeof manifest->tables[0]))
		return KV_NO_MEMORY;
	manifest->tables = tables;
	manifest->tables[manifest->table_count++] =
		(struct manifest_table){ .level = level, .meta = *meta };
	*meta = (struct sst_meta){ 0 };
	return KV_OK;
}

kv_status manifest_add_table(struct manifest *manifest, unsigned level,
	const struct sst_meta *meta)
{
	struct sst_meta copy = { 0 };
	kv_status status = sst_meta_copy(meta, &copy);

	if (status == KV_OK)
		status = take_table(manifest, level, &copy);
	sst_meta_free(&copy);
	return status;
}

static kv_status add_number(uint64_t **numbers, size_t *count, uint64_t number)
{
	void *array = *numbers;

	if (!grow(&array, *count, sizeof **numbers))
		return KV_NO_MEMORY;
	*numbers = array;
	(*numbers)[(*count)++] = number;
	return KV_OK;
}

kv_status manifest_add_wal(struct manifest *manifest, uint64_t number)
{
	return add_number(&manifest->wal_numbers, &manifest->wal_count, number);
}

kv_status manifest_add_history(struct manifest *manifest, uint64_t number)
{
	return add_number(&manifest->history, &manifest->history_count, number);
}

kv_status manifest_add_range(struct manifest *manifest, uint64_t sequence, struct slice start,
	struct slice end)
{
	struct manifest_range range = { .sequence = sequence };
	void *ranges = manifest->ranges;
	kv_status status = buf_set(&range.start, start);

	if (status == KV_OK)
		status = buf_set(&range.end, end);
	if (status == KV_OK && !grow(&ranges, manifest->range_count, sizeof range))
		status = KV_NO_MEMORY;
	if (status != KV_OK) {
		free_range(&range);
		return status;
	}
	manifest->ranges = ranges;
	manifest->ranges[manifest->range_count++] = range;
	return KV_OK;
}

/* ---- what must be true of one; NULL: nothing is wrong ---- */

static const char *check_meta(const struct manifest *manifest, const struct manifest_table *table)
{
	const struct sst_meta *meta = &table->meta;

	if (table->level >= MANIFEST_LEVELS)
		return "a table is in a level that does not exist";
	if (meta->entries == 0 || meta->tombstones > meta->entries)
		return "a table has no entries, or more tombstones than entries";
	if (meta->first_sequence == 0 || meta->first_sequence > meta->last_sequence ||
		meta->last_sequence > manifest->last_sequence ||
		meta->range_applied > manifest->last_sequence)
		return "a table's sequences are out of order";
	if (meta->smallest.len == 0 || meta->smallest.len > ENTRY_KEY_MAX ||
		meta->largest.len > ENTRY_KEY_MAX ||
		slice_compare(buf_slice(&meta->smallest), buf_slice(&meta->largest)) > 0)
		return "a table's keys are out of order";
	return NULL;
}

static bool disjoint(const struct sst_meta *a, const struct sst_meta *b)
{
	return slice_compare(buf_slice(&a->largest), buf_slice(&b->smallest)) < 0 ||
		slice_compare(buf_slice(&b->largest), buf_slice(&a->smallest)) < 0;
}

/* A table of level 0 hides those behind it in the list: they must be older, or have no key in
 * common with it. */
static const char *check_level_0(const struct manifest_table *tables, size_t count)
{
	uint64_t newest_behind = 0;

	for (size_t i = count; i-- > 0;) {
		const struct sst_meta *meta = &tables[i].meta;

		for (size_t k = i + 1; k < count && meta->first_sequence <= newest_behind; k++)
			if (meta->first_sequence <= tables[k].meta.last_sequence &&
				!disjoint(meta, &tables[k].meta))
				return "tables of level 0 are not newest first";
		if (meta->last_sequence > newest_behind)
			newest_behind = meta->last_sequence;
	}
	return NULL;
}

static const char *check_tables(const struct manifest *manifest)
{
	const struct manifest_table *tables = manifest->tables;
	const char *wrong = NULL;
	size_t level_0 = 0;

	for (size_t i = 0; i < manifest->table_count && !wrong; i++) {
		wrong = check_meta(manifest, &tables[i]);
		level_0 += tables[i].level == 0;
		if (wrong || i == 0)
			continue;
		if (tables[i].level < tables[i - 1].level)
			wrong = "the tables are not in the order of their levels";
		else if (tables[i].level > 0 && tables[i].level == tables[i - 1].level &&
			slice_compare(buf_slice(&tables[i - 1].meta.largest),
				buf_slice(&tables[i].meta.smallest)) >= 0)
			wrong = "the tables of a level overlap or are out of order";
	}
	return wrong ? wrong : check_level_0(tables, level_0);
}

/* Those kept for the change feed, then the others, rise. */
static const char *check_logs(const struct manifest *manifest, uint64_t *numbers, size_t *ret_count)
{
	size_t count = 0;

	for (size_t i = 0; i < manifest->history_count; i++)
		numbers[count++] = manifest->history[i];
	for (size_t i = 0; i < manifest->wal_count; i++)
		numbers[count++] = manifest->wal_numbers[i];
	for (size_t i = 1; i < count; i++)
		if (numbers[i] <= numbers[i - 1])
			return "the logs are out of order";
	*ret_count = count;
	return NULL;
}

static const char *check_ranges(const struct manifest *manifest)
{
	uint64_t previous = 0;

	for (size_t i = 0; i < manifest->range_count; i++) {
		const struct manifest_range *range = &manifest->ranges[i];

		if (range->sequence <= previous || range->sequence > manifest->last_sequence)
			return "the range deletes are out of order";
		previous = range->sequence;
		if (range->start.len == 0 || range->start.len > ENTRY_KEY_MAX ||
			range->end.len > ENTRY_KEY_MAX || (range->end.len > 0 &&
				slice_compare(buf_slice(&range->start), buf_slice(&range->end)) >= 0))
			return "a range delete has no keys";
	}
	return NULL;
}

static const char *check_numbers(const struct manifest *manifest, uint64_t *numbers)
{
	size_t count = 0;
	const char *wrong = check_logs(manifest, numbers, &count);

	if (wrong)
		return wrong;
	for (size_t i = 0; i < manifest->table_count; i++)
		numbers[count++] = manifest->tables[i].meta.number;
	if (count == 0)
		return NULL;
	qsort(numbers, count, sizeof numbers[0], number_compare);
	if (numbers[0] == 0 || numbers[count - 1] >= manifest->next_file_number)
		return "a file's number is out of range";
	for (size_t i = 1; i < count; i++)
		if (numbers[i] == numbers[i - 1])
			return "two files have the same number";
	return NULL;
}

static kv_status check(const struct manifest *manifest, const char **ret_wrong)
{
	size_t count = manifest->wal_count + manifest->history_count + manifest->table_count;
	uint64_t *numbers = calloc(count ? count : 1, sizeof *numbers);

	if (!numbers)
		return KV_NO_MEMORY;
	*ret_wrong = check_tables(manifest);
	if (!*ret_wrong)
		*ret_wrong = check_ranges(manifest);
	if (!*ret_wrong)
		*ret_wrong = check_numbers(manifest, numbers);
	if (!*ret_wrong && (manifest->generation == 0 || manifest->generation > INT64_MAX || manifest->next_file_number == 0 ||
			manifest->next_file_number > FILENAME_NUMBER_USED_MAX + 1 || manifest->last_sequence > ENTRY_SEQUENCE_MAX))
		*ret_wrong = "a counter is out of range";
	free(numbers);
	return KV_OK;
}

/* ---- reading ---- */

static kv_status damaged(struct kv_error *err, const char *dir_path, uint64_t offset,
	const char *text)
{
	return file_error(err, KV_CORRUPT, dir_path, NAME, offset, "%s", text);
}

static kv_status check_header(struct slice file, const struct store_id *id, const char *dir_path,
	struct kv_error *err)
{
	size_t covered;

	if (file.len < MANIFEST_HEADER_BYTES + MANIFEST_CHECKSUM_BYTES)
		return damaged(err, dir_path, file.len, "the file was cut");
	covered = file.len - MANIFEST_CHECKSUM_BYTES;
	/* in this order in every version: only what passed the checksum can be believed to be of
	 * another one */
	if (get_fixed64(file.data) != MANIFEST_MAGIC)
		return damaged(err, dir_path, 0, "the file does not begin as a MANIFEST");
	if (get_fixed64(file.data + covered) !=
		checksum64(slice_of(file.data, covered), MANIFEST_MAGIC))
		return damaged(err, dir_path, covered, "the checksum of the file is wrong");
	if (get_fixed32(file.data + MANIFEST_HEADER_VERSION) != MANIFEST_VERSION)
		return file_error(err, KV_UNSUPPORTED, dir_path, NAME, MANIFEST_HEADER_VERSION,
			"MANIFEST version %" PRIu32 " is not the %d that this kvstored reads",
			get_fixed32(file.data + MANIFEST_HEADER_VERSION), MANIFEST_VERSION);
	if (memcmp(file.data + MANIFEST_HEADER_STORE_ID, id->bytes, FORMAT_STORE_ID_BYTES) != 0)
		return file_error(err, KV_CORRUPT, dir_path, NAME, MANIFEST_HEADER_STORE_ID,
			"the file belongs to another store");
	if (get_fixed32(file.data + MANIFEST_HEADER_RESERVED) != 0)
		return damaged(err, dir_path, MANIFEST_HEADER_RESERVED,
			"reserved bytes are in use");
	return KV_OK;
}

static kv_status read_numbers(struct reader *r, struct manifest *ret,
	kv_status (*add)(struct manifest *manifest, uint64_t number))
{
	uint64_t count, number;
	kv_status status = KV_OK;

	if (!read_varint64(r, &count))
		return KV_CORRUPT;
	/* the array grows with what is really there, whatever the count says */
	for (uint64_t i = 0; i < count && status == KV_OK; i++)
		status = read_varint64(r, &number) ? add(ret, number) : KV_CORRUPT;
	return status;
}

static kv_status read_ranges(struct reader *r, struct manifest *ret)
{
	uint64_t count, sequence;
	struct slice start, end;
	kv_status status = KV_OK;

	if (!read_varint64(r, &count))
		return KV_CORRUPT;
	for (uint64_t i = 0; i < count && status == KV_OK; i++) {
		if (!read_varint64(r, &sequence) || !read_prefixed(r, &start) || !read_prefixed(r, &end))
			return KV_CORRUPT;
		status = manifest_add_range(ret, sequence, start, end);
	}
	return status;
}

static kv_status read_table(struct reader *r, struct manifest *ret)
{
	struct sst_meta meta = { 0 };
	uint8_t level;
	kv_status status;

	if (!read_byte(r, &level))
		return KV_CORRUPT;
	status = sst_meta_decode(r, &meta);
	if (status == KV_OK)
		status = take_table(ret, level, &meta);
	sst_meta_free(&meta);
	return status;
}

static kv_status read_body(struct reader *r, struct manifest *ret)
{
	uint64_t count;
	kv_status status;

	if (!read_varint64(r, &ret->generation) || !read_varint64(r, &ret->next_file_number) ||
		!read_varint64(r, &ret->last_sequence))
		return KV_CORRUPT;
	status = read_numbers(r, ret, manifest_add_wal);
	if (status == KV_OK)
		status = read_numbers(r, ret, manifest_add_history);
	if (status == KV_OK)
		status = read_ranges(r, ret);
	if (status != KV_OK)
		return status;
	if (!read_varint64(r, &count))
		return KV_CORRUPT;
	for (uint64_t i = 0; i < count && status == KV_OK; i++)
		status = read_table(r, ret);
	if (status == KV_OK && reader_left(r) > 0)
		return KV_CORRUPT;
	return status;
}

kv_status manifest_decode(struct slice file, const struct store_id *id, const char *dir_path,
	struct manifest *ret, struct kv_error *err)
{
	struct manifest manifest = { 0 };
	const char *wrong = NULL;
	struct reader r;
	kv_status status = check_header(file, id, dir_path, err);

	if (status != KV_OK)
		return status;
	r = reader_of(slice_of(file.data + MANIFEST_HEADER_BYTES,
		file.len - MANIFEST_HEADER_BYTES - MANIFEST_CHECKSUM_BYTES));
	status = read_body(&r, &manifest);
	if (status == KV_OK)
		status = check(&manifest, &wrong);
	if (status == KV_CORRUPT)
		damaged(err, dir_path, (uint64_t)(r.pos - file.data), "this is no list of files");
	else if (status != KV_OK)
		kv_error_set(err, status, "no memory to read " NAME);
	else if (wrong)
		status = damaged(err, dir_path, MANIFEST_HEADER_BYTES, wrong);
	if (status == KV_OK) {
		*ret = manifest;
		manifest = (struct manifest){ 0 };
	}
	manifest_free(&manifest);
	return status;
}

kv_status manifest_read(const struct dir *dir, const struct store_id *id, struct manifest *ret,
	struct kv_error *err)
{
	struct buf file = { 0 };
	kv_status status = file_read_whole(dir, NAME, BYTES_MAX, &file, err);

	if (status == KV_OK)
		status = manifest_decode(buf_slice(&file), id, dir->path, ret, err);
	buf_free(&file);
	return status;
}

/* ---- writing ---- */

static kv_status append_header(const struct store_id *id, struct buf *to)
{
	uint8_t header[MANIFEST_HEADER_BYTES] = { 0 };

	put_fixed64(header + MANIFEST_HEADER_MAGIC, MANIFEST_MAGIC);
	put_fixed32(header + MANIFEST_HEADER_VERSION, MANIFEST_VERSION);
	memcpy(header + MANIFEST_HEADER_STORE_ID, id->bytes, FORMAT_STORE_ID_BYTES);
	return buf_append(to, header, sizeof header);
}

static kv_status append_numbers(const uint64_t *numbers, size_t count, struct buf *to)
{
	kv_status status = buf_append_varint(to, count);

	for (size_t i = 0; i < count && status == KV_OK; i++)
		status = buf_append_varint(to, numbers[i]);
	return status;
}

static kv_status append_ranges(const struct manifest *manifest, struct buf *to)
{
	kv_status status = buf_append_varint(to, manifest->range_count);

	for (size_t i = 0; i < manifest->range_count && status == KV_OK; i++) {
		const struct manifest_range *range = &manifest->ranges[i];

		status = buf_append_varint(to, range->sequence);
		if (status == KV_OK)
			status = buf_append_prefixed(to, buf_slice(&range->start));
		if (status == KV_OK)
			status = buf_append_prefixed(to, buf_slice(&range->end));
	}
	return status;
}

static kv_status append_tables(const struct manifest *manifest, struct buf *to)
{
	kv_status status = buf_append_varint(to, manifest->table_count);

	for (size_t i = 0; i < manifest->table_count && status == KV_OK; i++) {
		status = buf_append_byte(to, (uint8_t)manifest->tables[i].level);
		if (status == KV_OK)
			status = sst_meta_encode(&manifest->tables[i].meta, to);
	}
	return status;
}

static kv_status encode(const struct manifest *manifest, const struct store_id *id, struct buf *to)
{
	kv_status status = append_header(id, to);

	if (status == KV_OK)
		status = buf_append_varint(to, manifest->generation);
	if (status == KV_OK)
		status = buf_append_varint(to, manifest->next_file_number);
	if (status == KV_OK)
		status = buf_append_varint(to, manifest->last_sequence);
	if (status == KV_OK)
		status = append_numbers(manifest->wal_numbers, manifest->wal_count, to);
	if (status == KV_OK)
		status = append_numbers(manifest->history, manifest->history_count, to);
	if (status == KV_OK)
		status = append_ranges(manifest, to);
	if (status == KV_OK)
		status = append_tables(manifest, to);
	if (status == KV_OK)
		status = buf_append_fixed64(to, checksum64(buf_slice(to), MANIFEST_MAGIC));
	return status;
}

kv_status manifest_write(const struct dir *dir, const struct store_id *id,
	const struct manifest *manifest, struct kv_error *err)
{
	struct buf file = { 0 };
	const char *wrong = NULL;
	kv_status status = check(manifest, &wrong);

	if (status == KV_OK && !wrong)
		status = encode(manifest, id, &file);
	if (status == KV_OK && !wrong && file.len > BYTES_MAX)
		wrong = "it is too large";
	if (status != KV_OK)
		kv_error_set(err, status, "no memory to write " NAME);
	else if (wrong)
		status = kv_error_set(err, KV_INVALID, "no such " NAME ": %s", wrong);
	else
		status = file_replace(dir, NAME, TEMP_NAME, buf_slice(&file), err);
	buf_free(&file);
	return status;
}
