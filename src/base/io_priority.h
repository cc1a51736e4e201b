/* SPDX-License-Identifier: BSD-2-Clause */
/* How the disk's scheduler ranks a thread. */
#ifndef KV_BASE_IO_PRIORITY_H
#define KV_BASE_IO_PRIORITY_H

/* The calling thread's reads come after those of others, where kernel and scheduler know of such
 * things and allow it; never so late that they do not come at all. */
void io_priority_lower(void);

#endif
