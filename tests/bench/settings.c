/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: --NAME=VALUE, each once. */
#include "bench/settings.h"

#include "bench/workload.h"
#include "support/die.h"

#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const struct adapter *const adapters[] = {
	&adapter_kvstored,
#ifdef HAVE_LEVELDB
	&adapter_leveldb,
#endif
#ifdef HAVE_ROCKSDB
	&adapter_rocksdb,
#endif
#ifdef HAVE_LMDB
	&adapter_lmdb,
#endif
#ifdef HAVE_WIREDTIGER
	&adapter_wiredtiger,
#endif
};
enum { ADAPTERS = sizeof adapters / sizeof *adapters };

enum option_kind { NUMBER, ENGINE, WORKLOAD, COMPRESSION, KEYS, DIR, SYNC, NO_LOAD, NO_SETTLE, DROP_CACHES, LIST, HELP };

static const struct option_row {
	const char *name, *text;
	enum option_kind kind;
	size_t offset; /* of a NUMBER in struct settings */
} rows[] = {
	{ "engine", "which engine (see --list)", ENGINE, 0 },
	{ "workload", "what to do with it (see --list)", WORKLOAD, 0 },
	{ "dir", "directory of the database: empty or missing, unless --no-load", DIR, 0 },
	{ "keys", "entries of the database (1000000)", NUMBER, offsetof(struct settings, keys) },
	{ "value-size", "bytes of a value (100)", NUMBER, offsetof(struct settings, value_size) },
	{ "threads", "threads at work (1)", NUMBER, offsetof(struct settings, threads) },
	{ "ops", "operations of all threads together (what suits the workload)", NUMBER,
		offsetof(struct settings, ops) },
	{ "seed", "of keys, values and orders (1)", NUMBER, offsetof(struct settings, seed) },
	{ "compression", "none or lz4 (none)", COMPRESSION, 0 },
	{ "cache-mb", "block cache in MiB (256)", NUMBER, offsetof(struct settings, cache_mb) },
	{ "write-buffer-mb", "memtable in MiB (64)", NUMBER, offsetof(struct settings, write_buffer_mb) },
	{ "filter-bits", "bits of the filter a key (10); kvstored has always 10", NUMBER, offsetof(struct settings, filter_bits) },
	{ "batch", "entries of a batch (100)", NUMBER, offsetof(struct settings, batch) },
	{ "scan-length", "entries of a scan (100)", NUMBER, offsetof(struct settings, scan_length) },
	{ "max-seconds", "end the measured part after this time (0: never)", NUMBER,
		offsetof(struct settings, max_seconds) },
	{ "key-kind", "digits or hex (digits)", KEYS, 0 },
	{ "sync", "every commit durable, where the workload would not ask for it", SYNC, 0 },
	{ "no-load", "the directory holds the entries already, from an earlier run of the same --seed", NO_LOAD, 0 },
	{ "no-settle", "wait for no background work and no sync: bytes written are then not to be trusted", NO_SETTLE, 0 },
	{ "drop-caches", "reopen with the page cache dropped before the measured part (root)", DROP_CACHES, 0 },
	{ "list", "engines and workloads that are built in", LIST, 0 },
	{ "help", "this text", HELP, 0 },
};
enum { ROWS = sizeof rows / sizeof *rows };

static _Noreturn void usage(const char *text, const char *what)
{
	fprintf(stderr, "bench_engine: %s%s; --help tells the options\n", text, what);
	exit(64);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t ret = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || *text == '-')
		usage("not a number: ", text);
	return ret;
}

static const struct adapter *find_adapter(const char *name)
{
	if (strcmp(name, "none") == 0)
		return NULL;
	for (size_t i = 0; i < ADAPTERS; i++)
		if (strcmp(adapters[i]->name, name) == 0)
			return adapters[i];
	usage("no such engine here: ", name);
}

static const struct workload *find_workload(const char *name)
{
	for (size_t i = 0; i < workload_count; i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	usage("no such workload: ", name);
}

static bool one_of(const char *text, const char *zero, const char *one)
{
	if (strcmp(text, one) == 0)
		return true;
	if (strcmp(text, zero) != 0)
		usage("not a choice: ", text);
	return false;
}

static _Noreturn void list(void)
{
	for (size_t i = 0; i < ADAPTERS; i++)
		printf("engine   %-18s %s\n", adapters[i]->name, adapters[i]->version());
	for (size_t i = 0; i < workload_count; i++)
		printf("workload %-18s %s\n", workloads[i].name, workloads[i].text);
	exit(0);
}

static _Noreturn void help(void)
{
	puts("bench_engine: one engine, one workload, one line of figures. Options:");
	for (size_t i = 0; i < ROWS; i++)
		printf("  --%-16s %s\n", rows[i].name, rows[i].text);
	exit(0);
}

static void take(const struct option_row *row, const char *text, struct settings *settings)
{
	switch (row->kind) {
	case NUMBER:
		*(uint64_t *)(void *)((char *)settings + row->offset) = number(text);
		break;
	case ENGINE:
		settings->adapter = find_adapter(text);
		break;
	case WORKLOAD:
		settings->workload = find_workload(text);
		break;
	case COMPRESSION:
		settings->lz4 = one_of(text, "none", "lz4");
		break;
	case KEYS:
		settings->keys_kind = one_of(text, "digits", "hex") ? KEYS_HEX : KEYS_DIGITS;
		break;
	case DIR:
		settings->dir = text;
		break;
	case SYNC:
		settings->sync = true;
		break;
	case NO_LOAD:
		settings->load = false;
		break;
	case NO_SETTLE:
		settings->settle = false;
		break;
	case DROP_CACHES:
		settings->drop_caches = true;
		break;
	case LIST:
		list();
	case HELP:
		help();
	}
}

static bool has_argument(enum option_kind kind)
{
	return kind <= DIR;
}

static void finish(struct settings *settings)
{
	const struct workload *workload = settings->workload;

	if (!workload)
		usage("which workload?", "");
	if (!settings->dir)
		usage("in which directory?", "");
	if (!settings->adapter && !workload->no_engine)
		usage("which engine?", "");
	if (settings->keys == 0 || settings->threads == 0 || settings->batch == 0 || settings->scan_length == 0)
		usage("a number must be 1 or more", "");
	if (settings->keys >= UINT64_C(1) << 40 || settings->value_size > UINT64_C(1) << 30)
		usage("too large", "");
	settings->sync |= workload->sync;
	settings->drop_caches |= workload->cold;
	if (settings->ops == 0)
		settings->ops = workload->default_ops(settings);
}

void settings_parse(int argc, char **argv, struct settings *ret)
{
	struct settings settings = {
		.keys = 1000000, .value_size = 100, .threads = 1, .seed = 1, .cache_mb = 256, .write_buffer_mb = 64,
		.filter_bits = 10, .batch = 100, .scan_length = 100, .load = true, .settle = true,
	};
	struct option options[ROWS + 1] = { 0 };
	int at;

	for (int i = 0; i < ROWS; i++) {
		options[i].name = rows[i].name;
		options[i].has_arg = has_argument(rows[i].kind) ? required_argument : no_argument;
	}
	while (at = 0, getopt_long(argc, argv, "", options, &at) == 0)
		take(&rows[at], optarg, &settings);
	if (optind != argc)
		usage("what is this? ", argv[optind]);
	finish(&settings);
	*ret = settings;
}
