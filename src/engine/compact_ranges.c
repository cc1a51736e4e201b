/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The share is an estimate: keys are taken for numbers (of the eight bytes behind what smallest and largest key have in common), and
 * for evenly spread. What matters is that the ends of a range, in the middle of tables, do not cost the rewriting of whole tables at once,
 * and that a table of which most is deleted is rewritten.
 */
#include "engine/compact_ranges.h"

enum { MANY_RANGES = 1024 }; /* from so many on, every table that has some is to be rid of them */
#define SHARE_MIN 0.001      /* of one that is there at all */

static size_t common_bytes(struct slice a, struct slice b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.data[i] == b.data[i])
		i++;
	return i;
}

static double position(struct slice key, size_t skip)
{
	double ret = 0;

	for (size_t i = 0; i < 8; i++)
		ret = ret * 256 + (skip + i < key.len ? key.data[skip + i] : 0);
	return ret;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* Of a span that is within the keys of the table, or reaches beyond them. */
static double share_of(struct slice smallest, struct slice largest, const struct range_span *span)
{
	size_t skip = common_bytes(smallest, largest);
	double low = position(smallest, skip), high = position(largest, skip);
	double from = low, to = high;

	if (slice_compare(span->start, smallest) > 0)
		from = position(span->start, skip);
	if (span->end.len > 0 && slice_compare(span->end, largest) <= 0)
		to = position(span->end, skip);
	return high > low ? (to - from) / (high - low) : 1;
}

struct compact_ranges compact_ranges_judge(const struct range_set *ranges, const struct sst_meta *meta,
	uint64_t max_sequence)
{
	struct slice smallest = buf_slice(&meta->smallest), largest = buf_slice(&meta->largest);
	struct compact_ranges ret = { .covered = ranges != NULL };
	struct slice key = smallest;
	bool more = ranges != NULL;

	while (more) {
		struct range_span span = range_set_span(ranges, key, max_sequence);

		if (span.sequence <= meta->last_sequence)
			ret.covered = false;
		if (span.sequence > meta->range_applied && span.sequence > meta->first_sequence)
			ret.share += larger(share_of(smallest, largest, &span), SHARE_MIN);
		more = span.end.len > 0 && slice_compare(span.end, largest) <= 0;
		key = span.end;
	}
	if (ret.share > 1 || (ret.share > 0 && range_set_count(ranges) >= MANY_RANGES))
		ret.share = 1;
	return ret;
}
