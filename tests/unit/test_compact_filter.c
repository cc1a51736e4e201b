/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter against the definition of reading, exhaustively: up to four versions of a key (sequences 2, 4, 6, 8), each missing,
 * a value, a tombstone, an expired value or one that expires later; every set of snapshots out of 1..9; nothing,
 * perhaps something, or a value below.
 */
#include "engine/compact_filter.h"
#include "support/runner.h"

enum { VERSIONS = 4, SNAPSHOT_BITS = 9, NOW = 1000, NEWEST = 1000 };

enum below { NOTHING_BELOW, NOTHING_BUT_MAYBE, VALUE_BELOW, BELOW_COUNT };

enum shape { MISSING, VALUE, TOMBSTONE, EXPIRED, EXPIRES_LATER, SHAPE_COUNT };

static struct {
	struct entry in[VERSIONS];
	size_t in_count;
	struct entry out[VERSIONS];
	size_t out_count;
	uint64_t snapshots[SNAPSHOT_BITS];
	size_t snapshot_count;
	enum below below;
	unsigned asked;
} c;

static bool may_be_below(void *arg, struct slice key)
{
	(void)arg;
	if (!slice_equal(key, slice_of("key", 3)))
		ck_abort_msg("asked about another key");
	c.asked++;
	return c.below != NOTHING_BELOW;
}

static const struct compact_filter *filter(void)
{
	static struct compact_filter f;

	f = (struct compact_filter){ .snapshots = c.snapshots, .snapshot_count = c.snapshot_count,
		.now_unix_ms = NOW, .may_be_below = may_be_below };
	return &f;
}

static struct entry make_version(uint64_t sequence, enum shape shape)
{
	struct entry entry = { .key = slice_of("key", 3), .sequence = sequence, .kind = ENTRY_PUT };

	switch (shape) {
	case TOMBSTONE:
		entry.kind = ENTRY_DELETE;
		break;
	case EXPIRED:
		entry.expires_unix_ms = NOW;
		break;
	case EXPIRES_LATER:
		entry.expires_unix_ms = NOW + 1;
		break;
	default:
		break;
	}
	return entry;
}

/* What a reader at `sequence` gets: a sequence, 1 for the value below, 0 for nothing. */
static uint64_t read_at(const struct entry *versions, size_t count, uint64_t sequence)
{
	for (size_t i = 0; i < count; i++) {
		if (versions[i].sequence <= sequence)
			return entry_is_live(&versions[i], NOW) ? versions[i].sequence : 0;
	}
	return c.below == VALUE_BELOW && sequence >= 1 ? 1 : 0;
}

static void apply(void)
{
	uint64_t newer = 0;

	c.out_count = 0;
	for (size_t i = 0; i < c.in_count; i++) {
		const struct entry *entry = &c.in[i];

		switch (compact_filter_judge(filter(), entry, newer)) {
		case COMPACT_KEEP:
			c.out[c.out_count++] = *entry;
			break;
		case COMPACT_BURY:
			c.out[c.out_count++] = make_version(entry->sequence, TOMBSTONE);
			break;
		case COMPACT_DROP:
			break;
		}
		newer = entry->sequence;
	}
}

static uint64_t view(size_t i)
{
	return i < c.snapshot_count ? c.snapshots[i] : NEWEST;
}

static bool reads_the_same(void)
{
	for (size_t i = 0; i <= c.snapshot_count; i++) {
		if (read_at(c.in, c.in_count, view(i)) != read_at(c.out, c.out_count, view(i)))
			return false;
	}
	return true;
}

static bool somebody_sees(const struct entry *version)
{
	for (size_t i = 0; i <= c.snapshot_count; i++) {
		for (size_t k = 0; k < c.in_count; k++) {
			if (c.in[k].sequence > view(i))
				continue;
			if (c.in[k].sequence == version->sequence)
				return true;
			break;
		}
	}
	return false;
}

/* Nothing stays that nobody needs. */
static bool is_small(void)
{
	for (size_t i = 0; i < c.out_count; i++) {
		const struct entry *version = &c.out[i];
		bool old_snapshot = c.snapshot_count > 0 && c.snapshots[0] < version->sequence;

		if (!somebody_sees(version))
			return false;
		if (version->kind == ENTRY_PUT && !entry_is_live(version, NOW))
			return false;
		if (version->kind == ENTRY_DELETE && !old_snapshot && c.below == NOTHING_BELOW)
			return false;
	}
	return true;
}

static void make_case(unsigned shapes, unsigned snapshots, enum below below)
{
	c.in_count = 0;
	c.snapshot_count = 0;
	c.below = below;
	for (unsigned i = VERSIONS; i > 0; i--, shapes /= SHAPE_COUNT) {
		if (shapes % SHAPE_COUNT != MISSING)
			c.in[c.in_count++] = make_version(i * 2, shapes % SHAPE_COUNT);
	}
	for (unsigned i = 0; i < SNAPSHOT_BITS; i++) {
		if (snapshots >> i & 1)
			c.snapshots[c.snapshot_count++] = i + 1;
	}
}

START_TEST(every_reader_reads_the_same_and_nothing_stays_in_vain)
{
	unsigned all_shapes = SHAPE_COUNT * SHAPE_COUNT * SHAPE_COUNT * SHAPE_COUNT;

	for (unsigned shapes = 0; shapes < all_shapes; shapes++) {
		for (unsigned snapshots = 0; snapshots < 1 << SNAPSHOT_BITS; snapshots++) {
			for (unsigned below = 0; below < BELOW_COUNT; below++) {
				make_case(shapes, snapshots, below);
				apply();
				if (!reads_the_same())
					ck_abort_msg("changed: shapes %u snapshots %x below %u", shapes,
						snapshots, below);
				if (!is_small())
					ck_abort_msg("kept in vain: shapes %u snapshots %x below %u", shapes,
						snapshots, below);
			}
		}
	}
}
END_TEST

/* A second pass, later, with fewer snapshots, must be as right as the first. */
START_TEST(filtering_again_with_fewer_snapshots_reads_the_same)
{
	uint64_t rnd = runner_seed();

	for (unsigned round = 0; round < 500000; round++) {
		unsigned shapes = (unsigned)(runner_random(&rnd) >> 20) % (5 * 5 * 5 * 5);
		unsigned snapshots = (unsigned)(runner_random(&rnd) >> 20) % (1 << SNAPSHOT_BITS);
		struct entry before[VERSIONS];
		size_t before_count, dropped;

		make_case(shapes, snapshots, (unsigned)(runner_random(&rnd) >> 20) % BELOW_COUNT);
		apply();
		memcpy(before, c.in, sizeof before);
		before_count = c.in_count;
		memcpy(c.in, c.out, sizeof c.in);
		c.in_count = c.out_count;
		for (dropped = (runner_random(&rnd) >> 20) % 5; dropped > 0 && c.snapshot_count > 0; dropped--) {
			size_t at = (runner_random(&rnd) >> 20) % c.snapshot_count;

			c.snapshot_count--;
			memmove(&c.snapshots[at], &c.snapshots[at + 1],
				(c.snapshot_count - at) * sizeof c.snapshots[0]);
		}
		apply();
		memcpy(c.in, before, sizeof before);
		c.in_count = before_count;
		if (!reads_the_same())
			ck_abort_msg("changed in round %u", round);
	}
}
END_TEST

START_TEST(without_an_answer_about_what_is_below_tombstones_stay)
{
	struct compact_filter blind = { .now_unix_ms = NOW };
	struct entry tombstone = make_version(2, TOMBSTONE), expired = make_version(2, EXPIRED);

	ck_assert_int_eq(compact_filter_judge(&blind, &tombstone, 0), COMPACT_KEEP);
	ck_assert_int_eq(compact_filter_judge(&blind, &expired, 0), COMPACT_BURY);
	ck_assert_int_eq(compact_filter_judge(&blind, &tombstone, 3), COMPACT_DROP);
}
END_TEST

START_TEST(what_is_below_is_asked_for_tombstones_only)
{
	make_case(VALUE, 0, VALUE_BELOW);
	c.asked = 0;
	apply();
	ck_assert_uint_eq(c.asked, 0);
	make_case(TOMBSTONE, 0, VALUE_BELOW);
	apply();
	ck_assert_uint_eq(c.asked, 1);
}
END_TEST

START_TEST(a_blob_is_a_value_as_any_other)
{
	struct entry blob = { .key = slice_of("key", 3), .value = slice_of("b", 1), .sequence = 2,
		.kind = ENTRY_BLOB };

	c.snapshot_count = 0;
	c.below = NOTHING_BELOW;
	ck_assert_int_eq(compact_filter_judge(filter(), &blob, 0), COMPACT_KEEP);
	ck_assert_int_eq(compact_filter_judge(filter(), &blob, 3), COMPACT_DROP);
	blob.expires_unix_ms = 1;
	ck_assert_int_eq(compact_filter_judge(filter(), &blob, 0), COMPACT_DROP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compact_filter");
	TCase *tc = tcase_create("compact_filter");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_reader_reads_the_same_and_nothing_stays_in_vain);
	tcase_add_test(tc, filtering_again_with_fewer_snapshots_reads_the_same);
	tcase_add_test(tc, without_an_answer_about_what_is_below_tombstones_stay);
	tcase_add_test(tc, what_is_below_is_asked_for_tombstones_only);
	tcase_add_test(tc, a_blob_is_a_value_as_any_other);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
