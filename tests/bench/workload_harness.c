/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bench does itself, in every operation of every engine: key, value, check, clock, histogram. */
#include "bench/run.h"
#include "support/die.h"

#include <stdlib.h>

/* Made, and looked at in another place, as if an engine had kept it. */
static void one(const struct settings *settings, const struct permutation *order, uint64_t i, uint8_t *value)
{
	uint64_t index = permutation_at(order, i % settings->keys);
	uint8_t key[KEY_BYTES];

	keys_make(settings->keys_kind, index, key);
	values_make(value, settings->value_size, index, 0);
	__asm__ volatile("" : : "r"(key), "r"(value) : "memory");
	if (!values_check(slice_of(value, settings->value_size), settings->value_size, index, 0))
		die("the bench does not know its own values");
}

void harness_alone(struct run *run)
{
	const struct settings *settings = run->settings;
	uint8_t *value = malloc(settings->value_size + 1);
	uint64_t last, now;

	if (!value)
		die("no memory");
	run->at_begin = figures_now();
	last = run->at_begin.clock_ns;
	for (; run->ops < settings->ops; run->ops++) {
		one(settings, &run->workers.load_order, run->ops, value);
		now = clock_monotonic_ns();
		histogram_add(&run->histogram, now - last);
		last = now;
	}
	run->at_end = figures_now();
	run->seconds = (double)(last - run->at_begin.clock_ns) / 1e9;
	free(value);
}
