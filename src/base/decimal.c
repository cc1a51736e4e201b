/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/decimal.h"

enum { DIGITS_MAX = 19 }; /* so many always fit into 64 bits */

bool decimal_uint64(struct slice text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.len < 1 || text.len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	}
	*ret = value;
	return true;
}

bool decimal_int64(struct slice text, int64_t *ret)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	uint64_t most = (uint64_t)INT64_MAX + negative, value;

	if (!decimal_uint64(slice_of(text.data + negative, text.len - negative), &value) || value > most)
		return false;
	if (negative)
		*ret = value == most ? INT64_MIN : -(int64_t)value;
	else
		*ret = (int64_t)value;
	return true;
}
