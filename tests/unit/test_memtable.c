/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memtable against a sorted array of entries: every version at every sequence, walks and seeks in both directions,
 * readers beside the writer, memory that runs out, and its life.
 */
#include "base/checksum.h"
#include "base/clock.h"
#include "engine/blob_pointer.h"
#include "engine/blob_set.h"
#include "engine/memtable.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct memtable *memtable;
static struct kv_error err;

static void set_up(void)
{
	memtable = memtable_new(7);
	ck_assert_ptr_nonnull(memtable);
	memtable_add_filter(memtable, 1 << 20);
}

/* No thread that finds a key was told by the filter that it is not there. */
static bool is_denied(struct slice key)
{
	return !memtable_may_have(memtable, key_hash(key));
}

static void tear_down(void)
{
	memtable_unref(memtable);
}

static struct entry entry_of(const char *key, const char *value, uint64_t sequence)
{
	return (struct entry){ .key = slice_of_string(key), .value = slice_of_string(value),
		.sequence = sequence, .kind = ENTRY_PUT };
}

static void add(struct entry entry)
{
	ck_assert_int_eq(memtable_add(memtable, &entry), KV_OK);
}

static bool same(const struct entry *a, const struct entry *b)
{
	return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) &&
		a->sequence == b->sequence && a->expires_unix_ms == b->expires_unix_ms && a->kind == b->kind;
}

/* ---- one thread ---- */

START_TEST(a_new_memtable_is_empty)
{
	struct iter *iter = memtable_iter(memtable);
	struct entry got;

	ck_assert(!memtable_get(memtable, slice_of("a", 1), ENTRY_SEQUENCE_MAX, &got));
	ck_assert_uint_eq(memtable_wal_number(memtable), 7);
	ck_assert_uint_eq(memtable_entries(memtable), 0);
	ck_assert_uint_eq(memtable_last_sequence(memtable), 0);
	ck_assert_uint_eq(memtable_first_write_us(memtable), 0);
	ck_assert_int_eq(memtable_get_state(memtable), MEMTABLE_ACTIVE);
	ck_assert(!iter->valid);
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	iter_seek_last(iter);
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, &err), KV_OK);
	iter_close(iter);
}
END_TEST

START_TEST(every_version_is_seen_from_its_own_sequence_on)
{
	struct entry put = entry_of("key", "one", 10);
	struct entry gone = { .key = slice_of_string("key"), .sequence = 20, .kind = ENTRY_DELETE };
	struct entry again = entry_of("key", "two", 30);
	struct entry got;

	add(put);
	add(gone);
	add(again);
	ck_assert(!memtable_get(memtable, put.key, 9, &got));
	ck_assert(memtable_get(memtable, put.key, 10, &got) && same(&got, &put));
	ck_assert(memtable_get(memtable, put.key, 19, &got) && same(&got, &put));
	ck_assert(memtable_get(memtable, put.key, 20, &got) && same(&got, &gone));
	ck_assert(memtable_get(memtable, put.key, 29, &got) && same(&got, &gone));
	ck_assert(memtable_get(memtable, put.key, 30, &got) && same(&got, &again));
	ck_assert(memtable_get(memtable, put.key, ENTRY_SEQUENCE_MAX, &got) && same(&got, &again));
	ck_assert(!memtable_get(memtable, slice_of("ke", 2), ENTRY_SEQUENCE_MAX, &got));
	ck_assert(!memtable_get(memtable, slice_of("keys", 4), ENTRY_SEQUENCE_MAX, &got));
}
END_TEST

START_TEST(kinds_expiry_and_values_of_every_size_come_back)
{
	static const enum entry_kind kinds[] = { ENTRY_DELETE, ENTRY_PUT, ENTRY_PUT, ENTRY_BLOB };
	uint8_t pointer[BLOB_POINTER_BYTES];
	char *value = malloc(3000000);
	char key[32];
	struct entry entry;
	struct entry got;

	for (size_t i = 0; i < 3000000; i++)
		value[i] = (char)(i * 7);
	for (uint64_t i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "key%u", (unsigned)i);
		entry = (struct entry){ .key = slice_of_string(key), .sequence = ENTRY_SEQUENCE_MAX - 1000 + i,
			.value = slice_of(value + i, i == 100 ? 2900000 : i), .kind = kinds[i % 4],
			.expires_unix_ms = i % 3 == 0 ? 0 : UINT64_MAX - i };
		if (entry.kind == ENTRY_BLOB) {
			blob_pointer_encode(&(struct blob_pointer){ i, i, i }, pointer);
			entry.value = slice_of(pointer, sizeof pointer);
		}
		add(entry);
		ck_assert(memtable_get(memtable, entry.key, ENTRY_SEQUENCE_MAX, &got));
		ck_assert(same(&got, &entry));
	}
	ck_assert_uint_eq(memtable_entries(memtable), 200);
	ck_assert_uint_gt(memtable_bytes(memtable), 2900000);
	ck_assert_uint_lt(memtable_bytes(memtable), 3100000);
	free(value);
}
END_TEST

START_TEST(what_is_added_is_copied)
{
	char key[] = "key";
	char value[] = "value";
	struct entry entry = entry_of(key, value, 1);
	struct entry got;

	add(entry);
	key[0] = value[0] = 'X';
	ck_assert(memtable_get(memtable, slice_of("key", 3), 1, &got));
	ck_assert(slice_equal(got.value, slice_of("value", 5)));
}
END_TEST

START_TEST(numbers_follow_what_is_added)
{
	uint64_t before = clock_monotonic_us();
	uint64_t first;
	size_t bytes = 0;

	for (uint64_t i = 1; i <= 100; i++) {
		add(entry_of(i % 2 == 0 ? "a" : "b", "0123456789", i * 3));
		ck_assert_uint_eq(memtable_entries(memtable), i);
		ck_assert_uint_eq(memtable_last_sequence(memtable), i * 3);
		ck_assert_uint_gt(memtable_bytes(memtable), bytes + 10);
		bytes = memtable_bytes(memtable);
	}
	first = memtable_first_write_us(memtable);
	ck_assert_uint_ge(first, before);
	ck_assert_uint_le(first, clock_monotonic_us());
	add(entry_of("c", "", 1000));
	ck_assert_uint_eq(memtable_first_write_us(memtable), first);
}
END_TEST

/* ---- against a model ---- */

enum { KEYS = 300, ENTRIES = 3000 };

static char key_texts[KEYS][24];
static struct entry model[ENTRIES]; /* in the order of entries */

static int compare(const void *a, const void *b)
{
	return entry_compare(a, b);
}

/* Few keys, some with very many versions. */
static void fill_model(void)
{
	uint64_t rnd = runner_seed();

	for (int i = 0; i < KEYS; i++)
		snprintf(key_texts[i], sizeof key_texts[i], "%.*s%d", (int)(runner_random(&rnd) % 8), "/usr/share", i);
	for (uint64_t i = 0; i < ENTRIES; i++) {
		uint64_t which = runner_random(&rnd) % (i % 2 == 0 ? KEYS : 3);

		model[i] = (struct entry){ .key = slice_of_string(key_texts[which]), .sequence = 5 + i * 2,
			/* any bytes that stay where they are */
			.value = slice_of(key_texts[runner_random(&rnd) % (KEYS / 2)], runner_random(&rnd) % 200),
			.kind = runner_random(&rnd) % 4 == 0 ? ENTRY_DELETE : ENTRY_PUT };
		if (model[i].kind == ENTRY_DELETE)
			model[i].value = slice_of(NULL, 0);
	}
	for (uint64_t i = 0; i < ENTRIES; i++)
		add(model[i]);
	qsort(model, ENTRIES, sizeof model[0], compare);
}

static void assert_at(const struct iter *iter, size_t at)
{
	if (at >= ENTRIES) /* also -1 */
		ck_assert(!iter->valid);
	else if (!iter->valid || !same(iter->entry, &model[at]))
		ck_abort_msg("the iterator is not at entry %zu", at);
}

START_TEST(walks_give_all_versions_newest_first_and_backwards)
{
	struct iter *iter = memtable_iter(memtable);

	fill_model();
	iter_seek_first(iter);
	for (size_t i = 0; i < ENTRIES; i++) {
		assert_at(iter, i);
		iter_next(iter);
	}
	assert_at(iter, ENTRIES);
	iter_seek_last(iter);
	for (size_t i = ENTRIES; i-- > 0;) {
		assert_at(iter, i);
		iter_prev(iter);
	}
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, &err), KV_OK);
	iter_close(iter);
}
END_TEST

/* The first model entry at or after (key, sequence). */
static size_t lower(struct slice key, uint64_t sequence)
{
	size_t at = 0;

	while (at < ENTRIES && entry_compare_position(model[at].key, model[at].sequence, key, sequence) < 0)
		at++;
	return at;
}

START_TEST(seeks_land_between_versions_and_turn_around)
{
	struct iter *iter = memtable_iter(memtable);
	uint64_t rnd = runner_seed();

	fill_model();
	for (int i = 0; i < 4000; i++) {
		struct slice key = model[runner_random(&rnd) % ENTRIES].key;
		uint64_t sequence = i % 5 == 0 ? ENTRY_SEQUENCE_MAX : runner_random(&rnd) % (2 * ENTRIES + 10);
		size_t at;

		key.len -= i % 7 == 0;
		at = i % 3 == 0 ? lower(key, ENTRY_SEQUENCE_MAX) - 1 : lower(key, sequence);
		if (i % 3 == 0)
			iter_seek_before(iter, key);
		else
			iter_seek(iter, key, sequence);
		assert_at(iter, at);
		for (int k = 0; k < 12 && iter->valid; k++) {
			bool forward = runner_random(&rnd) >> 62 != 0;

			if (forward)
				iter_next(iter);
			else
				iter_prev(iter);
			at += forward ? 1 : (size_t)-1;
			assert_at(iter, at);
		}
	}
	iter_close(iter);
}
END_TEST

START_TEST(gets_agree_with_the_model_at_every_sequence)
{
	uint64_t rnd = runner_seed();
	struct entry got;

	fill_model();
	for (int i = 0; i < 20000; i++) {
		struct slice key = model[runner_random(&rnd) % ENTRIES].key;
		uint64_t sequence = runner_random(&rnd) % (2 * ENTRIES + 10);
		size_t at = lower(key, sequence);
		bool there = at < ENTRIES && slice_equal(model[at].key, key);

		if (memtable_get(memtable, key, sequence, &got) != there || (there && !same(&got, &model[at])))
			ck_abort_msg("get at sequence %u", (unsigned)sequence);
	}
}
END_TEST

/* ---- memory ---- */

START_TEST(an_add_without_memory_changes_nothing)
{
	struct entry large = { .key = slice_of_string("large"), .sequence = 10, .kind = ENTRY_PUT };
	char *value = calloc(1, 1 << 21);
	struct entry got;
	kv_status status;

	add(entry_of("large", "small", 1));
	large.value = slice_of(value, 1 << 21);
	fault_alloc_fail(1, true);
	status = memtable_add(memtable, &large);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_uint_eq(memtable_entries(memtable), 1);
	ck_assert_uint_eq(memtable_last_sequence(memtable), 1);
	ck_assert(memtable_get(memtable, large.key, ENTRY_SEQUENCE_MAX, &got));
	ck_assert_uint_eq(got.value.len, 5);
	add(large);
	ck_assert(memtable_get(memtable, large.key, ENTRY_SEQUENCE_MAX, &got));
	ck_assert_uint_eq(got.value.len, 1 << 21);
	free(value);
}
END_TEST

START_TEST(reserved_adds_cannot_fail)
{
	uint64_t rnd = runner_seed();
	uint64_t sequence = 0;
	uint8_t key[ENTRY_KEY_MAX] = { 0 };
	uint8_t *value = calloc(1, 100000);
	bool whole = true;

	for (int round = 0; round < 300; round++) {
		size_t count = 1 + runner_random(&rnd) % (round % 50 == 0 ? 3000 : 60);
		size_t longest = round % 10 == 0 ? sizeof key : 8;
		size_t largest = round % 30 == 0 ? 100000 : 100;
		uint64_t repeat = rnd;
		size_t key_bytes = 0;
		size_t value_bytes = 0;

		if (count > 100)
			longest = 12, largest = 100;
		/* the same random numbers twice: for the sums, and for the adds */
		for (int pass = 0; pass < 2; pass++) {
			rnd = repeat;
			if (pass == 1) {
				ck_assert_int_eq(memtable_reserve(memtable, count, key_bytes, value_bytes), KV_OK);
				fault_alloc_fail(1, true);
			}
			for (size_t i = 0; i < count; i++) {
				struct entry entry = { .kind = ENTRY_PUT };

				entry.key = slice_of(key, 1 + runner_random(&rnd) % longest);
				entry.value = slice_of(value, runner_random(&rnd) % largest);
				entry.expires_unix_ms = runner_random(&rnd) % 2;
				for (size_t k = 0; k < entry.key.len && k < 12; k++)
					key[k] = (uint8_t)(runner_random(&rnd) >> 58);
				key_bytes += entry.key.len;
				value_bytes += entry.value.len;
				if (pass == 1) {
					entry.sequence = ++sequence;
					whole = whole && memtable_add(memtable, &entry) == KV_OK;
				}
			}
			fault_alloc_fail(0, false);
		}
		ck_assert(whole);
	}
	ck_assert_uint_eq(memtable_entries(memtable), sequence);
	free(value);
}
END_TEST

static kv_status add_blob(const char *key, uint64_t number, uint64_t sequence)
{
	uint8_t pointer[BLOB_POINTER_BYTES];
	struct entry entry = { .key = slice_of_string(key), .sequence = sequence, .kind = ENTRY_BLOB,
		.value = slice_of(pointer, sizeof pointer) };

	blob_pointer_encode(&(struct blob_pointer){ number, 1000, 5 }, pointer);
	return memtable_add(memtable, &entry);
}

START_TEST(each_blob_file_is_kept_until_the_memtable_goes)
{
	struct dir nowhere = { .fd = -1 };
	struct blob_set *blobs = blob_set_new(&nowhere, NULL, NULL);
	struct entry no_pointer = { .key = slice_of_string("x"), .value = slice_of_string("no pointer"),
		.sequence = 10, .kind = ENTRY_BLOB };

	memtable_keep_blobs(memtable, blobs);
	ck_assert_uint_eq(memtable_blob_bytes(memtable), 0);
	ck_assert_int_eq(blob_set_ref(blobs, 1, 0), KV_OK);
	ck_assert_int_eq(blob_set_ref(blobs, 2, 0), KV_OK);
	ck_assert_int_eq(add_blob("a", 1, 1), KV_OK);
	ck_assert_int_eq(add_blob("a", 2, 2), KV_OK);
	ck_assert_int_eq(add_blob("b", 2, 3), KV_OK);
	ck_assert_int_eq(memtable_add(memtable, &no_pointer), KV_CORRUPT);
	ck_assert_uint_eq(memtable_blob_bytes(memtable), 3000);
	ck_assert(!blob_set_unref(blobs, 1));
	ck_assert(!blob_set_unref(blobs, 2));
	memtable_unref(memtable);
	memtable = NULL;
	/* nothing is left: a reference would be the first one again */
	ck_assert_int_eq(blob_set_ref(blobs, 1, 0), KV_OK);
	ck_assert(blob_set_unref(blobs, 1));
	ck_assert_int_eq(blob_set_ref(blobs, 2, 0), KV_OK);
	ck_assert(blob_set_unref(blobs, 2));
	blob_set_free(blobs);
}
END_TEST

START_TEST(reserved_adds_of_blobs_cannot_fail)
{
	enum { COUNT = 100000 };
	struct dir nowhere = { .fd = -1 };
	struct blob_set *blobs = blob_set_new(&nowhere, NULL, NULL);
	bool whole = true;

	memtable_keep_blobs(memtable, blobs);
	ck_assert_int_eq(blob_set_ref(blobs, 1, 0), KV_OK);
	ck_assert_int_eq(memtable_reserve(memtable, COUNT, COUNT, COUNT * BLOB_POINTER_BYTES), KV_OK);
	fault_alloc_fail(1, true);
	for (uint64_t i = 1; i <= COUNT; i++)
		whole = whole && add_blob("k", 1, i) == KV_OK;
	fault_alloc_fail(0, false);
	ck_assert(whole);
	memtable_unref(memtable);
	memtable = NULL;
	ck_assert(blob_set_unref(blobs, 1));
	blob_set_free(blobs);
}
END_TEST

START_TEST(a_reservation_beyond_memory_is_refused)
{
	kv_status status;

	ck_assert_int_eq(memtable_reserve(memtable, SIZE_MAX, 1, 1), KV_NO_MEMORY);
	ck_assert_int_eq(memtable_reserve(memtable, 1, SIZE_MAX, 1), KV_NO_MEMORY);
	ck_assert_int_eq(memtable_reserve(memtable, 1, 1, SIZE_MAX), KV_NO_MEMORY);
	for (uint64_t n = 1; n <= 2; n++) {
		fault_alloc_fail(n, true);
		status = memtable_reserve(memtable, 10000, 1 << 20, 1 << 20);
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, KV_NO_MEMORY);
	}
	add(entry_of("a", "b", 1));
}
END_TEST

START_TEST(no_memory_for_a_memtable_or_an_iterator_is_null)
{
	struct memtable *other = NULL;
	struct iter *iter = NULL;
	uint64_t n;

	for (n = 1; !other; n++) {
		fault_alloc_fail(n, false);
		other = memtable_new(1);
		fault_alloc_fail(0, false);
	}
	ck_assert_uint_gt(n, 4);
	for (n = 1; !iter; n++) {
		fault_alloc_fail(n, false);
		iter = memtable_iter(other);
		fault_alloc_fail(0, false);
	}
	ck_assert_uint_gt(n, 2);
	iter_close(iter);
	memtable_unref(other);
	memtable_unref(NULL);
}
END_TEST

START_TEST(a_walk_back_without_memory_ends_with_an_error)
{
	struct iter *iter = memtable_iter(memtable);
	bool valid;

	add(entry_of("a", "1", 1));
	for (uint64_t i = 2; i < 50; i++)
		add(entry_of("b", "2", i));
	fault_alloc_fail(1, true);
	iter_seek_last(iter);
	valid = iter->valid;
	fault_alloc_fail(0, false);
	ck_assert(!valid);
	ck_assert_int_eq(iter_status(iter, &err), KV_NO_MEMORY);
	ck_assert_int_eq(err.status, KV_NO_MEMORY);
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, NULL), KV_NO_MEMORY);
	iter_close(iter);
}
END_TEST

/* ---- life ---- */

START_TEST(an_iterator_keeps_the_memtable_alive)
{
	struct memtable *other = memtable_new(1);
	struct entry entry = entry_of("key", "value", 1);
	struct iter *iter;

	ck_assert_int_eq(memtable_add(other, &entry), KV_OK);
	ck_assert_ptr_eq(memtable_ref(other), other);
	iter = memtable_iter(other);
	memtable_unref(other);
	memtable_unref(other);
	iter_seek_first(iter);
	ck_assert(iter->valid && same(iter->entry, &entry));
	iter_close(iter);
}
END_TEST

START_TEST(it_is_frozen_then_flushed)
{
	memtable_set_state(memtable, MEMTABLE_FROZEN);
	ck_assert_int_eq(memtable_get_state(memtable), MEMTABLE_FROZEN);
	memtable_set_state(memtable, MEMTABLE_FLUSHED);
	ck_assert_int_eq(memtable_get_state(memtable), MEMTABLE_FLUSHED);
}
END_TEST

#ifndef NDEBUG
START_TEST(no_step_of_its_life_is_skipped)
{
	memtable_set_state(memtable, MEMTABLE_FLUSHED);
}
END_TEST

START_TEST(a_frozen_memtable_takes_no_entry)
{
	memtable_set_state(memtable, MEMTABLE_FROZEN);
	add(entry_of("a", "b", 1));
}
END_TEST

START_TEST(a_sequence_that_does_not_rise_is_a_bug)
{
	add(entry_of("a", "b", 5));
	add(entry_of("c", "d", 5));
}
END_TEST
#endif

/* ---- readers beside the writer ---- */

enum { READERS = 3, WRITES = 60000, HOT_KEYS = 50 };

static atomic_bool done;

static struct slice numbered_key(uint64_t number, char to[24])
{
	return slice_of(to, (size_t)snprintf(to, 24, "k%u", (unsigned)(number % (number % 3 == 0 ? HOT_KEYS : 9973))));
}

/* A value tells its sequence and its key's number. */
static bool entry_is_right(const struct entry *entry)
{
	uint64_t sequence;
	char key[24];

	if (entry->value.len != sizeof sequence)
		return false;
	memcpy(&sequence, entry->value.data, sizeof sequence);
	return sequence == entry->sequence && slice_equal(entry->key, numbered_key(sequence, key));
}

static const char *read_once(struct iter *iter, uint64_t *rnd)
{
	uint64_t published = memtable_last_sequence(memtable);
	struct entry entry;
	struct entry before = { .key = slice_of(NULL, 0) };
	uint64_t seen = 0;
	char key[24];

	for (int i = 0; i < 500 && published > 0; i++) {
		uint64_t number = 1 + runner_random(rnd) % published;

		if (!memtable_get(memtable, numbered_key(number, key), number, &entry) || !entry_is_right(&entry) ||
			is_denied(numbered_key(number, key)) ||
			entry.sequence != number)
			return "a published version is not what was added";
	}
	for (iter_seek_first(iter); iter->valid; iter_next(iter)) {
		if (before.key.data && entry_compare(&before, iter->entry) >= 0)
			return "out of order";
		if (!entry_is_right(iter->entry))
			return "a wrong entry";
		seen += iter->entry->sequence <= published;
		before = *iter->entry;
	}
	if (seen != published)
		return "a walk missed an entry";
	seen = 0;
	for (iter_seek_last(iter); iter->valid; iter_prev(iter))
		seen += iter->entry->sequence <= published;
	return seen != published ? "a walk back missed an entry" : NULL;
}

struct reader_arg {
	uint64_t rnd;
	const char *wrong;
};

static void *read_on(void *arg)
{
	struct reader_arg *reader = arg;
	struct iter *iter = memtable_iter(memtable);
	bool last = false;

	while (!reader->wrong && !last) {
		last = atomic_load(&done);
		reader->wrong = read_once(iter, &reader->rnd);
	}
	iter_close(iter);
	return NULL;
}

START_TEST(readers_see_every_published_version_beside_the_writer)
{
	struct reader_arg args[READERS];
	pthread_t threads[READERS];
	char key[24];

	for (unsigned i = 0; i < READERS; i++) {
		args[i] = (struct reader_arg){ .rnd = i + 1 };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &args[i]), 0);
	}
	for (uint64_t i = 1; i <= WRITES; i++) {
		struct entry entry = { .key = numbered_key(i, key), .value = slice_of(&i, sizeof i), .sequence = i,
			.kind = ENTRY_PUT };

		if (memtable_add(memtable, &entry) != KV_OK)
			ck_abort_msg("add %u", (unsigned)i);
	}
	atomic_store(&done, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_msg(!args[i].wrong, "%s", args[i].wrong);
	}
}
END_TEST

START_TEST(the_filter_denies_what_is_not_there_until_a_range_delete_may_cover_it)
{
	struct memtable *plain = memtable_new(1);
	char text[20];
	unsigned denied = 0;

	add(entry_of("there", "v", 1));
	ck_assert(!is_denied(slice_of_string("there")));
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%u", i);
		denied += is_denied(slice_of_string(text));
	}
	ck_assert_uint_gt(denied, 980);
	add((struct entry){ .key = slice_of("1", 1), .sequence = 2, .kind = ENTRY_RANGE_DELETE });
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%u", i);
		ck_assert(!is_denied(slice_of_string(text)));
	}
	/* without a filter, and without memory for one, nothing is denied */
	ck_assert(memtable_may_have(plain, 0));
	fault_alloc_fail(1, false);
	memtable_add_filter(plain, 1 << 20);
	fault_alloc_fail(0, false);
	ck_assert(memtable_may_have(plain, 0));
	memtable_prefetch(plain, 0);
	memtable_unref(plain);
}
END_TEST

/* ---- range deletes ---- */

static struct entry range_entry(const char *start, const char *end, uint64_t sequence)
{
	struct entry entry = entry_of(start, end, sequence);

	entry.kind = ENTRY_RANGE_DELETE;
	return entry;
}

/* `value` NULL: deleted at `sequence`, which is 0 for nothing at all. */
static void expect_at(const char *key, uint64_t max_sequence, const char *value, uint64_t sequence)
{
	struct entry got = { 0 };
	bool found = memtable_get(memtable, slice_of_string(key), max_sequence, &got);

	ck_assert_int_eq(found, sequence != 0);
	if (!found)
		return;
	ck_assert(!is_denied(slice_of_string(key)));
	ck_assert_uint_eq(got.sequence, sequence);
	ck_assert_int_eq(got.kind, value ? ENTRY_PUT : ENTRY_DELETE);
	if (value)
		ck_assert(slice_equal(got.value, slice_of_string(value)));
}

START_TEST(a_range_delete_hides_what_is_older_and_only_that)
{
	struct iter *iter;

	add(entry_of("b", "1", 10));
	add(range_entry("b", "d", 20));
	add(entry_of("c", "2", 30));
	add(range_entry("c", "", 40));
	add(entry_of("c", "3", 50));
	expect_at("b", 19, "1", 10);
	expect_at("b", 20, NULL, 20);
	expect_at("b", 99, NULL, 20);
	expect_at("c", 15, NULL, 0);
	expect_at("c", 25, NULL, 20);
	expect_at("c", 30, "2", 30);
	expect_at("c", 40, NULL, 40);
	expect_at("c", 50, "3", 50);
	expect_at("a", 99, NULL, 0);
	expect_at("z", 99, NULL, 40); /* also of what lies in older places */
	expect_at("z", 39, NULL, 0);
	ck_assert_uint_eq(memtable_entries(memtable), 5);
	ck_assert_uint_eq(memtable_last_sequence(memtable), 50);
	ck_assert_uint_eq(memtable_ranges(memtable)->ranges, 2);
	/* a walk shows entries only */
	iter = memtable_iter(memtable);
	iter_seek_last(iter);
	ck_assert(iter->valid && iter->entry->sequence == 30);
	iter_close(iter);
}
END_TEST

START_TEST(reserved_range_deletes_need_no_memory_any_more)
{
	const struct range ranges[] = { { .sequence = 5, .start = slice_of("a", 1), .end = slice_of("c", 1) },
		{ .sequence = 6, .start = slice_of("b", 1) } };
	kv_status first, second, third;

	add(entry_of("bb", "v", 1));
	add(range_entry("x", "y", 2));
	/* what was reserved for a group that was not written does not appear */
	ck_assert_int_eq(memtable_reserve_ranges(memtable, ranges, 2), KV_OK);
	ck_assert_uint_eq(memtable_ranges(memtable)->ranges, 1);
	expect_at("bb", 99, "v", 1);
	ck_assert_int_eq(memtable_reserve_ranges(memtable, ranges, 2), KV_OK);
	ck_assert_int_eq(memtable_reserve(memtable, 3, 3, 3), KV_OK);
	fault_alloc_fail(1, true);
	first = memtable_add(memtable, &(struct entry){ .key = ranges[0].start, .value = ranges[0].end,
		.sequence = 5, .kind = ENTRY_RANGE_DELETE });
	second = memtable_add(memtable, &(struct entry){ .key = ranges[1].start, .sequence = 6,
		.kind = ENTRY_RANGE_DELETE });
	fault_alloc_fail(1, true);
	third = memtable_add(memtable, &(struct entry){ .key = ranges[1].start, .sequence = 7,
		.kind = ENTRY_RANGE_DELETE });
	fault_alloc_fail(0, false);
	ck_assert_int_eq(first, KV_OK);
	ck_assert_int_eq(second, KV_OK);
	ck_assert_int_eq(third, KV_NO_MEMORY); /* that one was not reserved */
	ck_assert_uint_eq(memtable_ranges(memtable)->ranges, 3);
	expect_at("bb", 5, NULL, 5);
	expect_at("bb", 99, NULL, 6);
}
END_TEST

static atomic_uint_fast64_t visible;

/* Odd sequences put the key, even ones delete it in a range: a reader sees just that. */
static void *read_between_deletes(void *arg)
{
	struct memtable *read = arg;
	uint64_t sequence = 0;

	while (sequence < 6000) {
		struct entry got;

		sequence = atomic_load(&visible);
		if (sequence == 0)
			continue;
		if (!memtable_get(read, slice_of("m", 1), sequence, &got) || got.sequence != sequence ||
			got.kind != (sequence % 2 ? ENTRY_PUT : ENTRY_DELETE))
			return "a reader has seen something else";
	}
	return NULL;
}

START_TEST(readers_see_range_deletes_from_their_sequence_on)
{
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_between_deletes, memtable), 0);
	for (uint64_t sequence = 1; sequence <= 6000; sequence++) {
		struct entry entry = sequence % 2 ? entry_of("m", "v", sequence) :
						     range_entry("a", "z", sequence);

		if (memtable_add(memtable, &entry) != KV_OK)
			ck_abort_msg("out of memory");
		atomic_store(&visible, sequence);
	}
	for (unsigned i = 0; i < 2; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		ck_assert_msg(!wrong, "%s", (const char *)wrong);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memtable");
	TCase *tc = tcase_create("memtable");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_new_memtable_is_empty);
	tcase_add_test(tc, every_version_is_seen_from_its_own_sequence_on);
	tcase_add_test(tc, kinds_expiry_and_values_of_every_size_come_back);
	tcase_add_test(tc, what_is_added_is_copied);
	tcase_add_test(tc, numbers_follow_what_is_added);
	tcase_add_test(tc, walks_give_all_versions_newest_first_and_backwards);
	tcase_add_test(tc, seeks_land_between_versions_and_turn_around);
	tcase_add_test(tc, gets_agree_with_the_model_at_every_sequence);
	tcase_add_test(tc, an_add_without_memory_changes_nothing);
	tcase_add_test(tc, reserved_adds_cannot_fail);
	tcase_add_test(tc, each_blob_file_is_kept_until_the_memtable_goes);
	tcase_add_test(tc, reserved_adds_of_blobs_cannot_fail);
	tcase_add_test(tc, a_reservation_beyond_memory_is_refused);
	tcase_add_test(tc, no_memory_for_a_memtable_or_an_iterator_is_null);
	tcase_add_test(tc, a_walk_back_without_memory_ends_with_an_error);
	tcase_add_test(tc, an_iterator_keeps_the_memtable_alive);
	tcase_add_test(tc, it_is_frozen_then_flushed);
#ifndef NDEBUG
	tcase_add_test_raise_signal(tc, no_step_of_its_life_is_skipped, SIGABRT);
	tcase_add_test_raise_signal(tc, a_frozen_memtable_takes_no_entry, SIGABRT);
	tcase_add_test_raise_signal(tc, a_sequence_that_does_not_rise_is_a_bug, SIGABRT);
#endif
	tcase_add_test(tc, readers_see_every_published_version_beside_the_writer);
	tcase_add_test(tc, the_filter_denies_what_is_not_there_until_a_range_delete_may_cover_it);
	tcase_add_test(tc, a_range_delete_hides_what_is_older_and_only_that);
	tcase_add_test(tc, reserved_range_deletes_need_no_memory_any_more);
	tcase_add_test(tc, readers_see_range_deletes_from_their_sequence_on);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
