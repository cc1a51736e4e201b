/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All range deletes that one reader must honour: those of a view and of its memtables, up to the reader's sequence. Constant; one
 * reader's own.
 */
#ifndef KV_ENGINE_RANGE_COVER_H
#define KV_ENGINE_RANGE_COVER_H

#include "engine/range_set.h"

struct range_cover {
	uint64_t max_sequence;
	size_t count;
	const struct range_set *sets[]; /* borrowed */
};

/* The span that the key is in. */
struct range_span range_cover_span(const struct range_cover *cover, struct slice key);

/* The same as far as it goes where range deletes above `sequence` cover everything: all versions up to that one are hidden from the first key of the
 * span to its end. span.sequence is 0 when the key itself is not so covered. Forward: the start is that of the key's own
 * span; backward: its end is. Where very many range deletes follow one another, it goes over some of them only. */
struct range_span range_cover_hidden(const struct range_cover *cover, struct slice key, uint64_t sequence,
	bool backward);

/* Are all versions up to `sequence` of the keys smallest to largest hidden? */
bool range_cover_hides(const struct range_cover *cover, struct slice smallest, struct slice largest,
	uint64_t sequence);

#endif
