/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of workloads. */
#include "bench/workload.h"

static uint64_t as_many_as_keys(const struct settings *settings)
{
	return settings->keys;
}

static uint64_t a_million(const struct settings *settings)
{
	(void)settings;
	return 1000000;
}

static uint64_t a_tenth_of_a_million(const struct settings *settings)
{
	(void)settings;
	return 100000;
}

static uint64_t for_some_seconds_of_syncs(const struct settings *settings)
{
	uint64_t ops = 8000 + 2000 * settings->threads;

	return ops < settings->keys ? ops : settings->keys;
}

static uint64_t thrice(const struct settings *settings)
{
	return 3 * settings->keys;
}

static uint64_t twice(const struct settings *settings)
{
	return 2 * settings->keys;
}

static uint64_t ten(const struct settings *settings)
{
	(void)settings;
	return 10;
}

static uint64_t ten_thousand(const struct settings *settings)
{
	(void)settings;
	return 10000;
}

#define YCSB \
	.latency_of = "operation", .default_ops = a_million, .prepare = ycsb_prepare, .after = WORKLOAD_MIXED, .load = true

const struct workload workloads[] = {
	{ .name = "fillseq", .text = "put every key in order, not synced", .latency_of = "put",
		.default_ops = as_many_as_keys, .run = fill_seq, .after = WORKLOAD_FILLED,
		.ascending = true },
	{ .name = "fillrandom", .text = "put every key once in random order, not synced", .latency_of = "put",
		.default_ops = as_many_as_keys, .run = fill_random, .after = WORKLOAD_FILLED },
	{ .name = "fillsync", .text = "put keys in random order, each synced", .latency_of = "put",
		.default_ops = for_some_seconds_of_syncs, .run = fill_random, .after = WORKLOAD_FILLED, .sync = true },
	{ .name = "batch100sync", .text = "put every key in batches of 100 (--batch), each synced; an operation is an entry",
		.latency_of = "batch", .default_ops = as_many_as_keys, .run = fill_batches, .after = WORKLOAD_FILLED,
		.sync = true },
	{ .name = "overwrite", .text = "put every key of a loaded database in another random order, not synced",
		.latency_of = "put", .default_ops = as_many_as_keys, .run = fill_overwrite, .after = WORKLOAD_FILLED,
		.after_generation = 1, .load = true },
	{ .name = "overwrite3", .text = "the same three times; then disk_bytes / live_bytes is the space amplification",
		.latency_of = "put", .default_ops = thrice, .run = fill_thrice, .after = WORKLOAD_MIXED, .load = true },
	{ .name = "deletereinsert", .text = "delete every key in random order, then put it again", .latency_of = "write",
		.default_ops = twice, .run = fill_delete_reinsert, .after = WORKLOAD_MIXED, .load = true },
	{ .name = "readrandom", .text = "get random keys that are there", .latency_of = "get",
		.default_ops = a_million, .run = read_random, .load = true },
	{ .name = "readmissing", .text = "get random keys that are not there, between those that are", .latency_of = "get",
		.default_ops = a_million, .run = read_missing, .load = true },
	{ .name = "scan100", .text = "seek to a random key and read 100 entries (--scan-length); an operation is a scan",
		.latency_of = "scan", .default_ops = a_tenth_of_a_million, .run = read_scans, .load = true },
	{ .name = "readseq", .text = "walk over all entries in order; an operation is an entry",
		.latency_of = "100_entries", .default_ops = as_many_as_keys, .run = read_seq, .load = true },
	{ .name = "readreverse", .text = "walk over all entries backwards", .latency_of = "100_entries",
		.default_ops = as_many_as_keys, .run = read_reverse, .load = true },
	{ .name = "readwhilewriting", .text = "readrandom beside one more thread that overwrites, not synced",
		.latency_of = "get", .default_ops = a_million, .run = read_while_writing, .after = WORKLOAD_MIXED,
		.load = true, .extra_threads = 1 },
	{ .name = "coldread", .text = "readrandom after reopening with the page cache dropped (root); small --cache-mb",
		.latency_of = "get", .default_ops = a_tenth_of_a_million, .run = read_random, .load = true, .cold = true },
	{ .name = "ycsb-a", .text = "50 % reads, 50 % updates; zipfian 0.99, scrambled; not synced", YCSB, .run = ycsb_a },
	{ .name = "ycsb-b", .text = "95 % reads, 5 % updates", YCSB, .run = ycsb_b },
	{ .name = "ycsb-c", .text = "reads", YCSB, .run = ycsb_c },
	{ .name = "ycsb-d", .text = "95 % reads of the latest, 5 % inserts", YCSB, .run = ycsb_d, .writes_new_keys = true },
	{ .name = "ycsb-e", .text = "95 % scans of 1 to 100 (--scan-length), 5 % inserts", YCSB, .run = ycsb_e,
		.writes_new_keys = true },
	{ .name = "ycsb-f", .text = "50 % reads, 50 % read, modify, write", YCSB, .run = ycsb_f },
	{ .name = "open", .text = "open after a clean end and get one key, again and again", .latency_of = "open",
		.default_ops = ten, .whole = open_clean, .load = true },
	{ .name = "replay", .text = "open after a process that wrote --keys entries was killed: an operation is an entry "
		"(400000 fit in the write buffer of each engine)", .latency_of = "open", .default_ops = as_many_as_keys,
		.first = open_load_and_die, .whole = open_replay, .after = WORKLOAD_MIXED },
	{ .name = "diskrate", .text = "no engine: 150 bytes into a page written before, and fdatasync", .latency_of = "write",
		.default_ops = ten_thousand, .whole = disk_rate, .no_engine = true },
	{ .name = "harness", .text = "no engine: what the bench itself does for a put and a get that is checked",
		.latency_of = "operation", .default_ops = a_million, .whole = harness_alone, .no_engine = true },
};
const size_t workload_count = sizeof workloads / sizeof *workloads;
