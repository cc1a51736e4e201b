/* SPDX-License-Identifier: BSD-2-Clause */
/* Footer and properties: round trips; every reason to refuse one, told apart. */
#include "engine/sst_footer.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/sst_block.h"
#include "support/runner.h"

static const struct sst_footer example = {
	.id = { { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6 } },
	.number = 31,
	.data_bytes = 5000,
	.filter_bytes = 64 * 3 + SST_TRAILER_BYTES,
	.index_bytes = 50,
	.blobs_bytes = 30,
	.properties_bytes = 120,
};

/* Encoded, with one 8-byte field changed, under a right checksum. */
static struct buf encode(unsigned field, uint64_t value)
{
	struct buf bytes = { 0 };
	uint64_t seed, offset = 0;
	struct store_id id;

	ck_assert_int_eq(sst_footer_append(&example, &bytes), KV_OK);
	ck_assert_uint_eq(bytes.len, SST_FOOTER_BYTES);
	put_fixed64(bytes.data + field, value);
	memcpy(id.bytes, bytes.data + SST_FOOTER_STORE_ID, sizeof id.bytes);
	seed = sst_block_file_seed(&id, get_fixed64(bytes.data + SST_FOOTER_NUMBER));
	/* at the place where the file ends, whatever the parts say */
	offset = sst_footer_offset(&example);
	put_fixed64(bytes.data + SST_FOOTER_CHECKSUM,
		checksum64(slice_of(bytes.data, SST_FOOTER_CHECKSUM), sst_block_seed(seed, offset)));
	return bytes;
}

static kv_status decode(const struct buf *bytes, struct sst_footer *ret, const char **ret_what)
{
	return sst_footer_decode(bytes->data, sst_footer_offset(&example) + SST_FOOTER_BYTES, &example.id,
		example.number, ret, ret_what);
}

START_TEST(a_footer_comes_back)
{
	struct buf bytes = encode(SST_FOOTER_NUMBER, example.number);
	struct sst_footer footer;
	const char *what;

	ck_assert_int_eq(decode(&bytes, &footer, &what), KV_OK);
	ck_assert_mem_eq(&footer, &example, sizeof footer);
	ck_assert_uint_eq(sst_footer_offset(&footer), 5000 + 201 + 50 + 30 + 120);
	buf_free(&bytes);
}
END_TEST

START_TEST(each_reason_to_refuse_is_told_apart)
{
	static const struct {
		unsigned field;
		uint64_t value;
		kv_status status;
		const char *part;
	} cases[] = {
		{ SST_FOOTER_MAGIC, 1, KV_CORRUPT, "no table footer" },
		{ SST_FOOTER_VERSION, SST_VERSION + 1, KV_UNSUPPORTED, "another version" },
		{ SST_FOOTER_VERSION, SST_VERSION - 1, KV_UNSUPPORTED, "another version" },
		{ SST_FOOTER_VERSION, SST_VERSION | UINT64_C(1) << 32, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_STORE_ID + 8, 1, KV_CORRUPT, "another store" },
		{ SST_FOOTER_NUMBER, 32, KV_CORRUPT, "another file number" },
		{ SST_FOOTER_DATA, 5001, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_DATA, UINT64_MAX, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_FILTER, 0, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_INDEX, UINT64_MAX - 5000, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_BLOBS, 0, KV_CORRUPT, "does not fit" },
		{ SST_FOOTER_PROPERTIES, 0, KV_CORRUPT, "does not fit" },
	};
	struct sst_footer footer;
	const char *what;

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf bytes = encode(cases[i].field, cases[i].value);

		ck_assert_int_eq(decode(&bytes, &footer, &what), cases[i].status);
		ck_assert_msg(strstr(what, cases[i].part), "%s", what);
		buf_free(&bytes);
	}
}
END_TEST

START_TEST(every_changed_byte_is_refused)
{
	struct buf bytes = encode(SST_FOOTER_NUMBER, example.number);
	struct sst_footer footer;
	const char *what;

	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 0x10;
		ck_assert_int_eq(decode(&bytes, &footer, &what), KV_CORRUPT);
		bytes.data[i] ^= 0x10;
	}
	buf_free(&bytes);
}
END_TEST

static struct sst_meta make_meta(void)
{
	struct sst_meta meta = { .number = 31, .file_bytes = 1, .entries = 2, .first_sequence = 1,
		.last_sequence = 2 };

	ck_assert_int_eq(buf_append(&meta.smallest, "a", 1), KV_OK);
	ck_assert_int_eq(buf_append(&meta.largest, "b", 1), KV_OK);
	return meta;
}

START_TEST(properties_come_back_and_their_size_is_fixed)
{
	struct sst_properties properties = { .options = { .block_bytes = 4096, .filter_bits_per_key = 10,
		.compression = SST_COMPRESSION_LZ4 }, .filter_probes = 6, .data_blocks = 77 }, back;
	struct sst_meta meta = make_meta(), meta_back;
	struct buf bytes = { 0 };
	size_t len;

	ck_assert_int_eq(sst_properties_append(&properties, &meta, &bytes), KV_OK);
	len = bytes.len;
	ck_assert_int_eq(sst_properties_decode(buf_slice(&bytes), &back, &meta_back), KV_OK);
	ck_assert(sst_meta_equal(&meta, &meta_back));
	ck_assert_uint_eq(back.options.block_bytes, 4096);
	ck_assert_uint_eq(back.options.filter_bits_per_key, 10);
	ck_assert_int_eq(back.options.compression, SST_COMPRESSION_LZ4);
	ck_assert_uint_eq(back.filter_probes, 6);
	ck_assert_uint_eq(back.data_blocks, 77);
	sst_meta_free(&meta_back);
	buf_clear(&bytes);
	meta.file_bytes = UINT64_MAX;
	ck_assert_int_eq(sst_properties_append(&properties, &meta, &bytes), KV_OK);
	ck_assert_uint_eq(bytes.len, len);
	sst_meta_free(&meta);
	buf_free(&bytes);
}
END_TEST

START_TEST(malformed_properties_are_corrupt)
{
	struct sst_properties properties = { .filter_probes = 6, .data_blocks = 1 }, back;
	struct sst_meta meta = make_meta(), meta_back;
	struct buf bytes = { 0 };

	ck_assert_int_eq(sst_properties_append(&properties, &meta, &bytes), KV_OK);
	for (size_t len = 0; len < bytes.len; len++)
		ck_assert_int_eq(sst_properties_decode(slice_of(bytes.data, len), &back, &meta_back), KV_CORRUPT);
	bytes.data[SST_PROPERTIES_RESERVED] = 1;
	ck_assert_int_eq(sst_properties_decode(buf_slice(&bytes), &back, &meta_back), KV_CORRUPT);
	bytes.data[SST_PROPERTIES_RESERVED] = 0;
	bytes.data[SST_PROPERTIES_FILTER_PROBES] = FILTER_PROBES_MAX + 1;
	ck_assert_int_eq(sst_properties_decode(buf_slice(&bytes), &back, &meta_back), KV_CORRUPT);
	bytes.data[SST_PROPERTIES_FILTER_PROBES] = 6;
	ck_assert_int_eq(buf_append_byte(&bytes, 0), KV_OK); /* something behind */
	ck_assert_int_eq(sst_properties_decode(buf_slice(&bytes), &back, &meta_back), KV_CORRUPT);
	sst_meta_free(&meta);
	buf_free(&bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_footer");
	TCase *tc = tcase_create("sst_footer");

	tcase_add_test(tc, a_footer_comes_back);
	tcase_add_test(tc, each_reason_to_refuse_is_told_apart);
	tcase_add_test(tc, every_changed_byte_is_refused);
	tcase_add_test(tc, properties_come_back_and_their_size_is_fixed);
	tcase_add_test(tc, malformed_properties_are_corrupt);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
