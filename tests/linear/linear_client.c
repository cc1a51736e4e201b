/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is what clients see over HTTP linearizable, also when the daemon is killed in the middle of it?
 * Eight clients work on a few keys, the daemon is killed and started again, and after some kills
 * all histories are judged (traffic, lincheck). Limits are tiny and others at every start.
 * Environment: KVSTORED (the program), KV_TEST_SEED, CYCLES (12; with KV_LONG 1000).
 */
#define _GNU_SOURCE
#include "linear/traffic.h"
#include "support/daemonproc.h"
#include "support/die.h"
#include "support/runner.h"
#include "support/tempdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CYCLES_SHORT = 12,
	CYCLES_LONG = 1000,
	KILLS_A_HISTORY = 4,
	RUN_MS_MIN = 40,
	RUN_MS_MAX = 250,
	READY_TIMEOUT_MS = 120000
};

static void choose_settings(struct daemonproc *daemon, uint64_t *random)
{
	char text[300];

	snprintf(text, sizeof text,
		"memtable_size = \"%uK\"\nblob_threshold = 4K\ncompaction_threshold = "
		"2\nflush_interval = 1\nhttp_threads = %u\n"
		"block_cache_size = \"%uK\"\ndurability = \"%s\"\nscrub_interval = 1\n",
		16U << runner_random(random) % 4, 1 + (unsigned)(runner_random(random) % 3),
		(unsigned)(runner_random(random) % 2) * 256,
		runner_random(random) % 3 == 0 ? "os" : "commit");
	daemonproc_configure(daemon, text);
}

static void start(struct daemonproc *daemon, uint64_t *random)
{
	uint64_t elapsed_us;

	choose_settings(daemon, random);
	daemonproc_start(daemon);
	if (!daemonproc_wait_ready(daemon, READY_TIMEOUT_MS, &elapsed_us)) {
		daemonproc_print_log(daemon);
		die("the daemon did not get ready");
	}
}

static uint64_t cycles_wanted(void)
{
	const char *text = getenv("CYCLES");

	if (text && text[0])
		return strtoull(text, NULL, 10);
	return getenv("KV_LONG") ? CYCLES_LONG : CYCLES_SHORT;
}

int main(void)
{
	uint64_t cycles = cycles_wanted(), random = runner_seed();
	struct traffic_counts counts = { 0 };
	char *dir = tempdir_new();
	struct daemonproc *daemon;
	struct traffic *traffic;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	daemon = daemonproc_new(dir, "");
	traffic = traffic_new(daemonproc_port(daemon), random, &counts);
	start(daemon, &random);
	for (uint64_t cycle = 1; cycle <= cycles && counts.failures == 0; cycle++) {
		traffic_run(traffic, RUN_MS_MIN + (unsigned)(runner_random(&random) %
							     (RUN_MS_MAX - RUN_MS_MIN)));
		traffic_expect_end(traffic);
		daemonproc_kill(daemon);
		traffic_ended(traffic);
		start(daemon, &random);
		if (cycle % KILLS_A_HISTORY == 0 || cycle == cycles)
			traffic_check(traffic);
	}
	printf("%" PRIu64 " operations, %" PRIu64 " of unknown outcome; %" PRIu64
	       " in histories found linearizable; failures: %" PRIu64 "\n",
		counts.operations, counts.unknown, counts.checked, counts.failures);
	if (counts.failures == 0 && (counts.checked == 0 || counts.unknown == 0)) {
		printf("FAILED: nothing was checked, or no request was cut by a kill: the test "
		       "shows nothing\n");
		counts.failures++;
	}
	good = counts.failures == 0;
	if (!good)
		daemonproc_print_log(daemon);
	traffic_free(traffic);
	daemonproc_free(daemon);
	if (good)
		tempdir_remove(dir);
	else
		printf("everything is kept in %s\n", dir);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
