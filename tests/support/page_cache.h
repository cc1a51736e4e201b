/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel has in memory of the files behind a `struct fs`, page by page, for tests of code that wants to read from the disk: it tells which
 * reads were answered with what had been in memory before. One thread; one of these at a time; files of up to 4 MiB.
 */
#ifndef KV_SUPPORT_PAGE_CACHE_H
#define KV_SUPPORT_PAGE_CACHE_H

#include "base/file.h"

/* `below` is borrowed, e.g. &fs_posix. */
const struct fs *page_cache_fs(const struct fs *below);

/* From now on all pages are there, from some time before. A page that is forgotten and read again is from the disk. As Linux does it, one of which only a
 * part is to be forgotten stays, but for the last one of the file. */
void page_cache_fill(void);

/* Reads since then of pages from before. */
uint64_t page_cache_old_reads(void);

#endif
