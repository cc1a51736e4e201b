/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input of the main job: every line of every /var/lib/dpkg/info/PACKAGE.list is a write, key = path, value = package.
 * A directory is in the lists of many packages: the last line for a key wins.
 */
#ifndef KV_INTEGRATION_DPKG_LINES_H
#define KV_INTEGRATION_DPKG_LINES_H

#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

struct dpkg_line {
	struct slice key;
	struct slice value;
	uint32_t key_index;
};

/* All lines of one key are written in their order; `done` and `sent` count them. */
struct dpkg_key {
	struct slice bytes;
	const struct dpkg_line **lines; /* in the order of the input */
	uint32_t line_count;
	uint32_t sent;     /* lines sent so far */
	uint32_t promised; /* of these, the last one that was acknowledged or read, counted from 1; 0: none */
};

struct dpkg_lines {
	struct dpkg_line *lines; /* in the order of the input */
	size_t line_count;
	struct dpkg_key *keys;   /* in byte order */
	size_t key_count;
	const struct dpkg_line **by_key;
	char *text, *packages;
};

/* At most `max_lines` (0: all). No lines when there is no dpkg database. */
void dpkg_lines_read(size_t max_lines, struct dpkg_lines *ret);
void dpkg_lines_free(struct dpkg_lines *lines);

#endif
