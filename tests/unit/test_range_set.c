/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets, runs and covers of range deletes against a plain list of ranges, key by key. */
#include "engine/range_cover.h"
#include "engine/range_runs.h"
#include "engine/range_set.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

enum { KEYS_MAX = 64, RANGES_MAX = 200 };

static uint64_t rnd;
static uint8_t bytes[KEYS_MAX][2]; /* keys of one or two bytes: prefixes of one another, 00 and ff */
static struct slice keys[KEYS_MAX];
static size_t key_count;
static struct range ranges[RANGES_MAX];

static int by_key(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void set_up(void)
{
	static const uint8_t alphabet[] = { 0x00, 0x01, 0x41, 0x7f, 0x80, 0xff };

	rnd = runner_seed();
	key_count = 0;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned k = 0; k < 7; k++) {
			bytes[key_count][0] = alphabet[i];
			bytes[key_count][1] = k < 6 ? alphabet[k] : 0;
			keys[key_count] = slice_of(bytes[key_count], k < 6 ? 2 : 1);
			key_count++;
		}
	qsort(keys, key_count, sizeof keys[0], by_key);
}

static void make_ranges(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t a = runner_random(&rnd) % key_count, b = runner_random(&rnd) % (key_count + 1);

		if (a > b) {
			size_t swap = a;

			a = b;
			b = swap;
		}
		ranges[i] = (struct range){ .sequence = 10 * (i + 1), .start = keys[a] };
		if (b < key_count && a != b)
			ranges[i].end = keys[b];
	}
}

/* The largest sequence up to max_sequence that covers the key; smallest above it in *ret_above (0: none). */
static uint64_t plain(size_t count, struct slice key, uint64_t max_sequence, uint64_t *ret_above)
{
	uint64_t ret = 0;

	*ret_above = 0;
	for (size_t i = 0; i < count; i++) {
		if (!range_has(&ranges[i], key))
			continue;
		if (ranges[i].sequence <= max_sequence)
			ret = ranges[i].sequence > ret ? ranges[i].sequence : ret;
		else if (*ret_above == 0 || ranges[i].sequence < *ret_above)
			*ret_above = ranges[i].sequence;
	}
	return ret;
}

static void check_span(const struct range_span *span, size_t count, size_t at, uint64_t max_sequence)
{
	uint64_t above;

	ck_assert(range_span_has(span, keys[at]));
	for (size_t i = 0; i < key_count; i++)
		if (range_span_has(span, keys[i]))
			ck_assert_uint_eq(plain(count, keys[i], max_sequence, &above), span->sequence);
}

static void check_set(const struct range_set *set, size_t count, uint64_t max_sequence)
{
	size_t fragment = 0;
	uint64_t above;

	for (size_t i = 0; i < key_count; i++) {
		uint64_t want = plain(count, keys[i], max_sequence, &above);
		struct range_span span = range_set_span(set, keys[i], max_sequence);

		ck_assert_uint_eq(range_set_cover(set, keys[i], max_sequence), want);
		fragment = range_set_find(set, fragment, keys[i]);
		ck_assert_uint_eq(fragment, range_set_find(set, 0, keys[i]));
		ck_assert_uint_eq(range_set_at(set, fragment, max_sequence), want);
		ck_assert_uint_eq(range_set_above(set, fragment, max_sequence), above);
		check_span(&span, count, i, max_sequence);
		span = range_set_span_before(set, keys[i], max_sequence);
		ck_assert(!range_span_has(&span, keys[i]) || slice_compare(span.start, keys[i]) < 0);
		if (i > 0 && range_span_has(&span, keys[i - 1]))
			check_span(&span, count, i - 1, max_sequence);
	}
}

START_TEST(a_set_answers_as_a_list_of_ranges_does)
{
	for (size_t count = 1; count <= 100; count += 1 + count / 8) {
		struct range_set *set;

		make_ranges(count);
		set = range_set_new(ranges, count);
		ck_assert_ptr_nonnull(set);
		ck_assert_uint_eq(range_set_count(set), count);
		for (size_t i = 0; i < count; i++)
			ck_assert_uint_eq(range_set_list(set)[i].sequence, 10 * (i + 1));
		for (uint64_t s = 0; s <= count + 1; s += 1 + count / 20) {
			check_set(set, count, 10 * s);
			check_set(set, count, 10 * s + 5);
		}
		check_set(set, count, UINT64_MAX);
		range_set_unref(range_set_ref(set));
		range_set_unref(set);
	}
}
END_TEST

START_TEST(a_set_keeps_its_own_keys)
{
	char start[] = "b", end[] = "d";
	struct range range = { .sequence = 7, .start = slice_of(start, 1), .end = slice_of(end, 1) };
	struct range_set *set = range_set_new(&range, 1);

	start[0] = end[0] = 'x';
	ck_assert_uint_eq(range_set_cover(set, slice_of("b", 1), UINT64_MAX), 7);
	ck_assert_uint_eq(range_set_cover(set, slice_of("cz", 2), 7), 7);
	ck_assert_uint_eq(range_set_cover(set, slice_of("cz", 2), 6), 0);
	ck_assert_uint_eq(range_set_cover(set, slice_of("d", 1), UINT64_MAX), 0);
	ck_assert_uint_eq(range_set_cover(set, slice_of("a\xff", 2), UINT64_MAX), 0);
	range_set_unref(set);
}
END_TEST

START_TEST(no_set_covers_nothing)
{
	struct range_span span = range_set_span(NULL, slice_of("k", 1), UINT64_MAX);

	ck_assert_uint_eq(range_set_cover(NULL, slice_of("k", 1), UINT64_MAX), 0);
	ck_assert_uint_eq(range_set_count(NULL), 0);
	ck_assert(range_span_has(&span, slice_of("k", 1)));
	ck_assert_uint_eq(span.sequence, 0);
	ck_assert_uint_eq(range_runs_cover(NULL, slice_of("k", 1), UINT64_MAX), 0);
	range_set_unref(NULL);
	range_runs_free(NULL);
}
END_TEST

START_TEST(ten_thousand_nested_ranges_take_little_memory)
{
	enum { COUNT = 10000 };
	static uint8_t bounds[2 * COUNT][4];
	struct range *nested = calloc(COUNT, sizeof *nested);
	struct range_set *set;

	for (uint32_t i = 0; i < 2 * COUNT; i++)
		for (unsigned k = 0; k < 4; k++)
			bounds[i][k] = (uint8_t)(i >> (24 - 8 * k));
	for (size_t i = 0; i < COUNT; i++)
		nested[i] = (struct range){ .sequence = i + 1, .start = slice_of(bounds[i], 4),
			.end = slice_of(bounds[2 * COUNT - 1 - i], 4) };
	set = range_set_new(nested, COUNT);
	ck_assert_ptr_nonnull(set);
	ck_assert_uint_lt(range_set_bytes(set), 600 * COUNT);
	for (size_t i = 0; i < COUNT; i += 777) {
		ck_assert_uint_eq(range_set_cover(set, nested[i].start, UINT64_MAX), i + 1);
		ck_assert_uint_eq(range_set_cover(set, nested[i].start, i / 2 + 1), i / 2 + 1);
	}
	range_set_unref(set);
	free(nested);
}
END_TEST

START_TEST(runs_grow_and_earlier_pictures_stay)
{
	struct range_runs *runs = NULL;
	struct range listed[RANGES_MAX];
	size_t count = 0, states = 0;
	struct { struct range_runs *runs; size_t count; } pictures[RANGES_MAX];

	make_ranges(RANGES_MAX);
	while (count < RANGES_MAX) {
		size_t more = 1 + (runner_random(&rnd) % 4 == 0 ? runner_random(&rnd) % 9 : 0);

		more = more > RANGES_MAX - count ? RANGES_MAX - count : more;
		runs = range_runs_add(runs, ranges + count, more);
		ck_assert_ptr_nonnull(runs);
		count += more;
		ck_assert_uint_eq(runs->ranges, count);
		ck_assert_uint_le(runs->count, 8);
		pictures[states].runs = runs;
		pictures[states++].count = count;
	}
	range_runs_list(runs, listed);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_ne(range_runs_cover(runs, listed[i].start, UINT64_MAX), 0);
	while (states-- > 0) {
		uint64_t max = 10 * (runner_random(&rnd) % (RANGES_MAX + 2)), above;

		for (size_t i = 0; i < key_count; i++)
			ck_assert_uint_eq(range_runs_cover(pictures[states].runs, keys[i], max),
				plain(pictures[states].count, keys[i], max, &above));
		ck_assert_ptr_eq(runs, pictures[states].runs);
		runs = range_runs_pop(runs);
	}
	ck_assert_ptr_null(runs);
}
END_TEST

/* The additions that keep the most sets when a larger one is never swallowed. */
START_TEST(falling_additions_leave_few_runs)
{
	struct range_runs *runs = NULL;
	size_t count = 0;

	make_ranges(RANGES_MAX);
	for (size_t more = 19; more > 0; more--) {
		runs = range_runs_add(runs, ranges + count, more);
		ck_assert_ptr_nonnull(runs);
		count += more;
		for (size_t i = 1; i < runs->count; i++)
			ck_assert_uint_le(2 * range_set_count(runs->sets[i]), range_set_count(runs->sets[i - 1]));
		ck_assert_uint_le(runs->count, 8);
	}
	range_runs_free(runs);
}
END_TEST

/* Is every key of the hidden span hidden, and the one beyond its far end not? */
static void check_hidden(const struct range_cover *cover, size_t count, size_t at, uint64_t sequence,
	bool backward)
{
	struct range_span span = range_cover_hidden(cover, keys[at], sequence, backward);
	uint64_t above, own = plain(count, keys[at], cover->max_sequence, &above);

	ck_assert_int_eq(span.sequence > sequence, own > sequence);
	if (own <= sequence)
		return;
	for (size_t i = 0; i < key_count; i++) {
		uint64_t other = plain(count, keys[i], cover->max_sequence, &above);
		bool beyond = backward ? span.start.len > 0 && slice_compare(keys[i], span.start) < 0 :
			span.end.len > 0 && slice_compare(keys[i], span.end) >= 0;

		if (range_span_has(&span, keys[i]))
			ck_assert_uint_gt(other, sequence);
		if (beyond && !backward) {
			ck_assert_uint_le(plain(count, span.end, cover->max_sequence, &above), sequence);
			break;
		}
	}
}

START_TEST(a_cover_puts_several_sets_together)
{
	for (unsigned round = 0; round < 40; round++) {
		size_t count = 4 + runner_random(&rnd) % 20, first = 1 + runner_random(&rnd) % (count - 2);
		struct range_cover *cover = malloc(sizeof *cover + 2 * sizeof cover->sets[0]);
		struct range_set *a, *b;
		uint64_t above;

		make_ranges(count);
		a = range_set_new(ranges, first);
		b = range_set_new(ranges + first, count - first);
		*cover = (struct range_cover){ .count = 2, .max_sequence = 10 * (runner_random(&rnd) % (count + 2)) };
		cover->sets[0] = a;
		cover->sets[1] = b;
		for (size_t i = 0; i < key_count; i++) {
			struct range_span span = range_cover_span(cover, keys[i]);
			uint64_t sequence = 10 * (runner_random(&rnd) % (count + 1));
			size_t last = i + runner_random(&rnd) % (key_count - i);
			bool hidden = true;

			check_span(&span, count, i, cover->max_sequence);
			check_hidden(cover, count, i, sequence, false);
			check_hidden(cover, count, i, sequence, true);
			for (size_t k = i; k <= last; k++)
				hidden = hidden && plain(count, keys[k], cover->max_sequence, &above) > sequence;
			if (range_cover_hides(cover, keys[i], keys[last], sequence))
				ck_assert(hidden);
		}
		range_set_unref(a);
		range_set_unref(b);
		free(cover);
	}
}
END_TEST

/* Each call of a walk over them takes a bounded time. */
START_TEST(very_many_neighbouring_ranges_are_put_together_in_parts)
{
	enum { COUNT = 1000 };
	static uint8_t bounds[COUNT + 1][2];
	static struct range many[COUNT];
	struct range_cover *cover = malloc(sizeof *cover + sizeof cover->sets[0]);
	struct range_set *set;
	struct range_span span;
	unsigned parts = 0;

	for (unsigned i = 0; i <= COUNT; i++) {
		bounds[i][0] = (uint8_t)(i >> 8);
		bounds[i][1] = (uint8_t)i;
	}
	for (unsigned i = 0; i < COUNT; i++)
		many[i] = (struct range){ .sequence = 10 + i, .start = slice_of(bounds[i], 2), .end = slice_of(bounds[i + 1], 2) };
	set = range_set_new(many, COUNT);
	*cover = (struct range_cover){ .count = 1, .max_sequence = UINT64_MAX };
	cover->sets[0] = set;
	for (struct slice at = many[0].start;; at = span.end, parts++) {
		span = range_cover_hidden(cover, at, 9, false);
		if (span.sequence == 0)
			break;
		ck_assert(slice_equal(span.start, at) && slice_compare(span.end, at) > 0);
	}
	ck_assert(slice_equal(span.start, many[COUNT - 1].end));
	ck_assert_uint_gt(parts, 10);
	ck_assert_uint_lt(parts, 100);
	for (size_t last = COUNT - 1;; parts++) {
		span = range_cover_hidden(cover, many[last].start, 9, true);
		ck_assert(span.sequence > 9 && slice_equal(span.end, many[last].end));
		if (slice_equal(span.start, many[0].start))
			break;
		while (slice_compare(many[last].start, span.start) >= 0)
			last--;
	}
	ck_assert_uint_gt(parts, 20);
	ck_assert_uint_lt(parts, 200);
	ck_assert(range_cover_hides(cover, many[0].start, many[COUNT - 1].start, 9)); /* so no table between them is opened */
	ck_assert(!range_cover_hides(cover, many[0].start, many[COUNT - 1].start, 10));
	range_set_unref(set);
	free(cover);
}
END_TEST

START_TEST(a_table_within_neighbouring_ranges_is_hidden)
{
	const struct range two[] = { { .sequence = 9, .start = slice_of("b", 1), .end = slice_of("m", 1) },
		{ .sequence = 7, .start = slice_of("m", 1) } };
	struct range_cover *cover = malloc(sizeof *cover + 2 * sizeof cover->sets[0]);
	struct range_set *a = range_set_new(&two[0], 1), *b = range_set_new(&two[1], 1);

	*cover = (struct range_cover){ .count = 2, .max_sequence = 9 };
	cover->sets[0] = a;
	cover->sets[1] = b;
	ck_assert(range_cover_hides(cover, slice_of("b", 1), slice_of("z", 1), 6));
	ck_assert(!range_cover_hides(cover, slice_of("b", 1), slice_of("z", 1), 7));
	ck_assert(range_cover_hides(cover, slice_of("b", 1), slice_of("lz", 2), 8));
	ck_assert(!range_cover_hides(cover, slice_of("a", 1), slice_of("c", 1), 6));
	cover->max_sequence = 8;
	ck_assert(!range_cover_hides(cover, slice_of("b", 1), slice_of("c", 1), 6));
	ck_assert(range_cover_hides(cover, slice_of("m", 1), slice_of("n", 1), 6));
	range_set_unref(a);
	range_set_unref(b);
	free(cover);
}
END_TEST

START_TEST(every_failed_allocation_is_told_and_nothing_leaks)
{
	struct range_runs *runs = NULL, *more = NULL;
	unsigned failed = 0;

	make_ranges(20);
	runs = range_runs_add(NULL, ranges, 8);
	ck_assert_ptr_nonnull(runs);
	for (uint64_t n = 1; !more; n++) {
		fault_alloc_fail(n, false);
		more = range_runs_add(runs, ranges + 8, 12);
		fault_alloc_fail(0, false);
		failed += !more;
	}
	ck_assert_uint_ge(failed, 8);
	ck_assert_uint_eq(more->ranges, 20);
	range_runs_free(more);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range_set");
	TCase *tc = tcase_create("range_set");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_set_answers_as_a_list_of_ranges_does);
	tcase_add_test(tc, a_set_keeps_its_own_keys);
	tcase_add_test(tc, no_set_covers_nothing);
	tcase_add_test(tc, ten_thousand_nested_ranges_take_little_memory);
	tcase_add_test(tc, runs_grow_and_earlier_pictures_stay);
	tcase_add_test(tc, falling_additions_leave_few_runs);
	tcase_add_test(tc, a_cover_puts_several_sets_together);
	tcase_add_test(tc, very_many_neighbouring_ranges_are_put_together_in_parts);
	tcase_add_test(tc, a_table_within_neighbouring_ranges_is_hidden);
	tcase_add_test(tc, every_failed_allocation_is_told_and_nothing_leaks);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
