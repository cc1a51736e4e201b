/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * YCSB's core workloads A to F (Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010): zipfian with theta 0.99, scrambled, or
 * the latest first. New keys go to a stripe for each thread, so that what a thread tells of being there is there.
 */
#include "bench/workload.h"

#include <stdlib.h>

struct mix {
	unsigned update, insert, scan, read_modify_write; /* in a hundred; what is left are reads */
	bool latest;
};

void ycsb_prepare(struct workers *workers)
{
	workers->zipfian = zipfian_new(workers->settings->keys, 0.99);
}

/* The rank-th newest of all keys: over the stripes of new keys first, then down the loaded ones. */
static uint64_t latest(struct worker *worker, uint64_t rank)
{
	const struct workers *shared = worker->shared;
	uint64_t threads = shared->settings->threads, stripe = rank % threads, back = rank / threads, inserted;

	inserted = atomic_load_explicit(&shared->all[stripe]->inserted, memory_order_acquire);
	if (back < inserted)
		return shared->settings->keys + stripe + threads * (inserted - 1 - back);
	return shared->settings->keys - 1 - (back - inserted) % shared->settings->keys;
}

static uint64_t choose(struct worker *worker, const struct mix *mix)
{
	const struct zipfian *zipfian = &worker->shared->zipfian;

	if (mix->latest)
		return latest(worker, zipfian_next(zipfian, &worker->draw));
	return zipfian_next_scrambled(zipfian, &worker->draw);
}

static void insert(struct worker *worker)
{
	const struct settings *settings = worker->shared->settings;
	uint64_t inserted = atomic_load_explicit(&worker->inserted, memory_order_relaxed);

	worker_put(worker, settings->keys + worker->number + settings->threads * inserted, 0);
	atomic_store_explicit(&worker->inserted, inserted + 1, memory_order_release);
}

static void update(struct worker *worker, uint64_t index)
{
	worker_put(worker, index, (uint32_t)draw_next(&worker->draw) >> 1);
}

static void operation(struct worker *worker, const struct mix *mix)
{
	unsigned dice = (unsigned)draw_below(&worker->draw, 100);
	uint64_t index;

	if (dice < mix->insert) {
		insert(worker);
		return;
	}
	index = choose(worker, mix);
	dice -= mix->insert;
	if (dice < mix->update) {
		update(worker, index);
	} else if (dice - mix->update < mix->scan) {
		worker_scan(worker, index, 1 + draw_below(&worker->draw, worker->shared->settings->scan_length), false);
	} else {
		worker_get(worker, index, VALUES_ANY_GENERATION);
		if (dice - mix->update - mix->scan < mix->read_modify_write)
			update(worker, index);
	}
}

static void run(struct worker *worker, const struct mix *mix)
{
	for (; worker->done < worker->end; worker->done++) {
		operation(worker, mix);
		if (!worker_tick(worker, 1))
			break;
	}
}

void ycsb_a(struct worker *worker)
{
	run(worker, &(struct mix){ .update = 50 });
}

void ycsb_b(struct worker *worker)
{
	run(worker, &(struct mix){ .update = 5 });
}

void ycsb_c(struct worker *worker)
{
	run(worker, &(struct mix){ 0 });
}

void ycsb_d(struct worker *worker)
{
	run(worker, &(struct mix){ .insert = 5, .latest = true });
}

void ycsb_e(struct worker *worker)
{
	run(worker, &(struct mix){ .insert = 5, .scan = 95 });
}

void ycsb_f(struct worker *worker)
{
	run(worker, &(struct mix){ .read_modify_write = 50 });
}
