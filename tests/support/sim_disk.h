/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A `struct fs` over a disk that exists in memory only and keeps a journal of all that was done to it, so that a test can afterwards walk
 * along the journal and build the disk as a power cut at any point could have left it. To fail, shorten or delay operations, put a
 * fault_fs around it. Its own memory never fails by fault_alloc, with which it must be linked ($(FAULT_ALLOC_LINK)). Any thread, but for walks: those belong to one, while nobody uses the disk.
 *
 * What a cut may do is what POSIX allows, which is more than any one file system does:
 *	- what file and directory syncs have covered is there; of all else any part may be
 *	- of a write each sector of 512 bytes is there or not; a sector never is a mixture
 *	- the size of a file is old or new, and where it grew without its data there are zeros or garbage
 *	- a name is there when its directory was synced, whatever became of its file; fdatasync and fsync of a file say nothing of names
 *	- a rename has happened or not; one from a directory to another never counts as synced (the store makes none)
 *	- what was written to a window in memory is a write of each sector that changed; it is looked for at every operation
 */
#ifndef KV_SUPPORT_SIM_DISK_H
#define KV_SUPPORT_SIM_DISK_H

#include "base/file.h"

enum { SIM_SECTOR = 512 };

struct sim_disk;
struct sim_walk;

/* An empty disk: its root is "/". Out of memory ends the test, here and below. */
struct sim_disk *sim_disk_new(void);
struct sim_disk *sim_disk_free(struct sim_disk *disk);

/* Lives as long as the disk. Relative paths begin at "/". */
const struct fs *sim_disk_fs(struct sim_disk *disk);

/* Descriptors that are open and windows that are mapped: both 0 after whoever used the disk has ended. */
size_t sim_disk_open_count(struct sim_disk *disk);

/* The nth fdatasync or fsync from now on (1 = the next), of a file or directory whose last name contains `name_part`, fails as on Linux:
 * with `errnum`, once, and the bytes of a file that it was to make durable are never written, though they can be read and later syncs succeed.
 * 0: none. */
void sim_disk_fail_sync(struct sim_disk *disk, uint64_t nth, const char *name_part, int errnum);

/* From now on a sync of a directory that fails so loses names as well: those that it was to make durable never are, though later syncs succeed. Most file
 * systems stop at such an error, but nobody may count on it while he runs. (A new start can only sync what it finds.) */
void sim_disk_lose_names(struct sim_disk *disk);

/* Has one failed so? *ret_again: how often the same file or directory was synced since. */
bool sim_disk_sync_failed(struct sim_disk *disk, uint64_t *ret_again);

/* Puts a mark of the caller's into the journal. */
void sim_disk_mark(struct sim_disk *disk, int kind, uint64_t value);

/* Forgets the journal: as if the disk had always been as it is now, all of it durable. Nobody may use it meanwhile. */
void sim_disk_settle(struct sim_disk *disk);

/* ---- after it: every point of the journal ---- */

enum sim_loss {
	SIM_LOSE_ALL,    /* everything that no sync covers */
	SIM_LOSE_NONE,
	SIM_LOSE_LATEST, /* the disk did everything in order and ended within a write */
	SIM_LOSE_WRITES, /* any of the operations */
	SIM_LOSE_ANY,    /* any of the names, any of the sectors */
	SIM_LOSS_COUNT,
};

struct sim_step {
	bool is_mark; /* else an operation that changed or synced something */
	int kind;     /* of a mark */
	uint64_t value;
};

/* Stands before the first operation. */
struct sim_walk *sim_walk_new(struct sim_disk *disk);
struct sim_walk *sim_walk_free(struct sim_walk *walk);
size_t sim_walk_length(const struct sim_walk *walk); /* steps in all */
/* Goes past the next operation or mark; false at the end. */
bool sim_walk_next(struct sim_walk *walk, struct sim_step *ret);
/* A new disk, with what the power cut at this point has left; the caller frees it. `random` is a state for runner_random(). */
struct sim_disk *sim_walk_cut(const struct sim_walk *walk, enum sim_loss loss, uint64_t *random);
/* What the last operation passed was, in words: for messages. */
const char *sim_walk_describe(const struct sim_walk *walk, char *to, size_t size);

#endif
