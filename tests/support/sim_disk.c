/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk as it is used. Every operation that changes or syncs something is an event of the journal; nothing else is kept of the past.
 *
 * Windows: a file's bytes lie at one address from the first mapping on, and a window is a pointer into them, so what is written there is in
 * the file at once. The journal learns of it by comparing with a shadow, before every event: so the order of a window's writes
 * among the events around them is kept, and a sync covers what was written before it.
 */
#define _GNU_SOURCE
#include "support/fault_alloc.h"
#include "support/sim_disk_internal.h"

#include <errno.h>
#include <stdlib.h>

#ifdef __SANITIZE_THREAD__
#define UNSYNCHRONISED __attribute__((no_sanitize("thread")))
#else
#define UNSYNCHRONISED
#endif

/* ---- the journal ---- */

struct sim_event *sim_add_event(struct sim_disk *d, enum sim_event_kind kind, int inode)
{
	struct sim_journal *j = &d->journal;

	if (j->count == j->capacity) {
		j->capacity = j->capacity > 0 ? 2 * j->capacity : 256;
		j->list = reallocarray(j->list, j->capacity, sizeof *j->list);
		sim_must(j->list != NULL, "out of memory");
	}
	j->list[j->count] = (struct sim_event){ .kind = kind, .inode = inode };
	return &j->list[j->count++];
}

/* A copy of what another thread may be writing to through its window: the disk takes what there is. */
UNSYNCHRONISED static void peek(uint8_t *to, const uint8_t *from, size_t len)
{
#ifdef __SANITIZE_THREAD__
	for (size_t i = 0; i < len; i++)
		to[i] = from[i];
#else
	memcpy(to, from, len);
#endif
}

/* Is it not as the journal knows it? */
UNSYNCHRONISED static bool has_changed(const struct sim_inode *file, size_t offset, size_t len)
{
#ifdef __SANITIZE_THREAD__
	for (size_t i = offset; i < offset + len; i++)
		if (file->content.data[i] != file->shadow[i])
			return true;
	return false;
#else
	return memcmp(file->shadow + offset, file->content.data + offset, len) != 0;
#endif
}

void sim_add_write(struct sim_disk *d, int inode, uint64_t offset, size_t len)
{
	const struct sim_inode *file = &d->inodes.list[inode];
	struct sim_event *event = sim_add_event(d, SIM_WRITE, inode);

	event->offset = offset;
	event->len = len;
	event->bytes = malloc(len);
	sim_must(event->bytes != NULL, "out of memory");
	peek(event->bytes, file->content.data + offset, len);
	if (file->shadow)
		memcpy(file->shadow + offset, event->bytes, len);
}

static void look_at_windows(struct sim_disk *d)
{
	for (size_t i = 0; d->windows > 0 && i < d->inodes.count; i++) {
		const struct sim_inode *file = &d->inodes.list[i];
		size_t size = file->content.size, len;

		if (!file->shadow || !has_changed(file, 0, size))
			continue;
		for (size_t at = 0; at < size; at += len) {
			len = size - at < SIM_SECTOR ? size - at : SIM_SECTOR;
			if (has_changed(file, at, len))
				sim_add_write(d, (int)i, at, len);
		}
	}
}

void sim_lock(struct sim_disk *d)
{
	fault_alloc_pause(); /* it is not our memory that is to run out */
	pthread_mutex_lock(&d->mu);
	look_at_windows(d);
}

int sim_unlock(struct sim_disk *d, int errnum)
{
	pthread_mutex_unlock(&d->mu);
	fault_alloc_resume();
	errno = errnum;
	return errnum == 0 ? 0 : -1;
}

/* ---- the disk itself ---- */

struct sim_disk *sim_disk_of(struct sim_inodes *inodes)
{
	struct sim_disk *disk = calloc(1, sizeof *disk);

	sim_must(disk != NULL, "out of memory");
	disk->fs = (struct fs){ .ops = &sim_ops, .ctx = disk };
	disk->failed_inode = SIM_NONE;
	pthread_mutex_init(&disk->mu, NULL);
	for (size_t i = 0; i < SIM_FDS; i++)
		disk->fds[i] = SIM_NONE;
	sim_inodes_copy(&disk->inodes, inodes);
	disk->base = *inodes;
	*inodes = (struct sim_inodes){ 0 };
	return disk;
}

struct sim_disk *sim_disk_new(void)
{
	struct sim_inodes inodes = { 0 };

	sim_inodes_add(&inodes, true);
	return sim_disk_of(&inodes);
}

static void free_journal(struct sim_journal *journal)
{
	for (size_t i = 0; i < journal->count; i++)
		free(journal->list[i].bytes);
	free(journal->list);
	*journal = (struct sim_journal){ 0 };
}

struct sim_disk *sim_disk_free(struct sim_disk *disk)
{
	if (!disk)
		return NULL;
	free_journal(&disk->journal);
	sim_inodes_free(&disk->inodes);
	sim_inodes_free(&disk->base);
	pthread_mutex_destroy(&disk->mu);
	free(disk);
	return NULL;
}

const struct fs *sim_disk_fs(struct sim_disk *disk)
{
	return &disk->fs;
}

size_t sim_disk_open_count(struct sim_disk *disk)
{
	size_t ret;

	sim_lock(disk);
	ret = disk->open_fds + disk->windows;
	sim_unlock(disk, 0);
	return ret;
}

void sim_disk_fail_sync(struct sim_disk *disk, uint64_t nth, const char *name_part, int errnum)
{
	sim_lock(disk);
	disk->fail_sync_nth = nth;
	disk->fail_sync_name = name_part;
	disk->fail_sync_errnum = errnum;
	disk->failed_inode = SIM_NONE;
	disk->syncs_again = 0;
	sim_unlock(disk, 0);
}

void sim_disk_lose_names(struct sim_disk *disk)
{
	sim_lock(disk);
	disk->loses_names = true;
	sim_unlock(disk, 0);
}

bool sim_disk_sync_failed(struct sim_disk *disk, uint64_t *ret_again)
{
	bool ret;

	sim_lock(disk);
	ret = disk->failed_inode != SIM_NONE;
	*ret_again = disk->syncs_again;
	sim_unlock(disk, 0);
	return ret;
}

void sim_disk_mark(struct sim_disk *disk, int kind, uint64_t value)
{
	struct sim_event *event;

	sim_lock(disk);
	event = sim_add_event(disk, SIM_MARK, kind);
	event->offset = value;
	sim_unlock(disk, 0);
}

void sim_disk_settle(struct sim_disk *disk)
{
	sim_lock(disk);
	free_journal(&disk->journal);
	sim_inodes_free(&disk->base);
	sim_inodes_copy(&disk->base, &disk->inodes);
	sim_unlock(disk, 0);
}
