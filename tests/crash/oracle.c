/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key's versions are kept from the last settled one on; that is enough, since no floor can be older.
 */
#define _GNU_SOURCE
#include "crash/oracle.h"

#include "support/die.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COMPLAINT_MAX = 4096, KEY_DIGITS = 5 };

enum state { OPEN, APPLIED, NOT_APPLIED, UNKNOWN };

struct version {
	uint32_t number;
	bool is_put;
	enum state state;
	uint32_t size; /* of the value, bytes */
	uint64_t etag; /* 0: not known */
};

struct key {
	struct buf bytes;
	struct version *versions; /* oldest first; there is always one */
	unsigned count, capacity;
	uint32_t floor;           /* number of the newest promised version */
	uint32_t next;
};

struct oracle {
	uint64_t seed;
	unsigned key_count;
	struct key *keys;
	struct buf scratch;
	char complaint[COMPLAINT_MAX];
};

/* ---- bytes out of numbers ---- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t number_of(uint64_t seed, uint64_t a, uint64_t b)
{
	return mix(mix(mix(seed) + a) + b);
}

static void append_bytes(struct buf *out, uint64_t from, size_t len)
{
	must(buf_reserve(out, len));
	while (len > 0) {
		size_t part = len < 8 ? len : 8;

		from = mix(from + UINT64_C(0x9e3779b97f4a7c15));
		must(buf_append(out, &from, part));
		len -= part;
	}
}

static uint32_t value_size(const struct oracle *oracle, unsigned key, uint32_t version)
{
	uint64_t dice = number_of(oracle->seed + 1, key, version);
	uint64_t more = mix(dice);

	if (dice % 100 < 6)
		return 0;
	if (dice % 100 < 66)
		return (uint32_t)(more % 120);
	if (dice % 100 < 98)
		return (uint32_t)(more % 4096);
	return (uint32_t)(more % ORACLE_VALUE_MAX);
}

static void make_value(struct oracle *oracle, unsigned key, const struct version *version,
	struct buf *out)
{
	buf_clear(out);
	append_bytes(out, number_of(oracle->seed, key, version->number), version->size);
}

static void make_key(const struct oracle *oracle, unsigned key, struct buf *out)
{
	uint64_t dice = number_of(oracle->seed + 2, key, 0);
	size_t len = dice % 50 == 0 ? 1000 + dice % 3000 : dice % 40;

	must(buf_printf(out, "%0*u/", KEY_DIGITS, key));
	append_bytes(out, dice, len);
}

/* ---- life ---- */

static void add_version(struct key *key, bool is_put, enum state state, uint32_t size)
{
	if (key->count == key->capacity) {
		unsigned capacity = key->capacity == 0 ? 4 : key->capacity * 2;
		struct version *versions = realloc(key->versions, capacity * sizeof(*versions));

		if (!versions)
			die("out of memory");
		key->versions = versions;
		key->capacity = capacity;
	}
	key->versions[key->count++] = (struct version){
		.number = key->next++,
		.is_put = is_put,
		.state = state,
		.size = size,
	};
}

struct oracle *oracle_new(uint64_t seed, unsigned keys)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));
	unsigned i;

	if (!oracle || !(oracle->keys = calloc(keys, sizeof(*oracle->keys))))
		die("out of memory");
	oracle->seed = seed;
	oracle->key_count = keys;
	for (i = 0; i < keys; i++) {
		make_key(oracle, i, &oracle->keys[i].bytes);
		add_version(&oracle->keys[i], false, APPLIED, 0); /* version 0: nothing there */
	}
	return oracle;
}

struct oracle *oracle_free(struct oracle *oracle)
{
	unsigned i;

	if (!oracle)
		return NULL;
	for (i = 0; i < oracle->key_count; i++) {
		buf_free(&oracle->keys[i].bytes);
		free(oracle->keys[i].versions);
	}
	buf_free(&oracle->scratch);
	free(oracle->keys);
	free(oracle);
	return NULL;
}

unsigned oracle_key_count(const struct oracle *oracle)
{
	return oracle->key_count;
}

struct slice oracle_key(const struct oracle *oracle, unsigned key)
{
	return buf_slice(&oracle->keys[key].bytes);
}

int oracle_find_key(const struct oracle *oracle, struct slice bytes)
{
	unsigned key = 0;
	size_t i;

	if (bytes.len <= KEY_DIGITS)
		return -1;
	for (i = 0; i < KEY_DIGITS; i++)
		key = key * 10 + (unsigned)(bytes.data[i] - '0');
	if (key >= oracle->key_count || !slice_equal(oracle_key(oracle, key), bytes))
		return -1;
	return (int)key;
}

/* ---- complaints ---- */

static size_t print(struct oracle *oracle, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static size_t print(struct oracle *oracle, size_t at, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(oracle->complaint + at, COMPLAINT_MAX - at, format, args);
	va_end(args);
	return n < 0 || (size_t)n >= COMPLAINT_MAX - at ? COMPLAINT_MAX - 1 : at + (size_t)n;
}

static bool complain(struct oracle *oracle, unsigned key, uint32_t floor, const char *what,
	const struct oracle_found *found)
{
	static const char *const states[] = { "open", "acknowledged", "refused", "unanswered" };
	const struct key *k = &oracle->keys[key];
	size_t at = print(oracle, 0, "key %u (%zu bytes): %s\n", key, k->bytes.len, what);
	unsigned i;

	if (found && found->exists)
		at = print(oracle, at, "  found: %zu bytes, ETag hash %016" PRIx64 "\n",
			found->value.len, found->etag);
	else if (found)
		at = print(oracle, at, "  found: no such key\n");
	at = print(oracle, at, "  allowed: version %u or later; versions:\n", floor);
	for (i = k->count > 12 ? k->count - 12 : 0; i < k->count; i++)
		at = print(oracle, at, "    %u: %s of %u bytes, %s, ETag hash %016" PRIx64 "\n",
			k->versions[i].number, k->versions[i].is_put ? "put" : "delete",
			k->versions[i].size, states[k->versions[i].state], k->versions[i].etag);
	return false;
}

const char *oracle_complaint(const struct oracle *oracle)
{
	return oracle->complaint;
}

/* ---- writing ---- */

static struct version *last_version(const struct key *key)
{
	return &key->versions[key->count - 1];
}

void oracle_begin_put(struct oracle *oracle, unsigned key, struct buf *ret_value)
{
	struct key *k = &oracle->keys[key];

	add_version(k, true, OPEN, value_size(oracle, key, k->next));
	make_value(oracle, key, last_version(k), ret_value);
}

void oracle_begin_delete(struct oracle *oracle, unsigned key)
{
	add_version(&oracle->keys[key], false, OPEN, 0);
}

int oracle_existed(const struct oracle *oracle, unsigned key)
{
	const struct key *k = &oracle->keys[key];
	unsigned i = k->count - 1;

	while (i-- > 0) {
		if (k->versions[i].state == APPLIED)
			return k->versions[i].is_put;
		if (k->versions[i].state != NOT_APPLIED)
			return -1;
	}
	return -1;
}

bool oracle_end(struct oracle *oracle, unsigned key, enum oracle_end end, uint64_t etag)
{
	static const enum state states[] = { APPLIED, NOT_APPLIED, UNKNOWN };
	struct key *k = &oracle->keys[key];
	struct version *version = last_version(k);
	unsigned i;

	version->state = states[end];
	if (end == ORACLE_APPLIED && k->floor < version->number)
		k->floor = version->number;
	if (etag == 0)
		return true;
	version->etag = etag;
	for (i = 0; i + 1 < k->count; i++) {
		if (k->versions[i].etag == etag)
			return complain(oracle, key, k->floor, "two versions have one ETag", NULL);
	}
	return true;
}

/* ---- reading ---- */

static bool shows(struct oracle *oracle, unsigned key, const struct version *version,
	const struct oracle_found *found)
{
	if (version->state == NOT_APPLIED || version->is_put != found->exists)
		return false;
	if (!found->exists)
		return true;
	if (version->size != found->value.len ||
		(version->etag != 0 && found->etag != 0 && version->etag != found->etag))
		return false;
	make_value(oracle, key, version, &oracle->scratch);
	return slice_equal(buf_slice(&oracle->scratch), found->value);
}

/* The oldest version from `floor` on that looks like that: the least that has been promised. */
static struct version *find_shown(struct oracle *oracle, unsigned key, uint32_t floor,
	const struct oracle_found *found)
{
	struct key *k = &oracle->keys[key];
	unsigned i;

	for (i = 0; i < k->count; i++) {
		struct version *version = &k->versions[i];

		if (version->number >= floor && shows(oracle, key, version, found)) {
			/* short values may be alike, and then it could be another one's ETag */
			if (version->size >= 16)
				version->etag = found->etag != 0 ? found->etag : version->etag;
			return version;
		}
	}
	return NULL;
}

uint32_t oracle_read_begin(const struct oracle *oracle, unsigned key)
{
	return oracle->keys[key].floor;
}

bool oracle_read_end(struct oracle *oracle, unsigned key, uint32_t floor,
	const struct oracle_found *found)
{
	struct key *k = &oracle->keys[key];
	const struct version *shown = find_shown(oracle, key, floor, found);

	if (!shown)
		return complain(oracle, key, floor, "a read shows a wrong state", found);
	if (shown->number > k->floor)
		k->floor = shown->number;
	return true;
}

bool oracle_settle(struct oracle *oracle, unsigned key, const struct oracle_found *found)
{
	struct key *k = &oracle->keys[key];
	const struct version *shown = find_shown(oracle, key, k->floor, found);
	struct version truth;

	if (!shown)
		return complain(oracle, key, k->floor, "wrong state after the restart", found);
	truth = *shown;
	truth.state = APPLIED;
	if (found->etag != 0)
		truth.etag = found->etag;
	else if (find_shown(oracle, key, shown->number + 1, found))
		truth.etag = 0; /* it could be that one */
	k->versions[0] = truth;
	k->count = 1;
	k->floor = k->versions[0].number;
	return true;
}

bool oracle_exists(const struct oracle *oracle, unsigned key)
{
	return oracle->keys[key].versions[0].is_put;
}
