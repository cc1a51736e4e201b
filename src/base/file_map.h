/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A window of a file in memory: writing to it costs no system call, and what was written is in the file for every reader of it, and
 * survives the end of the process, as after file_write_at(). Not durable until file_sync() returned KV_OK, which also reports what
 * the kernel could not write meanwhile. One thread at a time.
 *
 * The kernel tells by SIGBUS that it cannot give a page (the disk is full or broken, the file was cut). Here that is a return value: the
 * first window installs a handler, which passes on every SIGBUS that is not ours.
 */
#ifndef KV_BASE_FILE_MAP_H
#define KV_BASE_FILE_MAP_H

#include "base/file.h"

enum { FILE_MAP_ALIGN = 65536 }; /* no page is larger */

struct file_map {
	const struct fs *fs;
	uint8_t *at;     /* NULL: none */
	uint64_t offset; /* in the file, of `at` */
	size_t len;
};

/* Maps `len` bytes from `offset` on, a multiple of FILE_MAP_ALIGN; all of them must be in the file. The window does not need the file to
 * stay open. KV_UNSUPPORTED: it cannot be done (here, or now). */
kv_status file_map(const struct file *file, uint64_t offset, size_t len, struct file_map *ret);
void file_unmap(struct file_map *map); /* safe on a zeroed one and twice */

/* Is [offset, offset + len) in the window? */
static inline bool file_map_holds(const struct file_map *map, uint64_t offset, size_t len)
{
	return map->at && offset >= map->offset && offset - map->offset <= map->len &&
		len <= map->len - (offset - map->offset);
}

/* Writes what the window holds. False: some of it may be written; file_write_at() at the same place will tell what is wrong. */
bool file_map_write(const struct file_map *map, struct slice data, uint64_t offset);

#endif
