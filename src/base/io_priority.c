/* SPDX-License-Identifier: BSD-2-Clause */
/* ioprio_set(2), for which the C library has no name. */
#define _GNU_SOURCE
#include "base/io_priority.h"

#include <sys/syscall.h>
#include <unistd.h>

enum {
	WHO_PROCESS = 1,
	THIS_THREAD = 0,
	CLASS_BEST_EFFORT = 2 << 13,
	LOWEST = 7,
};

void io_priority_lower(void)
{
#ifdef SYS_ioprio_set
	(void)syscall(
		SYS_ioprio_set, WHO_PROCESS, THIS_THREAD, CLASS_BEST_EFFORT | LOWEST); /* a wish */
#endif
}
