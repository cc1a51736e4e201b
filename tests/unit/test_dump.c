/* SPDX-License-Identifier: BSD-2-Clause */
/* Files in readable form: one line for each record, in a form that stays; what is damaged is told and the rest printed. */
#include "support/fault_alloc.h"
#include "support/fsck_store.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>

static struct fsck_store fs;
static unsigned lines, entries, damages;
static char first_line[256], entry_line[256], last_line[256];

static void setup(void)
{
	fsck_store_open(&fs);
}

static void teardown(void)
{
	fsck_store_done(&fs);
}

static void keep(char to[256], struct slice text)
{
	size_t len = text.len < 256 ? text.len : 255;

	memcpy(to, text.data, len);
	to[len] = '\0';
}

static bool begins(struct slice text, const char *word)
{
	return slice_starts_with(text, slice_of_string(word));
}

static void note_line(void *arg, struct slice text)
{
	bool entry = begins(text, "put ") || begins(text, "delete ") || begins(text, "blob ") || begins(text, "delete-range ");

	(void)arg;
	if (lines++ == 0)
		keep(first_line, text);
	if (entry && entries++ == 0)
		keep(entry_line, text);
	keep(last_line, text);
	if (text.len == 0 || text.data[text.len - 1] != '\n')
		lines += 1000000;
}

static void note_finding(void *arg, const struct store_finding *finding)
{
	(void)arg;
	damages += finding->kind == STORE_FINDING_DAMAGE;
}

static kv_status dump(const char *name, bool values)
{
	struct store_printer printer = { .line = note_line, .values = values };
	char path[512];

	lines = entries = damages = 0;
	first_line[0] = entry_line[0] = last_line[0] = '\0';
	snprintf(path, sizeof path, "%s/%s", fs.small.disk.path, name);
	return store_dump(fs.small.options.fs, path, &printer, note_finding, NULL, NULL);
}

static bool ends_with(const char *name, const char *ending)
{
	size_t len = strlen(name), tail = strlen(ending);

	return len >= tail && strcmp(name + len - tail, ending) == 0;
}

static const char *find(const char *ending)
{
	for (size_t i = 0; i < fs.file_count; i++)
		if (ends_with(fs.names[i], ending))
			return fs.names[i];
	ck_abort_msg("there is no %s", ending);
	return NULL;
}

static bool has(const char *line, const char *part)
{
	return strstr(line, part) != NULL;
}

START_TEST(each_kind_of_file_has_its_lines)
{
	ck_assert_int_eq(dump(find(".sst"), true), KV_OK);
	ck_assert_msg(has(first_line, "footer number="), "%s", first_line);
	ck_assert_msg(has(entry_line, " sequence=1 key=\"key000000\" bytes=") && has(entry_line, " value=\"value 1 of 0 "), "%s",
		entry_line);
	ck_assert_uint_eq(entries, 120);
	ck_assert_int_eq(dump(find(".wal"), false), KV_OK);
	ck_assert_msg(has(first_line, "log segment="), "%s", first_line);
	ck_assert_msg(has(last_line, "end offset="), "%s", last_line);
	ck_assert_msg(!has(entry_line, " value="), "%s", entry_line);
	ck_assert_int_eq(dump("MANIFEST", false), KV_OK);
	ck_assert_msg(has(first_line, "manifest version=2 store=") && has(last_line, "table level="), "%s", first_line);
	ck_assert_int_eq(dump("FORMAT", false), KV_OK);
	ck_assert_msg(has(first_line, "format version=2 store="), "%s", first_line);
	ck_assert_int_eq(dump(find(".blob"), false), KV_OK);
	ck_assert_msg(has(first_line, "blob-file number=") && has(last_line, "end bytes=70000 checksum="), "%s", last_line);
	ck_assert_uint_eq(damages, 0);
}
END_TEST

START_TEST(a_name_tells_nothing)
{
	struct buf table = disk_read(&fs.small.disk, find(".sst"));

	disk_write(&fs.small.disk, "a copy", buf_slice(&table));
	ck_assert_int_eq(dump("a copy", false), KV_OK);
	ck_assert_uint_eq(entries, 120);
	disk_write(&fs.small.disk, "text", slice_of_string("something else, long enough to have had a footer: 0123456789012345678901234567890123456789"));
	ck_assert_int_eq(dump("text", false), KV_INVALID);
	ck_assert_int_eq(dump("nothing", false), KV_NOT_FOUND);
	buf_free(&table);
}
END_TEST

START_TEST(beside_damage_the_rest_is_printed)
{
	uint64_t random = runner_seed();

	for (size_t i = 0; i < fs.file_count; i++) {
		const struct buf *file = &fs.files[i];
		uint64_t most = file->len < 9000 ? file->len : 9000;

		for (unsigned k = 0; k < 40 && most > 0; k++) {
			uint64_t at = runner_random(&random) % most;
			uint8_t byte = file->data[at] ^ disk_flips[k % DISK_FLIPS];
			kv_status status;

			disk_patch(&fs.small.disk, fs.names[i], at, slice_of(&byte, 1));
			status = dump(fs.names[i], true);
			ck_assert_msg(status == KV_OK || status == KV_CORRUPT || status == KV_INVALID, "%s %u: %s", fs.names[i],
				(unsigned)at, kv_status_text(status));
			ck_assert_msg(status == KV_OK || damages > 0 || status == KV_INVALID, "%s %u", fs.names[i], (unsigned)at);
			if (ends_with(fs.names[i], ".sst") && file->len > 4000)
				ck_assert_uint_gt(entries, 20);
			disk_patch(&fs.small.disk, fs.names[i], at, slice_of(file->data + at, 1));
		}
	}
}
END_TEST

START_TEST(a_failed_allocation_or_read_is_told)
{
	for (size_t i = 0; i < fs.file_count; i++) {
		kv_status status = KV_NO_MEMORY;

		if (fs.files[i].len == 0 || strcmp(fs.names[i], "SCRUB") == 0 || strcmp(fs.names[i], "RESERVE") == 0)
			continue; /* not printed */
		for (uint64_t nth = 1; status != KV_OK; nth += 1 + nth / 10) {
			fault_alloc_fail_here(nth);
			status = dump(fs.names[i], false);
			fault_alloc_fail_here(0);
			ck_assert_msg(status == KV_OK || status == KV_NO_MEMORY, "%s: %s", fs.names[i], kv_status_text(status));
		}
		status = KV_IO;
		for (uint64_t nth = 1; status != KV_OK; nth++) {
			fault_fs_fail(fs.small.disk.fault, FAULT_PREAD, nth, EIO);
			status = dump(fs.names[i], false);
			fault_fs_heal(fs.small.disk.fault);
			ck_assert_msg(status == KV_OK || status == KV_IO || status == KV_CORRUPT, "%s", kv_status_text(status));
			if (status == KV_CORRUPT)
				ck_assert_uint_gt(damages, 0);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dump");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, each_kind_of_file_has_its_lines);
	tcase_add_test(tcase, a_name_tells_nothing);
	tcase_add_test(tcase, beside_damage_the_rest_is_printed);
	tcase_add_test(tcase, a_failed_allocation_or_read_is_told);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
