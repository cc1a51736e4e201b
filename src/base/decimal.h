/* SPDX-License-Identifier: BSD-2-Clause */
/* Decimal numbers in text of a given length, without a NUL: digits only, nothing around them, and overflow is noticed. */
#ifndef KV_BASE_DECIMAL_H
#define KV_BASE_DECIMAL_H

#include "base/slice.h"

enum { DECIMAL_INT64_MAX_BYTES = 20 }; /* "-9223372036854775808" */

/* Optional '-', then 1 to 19 digits, in the range of int64_t. */
bool decimal_int64(struct slice text, int64_t *ret);

/* 1 to 19 digits. */
bool decimal_uint64(struct slice text, uint64_t *ret);

#endif
