/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/memtable_filter.h"

#include <stdlib.h>

struct memtable_filter *memtable_filter_new(size_t bytes)
{
	size_t count = bytes / sizeof(uint64_t);
	struct memtable_filter *ret;

	if (count < 1)
		count = 1;
	if (count > UINT32_MAX / sizeof(uint64_t))
		count = UINT32_MAX / sizeof(uint64_t);
	ret = calloc(1, sizeof *ret + count * sizeof ret->words[0]);
	if (ret)
		ret->count = (uint32_t)count;
	return ret;
}
