/* SPDX-License-Identifier: BSD-2-Clause */
/* The phases of a run. */
#include "bench/run.h"

#include "bench/run_threads.h"
#include "support/die.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	IDLE_MS = 2000, /* some engines begin to tidy up after a second of quiet */
	SETTLE_MAX_S = 900,
	VERIFIED_MAX = 10000, /* values, */
	VERIFIED_BYTES = 64 << 20, /* and fewer when they are large */
};

static uint64_t live_keys(const struct settings *settings)
{
	return settings->keys + (settings->workload->writes_new_keys ? settings->ops : 0);
}

static struct adapter_options options_of(const struct settings *settings)
{
	return (struct adapter_options){
		.dir = settings->dir,
		.sync = settings->sync,
		.lz4 = settings->lz4,
		.cold = settings->workload->cold,
		.cache_bytes = settings->cache_mb << 20,
		.write_buffer_bytes = settings->write_buffer_mb << 20,
		.data_bytes_max = live_keys(settings) * (KEY_BYTES + settings->value_size),
		.filter_bits = (unsigned)settings->filter_bits,
	};
}

static void make_dir(const struct settings *settings)
{
	bool fresh = settings->load || !settings->workload->load;

	if (mkdir(settings->dir, 0700) != 0 && errno != EEXIST)
		die_errno("cannot make %s", settings->dir);
	/* rmdir tells whether it is empty */
	if (fresh && (rmdir(settings->dir) != 0 || mkdir(settings->dir, 0700) != 0))
		die_errno("%s must be empty", settings->dir);
}

static struct figures flushed(const struct run *run)
{
	if (run->settings->settle)
		figures_flush(run->settings->dir);
	return figures_now();
}

static void settle(struct run *run)
{
	if (run->settings->settle && !figures_wait_idle(IDLE_MS, SETTLE_MAX_S))
		run->settled = false;
}

void run_open(struct run *run, bool sync)
{
	struct adapter_options options = run->options;

	options.sync = sync;
	run->workers.database = run->workers.adapter->open(&options);
}

void run_close(struct run *run)
{
	run->workers.adapter->close(run->workers.database);
	run->workers.database = NULL;
}

void run_drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	if (fd < 0 || write(fd, "3\n", 2) != 2)
		die_errno("cannot drop the page cache");
	close(fd);
}

static void reopen(struct run *run, bool drop)
{
	run_close(run);
	if (drop)
		run_drop_caches();
	run_open(run, run->settings->sync);
}

/* Not synced, in batches of 100, every key once in the order of one permutation. */
void run_load(struct run *run)
{
	struct worker *worker = run_threads_worker(run);
	struct slice key, value;
	uint64_t index;

	for (uint64_t i = 0; i < run->settings->keys;) {
		run->workers.adapter->batch_begin(worker->session);
		for (uint64_t end = i + 100; i < end && i < run->settings->keys; i++) {
			index = permutation_at(&run->workers.load_order, i);
			key = worker_key(worker, index);
			value = worker_value(worker, index, 0);
			run->workers.adapter->batch_put(worker->session, key, value);
			run->load_bytes += key.len + value.len;
		}
		run->workers.adapter->batch_commit(worker->session);
	}
	run_threads_worker_free(worker);
}

static void prepare(struct run *run)
{
	const struct settings *settings = run->settings;
	const struct workload *workload = settings->workload;

	if (workload->first) {
		run->at_loaded = flushed(run);
		return;
	}
	run_open(run, workload->load && settings->load ? false : settings->sync);
	if (workload->load && settings->load) {
		run_load(run);
		run->load_seconds = (double)(clock_monotonic_ns() - run->at_start.clock_ns) / 1e9;
		settle(run);
		run->at_loaded = flushed(run);
		if (settings->sync || settings->drop_caches)
			reopen(run, settings->drop_caches);
	} else {
		run->at_loaded = figures_now();
		if (settings->drop_caches)
			reopen(run, true);
	}
	if (workload->prepare)
		workload->prepare(&run->workers);
}

static void after(struct run *run)
{
	if (run->workers.database && run->workers.adapter->settle)
		run->workers.adapter->settle(run->workers.database);
	if (run->settings->workload->after != WORKLOAD_READ_ONLY)
		settle(run);
	run->at_settled = flushed(run);
	run->disk_bytes = figures_disk_bytes(run->settings->dir);
}

/* What a workload that writes has left, by reading some of it: a wrong value ends the program. */
static void verify(struct run *run)
{
	const struct workload *workload = run->settings->workload;
	struct worker *worker;
	uint32_t generation = VALUES_ANY_GENERATION;
	uint64_t index, most = VERIFIED_BYTES / (run->settings->value_size + 1) + 1;

	if (workload->after == WORKLOAD_READ_ONLY)
		return;
	worker = run_threads_worker(run);
	for (uint64_t i = 0; i < VERIFIED_MAX && i < most; i++) {
		index = draw_below(&worker->draw, run->settings->keys);
		if (workload->after == WORKLOAD_FILLED) {
			if (!run_threads_written(run, &worker->draw, &index))
				break;
			generation = workload->after_generation;
		}
		worker_get(worker, index, generation);
	}
	run->verified = worker->found;
	run_threads_worker_free(worker);
}

static void measure(struct run *run)
{
	if (run->settings->workload->whole)
		run->settings->workload->whole(run);
	else
		run_threads(run);
}

static void init(const struct settings *settings, struct run *run)
{
	*run = (struct run){ .settings = settings, .settled = true };
	run->options = options_of(settings);
	run->workers.settings = settings;
	run->workers.adapter = settings->adapter;
	run->workers.load_order = permutation_new(settings->keys, settings->seed);
	run->workers.order = permutation_new(settings->keys, settings->seed + (settings->workload->load ? 1 : 0));
	run->workers.read_generation = settings->load ? 0 : VALUES_ANY_GENERATION;
	values_init(settings->seed, settings->value_size);
}

/* A workload on an empty database leaves what it wrote; one on a loaded database leaves as many keys as there were, and new ones. */
static uint64_t live_bytes(const struct run *run)
{
	const struct settings *settings = run->settings;
	uint64_t keys = settings->workload->load || settings->workload->first ? settings->keys : run->ops;

	for (uint64_t i = 0; i < run->thread_count; i++)
		keys += atomic_load(&run->threads[i]->inserted);

	return keys * (KEY_BYTES + settings->value_size);
}

void run_all(const struct settings *settings, struct run *ret)
{
	init(settings, ret);
	make_dir(settings);
	figures_device(settings->dir);
	ret->at_start = flushed(ret);
	if (settings->workload->first)
		settings->workload->first(ret);
	figures_watch_start();
	if (settings->adapter) {
		prepare(ret);
	} else {
		ret->at_loaded = figures_now();
	}
	measure(ret);
	after(ret);
	if (ret->workers.database) {
		verify(ret);
		run_close(ret);
	}
	ret->at_closed = flushed(ret);
	ret->live_bytes = live_bytes(ret);
	run_threads_free(ret);
	ret->disk_closed_bytes = figures_disk_bytes(settings->dir);
	ret->peak_bytes = figures_peak_bytes();
	ret->peak_anon_bytes = figures_watch_stop();
}
