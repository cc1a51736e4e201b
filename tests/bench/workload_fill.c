/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads that write. Operation i of [first, end) writes the key at place i of an order; a thread's part is a range of places. */
#include "bench/workload.h"

void fill_seq(struct worker *worker)
{
	for (; worker->done < worker->end; worker->done++) {
		worker_put(worker, worker->done, 0);
		if (!worker_tick(worker, 1))
			break;
	}
}

static void fill(struct worker *worker, const struct permutation *order, uint32_t generation)
{
	for (worker->done = worker->first; worker->done < worker->end;) {
		worker_put(worker, permutation_at(order, worker->done), generation);
		worker->done++;
		if (!worker_tick(worker, 1))
			break;
	}
}

void fill_random(struct worker *worker)
{
	fill(worker, &worker->shared->order, 0);
}

void fill_overwrite(struct worker *worker)
{
	fill(worker, &worker->shared->order, 1);
}

void fill_batches(struct worker *worker)
{
	const struct adapter *adapter = worker->shared->adapter;
	uint64_t most = worker->shared->settings->batch, count, index;

	while (worker->done < worker->end) {
		count = worker->end - worker->done < most ? worker->end - worker->done : most;
		adapter->batch_begin(worker->session);
		for (uint64_t i = 0; i < count; i++) {
			index = permutation_at(&worker->shared->order, worker->done + i);
			adapter->batch_put(worker->session, worker_key(worker, index), worker_value(worker, index, 0));
			worker->user_bytes += KEY_BYTES + worker->shared->settings->value_size;
		}
		adapter->batch_commit(worker->session);
		worker->done += count;
		if (!worker_tick(worker, count))
			break;
	}
}

/* Each thread has a third of its operations for each round, over the same places. */
void fill_thrice(struct worker *worker)
{
	uint64_t first = worker->first / 3, end = worker->end / 3;

	for (uint32_t generation = 1; generation <= 3; generation++) {
		for (uint64_t i = first; i < end; i++) {
			worker_put(worker, permutation_at(&worker->shared->order, i), generation);
			if (!worker_tick(worker, 1))
				return;
		}
	}
}

void fill_delete_reinsert(struct worker *worker)
{
	uint64_t first = worker->first / 2, end = worker->end / 2;

	for (uint64_t i = first; i < end; i++) {
		worker_delete(worker, permutation_at(&worker->shared->order, i));
		if (!worker_tick(worker, 1))
			return;
	}
	for (uint64_t i = first; i < end; i++) {
		worker_put(worker, permutation_at(&worker->shared->order, i), 1);
		if (!worker_tick(worker, 1))
			return;
	}
}
