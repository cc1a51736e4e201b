/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that ends removes the file while it still holds the lock. So who gets the lock must look whether
 * the name still leads to the file that was locked; if not, the race is run again.
 *
 * The file is for everybody to read, and who can read it can lock it: somebody who waits for the lock has it when the daemon dies, and would keep
 * the next one from starting. But a daemon that has the lock writes its pid at once. So a lock on a file that names no living
 * process, and still does after a while, is not that of a daemon, and the file is made anew. Daemons of other PID namespaces look dead,
 * too: each needs a pidfile of its own. Who can bring a process to the pid that the file names still keeps us out.
 *
 * A daemon that root started has made the file as root. When it was killed, a start by the user himself finds it there, not his to write: then
 * it is locked all the same, and made anew where the directory is his.
 */
#define _GNU_SOURCE
#include "daemon/pidfile.h"

#include "base/file.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TRIES_MAX = 200,
	DEAD_TRIES = 100, /* so often the file names no living process, */
	DEAD_WAIT_US = 10 * 1000, /* ... looked at so far apart */
};

struct pidfile {
	struct dir dir;
	struct file file;
	char *path;
};

static struct pidfile *release(struct pidfile *pidfile)
{
	file_close(&pidfile->file);
	dir_close(&pidfile->dir);
	free(pidfile->path);
	free(pidfile);
	return NULL;
}

/* The directory may be reached through symbolic links (/var/run), the file may not. */
static kv_status open_dir(struct pidfile *pidfile, struct kv_error *err)
{
	char copy[PATH_MAX];
	char *parent;
	kv_status status;

	if (strlen(pidfile->path) >= sizeof(copy))
		return kv_error_errno(err, ENAMETOOLONG, pidfile->path, "cannot open pidfile");
	parent = realpath(dirname(memcpy(copy, pidfile->path, strlen(pidfile->path) + 1)), NULL);
	if (!parent)
		return kv_error_errno(err, errno, pidfile->path, "cannot find the directory of pidfile");
	status = dir_open(&fs_posix, parent, false, &pidfile->dir, err);
	free(parent);
	return status;
}

static const char *name_of(const struct pidfile *pidfile)
{
	return strrchr(pidfile->path, '/') + 1;
}

/* 0: it holds none. */
static long read_pid(const struct pidfile *pidfile)
{
	char text[24] = "";
	uint64_t len;
	long pid = 0;

	if (file_size(&pidfile->file, &len, NULL) == KV_OK && len < sizeof(text) &&
		file_read_at(&pidfile->file, text, (size_t)len, 0, NULL) == KV_OK)
		pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= INT_MAX ? pid : 0;
}

static bool names_living_process(const struct pidfile *pidfile)
{
	long pid = read_pid(pidfile);

	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

static kv_status report_holder(const struct pidfile *pidfile, struct kv_error *err)
{
	long pid = read_pid(pidfile);

	if (pid > 0)
		return kv_error_set(err, KV_BUSY, "already running: process %ld holds '%s'",
			pid, pidfile->path);
	return kv_error_set(err, KV_BUSY, "already running: another process holds '%s'",
		pidfile->path);
}

static kv_status check_links(const struct pidfile *pidfile, struct kv_error *err)
{
	struct stat st;

	if (fstat(pidfile->file.fd, &st) != 0)
		return kv_error_errno(err, errno, pidfile->path, "cannot look at pidfile");
	if (st.st_nlink > 1)
		return kv_error_errno(err, EPERM, pidfile->path, "pidfile has a second name (hard link)");
	return KV_OK;
}

static bool is_current(const struct pidfile *pidfile)
{
	struct stat opened;
	struct stat named;

	return fstat(pidfile->file.fd, &opened) == 0 &&
		fstatat(pidfile->dir.fd, name_of(pidfile), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static kv_status open_and_lock(struct pidfile *pidfile, enum file_mode mode, struct kv_error *err)
{
	kv_status status = file_open(&pidfile->dir, name_of(pidfile), mode, &pidfile->file, err);

	if (status == KV_OK)
		status = check_links(pidfile, err);
	if (status != KV_OK)
		return status;
	return file_lock(&pidfile->file, err);
}

/* Does it look as a daemon of root's has left it? A file that somebody named by mistake does not. */
static bool is_left_by_root(const struct pidfile *pidfile)
{
	struct stat st;

	return geteuid() != 0 && fstat(pidfile->file.fd, &st) == 0 && st.st_uid == 0 && (st.st_size == 0 || read_pid(pidfile) > 0);
}

/* The file is not ours to write. KV_OK: it had no holder, and its name is gone. Removed under its lock, as by a daemon that ends. */
static kv_status unlink_unwritable(struct pidfile *pidfile, kv_status refused)
{
	kv_status status = open_and_lock(pidfile, FILE_READ, NULL);

	if (pidfile->file.fd >= 0 && !is_left_by_root(pidfile))
		return refused;
	if (status == KV_OK && is_current(pidfile))
		status = dir_unlink(&pidfile->dir, name_of(pidfile), NULL);
	return status == KV_OK || status == KV_BUSY ? status : refused;
}

/* KV_OK: `file` is locked, and ours if it is current. KV_BUSY: somebody else has locked it. */
static kv_status try_to_lock(struct pidfile *pidfile, struct kv_error *err)
{
	struct kv_error why = { 0 };
	kv_status status = open_and_lock(pidfile, FILE_OPEN_OR_CREATE, &why);

	if (pidfile->file.fd < 0 && why.errnum == EACCES)
		status = unlink_unwritable(pidfile, status);
	if (status != KV_OK && err)
		*err = why;
	return status;
}

/* Somebody has the lock who is no daemon, as it looks. Gives him time to be one, then the file goes, and the next one gets as much time.
 * False: it cannot go. Who else thinks the same in that microsecond may take a new file for this one; what then keeps two daemons apart
 * is the lock of the store. */
static bool wait_or_unlink(const struct pidfile *pidfile, int *dead)
{
	if (!is_current(pidfile)) {
		*dead = 0;
		return true;
	}
	if (++*dead < DEAD_TRIES)
		return usleep(DEAD_WAIT_US) == 0 || errno == EINTR;
	*dead = 0;
	return dir_unlink(&pidfile->dir, name_of(pidfile), NULL) == KV_OK;
}

static kv_status take(struct pidfile *pidfile, struct kv_error *err)
{
	int dead = 0;

	for (int i = 0; i < TRIES_MAX; i++) {
		kv_status status = try_to_lock(pidfile, err);

		if (status == KV_BUSY) {
			if (names_living_process(pidfile) || !wait_or_unlink(pidfile, &dead))
				return report_holder(pidfile, err);
		} else if (status != KV_OK || is_current(pidfile)) {
			return status;
		}
		file_close(&pidfile->file);
	}
	return kv_error_set(err, KV_BUSY, "'%s' is removed as often as it is made", pidfile->path);
}

/* Written before it is cut, so that a reader never finds it empty. */
static kv_status write_pid(struct pidfile *pidfile, struct kv_error *err)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	kv_status status = file_write_at(&pidfile->file, slice_of(text, (size_t)len), 0, err);

	if (status == KV_OK)
		status = file_truncate(&pidfile->file, (uint64_t)len, err);
	if (status == KV_OK && fchmod(pidfile->file.fd, 0644) != 0)
		status = kv_error_errno(err, errno, pidfile->path, "cannot set the mode of pidfile");
	return status;
}

kv_status pidfile_create(const char *path, struct pidfile **ret, struct kv_error *err)
{
	struct pidfile *pidfile = calloc(1, sizeof(*pidfile));
	kv_status status;

	if (!pidfile)
		return kv_error_set(err, KV_NO_MEMORY, "cannot make pidfile '%s'", path);
	pidfile->dir.fd = -1;
	pidfile->file.fd = -1;
	pidfile->path = strdup(path);
	status = pidfile->path ? KV_OK
			       : kv_error_set(err, KV_NO_MEMORY, "cannot make pidfile '%s'", path);
	if (status == KV_OK)
		status = open_dir(pidfile, err);
	if (status == KV_OK)
		status = take(pidfile, err);
	if (status == KV_OK)
		status = write_pid(pidfile, err);
	if (status == KV_OK)
		*ret = pidfile;
	else
		release(pidfile);
	return status;
}

struct pidfile *pidfile_remove(struct pidfile *pidfile)
{
	if (!pidfile)
		return NULL;
	if (is_current(pidfile) && dir_unlink(&pidfile->dir, name_of(pidfile), NULL) != KV_OK)
		(void)file_truncate(&pidfile->file, 0, NULL);
	return release(pidfile);
}
