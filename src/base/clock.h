/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: monotonic for intervals and deadlines, wall time for expiry, real time for people. Any thread. */
#ifndef KV_BASE_CLOCK_H
#define KV_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC; only differences mean something. */
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ns(void);
/* The same clock, some milliseconds late and much cheaper. */
uint64_t clock_monotonic_coarse_ms(void);

/* CLOCK_REALTIME in microseconds (milliseconds) since 1970 UTC, except that within a process it never runs
 * backwards: when the system's clock is set back, it stands still until the clock has caught up. */
uint64_t clock_wall_us(void);
uint64_t clock_wall_ms(void);

/* CLOCK_REALTIME as it is set, which may be earlier than what was told before: for what is only read by people. */
uint64_t clock_realtime_us(void);

#endif
