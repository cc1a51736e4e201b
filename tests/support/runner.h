/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every unit test program shares: running a suite, a directory of its own that is removed at the end,
 * and random numbers from a seed that is printed.
 */
#ifndef KV_SUPPORT_RUNNER_H
#define KV_SUPPORT_RUNNER_H

#include <check.h>
#include <stdint.h>

/* Runs the suite; the value is main()'s exit status. */
int runner_run(Suite *suite);

/* The path of a new empty directory (below $TMPDIR or /tmp); owned by the runner, removed with all it holds by
 * runner_remove_dir(). */
char *runner_new_dir(void);
void runner_remove_dir(char *path);

/* The seed of this run: $KV_TEST_SEED, or from the clock; printed once. */
uint64_t runner_seed(void);

/* xorshift64*: the next number of *state (which must not be 0). */
uint64_t runner_random(uint64_t *state);

#endif
