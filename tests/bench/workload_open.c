/* SPDX-License-Identifier: BSD-2-Clause */
/* How long it takes to open: after a clean end, and after a process that ended without one. An open counts until a first key was read. */
#include "bench/run.h"
#include "bench/run_threads.h"
#include "support/die.h"

#include <sys/wait.h>
#include <unistd.h>

static void begin(struct run *run)
{
	run->at_begin = figures_now();
	run->at_end = run->at_begin;
}

/* Opens and reads one key; the time and the work of it are added to the results. */
static void open_measured(struct run *run)
{
	struct figures before, after;
	struct worker *worker;

	if (run->settings->drop_caches)
		run_drop_caches();
	before = figures_now();
	run_open(run, run->settings->sync);
	worker = run_threads_worker(run);
	worker_get(worker, run->settings->keys / 2, VALUES_ANY_GENERATION);
	after = figures_now();
	run->found++;
	run_threads_worker_free(worker);

	run->seconds += (double)(after.clock_ns - before.clock_ns) / 1e9;
	histogram_add(&run->histogram, after.clock_ns - before.clock_ns);
	run->at_end.cpu_s += after.cpu_s - before.cpu_s;
	run->at_end.device_bytes += after.device_bytes - before.device_bytes;
	run->at_end.read_bytes += after.read_bytes - before.read_bytes;
}

void open_clean(struct run *run)
{
	begin(run);
	for (; run->ops < run->settings->ops; run->ops++) {
		run_close(run);
		open_measured(run);
	}
	run->at_end.clock_ns = clock_monotonic_ns();
}

/* Loads in a process that ends as one that was killed: nothing of the engine's end is run. */
void open_load_and_die(struct run *run)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		die_errno("cannot fork");
	if (pid == 0) {
		run_open(run, false);
		run_load(run);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("the process that loads has failed");
	run->load_bytes = run->settings->keys * (KEY_BYTES + run->settings->value_size);
}

void open_replay(struct run *run)
{
	begin(run);
	open_measured(run);
	run->ops = run->settings->keys;
	run->at_end.clock_ns = clock_monotonic_ns();
}
