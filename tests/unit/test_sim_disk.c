/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated disk that the tests of power cuts rely on: that it loses what a disk may lose, and nothing else. */
#include "base/file_map.h"
#include "support/runner.h"
#include "support/sim_disk.h"

#include <errno.h>
#include <stdlib.h>

static struct sim_disk *disk;
static struct dir dir;
static uint64_t seed;

static void setup(void)
{
	disk = sim_disk_new();
	seed = runner_seed();
	ck_assert_int_eq(dir_open(sim_disk_fs(disk), "/d", true, &dir, NULL), KV_OK);
}

static void teardown(void)
{
	dir_close(&dir);
	ck_assert_uint_eq(sim_disk_open_count(disk), 0);
	disk = sim_disk_free(disk);
}

static struct file make(const char *name, const char *content)
{
	struct file file;

	ck_assert_int_eq(file_open(&dir, name, FILE_CREATE, &file, NULL), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of_string(content), 0, NULL), KV_OK);
	return file;
}

static void make_durable(const char *name, const char *content)
{
	struct file file = make(name, content);

	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	file_close(&file);
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
}

/* What is in the file after a cut at the end of the journal. */
static kv_status read_after_cut(enum sim_loss loss, const char *name, struct buf *ret)
{
	struct sim_walk *walk = sim_walk_new(disk);
	struct sim_disk *left;
	struct sim_step step;
	struct dir at;
	kv_status status;

	while (sim_walk_next(walk, &step))
		;
	left = sim_walk_cut(walk, loss, &seed);
	sim_walk_free(walk);
	status = dir_open(sim_disk_fs(left), "/d", false, &at, NULL);
	if (status == KV_OK) {
		status = file_read_whole(&at, name, 1 << 20, ret, NULL);
		dir_close(&at);
	}
	ck_assert(status == KV_OK || status == KV_NOT_FOUND);
	sim_disk_free(left);
	return status;
}

/* As text; "-": no such file. The caller frees it. */
static char *after_cut(enum sim_loss loss, const char *name)
{
	struct buf content = { 0 };
	kv_status status = read_after_cut(loss, name, &content);
	char *ret = status == KV_OK ? strndup(content.len > 0 ? (const char *)content.data : "", content.len) : strdup("-");

	ck_assert_ptr_nonnull(ret);
	buf_free(&content);
	return ret;
}

static void expect(enum sim_loss loss, const char *name, const char *content)
{
	char *got = after_cut(loss, name);

	ck_assert_str_eq(got, content);
	free(got);
}

/* Each of the two must be found, and nothing else, when anything may be lost. */
static void expect_either(const char *name, const char *one, const char *other)
{
	bool seen[2] = { false };

	for (int i = 0; i < 1000 && !(seen[0] && seen[1]); i++) {
		char *got = after_cut(SIM_LOSE_ANY, name);

		ck_assert_msg(strcmp(got, one) == 0 || strcmp(got, other) == 0, "'%s'", got);
		seen[strcmp(got, one) == 0 ? 0 : 1] = true;
		free(got);
	}
	ck_assert(seen[0] && seen[1]);
}

START_TEST(what_is_synced_is_there_whatever_is_lost)
{
	make_durable("a", "content");
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++)
		for (int i = 0; i < 20; i++)
			expect((enum sim_loss)loss, "a", "content");
}
END_TEST

START_TEST(the_sync_of_a_file_does_not_keep_its_name)
{
	struct file file = make("a", "content");

	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	file_close(&file);
	expect(SIM_LOSE_ALL, "a", "-");
	expect(SIM_LOSE_NONE, "a", "content");
	expect_either("a", "-", "content");
}
END_TEST

START_TEST(the_sync_of_a_directory_does_not_keep_what_is_in_its_files)
{
	struct file file = make("a", "content");

	file_close(&file);
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	expect(SIM_LOSE_ALL, "a", "");
	expect(SIM_LOSE_NONE, "a", "content");
}
END_TEST

START_TEST(a_rename_has_happened_or_not)
{
	make_durable("a", "old");
	make_durable("b", "new");
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "a", false, NULL), KV_OK);
	expect(SIM_LOSE_ALL, "a", "old");
	expect(SIM_LOSE_ALL, "b", "new");
	expect(SIM_LOSE_NONE, "b", "-");
	expect_either("a", "old", "new");
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	expect(SIM_LOSE_ALL, "a", "new");
	expect(SIM_LOSE_ALL, "b", "-");
}
END_TEST

START_TEST(a_link_and_a_removal_need_the_sync_of_the_directory)
{
	make_durable("a", "content");
	ck_assert_int_eq(dir_link(&dir, "a", &dir, "b", NULL), KV_OK);
	ck_assert_int_eq(dir_unlink(&dir, "a", NULL), KV_OK);
	expect(SIM_LOSE_ALL, "a", "content");
	expect(SIM_LOSE_ALL, "b", "-");
	expect_either("a", "content", "-");
	expect_either("b", "content", "-");
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	expect(SIM_LOSE_ALL, "a", "-");
	expect(SIM_LOSE_ALL, "b", "content");
}
END_TEST

/* Writes `len` times the letter over the file. */
static void fill(struct file *file, char letter, size_t len)
{
	char bytes[4 * SIM_SECTOR];

	memset(bytes, letter, sizeof bytes);
	ck_assert_int_eq(file_write_at(file, slice_of(bytes, len), 0, NULL), KV_OK);
}

START_TEST(a_write_is_torn_at_sectors)
{
	struct file file = make("a", "");
	bool torn = false;

	fill(&file, 'o', 4 * SIM_SECTOR);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	fill(&file, 'n', 4 * SIM_SECTOR);
	file_close(&file);
	for (int i = 0; i < 200; i++) {
		char *got = after_cut(SIM_LOSE_ANY, "a");

		ck_assert_uint_eq(strlen(got), 4 * SIM_SECTOR);
		for (size_t at = 0; at < 4 * SIM_SECTOR; at++)
			ck_assert_int_eq(got[at], got[at / SIM_SECTOR * SIM_SECTOR]);
		torn |= got[0] != got[SIM_SECTOR];
		free(got);
	}
	ck_assert(torn);
}
END_TEST

START_TEST(a_file_may_have_grown_without_its_data)
{
	struct file file = make("a", "");
	bool longer = false, shorter = false, without = false;

	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	fill(&file, 'n', SIM_SECTOR);
	file_close(&file);
	for (int i = 0; i < 1000 && !(longer && shorter && without); i++) {
		struct buf content = { 0 };

		ck_assert_int_eq(read_after_cut(SIM_LOSE_ANY, "a", &content), KV_OK);
		longer |= content.len == SIM_SECTOR && content.data[0] == 'n';
		without |= content.len == SIM_SECTOR && content.data[0] == 0;
		shorter |= content.len == 0;
		buf_free(&content);
	}
	ck_assert(longer && shorter && without);
}
END_TEST

START_TEST(what_was_written_to_a_window_is_lost_or_kept_like_any_write)
{
	struct file file = make("a", "");
	struct file_map map;

	ck_assert_int_eq(file_truncate(&file, FILE_MAP_ALIGN, NULL), KV_OK);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert_int_eq(dir_sync(&dir, NULL), KV_OK);
	ck_assert_int_eq(file_map(&file, 0, FILE_MAP_ALIGN, &map), KV_OK);
	ck_assert(file_map_write(&map, slice_of_string("synced"), 0));
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert(file_map_write(&map, slice_of_string(" not"), 6));
	sim_disk_mark(disk, 0, 0); /* that the journal has it */
	expect(SIM_LOSE_ALL, "a", "synced");
	expect(SIM_LOSE_NONE, "a", "synced not");
	expect_either("a", "synced", "synced not");
	file_unmap(&map);
	file_close(&file);
}
END_TEST

START_TEST(a_sync_that_failed_is_not_made_good_by_the_next)
{
	struct file file;

	make_durable("a", "old");
	ck_assert_int_eq(file_open(&dir, "a", FILE_READ_WRITE, &file, NULL), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of_string("new"), 0, NULL), KV_OK);
	sim_disk_fail_sync(disk, 1, "a", EIO);
	ck_assert_int_eq(file_sync(&file, NULL), KV_IO);
	expect_either("a", "old", "new");
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	file_close(&file);
	expect(SIM_LOSE_NONE, "a", "old");
}
END_TEST

START_TEST(a_walk_shows_every_point_with_its_marks)
{
	struct sim_walk *walk;
	struct sim_step step;
	size_t steps = 0, marks = 0;

	sim_disk_mark(disk, 7, 70);
	make_durable("a", "content");
	sim_disk_mark(disk, 8, 80);
	walk = sim_walk_new(disk);
	for (; sim_walk_next(walk, &step); steps++) {
		if (!step.is_mark)
			continue;
		ck_assert_int_eq(step.kind, 7 + (int)marks);
		ck_assert_uint_eq(step.value, 70 + 10 * marks);
		marks++;
	}
	ck_assert_uint_eq(marks, 2);
	ck_assert_uint_eq(steps, sim_walk_length(walk));
	sim_walk_free(walk);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_disk");
	TCase *tc = tcase_create("sim_disk");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_synced_is_there_whatever_is_lost);
	tcase_add_test(tc, the_sync_of_a_file_does_not_keep_its_name);
	tcase_add_test(tc, the_sync_of_a_directory_does_not_keep_what_is_in_its_files);
	tcase_add_test(tc, a_rename_has_happened_or_not);
	tcase_add_test(tc, a_link_and_a_removal_need_the_sync_of_the_directory);
	tcase_add_test(tc, a_write_is_torn_at_sectors);
	tcase_add_test(tc, a_file_may_have_grown_without_its_data);
	tcase_add_test(tc, what_was_written_to_a_window_is_lost_or_kept_like_any_write);
	tcase_add_test(tc, a_sync_that_failed_is_not_made_good_by_the_next);
	tcase_add_test(tc, a_walk_shows_every_point_with_its_marks);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
