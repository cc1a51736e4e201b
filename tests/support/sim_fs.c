/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations on a simulated disk: each behaves as the system call of its name, as far as the store can tell. */
#define _GNU_SOURCE
#include "support/sim_disk_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- paths ---- */

static int inode_of(const struct sim_disk *d, int fd)
{
	if (fd == AT_FDCWD)
		return SIM_ROOT;
	return fd < 0 || fd >= SIM_FDS ? SIM_NONE : d->fds[fd];
}

/* The directory that holds the last name of `path`, and that name ("" for the directory itself). Returns an errno. */
static int find_place(const struct sim_disk *d, int dir_fd, const char *path, struct sim_place *ret)
{
	int dir = path[0] == '/' ? SIM_ROOT : inode_of(d, dir_fd);
	char name[SIM_NAME_SIZE] = "";

	while (dir != SIM_NONE && d->inodes.list[dir].is_dir) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.')) {
			path += len;
			if (path[0] != '\0')
				continue;
			ret->dir = dir;
			memcpy(ret->name, name, sizeof name);
			return 0;
		}
		if (len >= SIM_NAME_SIZE)
			return ENAMETOOLONG;
		memset(name, 0, sizeof name);
		memcpy(name, path, len);
		path += len;
		if (path[strspn(path, "/")] == '\0') {
			ret->dir = dir;
			memcpy(ret->name, name, sizeof name);
			return 0;
		}
		dir = sim_names_find(&d->inodes.list[dir].names, name);
		name[0] = '\0';
	}
	return dir == SIM_NONE ? ENOENT : ENOTDIR;
}

static int find(const struct sim_disk *d, int dir_fd, const char *path, struct sim_place *ret_place, int *ret_inode)
{
	int errnum = find_place(d, dir_fd, path, ret_place);

	if (errnum == 0)
		*ret_inode = ret_place->name[0] == '\0' ? ret_place->dir :
			sim_names_find(&d->inodes.list[ret_place->dir].names, ret_place->name);
	return errnum;
}

static int create(struct sim_disk *d, const struct sim_place *place, bool is_dir)
{
	int inode = (int)d->inodes.count;

	sim_inodes_add(&d->inodes, is_dir);
	sim_add_event(d, SIM_NEW, inode)->is_dir = is_dir;
	sim_names_set(&d->inodes.list[place->dir].names, place->name, inode);
	sim_add_event(d, SIM_BIND, inode)->from = *place;
	return inode;
}

/* ---- the operations ---- */

static int free_fd(const struct sim_disk *d)
{
	int fd = 3;

	while (fd < SIM_FDS && d->fds[fd] != SIM_NONE)
		fd++;
	sim_must(fd < SIM_FDS, "too many descriptors");
	return fd;
}

static int check_open(const struct sim_disk *d, int inode, int flags)
{
	if (inode == SIM_NONE)
		return flags & O_CREAT ? 0 : ENOENT;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return EEXIST;
	if (flags & O_DIRECTORY && !d->inodes.list[inode].is_dir)
		return ENOTDIR;
	return d->inodes.list[inode].is_dir && (flags & O_ACCMODE) != O_RDONLY ? EISDIR : 0;
}

static int sim_open(void *ctx, int dir_fd, const char *path, int flags, mode_t mode)
{
	struct sim_disk *d = ctx;
	struct sim_place place;
	int inode, errnum, fd = -1;

	(void)mode;
	sim_lock(d);
	errnum = find(d, dir_fd, path, &place, &inode);
	if (errnum == 0)
		errnum = check_open(d, inode, flags);
	if (errnum == 0) {
		if (inode == SIM_NONE)
			inode = create(d, &place, false);
		fd = free_fd(d);
		d->fds[fd] = inode;
		d->open_fds++;
		memcpy(d->fd_names[fd], place.name, SIM_NAME_SIZE);
	}
	sim_unlock(d, errnum);
	return fd;
}

static int sim_close(void *ctx, int fd)
{
	struct sim_disk *d = ctx;
	int inode;

	sim_lock(d);
	inode = inode_of(d, fd);
	if (fd < 0 || inode == SIM_NONE)
		return sim_unlock(d, EBADF);
	if (d->inodes.list[inode].locked_by == fd)
		d->inodes.list[inode].locked_by = SIM_NONE;
	d->fds[fd] = SIM_NONE;
	d->open_fds--;
	return sim_unlock(d, 0);
}

/* Locks; an open regular file, or NULL with the disk unlocked and errno set. */
static struct sim_inode *begin_file(struct sim_disk *d, int fd)
{
	int inode;

	sim_lock(d);
	inode = inode_of(d, fd);
	if (fd >= 0 && inode != SIM_NONE && !d->inodes.list[inode].is_dir)
		return &d->inodes.list[inode];
	sim_unlock(d, fd < 0 || inode == SIM_NONE ? EBADF : EINVAL);
	return NULL;
}

static ssize_t sim_pread(void *ctx, int fd, void *to, size_t len, off_t offset)
{
	struct sim_disk *d = ctx;
	const struct sim_inode *file = begin_file(d, fd);
	size_t left;

	if (!file)
		return -1;
	left = (uint64_t)offset < file->content.size ? file->content.size - (size_t)offset : 0;
	if (len > left)
		len = left;
	if (len > 0)
		memcpy(to, file->content.data + offset, len);
	sim_unlock(d, 0);
	return (ssize_t)len;
}

static ssize_t sim_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct sim_disk *d = ctx;
	struct sim_inode *file = begin_file(d, fd);
	size_t done = 0;

	if (!file)
		return -1;
	for (int i = 0; i < count; i++) {
		sim_bytes_write(&file->content, iov[i].iov_base, iov[i].iov_len, (uint64_t)offset + done);
		done += iov[i].iov_len;
	}
	if (done > 0)
		sim_add_write(d, d->fds[fd], (uint64_t)offset, done);
	sim_unlock(d, 0);
	return (ssize_t)done;
}

/* Is this the one that is to fail? */
static bool sync_fails(struct sim_disk *d, int fd)
{
	if (d->fail_sync_nth == 0 || !strstr(d->fd_names[fd], d->fail_sync_name))
		return false;
	return --d->fail_sync_nth == 0;
}

static int sync_inode(struct sim_disk *d, int fd, bool names)
{
	int inode;
	bool fails;

	sim_lock(d);
	inode = inode_of(d, fd);
	if (fd < 0 || inode == SIM_NONE)
		return sim_unlock(d, EBADF);
	d->syncs_again += inode == d->failed_inode;
	fails = sync_fails(d, fd);
	if (fails)
		d->failed_inode = inode;
	/* fdatasync of a directory promises nothing of its names */
	if (names || !d->inodes.list[inode].is_dir)
		sim_add_event(d, fails ? SIM_LOST_SYNC : SIM_SYNC, inode);
	return sim_unlock(d, fails ? d->fail_sync_errnum : 0);
}

static int sim_fdatasync(void *ctx, int fd)
{
	return sync_inode(ctx, fd, false);
}

static int sim_fsync(void *ctx, int fd)
{
	return sync_inode(ctx, fd, true);
}

/* What is on its way may have arrived at any time anyway. */
static int sim_writeback(void *ctx, int fd, off_t offset, off_t len)
{
	struct sim_disk *d = ctx;

	(void)offset;
	(void)len;
	return begin_file(d, fd) ? sim_unlock(d, 0) : -1;
}

static void resize(struct sim_disk *d, struct sim_inode *file, uint64_t size)
{
	if (size == file->content.size)
		return;
	sim_must(file->windows == 0 || size > file->content.size, "a mapped file is made shorter");
	sim_bytes_resize(&file->content, size);
	sim_add_event(d, SIM_RESIZE, (int)(file - d->inodes.list))->offset = size;
}

static int sim_ftruncate(void *ctx, int fd, off_t len)
{
	struct sim_disk *d = ctx;
	struct sim_inode *file = begin_file(d, fd);

	if (!file)
		return -1;
	resize(d, file, (uint64_t)len);
	return sim_unlock(d, 0);
}

static int sim_fallocate(void *ctx, int fd, int mode, off_t offset, off_t len)
{
	struct sim_disk *d = ctx;
	struct sim_inode *file = begin_file(d, fd);
	uint64_t end = (uint64_t)offset + (uint64_t)len;

	if (!file)
		return -1;
	if (mode != 0)
		return sim_unlock(d, EOPNOTSUPP);
	if (end > file->content.size)
		resize(d, file, end);
	return sim_unlock(d, 0);
}

static int rename_locked(struct sim_disk *d, const struct sim_place *from, int inode, const struct sim_place *to,
	int replaced, unsigned flags)
{
	struct sim_event *event;

	if (inode == SIM_NONE)
		return ENOENT;
	if (flags & RENAME_NOREPLACE && replaced != SIM_NONE)
		return EEXIST;
	if (replaced != SIM_NONE && (d->inodes.list[replaced].is_dir || d->inodes.list[inode].is_dir))
		return EISDIR;
	sim_names_set(&d->inodes.list[from->dir].names, from->name, SIM_NONE);
	sim_names_set(&d->inodes.list[to->dir].names, to->name, inode);
	event = sim_add_event(d, SIM_RENAME, inode);
	event->from = *from;
	event->to = *to;
	return 0;
}

static int sim_rename(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to, unsigned flags)
{
	struct sim_disk *d = ctx;
	struct sim_place from_place, to_place;
	int inode, replaced, errnum;

	sim_lock(d);
	errnum = find(d, from_dir_fd, from, &from_place, &inode);
	if (errnum == 0)
		errnum = find(d, to_dir_fd, to, &to_place, &replaced);
	if (errnum == 0)
		errnum = rename_locked(d, &from_place, inode, &to_place, replaced, flags);
	return sim_unlock(d, errnum);
}

static int sim_link(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to)
{
	struct sim_disk *d = ctx;
	struct sim_place from_place, to_place;
	int inode, existing, errnum;

	sim_lock(d);
	errnum = find(d, from_dir_fd, from, &from_place, &inode);
	if (errnum == 0)
		errnum = find(d, to_dir_fd, to, &to_place, &existing);
	if (errnum == 0 && (inode == SIM_NONE || existing != SIM_NONE))
		errnum = inode == SIM_NONE ? ENOENT : EEXIST;
	if (errnum == 0) {
		sim_names_set(&d->inodes.list[to_place.dir].names, to_place.name, inode);
		sim_add_event(d, SIM_BIND, inode)->from = to_place;
	}
	return sim_unlock(d, errnum);
}

static int remove_name(struct sim_disk *d, int dir_fd, const char *path, bool is_dir)
{
	struct sim_place place;
	int inode, errnum;

	sim_lock(d);
	errnum = find(d, dir_fd, path, &place, &inode);
	if (errnum == 0 && inode == SIM_NONE)
		errnum = ENOENT;
	if (errnum == 0 && d->inodes.list[inode].is_dir != is_dir)
		errnum = is_dir ? ENOTDIR : EISDIR;
	if (errnum == 0 && is_dir && d->inodes.list[inode].names.count > 0)
		errnum = ENOTEMPTY;
	if (errnum == 0) {
		sim_names_set(&d->inodes.list[place.dir].names, place.name, SIM_NONE);
		sim_add_event(d, SIM_UNBIND, inode)->from = place;
	}
	return sim_unlock(d, errnum);
}

static int sim_unlink(void *ctx, int dir_fd, const char *name)
{
	return remove_name(ctx, dir_fd, name, false);
}

static int sim_rmdir(void *ctx, int dir_fd, const char *name)
{
	return remove_name(ctx, dir_fd, name, true);
}

static int sim_mkdir(void *ctx, int dir_fd, const char *name, mode_t mode)
{
	struct sim_disk *d = ctx;
	struct sim_place place;
	int inode, errnum;

	(void)mode;
	sim_lock(d);
	errnum = find(d, dir_fd, name, &place, &inode);
	if (errnum == 0 && inode != SIM_NONE)
		errnum = EEXIST;
	if (errnum == 0)
		create(d, &place, true);
	return sim_unlock(d, errnum);
}

static int sim_size(void *ctx, int fd, uint64_t *ret_bytes)
{
	struct sim_disk *d = ctx;
	const struct sim_inode *file = begin_file(d, fd);

	if (!file)
		return -1;
	*ret_bytes = file->content.size;
	return sim_unlock(d, 0);
}

static int sim_flock(void *ctx, int fd)
{
	struct sim_disk *d = ctx;
	struct sim_inode *file = begin_file(d, fd);

	if (!file)
		return -1;
	if (file->locked_by != SIM_NONE && file->locked_by != fd)
		return sim_unlock(d, EWOULDBLOCK);
	file->locked_by = fd;
	return sim_unlock(d, 0);
}

static int sim_list(void *ctx, int dir_fd, int (*each)(void *arg, const char *name), void *arg)
{
	struct sim_disk *d = ctx;
	struct sim_names names = { 0 };
	int inode;

	sim_lock(d);
	inode = inode_of(d, dir_fd);
	if (inode == SIM_NONE || !d->inodes.list[inode].is_dir)
		return sim_unlock(d, ENOTDIR);
	for (size_t i = 0; i < d->inodes.list[inode].names.count; i++)
		sim_names_set(&names, d->inodes.list[inode].names.list[i].name, 0);
	sim_unlock(d, 0);
	for (size_t i = 0; i < names.count; i++)
		if (each(arg, names.list[i].name) != 0)
			break;
	free(names.list);
	return 0;
}

static int sim_space(void *ctx, int dir_fd, uint64_t *ret_free_bytes)
{
	(void)ctx;
	(void)dir_fd;
	*ret_free_bytes = UINT64_C(1) << 40;
	return 0;
}

static void *sim_map(void *ctx, int fd, off_t offset, size_t len)
{
	struct sim_disk *d = ctx;
	struct sim_inode *file = begin_file(d, fd);
	uint8_t *at;

	if (!file)
		return NULL;
	sim_must((uint64_t)offset + len <= file->content.size, "a window beyond the end of its file");
	if (file->windows++ == 0) {
		sim_bytes_pin(&file->content);
		file->shadow = mmap(NULL, SIM_RESERVED, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		sim_must(file->shadow != MAP_FAILED, "out of address space");
		memcpy(file->shadow, file->content.data, file->content.size);
	}
	d->windows++;
	at = file->content.data + offset;
	sim_unlock(d, 0);
	return at;
}

static void sim_unmap(void *ctx, void *at, size_t len)
{
	struct sim_disk *d = ctx;
	const uint8_t *window = at;

	(void)len;
	sim_lock(d);
	for (size_t i = 0; i < d->inodes.count; i++) {
		struct sim_inode *file = &d->inodes.list[i];

		if (!file->shadow || window < file->content.data || window >= file->content.data + SIM_RESERVED)
			continue;
		d->windows--;
		if (--file->windows == 0) {
			munmap(file->shadow, SIM_RESERVED);
			file->shadow = NULL;
		}
	}
	sim_unlock(d, 0);
}

const struct fs_ops sim_ops = {
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pwritev = sim_pwritev,
	.fdatasync = sim_fdatasync,
	.fsync = sim_fsync,
	.writeback = sim_writeback,
	.ftruncate = sim_ftruncate,
	.fallocate = sim_fallocate,
	.rename = sim_rename,
	.link = sim_link,
	.unlink = sim_unlink,
	.mkdir = sim_mkdir,
	.rmdir = sim_rmdir,
	.size = sim_size,
	.lock = sim_flock,
	.list = sim_list,
	.space = sim_space,
	.map = sim_map,
	.unmap = sim_unmap,
};
