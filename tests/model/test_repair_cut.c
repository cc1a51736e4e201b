/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The power fails in the middle of a repair, at each point of it, on a disk that may then have any part of what was not synced. What is left is
 * opened as it is, where that is possible, or repaired once more: in both cases each key has its last value, or was told as given up by one
 * of the two repairs. What was damaged is still there: under its name, or in lost+found.
 *
 * KV_TEST_SEED repeats what the cuts lose. Under a sanitizer each RUNNER_STEP-th point is taken only.
 */
#include "support/fsck_store.h"
#include "support/runner.h"
#include "support/sim_disk.h"

#include <inttypes.h>
#include <stdio.h>

static const char store_path[] = "/store";
static const struct {
	const char *file; /* of those whose name ends so the newest is damaged, */
	size_t but;       /* ... but so many */
	uint64_t offset;  /* 0: in the middle */
	bool stale;       /* the repair needs the option */
} damages[] = {
	{ ".sst", 0, 0, false },
	{ ".sst", 1, 0, false },
	{ ".blob", 0, 0, false },
	{ ".wal", 1, 4100, true }, /* the newest was made ahead */
	{ "MANIFEST", 0, 0, true },
	{ "FORMAT", 0, 0, true },
};

static struct fsck_store fs;
static struct buf damaged; /* the content of that file */
static uint64_t random_state;
static unsigned points, opened, repaired;

static void setup(void)
{
	random_state = runner_seed();
	fsck_store_open(&fs);
}

static void teardown(void)
{
	fsck_store_done(&fs);
	buf_free(&damaged);
}

static size_t newest(const char *ending, size_t but)
{
	for (size_t i = fs.file_count; i-- > 0;) {
		size_t len = strlen(fs.names[i]), tail = strlen(ending);

		if (len >= tail && strcmp(fs.names[i] + len - tail, ending) == 0 && but-- == 0)
			return i;
	}
	ck_abort_msg("there is no such file");
	return 0;
}

/* ---- the disk ---- */

static void write_file(const struct dir *dir, const char *name, struct slice content)
{
	struct file file;

	ck_assert_int_eq(file_open(dir, name, FILE_CREATE, &file, NULL), KV_OK);
	ck_assert_int_eq(file_write_at(&file, content, 0, NULL), KV_OK);
	file_close(&file);
}

/* The store as it was made, with one byte of one file changed; all of it durable. */
static struct sim_disk *damaged_disk(size_t file, uint64_t offset)
{
	struct sim_disk *ret = sim_disk_new();
	struct dir dir;

	ck_assert_int_eq(buf_set(&damaged, buf_slice(&fs.files[file])), KV_OK);
	damaged.data[offset ? offset : damaged.len / 2] ^= 0xff;

	ck_assert_int_eq(dir_create(sim_disk_fs(ret), store_path, &dir, NULL), KV_OK);
	for (size_t i = 0; i < fs.file_count; i++)
		write_file(&dir, fs.names[i], buf_slice(i == file ? &damaged : &fs.files[i]));
	dir_close(&dir);
	sim_disk_settle(ret);
	return ret;
}

static void look_at(struct sim_disk *disk)
{
	fs.small.options.fs = sim_disk_fs(disk);
	fs.small.options.data_dir = store_path;
}

static void look_back(void)
{
	fs.small.options.fs = fault_fs_fs(fs.small.disk.fault);
	fs.small.options.data_dir = fs.small.disk.path;
}

/* ---- what is left ---- */

struct search {
	const struct dir *dir;
	bool found;
};

static int compare(void *arg, const char *name)
{
	struct search *search = arg;
	struct buf content = { 0 };

	if (name[0] != '.' && file_read_whole(search->dir, name, UINT64_MAX, &content, NULL) == KV_OK)
		search->found = search->found || slice_equal(buf_slice(&content), buf_slice(&damaged));
	buf_free(&content);
	return 0;
}

static bool has_damaged(const struct dir *dir)
{
	struct search search = { .dir = dir };

	ck_assert_int_eq(dir_list(dir, compare, &search, NULL), KV_OK);
	return search.found;
}

/* Nobody gives up a file that he could not look at later. */
static void judge_damaged(struct sim_disk *disk)
{
	struct dir dir, lost;
	bool found;

	ck_assert_int_eq(dir_open(sim_disk_fs(disk), store_path, false, &dir, NULL), KV_OK);
	found = has_damaged(&dir);
	if (!found && dir_open_at(&dir, "lost+found", false, &lost, NULL) == KV_OK) {
		found = has_damaged(&lost);
		dir_close(&lost);
	}
	dir_close(&dir);
	ck_assert_msg(found, "what was damaged is gone");
}

/* A start that is not refused gives no wrong answer. */
static void judge_start(struct sim_disk *disk, bool stale)
{
	struct kv_error err = { 0 };
	kv_status status;

	look_at(disk);
	status = small_store_try_open(&fs.small, &err);
	small_store_crash(&fs.small);
	if (status == KV_OK) {
		fs.unrepaired = true;
		fsck_store_judge(&fs, stale);
		fs.unrepaired = false;
		opened++;
	} else {
		ck_assert_msg(status == KV_CORRUPT, "%s: %s", err.file, err.text);
	}
}

static void judge_second_repair(struct sim_disk *disk, bool stale)
{
	struct kv_error err = { 0 };

	look_at(disk);
	ck_assert_msg(fsck_store_repair(&fs, stale, &err) == KV_OK, "%s: %s", err.file, err.text);
	fsck_store_judge(&fs, stale);
	repaired++;
}

/* The same loss twice: once for a start, once for a repair. */
static void cut(struct sim_walk *walk, enum sim_loss loss, bool stale)
{
	for (unsigned way = 0; way < 2; way++) {
		uint64_t random = random_state;
		struct sim_disk *disk = sim_walk_cut(walk, loss, &random);
		struct fsck_told told = fs.told;

		judge_damaged(disk);
		if (way == 0)
			judge_start(disk, stale);
		else
			judge_second_repair(disk, stale);
		judge_damaged(disk);
		ck_assert_uint_eq(sim_disk_open_count(disk), 0);
		fs.told = told;
		sim_disk_free(disk);
	}
	runner_random(&random_state);
}

START_TEST(a_repair_can_be_cut_anywhere)
{
	size_t file = newest(damages[_i].file, damages[_i].but);
	struct sim_disk *disk = damaged_disk(file, damages[_i].offset);
	bool stale = damages[_i].stale;
	struct kv_error err = { 0 };
	struct sim_walk *walk;
	struct sim_step step;

	look_at(disk);
	fsck_store_forget(&fs);
	ck_assert_msg(fsck_store_repair(&fs, stale, &err) == KV_OK, "%s: %s", err.file, err.text);
	ck_assert_uint_gt(fs.told.damages, 0);
	walk = sim_walk_new(disk);
	for (bool more = true; more; more = sim_walk_next(walk, &step)) {
		if (points++ % RUNNER_STEP != 0)
			continue;
		for (int loss = 0; loss < SIM_LOSS_COUNT; loss++)
			cut(walk, (enum sim_loss)loss, stale);
	}
	printf("%s: %zu steps of a repair, cut at each in five ways; %u times it could be opened as it was, %u times it was repaired again\n", fs.names[file],
		sim_walk_length(walk), opened, repaired);
	ck_assert_uint_gt(repaired, 0);
	sim_walk_free(walk);
	sim_disk_free(disk);
	look_back();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repair_cut");
	TCase *tcase = tcase_create("repair_cut");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 240);
	tcase_add_loop_test(tcase, a_repair_can_be_cut_anywhere, 0, sizeof damages / sizeof damages[0]);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
