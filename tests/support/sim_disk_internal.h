/* SPDX-License-Identifier: BSD-2-Clause */
/* What sim_inode.c, sim_disk.c and sim_fs.c (the disk as it is used) and sim_walk.c (the disk as a cut leaves it) share. */
#ifndef KV_SUPPORT_SIM_DISK_INTERNAL_H
#define KV_SUPPORT_SIM_DISK_INTERNAL_H

#include "support/sim_disk.h"

#include <pthread.h>

enum {
	SIM_NAME_SIZE = 64,
	SIM_FDS = 1024,
	SIM_ROOT = 0, /* the inode of "/" */
	SIM_NONE = -1,
	SIM_RESERVED = 64 << 20, /* bytes of address space for a file that is mapped; not memory */
};

struct sim_bytes {
	uint8_t *data;
	size_t size, capacity;
	bool reserved; /* data has an address of its own that never moves (mapped windows point there) */
};

struct sim_name {
	char name[SIM_NAME_SIZE];
	int inode;
};

struct sim_names {
	struct sim_name *list;
	size_t count;
};

/* A file or a directory. Numbers are never used again, and a cut keeps them. */
struct sim_inode {
	bool is_dir;
	struct sim_bytes content; /* of a file */
	struct sim_names names;   /* of a directory */
	uint8_t *shadow;          /* the content as the journal knows it, while windows are mapped */
	size_t windows;
	int locked_by;            /* a descriptor; SIM_NONE */
};

struct sim_inodes {
	struct sim_inode *list;
	size_t count;
};

enum sim_event_kind {
	SIM_WRITE,
	SIM_RESIZE,   /* to `offset` bytes */
	SIM_SYNC,
	SIM_LOST_SYNC, /* it failed: what it was for will never be durable */
	SIM_NEW,      /* an inode without a name */
	SIM_BIND,     /* from, inode: creat, mkdir, link */
	SIM_UNBIND,
	SIM_RENAME,   /* from -> to */
	SIM_MARK,
};

struct sim_place {
	int dir;
	char name[SIM_NAME_SIZE];
};

struct sim_event {
	enum sim_event_kind kind;
	int inode;
	bool is_dir;       /* of SIM_NEW */
	uint64_t offset;   /* of a mark: its value */
	size_t len;        /* of a mark: its kind */
	uint8_t *bytes;    /* of a write; owned */
	struct sim_place from, to;
};

struct sim_journal {
	struct sim_event *list;
	size_t count, capacity;
};

struct sim_disk {
	struct fs fs; /* constant */

	pthread_mutex_t mu;

	/* guarded by mu */
	struct sim_inodes inodes;      /* as whoever uses the disk sees them */
	struct sim_inodes base;        /* as they were when the journal began, all durable */
	struct sim_journal journal;
	int fds[SIM_FDS];              /* inode; SIM_NONE: closed */
	char fd_names[SIM_FDS][SIM_NAME_SIZE];
	size_t open_fds, windows;
	uint64_t fail_sync_nth;
	const char *fail_sync_name;
	int fail_sync_errnum;
	bool loses_names;
	int failed_inode;              /* of the last sync that failed so; SIM_NONE */
	uint64_t syncs_again;          /* of it, since then */
};

/* ---- sim_inode.c ---- */

/* Ends the test when the condition does not hold. */
void sim_must(bool condition, const char *what);

void sim_bytes_resize(struct sim_bytes *bytes, size_t size); /* what is new is zeros */
void sim_bytes_write(struct sim_bytes *bytes, const uint8_t *from, size_t len, uint64_t offset);
void sim_bytes_pin(struct sim_bytes *bytes); /* gives them an address for ever, and room for SIM_RESERVED */
void sim_bytes_free(struct sim_bytes *bytes);

int sim_names_find(const struct sim_names *names, const char *name); /* inode or SIM_NONE */
void sim_names_set(struct sim_names *names, const char *name, int inode); /* SIM_NONE: removes it */

struct sim_inode *sim_inodes_add(struct sim_inodes *inodes, bool is_dir);
void sim_inodes_copy(struct sim_inodes *to, const struct sim_inodes *from); /* to: empty */
void sim_inodes_free(struct sim_inodes *inodes);

/* ---- sim_disk.c ---- */

/* Around every operation. Locking looks at the windows first; unlocking returns the system call's result, and sets errno. */
void sim_lock(struct sim_disk *disk);
int sim_unlock(struct sim_disk *disk, int errnum);
/* The pointer is good until the next one. */
struct sim_event *sim_add_event(struct sim_disk *disk, enum sim_event_kind kind, int inode);
/* What the file has there now. */
void sim_add_write(struct sim_disk *disk, int inode, uint64_t offset, size_t len);
/* Takes `inodes` over. */
struct sim_disk *sim_disk_of(struct sim_inodes *inodes);

/* ---- sim_fs.c ---- */

extern const struct fs_ops sim_ops;

#endif
