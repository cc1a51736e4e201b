/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The radix tree against a sorted array: find, walk and seek in both directions, with keys chosen to hit every shape
 * (bytes 00, 80, FF, prefixes of one another, 1 to 4096 bytes, every node size), readers beside the writer, and
 * every allocation failing in turn.
 */
#include "engine/art.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEY_MAX = 4096 };

static struct arena *nodes;
static struct arena *leaves;
static struct art *art;
static int a_head; /* any pointer will do */

static void set_up(void)
{
	nodes = arena_new(1 << 16);
	leaves = arena_new(1 << 16);
	art = art_new(nodes, leaves);
	ck_assert_ptr_nonnull(art);
}

static void tear_down(void)
{
	arena_free(nodes);
	arena_free(leaves);
}

static struct art_leaf *insert(struct slice key, bool is_new)
{
	struct art_leaf *leaf = NULL;
	bool inserted = !is_new;

	ck_assert_int_eq(art_insert(art, key, &a_head, &leaf, &inserted), KV_OK);
	ck_assert_int_eq(inserted, is_new);
	ck_assert(slice_equal(art_leaf_key(leaf), key));
	return leaf;
}

/* ---- a sorted set of keys, owned ---- */

struct keys {
	struct slice *sorted; /* without doubles after sort() */
	size_t count;
	size_t capacity;
};

static void keys_add(struct keys *keys, struct slice key)
{
	uint8_t *copy = malloc(key.len + 1);

	ck_assert(copy != NULL);
	if (key.len > 0)
		memcpy(copy, key.data, key.len);
	if (keys->count == keys->capacity) {
		keys->capacity = keys->capacity * 2 + 64;
		keys->sorted = realloc(keys->sorted, keys->capacity * sizeof keys->sorted[0]);
		ck_assert(keys->sorted != NULL);
	}
	keys->sorted[keys->count++] = slice_of(copy, key.len);
}

static void free_key(struct slice key)
{
	free((void *)(uintptr_t)key.data);
}

static int compare_keys(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void keys_sort(struct keys *keys)
{
	size_t kept = 0;

	qsort(keys->sorted, keys->count, sizeof keys->sorted[0], compare_keys);
	for (size_t i = 0; i < keys->count; i++) {
		if (kept > 0 && slice_equal(keys->sorted[kept - 1], keys->sorted[i]))
			free_key(keys->sorted[i]);
		else
			keys->sorted[kept++] = keys->sorted[i];
	}
	keys->count = kept;
}

static void keys_free(struct keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		free_key(keys->sorted[i]);
	free(keys->sorted);
}

/* The place of the first key >= key. */
static size_t keys_lower(const struct keys *keys, struct slice key)
{
	size_t low = 0;
	size_t high = keys->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(keys->sorted[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Assertions of Check are slow; these loops are long. */
static void assert_key(const struct art_leaf *leaf, const struct keys *keys, size_t at)
{
	if (at >= keys->count) /* also -1 */
		ck_assert_ptr_null(leaf);
	else if (!leaf || !slice_equal(art_leaf_key(leaf), keys->sorted[at]))
		ck_abort_msg("key %zu of %zu: another one", at, keys->count);
}

static void check_walks(const struct keys *keys)
{
	struct art_iter *iter = art_iter_new(art);

	ck_assert_ptr_nonnull(iter);
	assert_key(art_iter_first(iter), keys, 0);
	for (size_t i = 1; i <= keys->count; i++)
		assert_key(art_iter_next(iter), keys, i);
	assert_key(art_iter_last(iter), keys, keys->count - 1);
	for (size_t i = keys->count; i-- > 0;)
		assert_key(art_iter_prev(iter), keys, i - 1);
	art_iter_free(iter);
}

/* Seeks to `key` both ways, goes on and back from there. */
static void check_seek(struct art_iter *iter, const struct keys *keys, struct slice key)
{
	size_t at = keys_lower(keys, key);

	assert_key(art_iter_seek(iter, key), keys, at);
	if (at < keys->count) {
		assert_key(art_iter_next(iter), keys, at + 1);
		if (at + 1 < keys->count)
			assert_key(art_iter_prev(iter), keys, at);
	}
	assert_key(art_iter_seek_before(iter, key), keys, at - 1);
	if (at > 0) {
		assert_key(art_iter_prev(iter), keys, at - 2);
		if (at > 1)
			assert_key(art_iter_next(iter), keys, at - 1);
	}
	ck_assert(!art_iter_failed(iter));
}

/* Each key itself, a little before, a little after, cut, and lengthened. */
static void check_seeks(const struct keys *keys, size_t step)
{
	struct art_iter *iter = art_iter_new(art);
	uint8_t other[KEY_MAX + 1];

	for (size_t i = 0; i < keys->count; i += step) {
		struct slice key = keys->sorted[i];

		check_seek(iter, keys, key);
		if (key.len > 0)
			memcpy(other, key.data, key.len);
		other[key.len] = 0;
		check_seek(iter, keys, slice_of(other, key.len + 1));
		other[key.len] = 0xff;
		check_seek(iter, keys, slice_of(other, key.len + 1));
		for (size_t at = key.len; at-- > 0 && at + 8 > key.len;) {
			check_seek(iter, keys, slice_of(other, at));
			other[at]++;
			check_seek(iter, keys, slice_of(other, key.len));
			other[at] = (uint8_t)(other[at] - 2);
			check_seek(iter, keys, slice_of(other, key.len));
			other[at]++;
		}
	}
	check_seek(iter, keys, slice_of(NULL, 0));
	art_iter_free(iter);
}

static void check_finds(const struct keys *keys)
{
	uint8_t other[KEY_MAX + 1];

	for (size_t i = 0; i < keys->count; i++) {
		struct slice key = keys->sorted[i];
		size_t at;

		assert_key(art_find(art, key), keys, i);
		if (key.len > 0)
			memcpy(other, key.data, key.len);
		other[key.len] = 0;
		key = slice_of(other, key.len + 1);
		at = keys_lower(keys, key);
		if ((at < keys->count && slice_equal(keys->sorted[at], key)) != (art_find(art, key) != NULL))
			ck_abort_msg("a longer key than %zu is found wrongly", i);
		key.len = i % (key.len + 1);
		at = keys_lower(keys, key);
		if ((at < keys->count && slice_equal(keys->sorted[at], key)) != (art_find(art, key) != NULL))
			ck_abort_msg("a shorter key than %zu is found wrongly", i);
	}
}

/* Inserts the keys in the order in which they were added, all twice; then sorts them and checks everything. */
static void check_all(struct keys *keys, size_t seek_step)
{
	size_t inserts = 0;
	size_t added = keys->count;

	for (size_t i = 0; i < 2 * added; i++) {
		struct art_leaf *leaf;
		bool inserted;

		if (art_insert(art, keys->sorted[i % added], &a_head, &leaf, &inserted) != KV_OK ||
			!slice_equal(art_leaf_key(leaf), keys->sorted[i % added]) ||
			art_find(art, keys->sorted[i % added]) != leaf)
			ck_abort_msg("insert of key %zu", i);
		inserts += inserted;
	}
	keys_sort(keys);
	ck_assert_uint_eq(inserts, keys->count);
	check_walks(keys);
	check_finds(keys);
	check_seeks(keys, seek_step);
	keys_free(keys);
}

/* ---- tests ---- */

START_TEST(an_empty_tree_has_nothing)
{
	struct art_iter *iter = art_iter_new(art);

	ck_assert_ptr_null(art_find(art, slice_of("", 0)));
	ck_assert_ptr_null(art_find(art, slice_of("a", 1)));
	ck_assert_ptr_null(art_iter_first(iter));
	ck_assert_ptr_null(art_iter_last(iter));
	ck_assert_ptr_null(art_iter_seek(iter, slice_of("a", 1)));
	ck_assert_ptr_null(art_iter_seek_before(iter, slice_of("a", 1)));
	ck_assert(!art_iter_failed(iter));
	art_iter_free(iter);
	ck_assert_ptr_null(art_iter_free(NULL));
}
END_TEST

START_TEST(one_key_is_found_and_no_other)
{
	struct keys keys = { 0 };

	keys_add(&keys, slice_of("abc", 3));
	check_all(&keys, 1);
}
END_TEST

START_TEST(the_key_is_copied_and_the_head_is_kept)
{
	char key[] = "changes";
	struct art_leaf *leaf = insert(slice_of(key, 7), true);

	key[0] = 'X';
	ck_assert_ptr_eq(art_find(art, slice_of("changes", 7)), leaf);
	ck_assert_ptr_eq(atomic_load(&leaf->head), &a_head);
	ck_assert_ptr_eq(insert(slice_of("changes", 7), false), leaf);
}
END_TEST

START_TEST(the_empty_key_is_a_key)
{
	struct keys keys = { 0 };

	keys_add(&keys, slice_of("b", 1));
	keys_add(&keys, slice_of(NULL, 0));
	keys_add(&keys, slice_of("\0", 1));
	check_all(&keys, 1);
}
END_TEST

/* One node takes all 256 children, in rising, falling and mixed order: every size and each growth between them, with
 * and without a key that ends in it. */
START_TEST(a_node_grows_through_all_its_sizes)
{
	for (int order = 0; order < 6; order++) {
		struct keys keys = { 0 };

		tear_down();
		set_up();
		if (order >= 3)
			keys_add(&keys, slice_of("node", 4));
		for (int i = 0; i < 256; i++) {
			uint8_t key[6] = "node";
			static const int multiplier[] = { 1, 255, 181 };

			key[4] = (uint8_t)(i * multiplier[order % 3] + order);
			key[5] = 'x';
			keys_add(&keys, slice_of(key, i % 2 == 0 ? 5 : 6));
			if (i == 3 || i == 4 || i == 15 || i == 16 || i == 47 || i == 48) {
				for (size_t k = 0; k < keys.count; k++) {
					struct art_leaf *leaf;
					bool inserted;

					ck_assert_int_eq(art_insert(art, keys.sorted[k], &a_head, &leaf,
						&inserted), KV_OK);
				}
				for (size_t k = 0; k < keys.count; k++)
					ck_assert_ptr_nonnull(art_find(art, keys.sorted[k]));
			}
		}
		keys_sort(&keys);
		for (size_t k = 0; k < keys.count; k++) {
			struct art_leaf *leaf;
			bool inserted;

			ck_assert_int_eq(art_insert(art, keys.sorted[k], &a_head, &leaf, &inserted), KV_OK);
		}
		check_walks(&keys);
		check_finds(&keys);
		check_seeks(&keys, 1);
		keys_free(&keys);
	}
}
END_TEST

START_TEST(keys_that_are_prefixes_of_one_another)
{
	struct keys keys = { 0 };
	uint8_t key[300];
	uint64_t rnd = runner_seed();

	memset(key, 'a', sizeof key);
	for (int i = 0; i < 400; i++)
		keys_add(&keys, slice_of(key, runner_random(&rnd) % sizeof key));
	check_all(&keys, 1);
}
END_TEST

/* A path of 4096 nodes: deeper than the iterator's own stack. */
START_TEST(every_prefix_of_the_longest_key)
{
	struct keys keys = { 0 };
	uint8_t key[KEY_MAX];

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i % 3 == 0 ? 0x00 : i % 3 == 1 ? 0x80 : 0xff);
	for (size_t len = 1 + runner_first(); len <= sizeof key; len += RUNNER_STEP)
		keys_add(&keys, slice_of(key, len));
	check_all(&keys, 97);
}
END_TEST

START_TEST(long_common_prefixes_are_split_anywhere)
{
	struct keys keys = { 0 };
	uint8_t key[KEY_MAX];
	uint64_t rnd = runner_seed();

	for (int i = 0; i < 3000 / RUNNER_STEP; i++) {
		size_t len = 1 + runner_random(&rnd) % sizeof key;

		memset(key, 'p', len);
		key[runner_random(&rnd) % len] = (uint8_t)runner_random(&rnd);
		if (i % 3 == 0)
			key[len - 1] = (uint8_t)runner_random(&rnd);
		keys_add(&keys, slice_of(key, len));
	}
	check_all(&keys, 7);
}
END_TEST

START_TEST(random_keys_over_few_and_over_all_bytes)
{
	static const uint8_t few[] = { 0x00, 0x01, 0x7f, 0x80, 0x81, 0xff };
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 4; round++) {
		struct keys keys = { 0 };
		size_t longest = round == 0 ? 6 : round == 1 ? 3 : 20;

		tear_down();
		set_up();
		for (int i = 0; i < 20000; i++) {
			uint8_t key[20];
			size_t len = 1 + runner_random(&rnd) % longest;

			for (size_t k = 0; k < len; k++)
				key[k] = round % 2 == 0 ? few[runner_random(&rnd) % sizeof few] :
							  (uint8_t)(runner_random(&rnd) >> 56);
			keys_add(&keys, slice_of(key, len));
		}
		check_all(&keys, 13);
	}
}
END_TEST

/* ---- memory ---- */

/* Arenas with the smallest blocks, so that most allocations are malloc's; each of them fails in turn. */
START_TEST(a_failed_insert_changes_nothing)
{
	struct keys keys = { 0 };
	uint64_t rnd = runner_seed();
	uint8_t key[100];
	int failures[3] = { 0 };

	tear_down();
	nodes = arena_new(1);
	leaves = arena_new(1);
	art = art_new(nodes, leaves);
	for (int i = 0; i < 3000; i++) {
		struct slice slice = slice_of(key, 1 + runner_random(&rnd) % (i % 3 == 0 ? sizeof key : 3));
		bool present;
		bool inserted = false;
		struct art_leaf *leaf;
		kv_status status = KV_NO_MEMORY;

		memset(key, 'z', sizeof key);
		key[0] = (uint8_t)(runner_random(&rnd) % 3);
		key[slice.len - 1] = (uint8_t)runner_random(&rnd);
		present = art_find(art, slice) != NULL;
		for (uint64_t n = 1; status != KV_OK; n++) {
			fault_alloc_fail(n, false);
			status = art_insert(art, slice, &a_head, &leaf, &inserted);
			fault_alloc_fail(0, false);
			if (status == KV_OK)
				break;
			ck_assert_int_eq(status, KV_NO_MEMORY);
			ck_assert_ptr_null(art_find(art, slice));
			ck_assert_uint_le(n, 2); /* a leaf and a node */
			failures[n]++;
		}
		ck_assert_int_eq(inserted, !present);
		keys_add(&keys, slice);
	}
	ck_assert_int_gt(failures[1], 100);
	ck_assert_int_gt(failures[2], 100);
	keys_sort(&keys);
	check_walks(&keys);
	check_finds(&keys);
	keys_free(&keys);
}
END_TEST

START_TEST(reserved_inserts_cannot_fail)
{
	uint64_t rnd = runner_seed();
	uint8_t key[8];
	struct art_leaf *leaf;
	bool inserted;
	bool whole = true;

	for (int round = 0; round < 400; round++) {
		size_t count = round % 20 == 0 ? 3000 : 1 + runner_random(&rnd) % 40;

		ck_assert_int_eq(art_reserve_nodes(art, count), KV_OK);
		ck_assert_int_eq(arena_reserve(leaves, count * art_leaf_bytes(sizeof key)), KV_OK);
		fault_alloc_fail(1, true);
		for (size_t i = 0; i < count; i++) {
			size_t len = 2 + runner_random(&rnd) % 3;

			memset(key, 0, sizeof key);
			for (size_t k = 0; k < len; k++)
				key[k] = (uint8_t)(runner_random(&rnd) >> (k == 0 ? 61 : 56));
			whole = whole && art_insert(art, slice_of(key, len), &a_head, &leaf, &inserted) == KV_OK;
		}
		fault_alloc_fail(0, false);
		ck_assert(whole);
	}
}
END_TEST

START_TEST(a_reservation_beyond_memory_is_refused)
{
	ck_assert_int_eq(art_reserve_nodes(art, SIZE_MAX / 64), KV_NO_MEMORY);
	ck_assert_int_eq(art_reserve_nodes(art, SIZE_MAX), KV_NO_MEMORY);
	insert(slice_of("a", 1), true);
}
END_TEST

START_TEST(an_iterator_without_memory_says_so_and_works_again)
{
	uint8_t key[100];
	struct art_iter *iter = art_iter_new(art);
	struct art_iter *none;
	struct art_leaf *leaf;
	bool failed;

	memset(key, 'a', sizeof key);
	for (size_t len = 1; len <= sizeof key; len++)
		insert(slice_of(key, len), true);
	for (int way = 0; way < 4; way++) {
		fault_alloc_fail(1, true);
		leaf = way == 0 ? art_iter_last(iter) :
		       way == 1 ? art_iter_seek(iter, slice_of(key, sizeof key)) :
		       way == 2 ? art_iter_seek_before(iter, slice_of(key, sizeof key)) :
				  art_iter_first(iter);
		while (way == 3 && leaf)
			leaf = art_iter_next(iter);
		failed = art_iter_failed(iter);
		fault_alloc_fail(0, false);
		ck_assert_ptr_null(leaf);
		ck_assert(failed);
		ck_assert_ptr_nonnull(art_iter_first(iter));
		ck_assert(!art_iter_failed(iter));
	}
	ck_assert_ptr_nonnull(art_iter_last(iter));
	fault_alloc_fail(1, true);
	none = art_iter_new(art); /* while the other one lives: what it gives back would be kept for this one */
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(none);
	art_iter_free(iter);
}
END_TEST

/* ---- readers beside the writer ---- */

enum { STABLE = 4000, FRESH = 30000, READERS = 3 };

static uint32_t numbers[STABLE + FRESH]; /* mixed; the first STABLE are in the tree before the readers start */
static atomic_bool done;
static atomic_size_t published; /* numbers[0..published) are in the tree */

/* Every number has a key of its own: a common prefix, few values in the middle, 1 to 4 bytes more. */
static struct slice key_of(uint32_t number, uint8_t to[16])
{
	memcpy(to, "prefix", 6);
	to[6] = (uint8_t)(number % 5 * 63);
	to[7] = (uint8_t)(number / 5);
	to[8] = (uint8_t)(number / 5 >> 8);
	to[9] = (uint8_t)(number / 5 >> 16);
	return slice_of(to, number % 7 == 0 && number / 5 >> 8 == 0 ? 8 : 10);
}

static void mix_numbers(void)
{
	uint64_t rnd = runner_seed();

	for (uint32_t i = 0; i < STABLE + FRESH; i++)
		numbers[i] = i;
	for (uint32_t i = STABLE + FRESH - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(runner_random(&rnd) % (i + 1));
		uint32_t swap = numbers[i];

		numbers[i] = numbers[k];
		numbers[k] = swap;
	}
}

/* Around `key` no step passes over a stable key, whatever is inserted there meanwhile. */
static bool steps_are_right(struct art_iter *iter, const struct keys *stable, struct slice key)
{
	size_t at = keys_lower(stable, key);
	struct art_leaf *leaf = art_iter_seek(iter, key);

	if (!leaf || !slice_equal(art_leaf_key(leaf), key))
		return false;
	leaf = art_iter_prev(iter);
	if (at > 0 && (!leaf || slice_compare(art_leaf_key(leaf), stable->sorted[at - 1]) < 0))
		return false;
	leaf = art_iter_seek_before(iter, key);
	if (at > 0 && (!leaf || slice_compare(art_leaf_key(leaf), stable->sorted[at - 1]) < 0))
		return false;
	leaf = leaf ? art_iter_next(iter) : leaf;
	return at == 0 || (leaf && slice_compare(art_leaf_key(leaf), key) <= 0);
}

/* The stable keys must all be seen by every walk, in order; and whatever is published is found. */
static const char *read_once(struct art_iter *iter, const struct keys *stable, bool forward, uint64_t *rnd)
{
	struct art_leaf *leaf = forward ? art_iter_first(iter) : art_iter_last(iter);
	struct slice before = slice_of(NULL, 0);
	size_t seen = 0;
	uint8_t key[16];

	for (; leaf; leaf = forward ? art_iter_next(iter) : art_iter_prev(iter)) {
		struct slice now = art_leaf_key(leaf);
		size_t at = forward ? seen : stable->count - 1 - seen;
		int order = before.data ? slice_compare(before, now) : 0;

		if (before.data && (forward ? order >= 0 : order <= 0))
			return "out of order";
		if (atomic_load(&leaf->head) != &a_head)
			return "a leaf without its head";
		if (seen < stable->count && slice_equal(now, stable->sorted[at]))
			seen++;
		before = now;
	}
	if (seen != stable->count)
		return "a walk missed a key";
	for (int i = 0; i < 1000; i++) {
		size_t count = atomic_load(&published);
		uint32_t number = numbers[runner_random(rnd) % count];

		leaf = art_find(art, key_of(number, key));
		if (!leaf || !slice_equal(art_leaf_key(leaf), key_of(number, key)))
			return "a published key is not found";
		if (!steps_are_right(iter, stable, key_of(number, key)))
			return "a seek or a step from it missed a key";
	}
	return NULL;
}

struct reader_arg {
	const struct keys *stable;
	uint64_t rnd;
	const char *wrong;
};

static void *read_on(void *arg)
{
	struct reader_arg *reader = arg;
	struct art_iter *iter = art_iter_new(art);
	bool last = false;

	for (int round = 0; !reader->wrong && !last; round++) {
		last = atomic_load(&done);
		reader->wrong = read_once(iter, reader->stable, round % 2 == 0, &reader->rnd);
	}
	art_iter_free(iter);
	return NULL;
}

START_TEST(readers_beside_the_writer_miss_nothing)
{
	struct keys stable = { 0 };
	struct reader_arg args[READERS];
	pthread_t threads[READERS];
	uint8_t key[16];

	mix_numbers();
	for (size_t i = 0; i < STABLE; i++) {
		insert(key_of(numbers[i], key), true);
		keys_add(&stable, key_of(numbers[i], key));
	}
	keys_sort(&stable);
	ck_assert_uint_eq(stable.count, STABLE);
	atomic_store(&published, STABLE);
	for (unsigned i = 0; i < READERS; i++) {
		args[i] = (struct reader_arg){ .stable = &stable, .rnd = i + 1 };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &args[i]), 0);
	}
	for (size_t i = STABLE; i < STABLE + FRESH; i++) {
		struct art_leaf *leaf;
		bool inserted;

		if (art_insert(art, key_of(numbers[i], key), &a_head, &leaf, &inserted) != KV_OK || !inserted)
			ck_abort_msg("insert %zu", i);
		atomic_store(&published, i + 1);
	}
	atomic_store(&done, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_msg(!args[i].wrong, "%s", args[i].wrong);
	}
	keys_free(&stable);
}
END_TEST

/* An iterator that stands somewhere while everything around it grows still sees all that was there. */
START_TEST(an_iterator_survives_growth_under_it)
{
	for (int forward = 0; forward < 2; forward++) {
		struct keys stable = { 0 };
		struct art_iter *iter;
		struct art_leaf *leaf;
		uint8_t key[16];
		size_t seen = 0;
		size_t next = STABLE;

		tear_down();
		set_up();
		mix_numbers();
		for (size_t i = 0; i < STABLE; i++) {
			insert(key_of(numbers[i], key), true);
			keys_add(&stable, key_of(numbers[i], key));
		}
		keys_sort(&stable);
		iter = art_iter_new(art);
		leaf = forward ? art_iter_first(iter) : art_iter_last(iter);
		for (; leaf; leaf = forward ? art_iter_next(iter) : art_iter_prev(iter)) {
			size_t at = forward ? seen : stable.count - 1 - seen;

			if (seen < stable.count && slice_equal(art_leaf_key(leaf), stable.sorted[at]))
				seen++;
			for (int i = 0; i < 5 && next < STABLE + FRESH; i++)
				insert(key_of(numbers[next++], key), true);
		}
		ck_assert_uint_eq(seen, stable.count);
		art_iter_free(iter);
		keys_free(&stable);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("art");
	TCase *tc = tcase_create("art");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, an_empty_tree_has_nothing);
	tcase_add_test(tc, one_key_is_found_and_no_other);
	tcase_add_test(tc, the_key_is_copied_and_the_head_is_kept);
	tcase_add_test(tc, the_empty_key_is_a_key);
	tcase_add_test(tc, a_node_grows_through_all_its_sizes);
	tcase_add_test(tc, keys_that_are_prefixes_of_one_another);
	tcase_add_test(tc, every_prefix_of_the_longest_key);
	tcase_add_test(tc, long_common_prefixes_are_split_anywhere);
	tcase_add_test(tc, random_keys_over_few_and_over_all_bytes);
	tcase_add_test(tc, a_failed_insert_changes_nothing);
	tcase_add_test(tc, reserved_inserts_cannot_fail);
	tcase_add_test(tc, a_reservation_beyond_memory_is_refused);
	tcase_add_test(tc, an_iterator_without_memory_says_so_and_works_again);
	tcase_add_test(tc, readers_beside_the_writer_miss_nothing);
	tcase_add_test(tc, an_iterator_survives_growth_under_it);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
