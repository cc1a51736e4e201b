/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads that read. */
#include "bench/workload.h"

#include "support/die.h"

#include <inttypes.h>

enum { ENTRIES_A_TICK = 100 };

void read_random(struct worker *worker)
{
	uint64_t keys = worker->shared->settings->keys;

	for (; worker->done < worker->end; worker->done++) {
		worker_get(worker, draw_below(&worker->draw, keys), worker->shared->read_generation);
		if (!worker_tick(worker, 1))
			break;
	}
}

void read_missing(struct worker *worker)
{
	uint64_t keys = worker->shared->settings->keys;

	for (; worker->done < worker->end; worker->done++) {
		worker_get_missing(worker, draw_below(&worker->draw, keys));
		if (!worker_tick(worker, 1))
			break;
	}
}

void read_scans(struct worker *worker)
{
	const struct settings *settings = worker->shared->settings;

	for (; worker->done < worker->end; worker->done++) {
		worker_scan(worker, draw_below(&worker->draw, settings->keys), settings->scan_length, true);
		if (!worker_tick(worker, 1))
			break;
	}
}

/* All entries, again and again until the operations are done. The sum of the indexes in the values shows that each came once. */
static void walk(struct worker *worker, enum adapter_move start, enum adapter_move move)
{
	const struct adapter *adapter = worker->shared->adapter;
	uint64_t keys = worker->shared->settings->keys, count = 0, sum = 0;
	struct slice key = slice_of(NULL, 0), value;
	bool more;

	adapter->iter_begin(worker->session);
	for (more = adapter->iter_move(worker->session, start, key, &key, &value); more;
		more = adapter->iter_move(worker->session, move, slice_of(NULL, 0), &key, &value)) {
		if (key.len != KEY_BYTES || value.len != worker->shared->settings->value_size)
			die("%s: an entry of the wrong size", adapter->name);
		sum += values_index(value);
		worker->done++;
		if (++count % ENTRIES_A_TICK == 0 && !worker_tick(worker, ENTRIES_A_TICK))
			break;
		if (worker->done == worker->end)
			break;
	}
	adapter->iter_end(worker->session);
	worker->entries += count;
	if (!more && (count != keys || (worker->shared->settings->value_size >= 8 && sum != keys * (keys - 1) / 2)))
		die("%s: a walk over everything found %" PRIu64 " entries, or wrong ones", adapter->name, count);
}

static void walks(struct worker *worker, enum adapter_move start, enum adapter_move move)
{
	while (worker->done < worker->end && clock_monotonic_ns() < worker->deadline_ns)
		walk(worker, start, move);
}

void read_seq(struct worker *worker)
{
	walks(worker, ADAPTER_FIRST, ADAPTER_NEXT);
}

void read_reverse(struct worker *worker)
{
	walks(worker, ADAPTER_LAST, ADAPTER_PREV);
}

static void write_until_done(struct worker *worker)
{
	struct workers *shared = worker->shared;

	while (atomic_load_explicit(&shared->measured_left, memory_order_relaxed) != 0) {
		worker_put(worker, draw_below(&worker->draw, shared->settings->keys), (uint32_t)worker->ops + 1);
		worker_tick(worker, 1);
	}
}

void read_while_writing(struct worker *worker)
{
	uint64_t keys = worker->shared->settings->keys;

	if (worker->extra) {
		write_until_done(worker);
		return;
	}
	for (; worker->done < worker->end; worker->done++) {
		worker_get(worker, draw_below(&worker->draw, keys), VALUES_ANY_GENERATION);
		if (!worker_tick(worker, 1))
			break;
	}
}
