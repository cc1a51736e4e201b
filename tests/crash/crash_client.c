/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kill -9 test: starts the daemon, loads it over HTTP, kills it at a random time, starts it again, verifies; over
 * and over. Some cycles kill it during its recovery or while it stops, some end it by SIGTERM under load. Limits are
 * tiny, so that flushes, compactions and changes of the log are hit; they, compression and durability are others
 * at every start.
 *
 * Promises that are checked: every acknowledged write is there, no deleted key is back, nothing that was read is lost,
 * no ETag is used twice, the daemon ends with 0 on SIGTERM.
 *
 * With POWER_CUTS the store lies on a powerdisk, whose power is cut in the place of each kill -9. What is answered from then on is not
 * looked at; durability is always `commit`, since that of `os` does not promise to survive it. Environment: KVSTORED (the program), KV_TEST_SEED,
 * CYCLES (200; built with a sanitizer 50; more when no flush or no compaction was seen), RESTART_MS (0: the longest restart
 * is only told; else more is a failure).
 */
#define _GNU_SOURCE
#include "config.h"

#include "base/clock.h"
#include "crash/load.h"
#include "crash/oracle.h"
#include "crash/powerdisk.h"
#include "support/daemonproc.h"
#include "support/die.h"
#include "support/runner.h"
#include "support/tempdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The sanitizers make a cycle several times slower. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CYCLES_DEFAULT = 50 };
#else
enum { CYCLES_DEFAULT = 200 };
#endif

enum {
	CYCLES_LONG = 20000,
	KEYS = 800,
	LOAD_MS_MIN = 5,
	LOAD_MS_MAX = 170,
	EXTRA_CYCLES = 60, /* more, each with a longer load, until a flush and a compaction were seen */
	CYCLES_OF_ALL = 50, /* from so many on, that is asked of power cuts, too, and a kill or cut during a recovery */
	READY_TIMEOUT_MS = 120000,
	STOP_TIMEOUT_MS = 120000,
};

struct test {
	struct daemonproc *daemon;
	struct powerdisk *disk; /* NULL: the processes are killed, nothing else */
	struct oracle *oracle;
	struct load *load;
	struct load_counts counts;
	uint64_t random;
	uint64_t restart_us_last, restart_us_max, restart_us_sum;
	unsigned cycle, restarts, kills_under_load, kills_in_recovery, kills_while_stopping, stops;
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t roll(struct test *test, uint64_t sides)
{
	return runner_random(&test->random) % sides;
}

static void failed(struct test *test, const char *what)
{
	printf("VIOLATION: cycle %u: %s (exit status %d)\n", test->cycle, what,
		daemonproc_exit_status(test->daemon));
	test->counts.violations++;
}

/* Every start gets its own: data written under one must be read under the others. */
static void choose_settings(struct test *test)
{
	static const char *const compressions[] = {
		"none",
#ifdef HAVE_LZ4
		"lz4",
#endif
#ifdef HAVE_ZSTD
		"zstd",
#endif
	};
	char text[800], data_dir[300] = "";

	if (test->disk)
		snprintf(data_dir, sizeof(data_dir), "data_dir = \"%s/data\"\n", powerdisk_path(test->disk));
	snprintf(text, sizeof(text),
		"memtable_size = \"%uK\"\nblock_cache_size = \"%uK\"\nblob_threshold = \"%uK\"\ncompaction_threshold = %u\n"
		"flush_interval = 1\nhttp_threads = %u\nchange_log_size = \"%s\"\ncompression = \"%s\"\ndurability = \"%s\"\n%s",
		64U << roll(test, 4), (unsigned)roll(test, 2) * 256, 4U << roll(test, 5), 2 + (unsigned)roll(test, 3),
		1 + (unsigned)roll(test, 3), roll(test, 2) ? "1M" : "0",
		compressions[roll(test, sizeof(compressions) / sizeof(compressions[0]))],
		roll(test, 3) == 0 && !test->disk ? "os" : "commit", data_dir);
	daemonproc_configure(test->daemon, text);
}

/* The end without warning. */
static void end_suddenly(struct test *test)
{
	if (test->disk) {
		powerdisk_cut(test->disk);
		load_abandon(test->load);
	}
	daemonproc_kill(test->daemon);
	if (test->disk)
		powerdisk_restore(test->disk);
}

static void kill_in_recovery(struct test *test)
{
	int wait_ms = (int)roll(test, 2 + test->restart_us_last * 5 / 4000);

	choose_settings(test);
	daemonproc_start(test->daemon);
	if (daemonproc_has_ended(test->daemon, wait_ms))
		failed(test, "the daemon ended by itself during recovery");
	end_suddenly(test);
	test->kills_in_recovery++;
}

static bool restart(struct test *test)
{
	uint64_t elapsed_us = 0;

	choose_settings(test);
	daemonproc_start(test->daemon);
	if (!daemonproc_wait_ready(test->daemon, READY_TIMEOUT_MS, &elapsed_us)) {
		failed(test, "the daemon did not get ready");
		return false;
	}
	test->restarts++;
	test->restart_us_last = elapsed_us;
	test->restart_us_sum += elapsed_us;
	if (elapsed_us > test->restart_us_max)
		test->restart_us_max = elapsed_us;
	return true;
}

static void stop_under_load(struct test *test)
{
	uint64_t give_up = clock_monotonic_us() + STOP_TIMEOUT_MS * UINT64_C(1000);

	daemonproc_terminate(test->daemon);
	while (!daemonproc_has_ended(test->daemon, 0) && clock_monotonic_us() < give_up)
		load_continue(test->load);
	if (!daemonproc_has_ended(test->daemon, 0) || daemonproc_exit_status(test->daemon) != 0)
		failed(test, "the daemon did not end with 0 on SIGTERM under load");
	daemonproc_kill(test->daemon);
	test->stops++;
}

/* SIGTERM, and SIGKILL while it flushes and cleans up. */
static void kill_while_stopping(struct test *test)
{
	uint64_t end = clock_monotonic_us() + roll(test, 40000);

	daemonproc_terminate(test->daemon);
	while (clock_monotonic_us() < end && !daemonproc_has_ended(test->daemon, 0))
		load_continue(test->load);
	end_suddenly(test);
	test->kills_while_stopping++;
}

static void end_under_load(struct test *test)
{
	uint64_t how = roll(test, 12);

	if (roll(test, 2) == 0)
		load_fetch_stats(test->load);
	if (daemonproc_has_ended(test->daemon, 0))
		failed(test, "the daemon ended by itself under load");
	load_expect_end(test->load);
	if (how == 0) {
		stop_under_load(test);
	} else if (how == 1) {
		kill_while_stopping(test);
	} else {
		end_suddenly(test);
		test->kills_under_load++;
	}
	load_collect(test->load);
}

/* Without it there was no test. Of a few cuts, each of which takes longer than a kill, less is asked (15 under a sanitizer). */
static bool has_seen_all(const struct test *test, uint64_t cycles)
{
	return (test->disk && cycles < CYCLES_OF_ALL) || (test->counts.flushes > 0 && test->counts.compactions > 0 &&
		(test->kills_in_recovery > 0 || cycles < CYCLES_OF_ALL));
}

/* A slow machine writes too little in the usual time for a flush: the cycles beyond `cycles` take longer and longer. */
static unsigned load_ms(struct test *test, uint64_t cycles)
{
	uint64_t longer = test->cycle > cycles ? test->cycle - cycles : 0;

	return LOAD_MS_MIN + (unsigned)roll(test, LOAD_MS_MAX - LOAD_MS_MIN) + (unsigned)longer * LOAD_MS_MAX / 2;
}

static void run_cycle(struct test *test, uint64_t cycles)
{
	while (roll(test, 5) == 0)
		kill_in_recovery(test);
	if (!restart(test))
		return;
	load_verify(test->load);
	if (test->counts.violations > 0)
		return;
	load_run(test->load, load_ms(test, cycles));
	end_under_load(test);
}

/* The last word: everything once more, after a clean end. */
static void finish(struct test *test)
{
	if (!restart(test))
		return;
	load_verify(test->load);
	if (daemonproc_stop(test->daemon, STOP_TIMEOUT_MS) != 0)
		failed(test, "the daemon did not end with 0 on SIGTERM");
	if (!restart(test))
		return;
	load_collect(test->load); /* notices that the old connections are gone */
	load_verify(test->load);
}

static void report(const struct test *test)
{
	const struct load_counts *c = &test->counts;

	printf("cycles %u: %u %s under load, %u during recovery, %u while stopping, %u stops by SIGTERM\n",
		test->cycle, test->kills_under_load, test->disk ? "power cuts" : "kills", test->kills_in_recovery,
		test->kills_while_stopping, test->stops);
	printf("sent: %" PRIu64 " puts, %" PRIu64 " deletes, %" PRIu64 " reads; of the writes %" PRIu64
	       " acknowledged, %" PRIu64 " answered 503, %" PRIu64 " unanswered\n",
		c->puts, c->deletes, c->reads, c->acknowledged, c->refused, c->unanswered);
	printf("verified after restarts: %" PRIu64 " keys\n", c->checked);
	printf("seen in /v1/stats (of about half of the cycles): %" PRIu64 " flushes, %" PRIu64
	       " compactions\n",
		c->flushes, c->compactions);
	printf("restart to ready: mean %.1f ms, longest %.1f ms\n",
		test->restarts ? (double)test->restart_us_sum / test->restarts / 1000 : 0,
		(double)test->restart_us_max / 1000);
	printf("violations: %" PRIu64 "\n", c->violations);
}

static bool judge(struct test *test, uint64_t cycles, uint64_t restart_ms_max)
{
	bool good = test->counts.violations == 0;

	if (good && !has_seen_all(test, cycles)) {
		printf("FAILED: no flush, no compaction or no recovery was hit: the test shows nothing\n");
		good = false;
	}
	if (restart_ms_max > 0 && test->restart_us_max > restart_ms_max * 1000) {
		printf("FAILED: a restart took more than %" PRIu64 " ms\n", restart_ms_max);
		good = false;
	}
	return good;
}

int main(void)
{
	uint64_t cycles = number_from("CYCLES", getenv("KV_LONG") ? CYCLES_LONG : CYCLES_DEFAULT);
	struct test test = { .random = runner_seed() };
	char *dir = tempdir_new();
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("POWER_CUTS")) {
		test.disk = powerdisk_new(dir);
		if (!test.disk) {
			tempdir_remove(dir);
			return 77;
		}
	}
	test.daemon = daemonproc_new(dir, "");
	test.oracle = oracle_new(runner_seed(), KEYS);
	test.load = load_new(daemonproc_port(test.daemon), test.oracle, runner_seed(), &test.counts);
	while ((test.cycle < cycles || (!has_seen_all(&test, cycles) && test.cycle < cycles + EXTRA_CYCLES)) &&
		test.counts.violations == 0) {
		test.cycle++;
		run_cycle(&test, cycles);
		if (test.cycle % 1000 == 0)
			report(&test);
	}
	if (test.counts.violations == 0)
		finish(&test);
	report(&test);
	good = judge(&test, cycles, number_from("RESTART_MS", getenv("KV_LONG") ? 2000 : 0));
	if (!good)
		daemonproc_print_log(test.daemon);
	load_free(test.load);
	oracle_free(test.oracle);
	daemonproc_free(test.daemon);
	powerdisk_free(test.disk);
	if (good)
		tempdir_remove(dir);
	else
		printf("everything is kept in %s\n", dir);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
