/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The examples of doc/format.md are what is really written: a dump there ("hexdump -C" under a line
 * "Example: NAME") has the bytes of the file that is made here. Bytes that the dump leaves out are
 * zeros.
 */
#include "engine/batch.h"
#include "engine/blob_writer.h"
#include "engine/identity.h"
#include "engine/manifest.h"
#include "engine/sst_writer.h"
#include "engine/wal_writer.h"
#include "support/disk.h"
#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

static struct disk disk;
static const struct store_id id = { { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
	0xbb, 0xcc, 0xdd, 0xee, 0xff } };

static void setup(void)
{
	disk_open(&disk);
}

static void teardown(void)
{
	disk_close(&disk);
}

/* The text from the line "Example: `name`" on. */
static char *example(struct buf *doc, const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[512], line[64];
	uint8_t chunk[4096];
	size_t n;
	FILE *file;
	char *ret;

	snprintf(path, sizeof path, "%s/doc/format.md", top ? top : "..");
	file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "cannot open '%s'", path);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		ck_assert_int_eq(buf_append(doc, chunk, n), KV_OK);
	fclose(file);
	ck_assert_int_eq(buf_append_byte(doc, 0), KV_OK);
	snprintf(line, sizeof line, "\nExample: `%s`", name);
	ret = strstr((char *)doc->data, line);
	ck_assert_msg(ret != NULL, "no '%s' in '%s'", line + 1, path);
	return ret;
}

/* One line of a dump into `to`; the last line has an offset and no bytes. */
static void parse_line(const char *line, struct buf *to)
{
	char *at;
	unsigned long offset = strtoul(line, &at, 16);

	ck_assert_uint_ge(offset, to->len);
	ck_assert_int_eq(buf_append_zeros(to, offset - to->len), KV_OK);
	for (int i = 0; i < 16; i++) {
		char *end;
		unsigned long byte;

		while (*at == ' ')
			at++;
		if (*at == '|' || *at == '\n')
			return;
		byte = strtoul(at, &end, 16);
		ck_assert_int_eq(end - at, 2);
		ck_assert_int_eq(buf_append_byte(to, (uint8_t)byte), KV_OK);
		at = end;
	}
}

static void expect_documented(const char *name)
{
	struct buf doc = { 0 }, want = { 0 }, got = disk_read(&disk, name);
	char *line = example(&doc, name);

	line = strstr(line, "\n    0000");
	ck_assert_ptr_nonnull(line);
	while (strncmp(line, "\n    ", 5) == 0) {
		if (line[5] != '*')
			parse_line(line + 5, &want);
		line = strchr(line + 1, '\n');
		ck_assert_ptr_nonnull(line);
	}
	ck_assert_uint_eq(got.len, want.len);
	for (size_t i = 0; i < got.len; i++)
		ck_assert_msg(got.data[i] == want.data[i], "%s: byte %zu", name, i);
	buf_free(&doc);
	buf_free(&want);
	buf_free(&got);
}

START_TEST(the_example_of_format_is_read)
{
	struct buf doc = { 0 }, text = { 0 };
	struct store_id got;
	char *line = strstr(example(&doc, "FORMAT"), "\n    kvstored ");

	ck_assert_ptr_nonnull(line);
	while (strncmp(line, "\n    ", 5) == 0) {
		char *end = strchr(line + 1, '\n');

		ck_assert_int_eq(buf_append(&text, line + 5, (size_t)(end - line) - 4), KV_OK);
		line = end;
	}
	disk_write(&disk, "FORMAT", buf_slice(&text));
	ck_assert_int_eq(identity_read(&disk.dir, &got, NULL), KV_OK);
	ck_assert_mem_eq(&got, &id, sizeof id);
	buf_free(&doc);
	buf_free(&text);
}
END_TEST

static struct slice text(const char *s)
{
	return slice_of_string(s);
}

static void append(struct wal_writer *writer, uint64_t first_sequence, uint64_t wall_us, struct batch *batch)
{
	struct wal_group group = { .first_sequence = first_sequence, .count = batch->count,
		.wall_us = wall_us };
	struct slice payload = buf_slice(&batch->operations);

	ck_assert_int_eq(wal_append(writer, &group, &payload, 1, NULL), KV_OK);
	batch_clear(batch);
}

START_TEST(the_example_of_a_log_is_what_is_written)
{
	struct wal_header header = { .number = 7, .prev_number = 5, .prev_end = 0x11a0,
		.first_sequence = 1000 };
	struct wal_writer *writer = NULL;
	struct batch batch = { 0 };

	ck_assert_int_eq(wal_make_segment(&disk.dir, 7, 8192, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(wal_writer_open(&disk.dir, &id, &header, &writer, NULL), KV_OK);
	ck_assert_int_eq(batch_put(&batch, text("key1"), text("value1"), 0), KV_OK);
	ck_assert_int_eq(batch_delete(&batch, text("old")), KV_OK);
	append(writer, 1000, UINT64_C(1780000000000000), &batch);
	ck_assert_int_eq(wal_sync(writer, NULL), KV_OK);
	ck_assert_int_eq(batch_put(&batch, text("session"), text("x"), UINT64_C(1780000060000)), KV_OK);
	append(writer, 1002, UINT64_C(1780000001000000), &batch);
	wal_writer_close(writer);
	batch_free(&batch);
	expect_documented("000007.wal");
}
END_TEST

START_TEST(the_example_of_a_manifest_is_what_is_written)
{
	struct manifest m = { .generation = 2, .next_file_number = 300, .last_sequence = 999 };
	struct sst_meta meta = { .number = 6, .file_bytes = 1234, .entries = 20, .tombstones = 1,
		.first_sequence = 980, .last_sequence = 999, .key_bytes = 100, .value_bytes = 500,
		.range_applied = 997 };

	ck_assert_int_eq(manifest_add_wal(&m, 7), KV_OK);
	ck_assert_int_eq(manifest_add_history(&m, 5), KV_OK);
	ck_assert_int_eq(manifest_add_range(&m, 998, text("b"), text("bz")), KV_OK);
	ck_assert_int_eq(buf_set(&meta.smallest, text("apple")), KV_OK);
	ck_assert_int_eq(buf_set(&meta.largest, text("melon")), KV_OK);
	ck_assert_int_eq(manifest_add_table(&m, 0, &meta), KV_OK);
	ck_assert_int_eq(manifest_write(&disk.dir, &id, &m, NULL), KV_OK);
	sst_meta_free(&meta);
	manifest_free(&m);
	expect_documented("MANIFEST");
}
END_TEST

START_TEST(the_example_of_a_table_is_what_is_written)
{
	static const uint8_t pointer[BLOB_POINTER_BYTES] = { 9, [10] = 1, [16] = 1, 2, 3, 4, 5, 6, 7, 8 };
	const struct entry entries[] = {
		{ .key = text("apple"), .value = text("red"), .sequence = 7, .kind = ENTRY_PUT },
		{ .key = text("apple"), .sequence = 3, .kind = ENTRY_DELETE },
		{ .key = text("apricot"), .value = text("orange"), .sequence = 300, .expires_unix_ms = 1000,
			.kind = ENTRY_PUT },
		{ .key = text("big"), .value = slice_of(pointer, sizeof pointer), .sequence = 301,
			.kind = ENTRY_BLOB },
	};
	struct sst_writer *writer = NULL;
	struct sst_options options;
	struct sst_meta meta;

	sst_options_init(&options);
	ck_assert_int_eq(sst_writer_open(&disk.dir, &id, 12, &options, &writer, NULL), KV_OK);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(sst_writer_add(writer, &entries[i], NULL), KV_OK);
	sst_writer_set_range_applied(writer, 200);
	ck_assert_int_eq(sst_writer_finish(writer, &meta, NULL), KV_OK);
	sst_writer_close(writer);
	sst_meta_free(&meta);
	expect_documented("000012.sst");
}
END_TEST

START_TEST(the_example_of_a_blob_file_is_what_is_written)
{
	static const uint8_t documented[BLOB_POINTER_BYTES] = { 9, [8] = 13, [16] = 0x17, 0x2c, 0xdb, 0x79, 0x3c,
		0xd9, 0x5a, 0x3e };
	uint8_t pointer_bytes[BLOB_POINTER_BYTES];
	struct blob_writer *writer = NULL;
	struct blob_pointer pointer;

	ck_assert_int_eq(blob_writer_new(&disk.dir, &id, 9, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, text("a large value"), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	blob_writer_close(writer);
	expect_documented("000009.blob");
	blob_pointer_encode(&pointer, pointer_bytes);
	ck_assert_mem_eq(pointer_bytes, documented, sizeof documented);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("format_doc");
	TCase *tc = tcase_create("format_doc");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_example_of_format_is_read);
	tcase_add_test(tc, the_example_of_a_log_is_what_is_written);
	tcase_add_test(tc, the_example_of_a_manifest_is_what_is_written);
	tcase_add_test(tc, the_example_of_a_table_is_what_is_written);
	tcase_add_test(tc, the_example_of_a_blob_file_is_what_is_written);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
