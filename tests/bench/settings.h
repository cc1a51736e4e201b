/* SPDX-License-Identifier: BSD-2-Clause */
/* What one run of bench_engine was asked for: the command line. */
#ifndef KV_BENCH_SETTINGS_H
#define KV_BENCH_SETTINGS_H

#include "bench/adapter.h"
#include "bench/keys.h"

struct workload;

struct settings {
	const struct adapter *adapter; /* NULL: a workload without an engine */
	const struct workload *workload;
	const char *dir;
	uint64_t keys, value_size, ops, threads, seed;
	uint64_t cache_mb, write_buffer_mb, filter_bits;
	uint64_t batch, scan_length;
	uint64_t max_seconds; /* 0: until the operations are done */
	enum keys_kind keys_kind;
	bool lz4, sync, load, settle, drop_caches;
};

/* Reads the command line; prints the lists and ends the program when it says so, or what is wrong with it (exit status 64). */
void settings_parse(int argc, char **argv, struct settings *ret);

#endif
