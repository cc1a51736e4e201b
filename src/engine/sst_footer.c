/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum is looked at before anything else but the magic, under the seed that the footer itself names: so a damaged footer is
 * damage, and only a sound one is told to be another store's, another table's, or of another version.
 */
#include "engine/sst_footer.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/sst_block.h"

uint64_t sst_footer_offset(const struct sst_footer *footer)
{
	return footer->data_bytes + footer->filter_bytes + footer->index_bytes + footer->blobs_bytes +
		footer->properties_bytes;
}

static uint64_t footer_checksum(const uint8_t *bytes, uint64_t offset)
{
	struct store_id id;
	uint64_t seed;

	memcpy(id.bytes, bytes + SST_FOOTER_STORE_ID, sizeof id.bytes);
	seed = sst_block_file_seed(&id, get_fixed64(bytes + SST_FOOTER_NUMBER));
	return checksum64(slice_of(bytes, SST_FOOTER_CHECKSUM), sst_block_seed(seed, offset));
}

kv_status sst_footer_append(const struct sst_footer *footer, struct buf *to)
{
	uint8_t bytes[SST_FOOTER_BYTES] = { 0 };

	put_fixed64(bytes + SST_FOOTER_MAGIC, SST_MAGIC);
	put_fixed32(bytes + SST_FOOTER_VERSION, SST_VERSION);
	memcpy(bytes + SST_FOOTER_STORE_ID, footer->id.bytes, sizeof footer->id.bytes);
	put_fixed64(bytes + SST_FOOTER_NUMBER, footer->number);
	put_fixed64(bytes + SST_FOOTER_DATA, footer->data_bytes);
	put_fixed64(bytes + SST_FOOTER_FILTER, footer->filter_bytes);
	put_fixed64(bytes + SST_FOOTER_INDEX, footer->index_bytes);
	put_fixed64(bytes + SST_FOOTER_BLOBS, footer->blobs_bytes);
	put_fixed64(bytes + SST_FOOTER_PROPERTIES, footer->properties_bytes);
	put_fixed64(bytes + SST_FOOTER_CHECKSUM, footer_checksum(bytes, sst_footer_offset(footer)));
	return buf_append(to, bytes, sizeof bytes);
}

/* Do the parts fill the file up to the footer, each with room for its trailer? */
static bool parts_fit(const struct sst_footer *footer, uint64_t offset)
{
	const uint64_t parts[] = { footer->data_bytes, footer->filter_bytes, footer->index_bytes,
		footer->blobs_bytes, footer->properties_bytes };
	uint64_t left = offset;

	for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (parts[i] > left)
			return false;
		left -= parts[i];
	}
	return left == 0 && footer->data_bytes > SST_TRAILER_BYTES &&
		footer->index_bytes > SST_TRAILER_BYTES && footer->properties_bytes > SST_TRAILER_BYTES &&
		(footer->blobs_bytes == 0 || footer->blobs_bytes > SST_TRAILER_BYTES) &&
		(footer->filter_bytes == 0 ||
			(footer->filter_bytes > SST_TRAILER_BYTES &&
				(footer->filter_bytes - SST_TRAILER_BYTES) % FILTER_LINE_BYTES == 0));
}

static kv_status refuse(const char **ret_what, kv_status status, const char *what)
{
	*ret_what = what;
	return status;
}

kv_status sst_footer_decode(const uint8_t bytes[SST_FOOTER_BYTES], uint64_t file_bytes,
	const struct store_id *id, uint64_t number, struct sst_footer *ret, const char **ret_what)
{
	uint64_t offset = file_bytes - SST_FOOTER_BYTES;
	struct sst_footer footer;

	if (get_fixed64(bytes + SST_FOOTER_MAGIC) != SST_MAGIC)
		return refuse(ret_what, KV_CORRUPT, "no table footer at the end of the file");
	if (footer_checksum(bytes, offset) != get_fixed64(bytes + SST_FOOTER_CHECKSUM))
		return refuse(ret_what, KV_CORRUPT, "footer checksum does not match");
	if (get_fixed32(bytes + SST_FOOTER_VERSION) != SST_VERSION)
		return refuse(ret_what, KV_UNSUPPORTED, "table was written by another version");
	memcpy(footer.id.bytes, bytes + SST_FOOTER_STORE_ID, sizeof footer.id.bytes);
	if (memcmp(footer.id.bytes, id->bytes, sizeof id->bytes) != 0)
		return refuse(ret_what, KV_CORRUPT, "table belongs to another store");
	footer.number = get_fixed64(bytes + SST_FOOTER_NUMBER);
	if (footer.number != number)
		return refuse(ret_what, KV_CORRUPT, "table was written under another file number");
	footer.data_bytes = get_fixed64(bytes + SST_FOOTER_DATA);
	footer.filter_bytes = get_fixed64(bytes + SST_FOOTER_FILTER);
	footer.index_bytes = get_fixed64(bytes + SST_FOOTER_INDEX);
	footer.blobs_bytes = get_fixed64(bytes + SST_FOOTER_BLOBS);
	footer.properties_bytes = get_fixed64(bytes + SST_FOOTER_PROPERTIES);
	if (get_fixed32(bytes + SST_FOOTER_RESERVED) != 0 || !parts_fit(&footer, offset))
		return refuse(ret_what, KV_CORRUPT, "footer does not fit the file");
	*ret = footer;
	return KV_OK;
}

kv_status sst_properties_append(const struct sst_properties *properties, const struct sst_meta *meta,
	struct buf *to)
{
	uint8_t head[SST_PROPERTIES_META] = { 0 };
	kv_status status;

	put_fixed32(head + SST_PROPERTIES_BLOCK_BYTES, properties->options.block_bytes);
	head[SST_PROPERTIES_FILTER_BITS] = (uint8_t)properties->options.filter_bits_per_key;
	head[SST_PROPERTIES_FILTER_PROBES] = (uint8_t)properties->filter_probes;
	head[SST_PROPERTIES_COMPRESSION] = (uint8_t)properties->options.compression;
	put_fixed64(head + SST_PROPERTIES_DATA_BLOCKS, properties->data_blocks);
	status = buf_append(to, head, sizeof head);
	return status == KV_OK ? sst_meta_encode(meta, to) : status;
}

kv_status sst_properties_decode(struct slice block, struct sst_properties *ret,
	struct sst_meta *ret_meta)
{
	struct sst_properties properties;
	struct reader reader = reader_of(block);
	struct sst_meta meta = { 0 };
	struct slice head;
	kv_status status;

	if (!read_bytes(&reader, SST_PROPERTIES_META, &head) || head.data[SST_PROPERTIES_RESERVED] != 0)
		return KV_CORRUPT;
	properties.options.block_bytes = get_fixed32(head.data + SST_PROPERTIES_BLOCK_BYTES);
	properties.options.filter_bits_per_key = head.data[SST_PROPERTIES_FILTER_BITS];
	properties.options.compression = (enum sst_compression)head.data[SST_PROPERTIES_COMPRESSION];
	properties.filter_probes = head.data[SST_PROPERTIES_FILTER_PROBES];
	properties.data_blocks = get_fixed64(head.data + SST_PROPERTIES_DATA_BLOCKS);
	if (properties.filter_probes > FILTER_PROBES_MAX)
		return KV_CORRUPT;
	status = sst_meta_decode(&reader, &meta);
	if (status != KV_OK)
		return status;
	if (reader_left(&reader) != 0) {
		sst_meta_free(&meta);
		return KV_CORRUPT;
	}
	*ret = properties;
	*ret_meta = meta;
	return KV_OK;
}
