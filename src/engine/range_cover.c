/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans of several sets cut each other; going on from one span to the next needs a search in each, and nothing else. */
#include "engine/range_cover.h"

enum { SPANS_MAX = 64 }; /* put together in one call: there may be as many in a row as range deletes */

/* Of two bounds that are ends of spans: is `a` the nearer one? */
static bool ends_before(struct slice a, struct slice b)
{
	return a.len > 0 && (b.len == 0 || slice_compare(a, b) < 0);
}

static void cut(struct range_span *span, const struct range_span *by)
{
	if (by->sequence > span->sequence)
		span->sequence = by->sequence;
	if (slice_compare(by->start, span->start) > 0)
		span->start = by->start;
	if (ends_before(by->end, span->end))
		span->end = by->end;
}

struct range_span range_cover_span(const struct range_cover *cover, struct slice key)
{
	struct range_span span = range_set_span(cover->sets[0], key, cover->max_sequence);

	for (size_t i = 1; i < cover->count; i++) {
		struct range_span other = range_set_span(cover->sets[i], key, cover->max_sequence);

		cut(&span, &other);
	}
	return span;
}

/* The span that ends where `span` begins. */
static struct range_span span_before(const struct range_cover *cover, const struct range_span *span)
{
	struct range_span before = { .start = slice_of(NULL, 0), .end = span->start };

	for (size_t i = 0; i < cover->count; i++) {
		struct range_span other =
			range_set_span_before(cover->sets[i], span->start, cover->max_sequence);

		cut(&before, &other);
	}
	return before;
}

struct range_span range_cover_hidden(const struct range_cover *cover, struct slice key, uint64_t sequence,
	bool backward)
{
	struct range_span span = range_cover_span(cover, key), next;
	unsigned spans = 1;

	if (span.sequence <= sequence) {
		span.sequence = 0;
		return span;
	}
	while (spans++ < SPANS_MAX && (backward ? span.start.len > 0 : span.end.len > 0)) {
		next = backward ? span_before(cover, &span) : range_cover_span(cover, span.end);
		if (next.sequence <= sequence)
			break;
		if (backward)
			span.start = next.start;
		else
			span.end = next.end;
	}
	return span;
}

bool range_cover_hides(const struct range_cover *cover, struct slice smallest, struct slice largest,
	uint64_t sequence)
{
	struct range_span span = range_cover_span(cover, smallest);

	while (span.sequence > sequence && span.end.len > 0 && slice_compare(span.end, largest) <= 0)
		span = range_cover_span(cover, span.end);
	return span.sequence > sequence;
}
