/* SPDX-License-Identifier: BSD-2-Clause */
/* The line that a run prints. */
#ifndef KV_BENCH_REPORT_H
#define KV_BENCH_REPORT_H

#include "bench/run.h"

/* One line of name=value on stdout; only `options`, the last, has blanks, and is in double quotes. */
void report_print(const struct run *run);

#endif
