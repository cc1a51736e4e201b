/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a memtable costs, one thread, nanoseconds (of processor time) an operation: adding, random lookups (of keys that are there and of
 * others), a walk over all; and bytes an entry. The best of several rounds is told.
 * Usage: bench_memtable [entries [rounds [key shape: random | digits | path]]]
 */
#include "engine/memtable.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_SIZE = 48, VALUE_SIZE = 100 };

struct keys {
	char (*bytes)[KEY_SIZE];
	size_t len; /* of each */
	size_t count;
};

struct best {
	double add;
	double get;
	double miss;
	double walk;
	double walk_back;
};

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

/* Time of this thread alone: others share the machine. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void make_keys(struct keys *keys, const char *shape)
{
	uint64_t rnd = UINT64_C(88172645463325252);

	keys->bytes = must(malloc(keys->count * KEY_SIZE));
	for (size_t i = 0; i < keys->count; i++) {
		uint64_t number[2] = { runner_random(&rnd), runner_random(&rnd) };

		if (strcmp(shape, "digits") == 0) {
			keys->len = 16;
			snprintf(keys->bytes[i], KEY_SIZE, "%016" PRIu64, number[0] % 10000000000000000);
		} else if (strcmp(shape, "path") == 0) {
			keys->len = 40;
			snprintf(keys->bytes[i], KEY_SIZE, "/usr/share/doc/%02u/package/%015" PRIu64,
				(unsigned)(number[1] % 100), number[0] % 1000000000000000);
		} else {
			keys->len = 16;
			memcpy(keys->bytes[i], number, sizeof number);
		}
	}
}

static void note(double *best, uint64_t start_ns, size_t count)
{
	double ns = (double)(cpu_ns() - start_ns) / (double)count;

	if (*best == 0 || ns < *best)
		*best = ns;
}

static size_t next_random(uint64_t *rnd, size_t count)
{
	return (size_t)(runner_random(rnd) % count);
}

static void read_all(struct memtable *memtable, const struct keys *keys, struct best *best)
{
	struct iter *iter = must(memtable_iter(memtable));
	uint64_t rnd = 42;
	uint64_t start = cpu_ns();
	struct entry entry;
	uint64_t sum = 0;
	size_t found = 0;
	char key[KEY_SIZE];

	for (size_t i = 0; i < keys->count; i++) {
		struct slice wanted = slice_of(keys->bytes[next_random(&rnd, keys->count)], keys->len);

		found += memtable_get(memtable, wanted, ENTRY_SEQUENCE_MAX, &entry);
		sum += entry.value.data[0];
	}
	note(&best->get, start, keys->count);
	start = cpu_ns();
	for (size_t i = 0; i < keys->count; i++) {
		memcpy(key, keys->bytes[next_random(&rnd, keys->count)], keys->len);
		key[keys->len / 2] ^= 0x15;
		found += memtable_get(memtable, slice_of(key, keys->len), ENTRY_SEQUENCE_MAX, &entry);
	}
	note(&best->miss, start, keys->count);
	start = cpu_ns();
	for (iter_seek_first(iter); iter->valid; iter_next(iter), found++)
		sum += iter->entry->value.data[0];
	note(&best->walk, start, memtable_entries(memtable));
	start = cpu_ns();
	for (iter_seek_last(iter); iter->valid; iter_prev(iter), found++)
		sum += iter->entry->value.data[0];
	note(&best->walk_back, start, memtable_entries(memtable));
	iter_close(iter);
	if (found != 3 * keys->count || sum == 0)
		fprintf(stderr, "found %zu of %zu\n", found, 3 * keys->count);
}

static size_t round_of(const struct keys *keys, struct best *best)
{
	struct memtable *memtable = must(memtable_new(1));
	char value[VALUE_SIZE];
	uint64_t start = cpu_ns();
	size_t ret;

	memset(value, 'v', sizeof value);
	for (size_t i = 0; i < keys->count; i++) {
		struct entry entry = { .key = slice_of(keys->bytes[i], keys->len),
			.value = slice_of(value, sizeof value), .sequence = i + 1, .kind = ENTRY_PUT };

		if (memtable_add(memtable, &entry) != KV_OK)
			must(NULL);
	}
	note(&best->add, start, keys->count);
	read_all(memtable, keys, best);
	ret = memtable_bytes(memtable);
	memtable_unref(memtable);
	return ret;
}

int main(int argc, char **argv)
{
	struct keys keys = { .count = argc > 1 ? strtoull(argv[1], NULL, 10) : 450000 };
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	const char *shape = argc > 3 ? argv[3] : "random";
	struct best best = { 0 };
	size_t bytes = 0;

	if (keys.count == 0)
		return 64;
	make_keys(&keys, shape);
	for (int i = 0; i < rounds; i++)
		bytes = round_of(&keys, &best);
	printf("%zu entries, keys %s, best of %d\n", keys.count, shape, rounds);
	printf("add %.0f  get %.0f  get of none %.0f  walk %.1f  walk back %.1f ns; %.0f bytes an entry\n",
		best.add, best.get, best.miss, best.walk, best.walk_back, (double)bytes / (double)keys.count);
	free(keys.bytes);
	return 0;
}
