/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zipfian draws as YCSB makes them: Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, section 3.2, with
 * theta 0.99. Constant after zipfian_new(): any thread.
 */
#ifndef KV_BENCH_ZIPFIAN_H
#define KV_BENCH_ZIPFIAN_H

#include "bench/keys.h"

struct zipfian {
	uint64_t count;
	double theta, zeta, alpha, eta, second;
};

/* Takes time in proportion to `count`: before the clock runs. */
struct zipfian zipfian_new(uint64_t count, double theta);

/* A rank in [0, count): 0 is the most frequent. */
uint64_t zipfian_next(const struct zipfian *zipfian, struct draw *draw);

/* The same scattered over [0, count) by a hash, as YCSB's scrambled zipfian: neighbours are not equally frequent. */
uint64_t zipfian_next_scrambled(const struct zipfian *zipfian, struct draw *draw);

#endif
