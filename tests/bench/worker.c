/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on an engine whose answers are checked. */
#include "bench/worker.h"

#include "support/die.h"

#include <inttypes.h>

struct slice worker_key(struct worker *worker, uint64_t index)
{
	keys_make(worker->shared->settings->keys_kind, index, worker->key);
	return slice_of(worker->key, KEY_BYTES);
}

struct slice worker_value(struct worker *worker, uint64_t index, uint32_t generation)
{
	uint64_t size = worker->shared->settings->value_size;

	values_make(worker->value, size, index, generation);
	return slice_of(worker->value, size);
}

void worker_put(struct worker *worker, uint64_t index, uint32_t generation)
{
	struct slice key = worker_key(worker, index), value = worker_value(worker, index, generation);

	worker->shared->adapter->put(worker->session, key, value);
	worker->user_bytes += key.len + value.len;
}

void worker_delete(struct worker *worker, uint64_t index)
{
	worker->shared->adapter->del(worker->session, worker_key(worker, index));
	worker->user_bytes += KEY_BYTES;
}

void worker_get(struct worker *worker, uint64_t index, uint32_t generation)
{
	const struct adapter *adapter = worker->shared->adapter;
	struct slice value;

	if (!adapter->get(worker->session, worker_key(worker, index), &value))
		die("%s: the key of %" PRIu64 " is missing", adapter->name, index);
	if (!values_check(value, worker->shared->settings->value_size, index, generation))
		die("%s: a wrong value for the key of %" PRIu64, adapter->name, index);
	adapter->got(worker->session);
	worker->found++;
}

void worker_get_missing(struct worker *worker, uint64_t index)
{
	const struct adapter *adapter = worker->shared->adapter;
	struct slice value;

	keys_make_missing(worker->shared->settings->keys_kind, index, worker->key);
	if (adapter->get(worker->session, slice_of(worker->key, KEY_BYTES), &value))
		die("%s: a key that was never written is there: %.16s", adapter->name, (const char *)worker->key);
	worker->missing++;
}

#define ANY_INDEX UINT64_MAX

/* An entry of a scan. With digits, whose order is that of the indexes, the value tells whether it is the one that must come here. */
static void check_entry(struct worker *worker, uint64_t index, struct slice key, struct slice value)
{
	const struct settings *settings = worker->shared->settings;

	if (key.len != KEY_BYTES || value.len != settings->value_size)
		die("%s: an entry of the wrong size in a scan", worker->shared->adapter->name);
	if (index != ANY_INDEX && settings->value_size >= 8 && settings->keys_kind == KEYS_DIGITS && values_index(value) != index)
		die("%s: a scan gave entry %" PRIu64 " in the place of %" PRIu64, worker->shared->adapter->name,
			values_index(value), index);
}

void worker_scan(struct worker *worker, uint64_t index, uint64_t length, bool whole)
{
	const struct workers *shared = worker->shared;
	const struct adapter *adapter = shared->adapter;
	struct slice key = worker_key(worker, index), value;
	uint64_t count = 0;
	bool more;

	adapter->iter_begin(worker->session);
	for (more = adapter->iter_move(worker->session, ADAPTER_SEEK, key, &key, &value); more;
		more = adapter->iter_move(worker->session, ADAPTER_NEXT, slice_of(NULL, 0), &key, &value)) {
		check_entry(worker, whole ? index + count : ANY_INDEX, key, value);
		if (++count == length)
			break;
	}
	adapter->iter_end(worker->session);
	if (whole && count != length && shared->settings->keys_kind == KEYS_DIGITS &&
		index + count != shared->settings->keys)
		die("%s: a scan ended after %" PRIu64 " entries", adapter->name, count);
	worker->entries += count;
}
