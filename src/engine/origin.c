/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/origin.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/sst_footer.h"

enum { BYTES_MAX = SST_FOOTER_BYTES };

static const struct place {
	enum filename_kind kind;
	uint64_t magic;
	size_t bytes, id, number, checksum;
} places[] = {
	{ FILENAME_WAL, WAL_MAGIC, WAL_HEADER_BYTES, WAL_HEADER_STORE_ID, WAL_HEADER_NUMBER, WAL_HEADER_CHECKSUM },
	{ FILENAME_BLOB, BLOB_MAGIC, BLOB_HEADER_BYTES, BLOB_HEADER_STORE_ID, BLOB_HEADER_NUMBER, BLOB_HEADER_CHECKSUM },
	{ FILENAME_TABLE, SST_MAGIC, SST_FOOTER_BYTES, SST_FOOTER_STORE_ID, SST_FOOTER_NUMBER, SST_FOOTER_CHECKSUM },
};

static const struct place *place_of(enum filename_kind kind)
{
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (places[i].kind == kind)
			return &places[i];
	return NULL;
}

/* The seed of a table's footer depends on what it says; the others' headers have their magic. */
static bool is_right(const struct place *place, const uint8_t *bytes, uint64_t file_bytes, const struct origin *origin)
{
	struct sst_footer footer;
	const char *what;

	if (get_fixed64(bytes) != place->magic)
		return false;
	if (place->kind == FILENAME_TABLE)
		return sst_footer_decode(bytes, file_bytes, &origin->id, origin->number, &footer, &what) == KV_OK;
	return get_fixed64(bytes + place->checksum) == checksum64(slice_of(bytes, place->checksum), place->magic);
}

static kv_status read_place(const struct file *file, const struct place *place, struct origin *ret, struct kv_error *err)
{
	uint8_t bytes[BYTES_MAX];
	struct origin origin;
	uint64_t file_bytes;
	kv_status status = file_size(file, &file_bytes, err);

	if (status == KV_OK && file_bytes < place->bytes)
		return KV_NOT_FOUND;
	if (status == KV_OK)
		status = file_read_at(file, bytes, place->bytes,
			place->kind == FILENAME_TABLE ? file_bytes - place->bytes : 0, err);
	if (status != KV_OK)
		return status;
	memcpy(origin.id.bytes, bytes + place->id, sizeof origin.id.bytes);
	origin.number = get_fixed64(bytes + place->number);
	if (origin.number == 0 || !is_right(place, bytes, file_bytes, &origin))
		return KV_NOT_FOUND;
	*ret = origin;
	return KV_OK;
}

kv_status origin_read(const struct dir *dir, const char *name, enum filename_kind kind, struct origin *ret,
	struct kv_error *err)
{
	const struct place *place = place_of(kind);
	struct file file = { .fd = -1 };
	kv_status status = place ? file_open(dir, name, FILE_READ, &file, err) : KV_NOT_FOUND;

	if (status == KV_OK)
		status = read_place(&file, place, ret, err);
	file_close(&file);
	return status == KV_INVALID || status == KV_CORRUPT ? KV_NOT_FOUND : status;
}
