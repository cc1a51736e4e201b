/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every unit test program shares: running a suite, a directory of its own that is removed at the end,
 * and random numbers from a seed that is printed.
 */
#ifndef KV_SUPPORT_RUNNER_H
#define KV_SUPPORT_RUNNER_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Check notes the place of every assertion that holds, by a write to a file: most of the time of tests with many. What fails tells its
 * place itself, and a signal the sanitizers'. */
#define _mark_point(file, line) ((void)0)

/* Runs the suite; the value is main()'s exit status. */
int runner_run(Suite *suite);

/* The path of a new empty directory (below $TMPDIR or /tmp); owned by the runner, removed with all it holds by
 * runner_remove_dir(). */
char *runner_new_dir(void);
void runner_remove_dir(char *path);

/*
 * A test that goes through every case in one thread shows in the plain build that the answers are right; a sanitizer is to see how they
 * are come by, for which each RUNNER_STEP-th case is enough, from one on that the seed chooses:
 *     for (size_t at = runner_first(); at < count; at += RUNNER_STEP)
 */
#if defined(__SANITIZE_THREAD__)
enum { RUNNER_STEP = 17 };
#elif defined(__SANITIZE_ADDRESS__)
enum { RUNNER_STEP = 4 };
#else
enum { RUNNER_STEP = 1 };
#endif
size_t runner_first(void);

/* Descriptors that the process has open, and some more, always as many. */
unsigned runner_open_descriptors(void);
/* Those of files whose name ends so. */
unsigned runner_open_files(const char *ending);

/* Check cannot tell the time of a test that takes longer than 2^31 microseconds, and fails it: a long run is cut into so many. */
enum { RUNNER_LONG_PARTS = 32 };

/* Whether the case is one of this process, by its number: with KV_PART=K/N (K from 0) each Nth is, from the Kth on; without it all are. So a
 * long run can be spread over processors and nights. Anything else in KV_PART fails the test. */
bool runner_is_mine(uint64_t number);

/* The seed of this run: $KV_TEST_SEED, or from the clock; printed once. */
uint64_t runner_seed(void);

/* xorshift64*: the next number of *state (which must not be 0). */
uint64_t runner_random(uint64_t *state);

#endif
