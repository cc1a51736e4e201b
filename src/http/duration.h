/* SPDX-License-Identifier: BSD-2-Clause */
/* Lengths of time as clients write them: a number and a unit, ms, s, m, h or d; "1500ms", "60s", "7d". */
#ifndef KV_HTTP_DURATION_H
#define KV_HTTP_DURATION_H

#include "base/slice.h"

/* Milliseconds above 0. False: not of that form, 0, or more than 10,000 years. */
bool duration_parse(struct slice text, uint64_t *ret_ms);

#endif
