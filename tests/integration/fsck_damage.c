/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault 8 for kvfsck: bytes of all files flipped three ways, files cut, appended to, swapped, doubled and removed, one at a time. Each time the check
 * tells it, or it is shown that it does no harm. In make check a sample, which the seed chooses; with KV_LONG=1 every byte and every length, or
 * a part of them (see runner_is_mine).
 */
#include "support/fsck_store.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct fsck_store fs;
static uint64_t random_state;

static void setup(void)
{
	random_state = runner_seed();
	fsck_store_open(&fs);
}

static void teardown(void)
{
	fsck_store_done(&fs);
}

/* ---- one case ---- */

static const char *what; /* the case, for messages */
static char what_text[128];
static unsigned unnoticed; /* operations at the end of the log that the case may have wiped out without a trace */
static unsigned cases, harmless, strict_repairs, stale_repairs;

static void begin(const char *file, const char *kind, unsigned long long at, unsigned how)
{
	snprintf(what_text, sizeof what_text, "%s: %s %llu, %u", file, kind, at, how);
	what = what_text;
	unnoticed = 0;
	cases++;
	if (getenv("FSCK_SHOW"))
		printf("%s\n", what);
}

static void must_check(void)
{
	struct kv_error err = { 0 };
	char line[512];

	fsck_store_forget(&fs);
	ck_assert_msg(fsck_store_check(&fs, &err) == KV_OK, "%s: %s", what, kv_error_format(&err, line, sizeof line));
}

/* The last group of the log, of which nothing can be known when it is damaged, is a single put. */
static void must_be_harmless(void)
{
	unsigned wrong, most = unnoticed > fs.told.torn ? unnoticed : fs.told.torn;

	harmless++;
	fs.told.any = most > 0;
	wrong = fsck_store_judge(&fs, most > 0);
	ck_assert_msg(wrong <= most, "%s: told as clean, and %u keys are not right", what, wrong);
}

static int note_name(void *arg, const char *name)
{
	char(*names)[32] = arg;
	size_t i = 0;

	if (strcmp(name, "lost+found") == 0)
		return 0;
	while (names[i][0] != '\0')
		i++;
	ck_assert_uint_lt(i, FSCK_FILES_MAX - 1);
	snprintf(names[i], sizeof names[i], "%s", name);
	return 0;
}

/* All files; the caller frees the array and what is in it. */
static struct buf *snapshot(size_t *ret_count, char names[FSCK_FILES_MAX][32])
{
	struct buf *files = calloc(FSCK_FILES_MAX, sizeof *files);

	memset(names, 0, FSCK_FILES_MAX * sizeof names[0]);
	ck_assert_int_eq(dir_list(&fs.small.disk.dir, note_name, names, NULL), KV_OK);
	for (*ret_count = 0; names[*ret_count][0] != '\0'; ++*ret_count)
		files[*ret_count] = disk_read(&fs.small.disk, names[*ret_count]);
	return files;
}

/* LOCK may have been made. */
static void must_be_unchanged(struct buf *before, size_t count, char names[FSCK_FILES_MAX][32])
{
	for (size_t i = 0; i < count; i++) {
		struct buf now = disk_read(&fs.small.disk, names[i]);

		ck_assert_msg(slice_equal(buf_slice(&before[i]), buf_slice(&now)), "%s: %s was changed", what, names[i]);
		buf_free(&now);
	}
}

/* *ret_stale: it had to be accepted that keys may have older values. */
static void must_repair(bool *ret_stale)
{
	static char names[FSCK_FILES_MAX][32];
	struct kv_error err = { 0 };
	char line[512];
	size_t count;
	struct buf *before = snapshot(&count, names);
	kv_status status;

	fsck_store_forget(&fs);
	status = fsck_store_repair(&fs, false, &err);
	*ret_stale = status == KV_INVALID;
	if (status == KV_INVALID) {
		must_be_unchanged(before, count, names);
		fsck_store_forget(&fs);
		status = fsck_store_repair(&fs, true, &err);
	}
	ck_assert_msg(status == KV_OK, "%s: repair: %s", what, kv_error_format(&err, line, sizeof line));
	for (size_t i = 0; i < count; i++)
		buf_free(&before[i]);
	free(before);
}

/* The directory is damaged: whatever becomes of it is right, or told. How many keys are not right. */
static unsigned judge_case(void)
{
	struct fsck_told told;
	bool stale = false;
	unsigned wrong;

	must_check();
	if (fs.told.damages == 0) {
		must_be_harmless();
		return 0;
	}
	must_repair(&stale);
	stale_repairs += stale;
	strict_repairs += !stale;
	told = fs.told;
	must_check();
	ck_assert_msg(fs.told.damages == 0 && fs.told.remarks == fs.told.torn, "%s: after the repair: %s", what,
		fs.told.last);
	fs.told = told;
	fs.told.any = told.any || told.torn;
	wrong = fsck_store_judge(&fs, stale || told.torn);
	ck_assert_msg(wrong <= told.torn || told.lost > 0, "%s: %u keys are not right, and nothing is told", what, wrong);
	return wrong;
}

static void report(const char *name)
{
	printf("%s: %u cases, %u did no harm, %u repaired, %u only with --accept-stale\n", name, cases, harmless,
		strict_repairs, stale_repairs);
}

static uint64_t pick(uint64_t below)
{
	return runner_random(&random_state) % below;
}

static size_t index_of(const char *ending, size_t nth)
{
	for (size_t i = 0; i < fs.file_count; i++) {
		size_t len = strlen(fs.names[i]), tail = strlen(ending);

		if (len >= tail && strcmp(fs.names[i] + len - tail, ending) == 0 && nth-- == 0)
			return i;
	}
	ck_abort_msg("there is no such file");
	return 0;
}

static size_t count_of(const char *ending)
{
	size_t count = 0;

	for (size_t i = 0; i < fs.file_count; i++) {
		size_t len = strlen(fs.names[i]), tail = strlen(ending);

		count += len >= tail && strcmp(fs.names[i] + len - tail, ending) == 0;
	}
	return count;
}

/* The newest segment of the log, or the one behind it that is made ahead. */
static bool is_end_of_log(size_t file)
{
	size_t count = count_of(".wal");

	return file == index_of(".wal", count - 1) || file == index_of(".wal", count - 2);
}

/* ---- the tests ---- */

START_TEST(what_is_whole_is_clean_and_stays_as_it_is)
{
	what = "nothing";
	must_check();
	ck_assert_msg(fs.told.damages + fs.told.remarks == 0, "%s", fs.told.last);
	ck_assert_uint_ge(fs.report.entries, FSCK_KEYS);
	ck_assert(fsck_store_is_unchanged(&fs, NULL, slice_of(NULL, 0)));
	ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
	ck_assert_uint_ge(count_of(".sst"), 3);
	ck_assert_uint_ge(count_of(".blob"), 3);
	ck_assert_uint_ge(count_of(".wal"), 3);
}
END_TEST

/* Where bytes are worth being flipped: logs are mostly zeros behind their groups, and blob files all alike. */
static uint64_t worth(size_t file)
{
	const char *dot = strrchr(fs.names[file], '.');
	uint64_t len = fs.files[file].len;

	return dot && strcmp(dot, ".wal") == 0 && len > 16384 ? 16384 : len;
}

static void flip(size_t file, uint64_t at, uint8_t mask)
{
	uint8_t byte = fs.files[file].data[at] ^ mask;

	begin(fs.names[file], "byte", at, mask);
	fsck_store_restore(&fs);
	disk_patch(&fs.small.disk, fs.names[file], at, slice_of(&byte, 1));
	judge_case();
}

/* In a blob file every 97th byte, since one part is as another, and all of its header and footer. */
static uint64_t next_byte(size_t file, uint64_t at)
{
	bool blob = strstr(fs.names[file], ".blob") != NULL;

	return blob && at > 48 && at + 97 < fs.files[file].len - 24 ? at + 97 : at + 1;
}

/* Of a long run. */
static bool is_of_part(uint64_t at, unsigned part)
{
	return at % RUNNER_LONG_PARTS == part && runner_is_mine(at / RUNNER_LONG_PARTS);
}

START_TEST(a_flipped_byte_is_told_or_does_no_harm)
{
	unsigned sample = RUNNER_STEP > 1 ? 40 : 400;

	if (getenv("KV_LONG")) {
		for (size_t i = 0; i < fs.file_count; i++)
			for (uint64_t at = 0; at < worth(i); at = next_byte(i, at))
				for (int k = 0; k < DISK_FLIPS && is_of_part(at, (unsigned)_i); k++)
					flip(i, at, disk_flips[k]);
	} else {
		while (sample > 0) {
			size_t file = (size_t)pick(fs.file_count);

			if (worth(file) == 0)
				continue;
			flip(file, pick(worth(file)), disk_flips[pick(DISK_FLIPS)]);
			sample--;
		}
	}
	report("flips");
}
END_TEST

static void cut(size_t file, uint64_t len)
{
	begin(fs.names[file], "length", len, 0);
	fsck_store_restore(&fs);
	disk_write(&fs.small.disk, fs.names[file], slice_of(fs.files[file].data, len));
	judge_case();
}

START_TEST(a_cut_file_is_told_or_does_no_harm)
{
	unsigned sample = RUNNER_STEP > 1 ? 20 : 150;

	if (getenv("KV_LONG")) {
		for (size_t i = 0; i < fs.file_count; i++)
			for (uint64_t at = 0; at < worth(i); at = next_byte(i, at))
				if (is_of_part(at, (unsigned)_i))
					cut(i, at);
	} else {
		while (sample > 0) {
			size_t file = (size_t)pick(fs.file_count);

			if (fs.files[file].len == 0)
				continue;
			cut(file, pick(2) ? pick(fs.files[file].len) : pick(worth(file)));
			sample--;
		}
	}
	report("cuts");
}
END_TEST

START_TEST(garbage_behind_a_file_is_told_or_does_no_harm)
{
	for (size_t i = 0; i < fs.file_count; i++) {
		uint8_t garbage[100];

		begin(fs.names[i], "garbage behind", fs.files[i].len, 0);
		fsck_store_restore(&fs);
		for (size_t k = 0; k < sizeof garbage; k++)
			garbage[k] = (uint8_t)runner_random(&random_state);
		disk_patch(&fs.small.disk, fs.names[i], fs.files[i].len, slice_of(garbage, sizeof garbage));
		judge_case();
	}
	report("garbage");
}
END_TEST

START_TEST(zeroed_sectors_are_told_or_do_no_harm)
{
	static const uint8_t zeros[512];

	for (size_t i = 0; i < fs.file_count; i++)
		for (uint64_t at = 0; at + 512 <= worth(i); at += (1 + pick(8)) * 512 * RUNNER_STEP) {
			begin(fs.names[i], "zeros from", at, 0);
			/* the last groups of the newest log, and nothing behind them: as if they had never been */
			unnoticed = is_end_of_log(i) ? 10 : 0;
			fsck_store_restore(&fs);
			disk_patch(&fs.small.disk, fs.names[i], at, slice_of(zeros, sizeof zeros));
			judge_case();
		}
	report("zeros");
}
END_TEST

START_TEST(a_missing_file_is_told_or_does_no_harm)
{
	for (size_t i = 0; i < fs.file_count; i++) {
		begin(fs.names[i], "missing", 0, 0);
		fsck_store_restore(&fs);
		ck_assert_int_eq(dir_unlink(&fs.small.disk.dir, fs.names[i], NULL), KV_OK);
		judge_case();
	}
	report("missing");
}
END_TEST

START_TEST(swapped_and_doubled_files_are_told)
{
	static const char *const endings[] = { ".sst", ".blob", ".wal" };

	for (size_t e = 0; e < 3; e++) {
		size_t count = count_of(endings[e]);
		unsigned wrong;

		for (size_t a = 0; a < count; a++)
			for (size_t b = 0; b < count; b++) {
				size_t x = index_of(endings[e], a), y = index_of(endings[e], b);

				if (a == b || pick(RUNNER_STEP) != 0)
					continue;
				begin(fs.names[x], a < b ? "swapped with file" : "lies in the place of file", y, 0);
				fsck_store_restore(&fs);
				disk_write(&fs.small.disk, fs.names[y], buf_slice(&fs.files[x]));
				if (a < b)
					disk_write(&fs.small.disk, fs.names[x], buf_slice(&fs.files[y]));
				wrong = judge_case();
				ck_assert_msg(a > b || wrong == 0, "%s: they can get their own names again", what);
			}
	}
	report("swaps");
}
END_TEST

START_TEST(a_file_of_another_store_is_told)
{
	static struct fsck_store other;

	fsck_store_open(&other);
	for (size_t i = 0; i < fs.file_count; i++)
		for (size_t k = 0; k < other.file_count; k++) {
			bool format = strcmp(fs.names[i], "FORMAT") == 0;
			unsigned wrong;

			if (strcmp(fs.names[i], other.names[k]) != 0 || strcmp(fs.names[i], "LOCK") == 0)
				continue;
			begin(fs.names[i], "of another store", 0, 0);
			fsck_store_restore(&fs);
			disk_write(&fs.small.disk, fs.names[i], buf_slice(&other.files[k]));
			wrong = judge_case();
			ck_assert_msg(wrong < FSCK_KEYS && (!format || wrong == 0), "%s costs %u keys", what, wrong);
		}
	fsck_store_done(&other);
	report("of another store");
}
END_TEST

/* What is told as given up is not the whole store: a byte of a data block costs the keys of that block. */
START_TEST(a_damaged_block_costs_its_own_keys_only)
{
	size_t file = index_of(".sst", 0);
	unsigned wrong;

	begin(fs.names[file], "block", 100, 0xff);
	fsck_store_restore(&fs);
	disk_patch(&fs.small.disk, fs.names[file], 100, slice_of("\xff", 1));
	wrong = judge_case();
	ck_assert_uint_lt(wrong, FSCK_KEYS / 3);
	report("one block");
}
END_TEST

/* Two or three faults at a time. */
START_TEST(several_faults_at_a_time_are_told)
{
	for (unsigned sample = RUNNER_STEP > 1 ? 10 : 80; sample > 0; sample--) {
		unsigned faults = 2 + (unsigned)pick(2);

		begin("several", "faults", faults, sample);
		fsck_store_restore(&fs);
		while (faults > 0) {
			size_t file = (size_t)pick(fs.file_count);
			uint64_t at;
			uint8_t byte;

			if (worth(file) == 0)
				continue;
			at = pick(worth(file));
			byte = fs.files[file].data[at] ^ disk_flips[pick(DISK_FLIPS)];
			disk_patch(&fs.small.disk, fs.names[file], at, slice_of(&byte, 1));
			faults--;
			if (getenv("FSCK_SHOW"))
				printf(" %s at %llu\n", fs.names[file], (unsigned long long)at);
		}
		judge_case();
	}
	report("several");
}
END_TEST

/* Killed anywhere, a repair can be run again: the n-th call to the file system fails, and all that follow. */
START_TEST(a_repair_that_was_ended_anywhere_can_be_run_again)
{
	static const char *const damaged[] = { ".sst", "MANIFEST", ".wal", ".blob", "FORMAT" };
	size_t file = index_of(damaged[_i], 0);
	kv_status status = KV_IO;

	for (uint64_t nth = 1; status != KV_OK; nth += 1 + pick(nth / 8 + 1) + nth * (RUNNER_STEP - 1) / 16) {
		uint8_t byte = fs.files[file].data[fs.files[file].len / 2] ^ 0xff;
		bool stale = strcmp(damaged[_i], ".sst") != 0;
		struct fsck_told told;
		unsigned damages;
		uint64_t at = strcmp(damaged[_i], ".wal") == 0 ? 4100 : fs.files[file].len / 2;

		begin(fs.names[file], "ended at call", nth, 0);
		byte = fs.files[file].data[at] ^ 0xff;
		fsck_store_restore(&fs);
		disk_patch(&fs.small.disk, fs.names[file], at, slice_of(&byte, 1));
		fault_fs_fail_from(fs.small.disk.fault, FAULT_ANY, nth, EIO);
		fsck_store_forget(&fs);
		status = fsck_store_repair(&fs, stale, NULL);
		fault_fs_heal(fs.small.disk.fault);
		told = fs.told;
		must_check();
		damages = fs.told.damages;
		fs.told = told; /* what the second one gives up is told beside that of the first */
		if (damages > 0)
			ck_assert_int_eq(fsck_store_repair(&fs, stale, NULL), KV_OK);
		fsck_store_judge(&fs, stale);
		ck_assert_uint_lt(nth, 100000);
	}
	report("ended");
}
END_TEST

int main(void)
{
	int parts = getenv("KV_LONG") ? RUNNER_LONG_PARTS : 1;
	Suite *suite = suite_create("fsck_damage");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, getenv("KV_LONG") ? 3600 : 60);
	tcase_add_test(tcase, what_is_whole_is_clean_and_stays_as_it_is);
	tcase_add_loop_test(tcase, a_flipped_byte_is_told_or_does_no_harm, 0, parts);
	tcase_add_loop_test(tcase, a_cut_file_is_told_or_does_no_harm, 0, parts);
	tcase_add_test(tcase, garbage_behind_a_file_is_told_or_does_no_harm);
	tcase_add_test(tcase, zeroed_sectors_are_told_or_do_no_harm);
	tcase_add_test(tcase, a_missing_file_is_told_or_does_no_harm);
	tcase_add_test(tcase, swapped_and_doubled_files_are_told);
	tcase_add_test(tcase, a_file_of_another_store_is_told);
	tcase_add_test(tcase, a_damaged_block_costs_its_own_keys_only);
	tcase_add_test(tcase, several_faults_at_a_time_are_told);
	tcase_add_loop_test(tcase, a_repair_that_was_ended_anywhere_can_be_run_again, 0, 5);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
