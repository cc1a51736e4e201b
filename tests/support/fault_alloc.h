/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes chosen allocations fail. A test program that uses it links with $(FAULT_ALLOC_LINK); calls from our
 * own code (and static libraries) to malloc, calloc, realloc, reallocarray, aligned_alloc, posix_memalign, strdup and strndup
 * are then counted. Works under the sanitizers. Any thread.
 *
 * Check allocates too, even in assertions that hold: disarm (fault_alloc_fail(0, false)) before the next ck_assert.
 */
#ifndef KV_SUPPORT_FAULT_ALLOC_H
#define KV_SUPPORT_FAULT_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* The nth allocation from now (1 = the next) fails, and with `from_then_on` every later one. 0: none. */
void fault_alloc_fail(uint64_t nth, bool from_then_on);

/* The same, for allocations of the calling thread only: what threads in the background do meanwhile is neither counted nor failed. 0 as the
 * nth: none, and all threads are meant again. */
void fault_alloc_fail_here(uint64_t nth);

/* Between the two, allocations of the calling thread are neither counted nor failed: for what a test does itself. They nest. */
void fault_alloc_pause(void);
void fault_alloc_resume(void);

/* Allocations tried, and failed by us, since the last fault_alloc_fail. */
uint64_t fault_alloc_count(void);
uint64_t fault_alloc_failed(void);

#endif
