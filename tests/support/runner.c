/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/runner.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int runner_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

char *runner_new_dir(void)
{
	const char *base = getenv("TMPDIR");
	char *path;

	ck_assert_int_gt(asprintf(&path, "%s/kvtest.XXXXXX", base ? base : "/tmp"), 0);
	ck_assert_msg(mkdtemp(path) != NULL, "mkdtemp %s: %s", path, strerror(errno));
	return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void runner_remove_dir(char *path)
{
	ck_assert_int_eq(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(path);
}

uint64_t runner_seed(void)
{
	static uint64_t seed;
	const char *text = getenv("KV_TEST_SEED");
	struct timespec now;

	if (seed != 0)
		return seed;
	if (text) {
		seed = strtoull(text, NULL, 0);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
	}
	if (seed == 0)
		seed = 1;
	printf("seed: KV_TEST_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return seed;
}

size_t runner_first(void)
{
	return RUNNER_STEP == 1 ? 0 : (size_t)(runner_seed() % RUNNER_STEP);
}

unsigned runner_open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

unsigned runner_open_files(const char *ending)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		char target[4096];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);

		count += len >= (ssize_t)strlen(ending) && memcmp(target + len - strlen(ending), ending, strlen(ending)) == 0;
	}
	closedir(dir);
	return count;
}

bool runner_is_mine(uint64_t number)
{
	const char *text = getenv("KV_PART");
	unsigned long part, parts;
	int len = 0;

	if (!text)
		return true;
	if (sscanf(text, "%lu/%lu%n", &part, &parts, &len) != 2 || text[len] != '\0' || part >= parts)
		ck_abort_msg("KV_PART is not K/N: %s", text);
	return number % parts == part;
}

uint64_t runner_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}
