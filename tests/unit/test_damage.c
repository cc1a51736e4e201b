/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes through every damage must not skip one, repeat one, or leave a trace of the one before.
 */
#include "support/damage.h"

#include "support/disk.h"
#include "support/runner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk disk;
static struct damage_image image, other;

static void set_up(void)
{
	disk_open(&disk);
	disk_write(&disk, "b", slice_of_string("twotwo"));
	disk_write(&disk, "c", slice_of_string(""));
	other = damage_image_read(disk.path);
	disk_write(&disk, "b", slice_of_string("second"));
	disk_write(&disk, "a", slice_of_string("first"));
	image = damage_image_read(disk.path);
}

static void tear_down(void)
{
	damage_image_free(&image);
	damage_image_free(&other);
	disk_close(&disk);
}

static bool same_images(const struct damage_image *a, const struct damage_image *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->files[i].name, b->files[i].name) != 0 ||
			!slice_equal(
				buf_slice(&a->files[i].content), buf_slice(&b->files[i].content)))
			return false;
	return true;
}

START_TEST(an_image_is_the_files_by_name)
{
	ck_assert_uint_eq(image.count, 3);
	ck_assert_str_eq(image.files[0].name, "a");
	ck_assert(slice_equal(buf_slice(&image.files[1].content), slice_of_string("second")));
	ck_assert_uint_eq(damage_image_find(&image, "c"), 2);
	ck_assert_uint_eq(damage_image_find(&image, "d"), 3);
}
END_TEST

START_TEST(every_number_is_another_damage_that_changes_the_files)
{
	/* flips, cuts, sectors, appended, twice, missing, swapped, replaced; of "b" also the other
	 * store's */
	size_t expected = (15 + 5 + 1 + 4 + 1 + 1 + 2 + 2) + (18 + 6 + 1 + 4 + 1 + 1 + 1 + 2 + 1);
	size_t count = damage_count(&image, &other);
	char before[128] = "", text[128];

	ck_assert_uint_eq(count, expected);
	ck_assert_uint_eq(damage_count(&image, NULL), expected - 1);
	for (size_t n = 0; n < count; n++) {
		struct damage damage = damage_at(&image, &other, n);
		struct damage_image now;

		ck_assert(damage_changes(&image, &other, &damage));
		damage_write(&image, &other, &damage, disk.path);
		now = damage_image_read(disk.path);
		damage_describe(&image, &damage, text, sizeof text);
		ck_assert_msg(!same_images(&image, &now), "%s", text);
		ck_assert_str_ne(text, before);
		snprintf(before, sizeof before, "%s", text);
		damage_image_free(&now);
	}
}
END_TEST

START_TEST(what_changes_nothing_is_told)
{
	struct damage damage = { .kind = DAMAGE_ZERO };

	memset(image.files[0].content.data, 0, image.files[0].content.len);
	ck_assert(!damage_changes(&image, NULL, &damage));
	damage = (struct damage){ .kind = DAMAGE_SWAP, .file = 0, .with = 0 };
	ck_assert(!damage_changes(&image, NULL, &damage));
}
END_TEST

START_TEST(an_image_that_is_written_leaves_nothing_else)
{
	struct damage_image now;

	disk_write(&disk, "d", slice_of_string("more"));
	ck_assert_int_eq(unlinkat(disk.dir.fd, "a", 0), 0);
	ck_assert_int_eq(mkdirat(disk.dir.fd, "lost+found", 0700), 0);
	disk_write(&disk, "lost+found/e", slice_of_string("found"));
	damage_image_write(&image, disk.path);
	now = damage_image_read(disk.path);
	ck_assert(same_images(&image, &now));
	ck_assert_int_ne(faccessat(disk.dir.fd, "lost+found/e", F_OK, 0), 0);
	damage_image_free(&now);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damage");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, an_image_is_the_files_by_name);
	tcase_add_test(tcase, every_number_is_another_damage_that_changes_the_files);
	tcase_add_test(tcase, what_changes_nothing_is_told);
	tcase_add_test(tcase, an_image_that_is_written_leaves_nothing_else);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
