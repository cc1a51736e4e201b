/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says of this process and of a directory: CPU time, bytes written, memory, blocks on disk. */
#ifndef KV_BENCH_FIGURES_H
#define KV_BENCH_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

/* Running totals of the process, all threads. */
struct figures {
	double cpu_s;           /* user and system */
	uint64_t device_bytes;  /* written to the device of figures_device(), by whomever */
	uint64_t dirtied_bytes; /* write_bytes of /proc/self/io: the size of each folio that became dirty. Large folios make this far too
	                         * much where a few bytes are written over others: 1 MiB for 150 bytes was seen (Linux 6.18, ext4). */
	uint64_t call_bytes;    /* given to write calls; nothing of what is written through a mapping */
	uint64_t read_bytes;    /* from the device */
	uint64_t clock_ns;
};

/* Which device device_bytes is about: that of the directory. Without one that counts (tmpfs, overlayfs) it is dirtied_bytes. */
void figures_device(const char *dir);

struct figures figures_now(void);

/* All that is dirty in the file system of the directory is written, so that device_bytes has it. */
void figures_flush(const char *dir);

/* Peak of all resident memory (VmHWM), files mapped included. */
uint64_t figures_peak_bytes(void);

/* Watches RssAnon, of which the kernel keeps no peak, ten times a second by a thread of its own. */
void figures_watch_start(void);
uint64_t figures_watch_stop(void); /* the peak in bytes */

/* Blocks allocated to the files of a directory and those below it. */
uint64_t figures_disk_bytes(const char *path);

/* Returns when nothing was written and next to no CPU time was used for `idle_ms`, or after `timeout_s`: then false. */
bool figures_wait_idle(unsigned idle_ms, unsigned timeout_s);

/* What one reading of the clock costs, in nanoseconds. */
double figures_clock_cost_ns(void);

#endif
