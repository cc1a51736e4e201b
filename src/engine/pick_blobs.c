/* SPDX-License-Identifier: BSD-2-Clause */
/* Every step brings pointers one level down, so steps come to an end. */
#include "engine/pick_blobs.h"

struct figures {
	uint64_t upper, all; /* bytes of values in blob files: above the last level, and in all */
	uint64_t tables;     /* bytes of tables */
};

static struct figures figures_of(const struct pick_level *levels, unsigned last)
{
	struct figures ret = { 0 };

	for (unsigned n = 0; n <= last; n++)
		for (size_t i = 0; i < levels[n].count; i++) {
			const struct pick_table *table = &levels[n].tables[i];

			ret.tables += table->bytes;
			ret.all += table->blob_bytes;
			ret.upper += n < last ? table->blob_bytes : 0;
		}
	return ret;
}

static bool deletes_much(const struct pick_level *level0, const struct pick_options *options,
	const struct figures *figures)
{
	uint64_t entries = 0, tombstones = 0;

	for (size_t i = 0; i < level0->count; i++) {
		entries += level0->tables[i].entries;
		/* a snapshot may keep what they hide */
		if (level0->tables[i].last_sequence <= options->oldest_snapshot)
			tombstones += level0->tables[i].tombstones;
	}
	return tombstones > 0 && tombstones * 2 >= entries && figures->all > figures->tables;
}

/* The table with the most of them in the first level that has any. */
static bool heaviest(const struct pick_level *levels, unsigned last, struct pick_blobs *ret)
{
	for (unsigned n = 0; n < last; n++) {
		uint64_t most = 0;

		for (size_t i = 0; i < levels[n].count; i++) {
			if (levels[n].tables[i].blob_bytes <= most)
				continue;
			most = levels[n].tables[i].blob_bytes;
			ret->level = n;
			ret->index = i;
		}
		if (most > 0)
			return true;
	}
	return false;
}

bool pick_blobs_due(const struct pick_level levels[MANIFEST_LEVELS], unsigned last,
	const struct pick_options *options, struct pick_blobs *ret)
{
	struct figures figures = figures_of(levels, last);
	uint64_t limit = (figures.tables + figures.all - figures.upper) / 2 + options->base_bytes;

	if (figures.all == 0)
		return false;
	if (figures.upper > limit) {
		ret->score = (double)figures.upper / (double)(limit > 0 ? limit : 1);
		return heaviest(levels, last, ret);
	}
	if (!deletes_much(&levels[0], options, &figures))
		return false;
	*ret = (struct pick_blobs){ .score = 1 };
	return true;
}
