/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ext4 of its own in a file (a loop device), whose power can be cut: the shutdown ioctl of the kernel, without a flush of the journal. What
 * the file system has not given to the device by then is gone. Only this process and its children see the mount, so it ends with them.
 *
 * The cut is not instantaneous. An fdatasync that is under way may return 0 and yet have written nothing (tests/crash/cut_control counts that),
 * so what is acknowledged between the beginning and the end of powerdisk_cut() proves nothing.
 */
#ifndef KV_CRASH_POWERDISK_H
#define KV_CRASH_POWERDISK_H

struct powerdisk;

/* DIR/disk.img, mounted on DIR/disk. NULL when that cannot be (no root, no loop device, no mkfs.ext4); says why. */
struct powerdisk *powerdisk_new(const char *dir);
/* Unmounts. NULL is allowed; returns NULL. */
struct powerdisk *powerdisk_free(struct powerdisk *disk);

const char *powerdisk_path(const struct powerdisk *disk);

/* From now on nothing reaches the device. Any failure ends the program, here and below. */
void powerdisk_cut(struct powerdisk *disk);

/* The power is back: unmounts and mounts again, which replays the journal. Nobody may have a file open there. */
void powerdisk_restore(struct powerdisk *disk);

#endif
