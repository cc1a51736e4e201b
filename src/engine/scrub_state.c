/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file is a sequence of numbers:
 *
 *	magic u64, count varint, then for each file: its number less the one before, varint; when it
 *was read, varint; checksum u64
 *
 * The checksum is over all before it, seeded by the store's id. No sync: the kernel tells a failed
 *sync of a directory once, and that is for those who depend on it.
 */
#include "engine/scrub_state.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/file_error.h"

#define NAME      "SCRUB"
#define TEMP_NAME "SCRUB.new"

enum { READ_MAX_BYTES = 1 << 28 };

static uint64_t checksum_of(const struct store_id *id, struct slice bytes)
{
	return checksum64(bytes,
		checksum_seed(get_fixed64(id->bytes), get_fixed64(id->bytes + 8), SCRUB_MAGIC));
}

/* ---- writing ---- */

static kv_status encode(const struct store_id *id, const struct scrub_list *list, struct buf *to)
{
	kv_status status = buf_append_fixed64(to, SCRUB_MAGIC);
	uint64_t before = 0;

	if (status == KV_OK)
		status = buf_append_varint(to, list->count);
	for (size_t i = 0; status == KV_OK && i < list->count; i++) {
		status = buf_append_varint(to, list->items[i].number - before);
		if (status == KV_OK)
			status = buf_append_varint(to, list->items[i].checked_unix_s);
		before = list->items[i].number;
	}
	return status == KV_OK ? buf_append_fixed64(to, checksum_of(id, buf_slice(to))) : status;
}

static kv_status replace(const struct dir *dir, struct slice content, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status = dir_unlink(dir, TEMP_NAME, err);

	if (status == KV_OK || status == KV_NOT_FOUND)
		status = file_open(dir, TEMP_NAME, FILE_CREATE, &file, err);
	if (status == KV_OK)
		status = file_write_at(&file, content, 0, err);
	file_close(&file);
	if (status == KV_OK)
		status = dir_rename(dir, TEMP_NAME, dir, NAME, false, err);
	return status;
}

kv_status scrub_state_write(const struct dir *dir, const struct store_id *id,
	const struct scrub_list *list, struct kv_error *err)
{
	struct buf content = { 0 };
	kv_status status = encode(id, list, &content);

	if (status == KV_OK)
		status = replace(dir, buf_slice(&content), err);
	else
		kv_error_set(err, status, "out of memory for the scrub's progress");
	buf_free(&content);
	return status;
}

/* ---- reading ---- */

static bool decode_item(struct reader *reader, uint64_t *before, struct scrub_item *ret)
{
	uint64_t step, checked;

	if (!read_varint64(reader, &step) || !read_varint64(reader, &checked) ||
		step > UINT64_MAX - *before)
		return false;
	*before += step;
	*ret = (struct scrub_item){ .number = *before, .checked_unix_s = checked };
	return true;
}

static kv_status decode(const struct store_id *id, struct slice bytes, struct scrub_list *ret)
{
	uint64_t magic, count, before = 0;
	struct reader reader;
	struct scrub_item item;
	kv_status status = KV_OK;

	if (bytes.len < 16 || get_fixed64(bytes.data + bytes.len - 8) !=
				      checksum_of(id, slice_of(bytes.data, bytes.len - 8)))
		return KV_CORRUPT;
	reader = reader_of(slice_of(bytes.data, bytes.len - 8));
	if (!read_fixed64(&reader, &magic) || magic != SCRUB_MAGIC ||
		!read_varint64(&reader, &count))
		return KV_CORRUPT;
	for (uint64_t i = 0; status == KV_OK && i < count; i++)
		status = decode_item(&reader, &before, &item) ? scrub_list_add(ret, &item)
							      : KV_CORRUPT;
	return status == KV_OK && reader_left(&reader) > 0 ? KV_CORRUPT : status;
}

kv_status scrub_state_read(const struct dir *dir, const struct store_id *id, struct scrub_list *ret,
	struct kv_error *err)
{
	struct scrub_list list = { 0 };
	struct buf content = { 0 };
	kv_status status = file_read_whole(dir, NAME, READ_MAX_BYTES, &content, err);

	if (status != KV_OK)
		return status == KV_INVALID ? KV_CORRUPT : status;
	status = decode(id, buf_slice(&content), &list);
	buf_free(&content);
	if (status != KV_OK) {
		scrub_list_free(&list);
		return file_error(
			err, status, dir->path, NAME, 0, "this is not the scrub's progress");
	}
	scrub_list_sort(&list);
	*ret = list;
	return KV_OK;
}
