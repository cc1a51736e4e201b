/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/page_cache.h"

#include "support/runner.h"

enum { PAGE_BYTES = 4096, PAGES = 1024, FILES = 256 };

static const struct fs_ops *below_ops;
static struct fs_ops ops;
static struct fs fs;
static bool is_gone[FILES][PAGES]; /* by descriptor: no longer what was there before */
static uint64_t old_reads;

static ssize_t read_pages(void *ctx, int fd, void *to, size_t len, off_t offset)
{
	size_t first = (size_t)offset / PAGE_BYTES, end = ((size_t)offset + len + PAGE_BYTES - 1) / PAGE_BYTES;

	ck_assert(fd < FILES && end <= PAGES);
	for (size_t i = first; i < end; i++)
		old_reads += !is_gone[fd][i];
	return below_ops->pread(ctx, fd, to, len, offset);
}

static void forget_pages(void *ctx, int fd, off_t offset, off_t len)
{
	uint64_t size, end;

	ck_assert_int_eq(below_ops->size(ctx, fd, &size), 0);
	ck_assert(fd < FILES && size <= (uint64_t)PAGES * PAGE_BYTES);
	end = (uint64_t)offset + (uint64_t)len;
	if (end >= size)
		end = size + PAGE_BYTES - 1;
	for (uint64_t i = ((uint64_t)offset + PAGE_BYTES - 1) / PAGE_BYTES; i < end / PAGE_BYTES; i++)
		is_gone[fd][i] = true;
}

const struct fs *page_cache_fs(const struct fs *below)
{
	below_ops = below->ops;
	ops = *below->ops;
	ops.pread = read_pages;
	ops.forget = forget_pages;
	fs = (struct fs){ .ops = &ops, .ctx = below->ctx };
	page_cache_fill();
	return &fs;
}

void page_cache_fill(void)
{
	memset(is_gone, 0, sizeof is_gone);
	old_reads = 0;
}

uint64_t page_cache_old_reads(void)
{
	return old_reads;
}
