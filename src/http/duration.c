/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/duration.h"

#define DURATION_MAX_MS (UINT64_C(10000) * 366 * 24 * 3600 * 1000)

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 },
};

static uint64_t unit_of(struct slice name)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (slice_equal(name, slice_of_string(units[i].name)))
			return units[i].ms;
	return 0;
}

bool duration_parse(struct slice text, uint64_t *ret_ms)
{
	uint64_t n = 0, unit;
	size_t digits = 0;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
		n = n * 10 + (uint64_t)(text.data[digits++] - '0');
		if (n > DURATION_MAX_MS)
			return false;
	}
	unit = unit_of(slice_of(text.data + digits, text.len - digits));
	if (n == 0 || unit == 0 || n > DURATION_MAX_MS / unit)
		return false;
	*ret_ms = n * unit;
	return true;
}
