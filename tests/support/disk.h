/* SPDX-License-Identifier: BSD-2-Clause */
/* A temporary directory behind a fault_fs (on which a sync is counted and does nothing), and
 * whole files in it read and written behind the code's back. */
#ifndef KV_SUPPORT_DISK_H
#define KV_SUPPORT_DISK_H

#include "support/fault_fs.h"

struct disk {
	char *path;
	struct fault_fs *fault;
	struct dir dir; /* on `fault` */
};

/* All of these fail the test instead of returning an error. */
void disk_open(struct disk *disk);
void disk_close(struct disk *disk); /* removes it */
void disk_reopen(struct disk *disk); /* `dir` as another process has it: syncs may succeed that an earlier failure had forbidden */

/* The whole file; the caller frees it. */
struct buf disk_read(const struct disk *disk, const char *name);
/* Creates or replaces. */
void disk_write(const struct disk *disk, const char *name, struct slice content);

/* Writes over a part of an existing file. */
void disk_patch(const struct disk *disk, const char *name, uint64_t offset, struct slice content);

/* The three ways in which the tests damage a byte. */
enum { DISK_FLIPS = 3 };
extern const uint8_t disk_flips[DISK_FLIPS];

#endif
