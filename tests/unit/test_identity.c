/* SPDX-License-Identifier: BSD-2-Clause */
/* FORMAT and LOCK: what is written, what is refused, and that no FORMAT is ever written over. */
#include "engine/identity.h"

#include "base/checksum.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED UINT64_C(0x314d524f462d564b)

static struct disk disk;

static void setup(void)
{
	disk_open(&disk);
}

static void teardown(void)
{
	disk_close(&disk);
}

/* FORMAT with these lines and a right checksum. */
static void write_format(const char *lines)
{
	char text[512];
	int len = snprintf(text, sizeof text, "%schecksum %016" PRIx64 "\n", lines,
		checksum64(slice_of_string(lines), SEED));

	disk_write(&disk, "FORMAT", slice_of(text, (size_t)len));
}

static kv_status read_format(struct store_id *ret, struct kv_error *err)
{
	return identity_read(&disk.dir, ret, err);
}

#define LINE_1 "kvstored 2\n"
#define LINE_2 "store-id 00112233445566778899aabbccddeeff\n"

START_TEST(an_identity_is_read_back)
{
	struct store_id made, read;
	struct buf text;

	ck_assert_int_eq(read_format(&read, NULL), KV_NOT_FOUND);
	ck_assert_int_eq(identity_create(&disk.dir, &made, NULL), KV_OK);
	ck_assert_int_eq(read_format(&read, NULL), KV_OK);
	ck_assert_mem_eq(&made, &read, sizeof made);
	text = disk_read(&disk, "FORMAT");
	ck_assert_mem_eq(text.data, "kvstored 2\nstore-id ", 20);
	ck_assert_uint_eq(text.len, 11 + 42 + 26);
	ck_assert(!dir_has(&disk.dir, "FORMAT.new"));
	buf_free(&text);
}
END_TEST

START_TEST(the_text_is_the_documented_one)
{
	struct store_id id;

	disk_write(&disk, "FORMAT", slice_of_string(LINE_1 LINE_2 "checksum e8f873c7f942108e\n"));
	ck_assert_int_eq(read_format(&id, NULL), KV_OK);
	ck_assert_mem_eq(id.bytes, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
}
END_TEST

START_TEST(two_stores_have_two_ids)
{
	struct store_id a, b;

	ck_assert_int_eq(identity_create(&disk.dir, &a, NULL), KV_OK);
	ck_assert_int_eq(dir_unlink(&disk.dir, "FORMAT", NULL), KV_OK);
	ck_assert_int_eq(identity_create(&disk.dir, &b, NULL), KV_OK);
	ck_assert_mem_ne(&a, &b, sizeof a);
}
END_TEST

START_TEST(an_existing_format_is_never_written_over)
{
	struct store_id id = { { 1, 2, 3 } };
	struct buf before, after;

	write_format("kvstored 7\nsomething new\n");
	before = disk_read(&disk, "FORMAT");
	ck_assert_int_eq(identity_create(&disk.dir, &id, NULL), KV_INVALID);
	ck_assert_mem_eq(id.bytes, "\1\2\3\0", 4);
	after = disk_read(&disk, "FORMAT");
	ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
	ck_assert(!dir_has(&disk.dir, "FORMAT.new"));
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(another_version_is_named_and_not_taken_for_damage)
{
	struct store_id id;
	struct kv_error err;

	write_format("kvstored 3\nstore-id in another form\nand more\n");
	ck_assert_int_eq(read_format(&id, &err), KV_UNSUPPORTED);
	ck_assert_str_eq(err.text, "format version 3 is newer than the 2 that this kvstored reads");
	ck_assert_ptr_nonnull(strstr(err.file, "/FORMAT"));
	write_format("kvstored 4000000\n");
	ck_assert_int_eq(read_format(&id, &err), KV_UNSUPPORTED);
	write_format("kvstored 1\n" LINE_2);
	ck_assert_int_eq(read_format(&id, &err), KV_UNSUPPORTED);
	ck_assert_str_eq(err.text, "format version 1 is older than the 2 that this kvstored reads");
}
END_TEST

START_TEST(text_that_nobody_wrote_is_damage_even_with_a_checksum)
{
	static const char *const texts[] = { "", "kvstored\n", "kvstored \n", "kvstored 0\n" LINE_2,
		"kvstored 02\n" LINE_2, "kvstored 2 \n" LINE_2, "kvstored 2\r\n" LINE_2, "kvstored -1\n" LINE_2,
		"Kvstored 1\n" LINE_2, "kvstored 99999999999\n" LINE_2, LINE_1, LINE_1 "\n" LINE_2,
		LINE_1 "store-id 00112233445566778899aabbccddeef\n",
		LINE_1 "store-id 00112233445566778899aabbccddeeffa\n",
		LINE_1 "store-id 00112233445566778899AABBCCDDEEFF\n",
		LINE_1 "store-id 00112233445566778899aabbccddeefg\n", LINE_1 LINE_2 LINE_2,
		LINE_1 LINE_2 "\n", LINE_2 LINE_1 };
	struct store_id id;

	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		write_format(texts[i]);
		ck_assert_msg(read_format(&id, NULL) == KV_CORRUPT, "'%s'", texts[i]);
	}
}
END_TEST

START_TEST(every_flipped_byte_and_every_cut_is_damage)
{
	struct store_id id;
	struct kv_error err;
	struct buf text;

	ck_assert_int_eq(identity_create(&disk.dir, &id, NULL), KV_OK);
	text = disk_read(&disk, "FORMAT");
	for (size_t at = 0; at < text.len; at++)
		for (int f = 0; f < DISK_FLIPS; f++) {
			text.data[at] ^= disk_flips[f];
			disk_write(&disk, "FORMAT", buf_slice(&text));
			ck_assert_int_eq(read_format(&id, &err), KV_CORRUPT);
			text.data[at] ^= disk_flips[f];
		}
	for (size_t len = 0; len < text.len; len++) {
		disk_write(&disk, "FORMAT", slice_of(text.data, len));
		ck_assert_int_eq(read_format(&id, &err), KV_CORRUPT);
	}
	ck_assert_int_eq(buf_append_byte(&text, '\n'), KV_OK);
	disk_write(&disk, "FORMAT", buf_slice(&text));
	ck_assert_int_eq(read_format(&id, &err), KV_CORRUPT);
	ck_assert_int_eq(buf_append_zeros(&text, 5000), KV_OK);
	disk_write(&disk, "FORMAT", buf_slice(&text));
	ck_assert_int_eq(read_format(&id, &err), KV_CORRUPT);
	buf_free(&text);
}
END_TEST

START_TEST(the_file_and_then_its_name_are_synced)
{
	static const char *const order[] = { "create FORMAT.new", "pwritev FORMAT.new", "fdatasync FORMAT.new",
		"rename FORMAT.new FORMAT", "fsync", NULL };
	struct store_id id;

	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(identity_create(&disk.dir, &id, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
}
END_TEST

/* Fails each operation in turn until one creation gets through. */
START_TEST(a_failure_anywhere_leaves_no_format_or_a_good_one)
{
	struct store_id made, read;
	struct kv_error err;
	kv_status status = KV_IO;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		ck_assert_uint_lt(nth, 50);
		dir_unlink(&disk.dir, "FORMAT", NULL);
		disk_write(&disk, "FORMAT.new", slice_of_string("left by a crash"));
		fault_fs_fail(disk.fault, FAULT_ANY, nth, EIO);
		status = identity_create(&disk.dir, &made, &err);
		/* a failed close is of no interest */
		if (status == KV_OK && fault_fs_failed(disk.fault) == nth)
			status = KV_IO;
		fault_fs_heal(disk.fault);
		disk_reopen(&disk);
		if (dir_has(&disk.dir, "FORMAT"))
			ck_assert_int_eq(read_format(&read, NULL), KV_OK);
	}
	ck_assert_mem_eq(&made, &read, sizeof made);
	ck_assert_uint_gt(fault_fs_failed(disk.fault), 5);
}
END_TEST

START_TEST(without_memory_the_identity_is_not_damaged)
{
	struct store_id id;
	kv_status status = KV_NO_MEMORY;

	ck_assert_int_eq(identity_create(&disk.dir, &id, NULL), KV_OK);
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = read_format(&id, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_int_eq(nth == 1, status == KV_NO_MEMORY);
	}
}
END_TEST

START_TEST(one_process_at_a_time_has_the_lock)
{
	struct file mine = { .fd = -1 }, other = { .fd = -1 };
	int child_status;
	pid_t child;

	ck_assert_int_eq(identity_lock(&disk.dir, &mine, NULL), KV_OK);
	ck_assert_int_eq(identity_lock(&disk.dir, &other, NULL), KV_BUSY);
	ck_assert_int_eq(other.fd, -1);
	child = fork();
	if (child == 0)
		_exit(identity_lock(&disk.dir, &other, NULL) == KV_BUSY ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &child_status, 0), child);
	ck_assert_int_eq(child_status, 0);
	file_close(&mine);
	ck_assert(dir_has(&disk.dir, "LOCK"));
	ck_assert_int_eq(identity_lock(&disk.dir, &other, NULL), KV_OK);
	file_close(&other);
}
END_TEST

START_TEST(a_lock_that_is_no_file_is_refused)
{
	struct file file = { .fd = -1 };
	char path[256];

	ck_assert_int_eq(symlinkat("elsewhere", disk.dir.fd, "LOCK"), 0);
	ck_assert_int_eq(identity_lock(&disk.dir, &file, NULL), KV_INVALID);
	ck_assert_int_eq(file.fd, -1);
	snprintf(path, sizeof path, "%s/elsewhere", disk.path);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("identity");
	TCase *tc = tcase_create("identity");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_identity_is_read_back);
	tcase_add_test(tc, the_text_is_the_documented_one);
	tcase_add_test(tc, two_stores_have_two_ids);
	tcase_add_test(tc, an_existing_format_is_never_written_over);
	tcase_add_test(tc, another_version_is_named_and_not_taken_for_damage);
	tcase_add_test(tc, text_that_nobody_wrote_is_damage_even_with_a_checksum);
	tcase_add_test(tc, every_flipped_byte_and_every_cut_is_damage);
	tcase_add_test(tc, the_file_and_then_its_name_are_synced);
	tcase_add_test(tc, a_failure_anywhere_leaves_no_format_or_a_good_one);
	tcase_add_test(tc, without_memory_the_identity_is_not_damaged);
	tcase_add_test(tc, one_process_at_a_time_has_the_lock);
	tcase_add_test(tc, a_lock_that_is_no_file_is_refused);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
