/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator of Gray et al. (1994). */
#include "bench/zipfian.h"

#include <math.h>

struct zipfian zipfian_new(uint64_t count, double theta)
{
	struct zipfian ret = { .count = count, .theta = theta, .alpha = 1 / (1 - theta) };
	double zeta_two = 1 + pow(0.5, theta);

	for (uint64_t i = 1; i <= count; i++)
		ret.zeta += 1 / pow((double)i, theta);
	ret.eta = (1 - pow(2 / (double)count, 1 - theta)) / (1 - zeta_two / ret.zeta);
	ret.second = zeta_two;
	return ret;
}

uint64_t zipfian_next(const struct zipfian *zipfian, struct draw *draw)
{
	double u = (double)(draw_next(draw) >> 11) * 0x1p-53, uz = u * zipfian->zeta;
	uint64_t ret;

	if (uz < 1 || zipfian->count < 2)
		return 0;
	if (uz < zipfian->second || zipfian->count < 3)
		return 1;
	ret = (uint64_t)((double)zipfian->count * pow(zipfian->eta * u - zipfian->eta + 1, zipfian->alpha));
	return ret < zipfian->count ? ret : zipfian->count - 1;
}

uint64_t zipfian_next_scrambled(const struct zipfian *zipfian, struct draw *draw)
{
	return keys_mix(zipfian_next(zipfian, draw)) % zipfian->count;
}
