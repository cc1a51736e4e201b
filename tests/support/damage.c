/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The damages of a file have numbers one after the other, kind by kind, and the files follow each
 * other; so a number is taken apart by going over the files and the kinds, and nothing is stored.
 */
#define _GNU_SOURCE
#include "support/damage.h"

#include "support/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FLIPS = 3, APPENDS = 4 };

static const uint8_t flips[FLIPS] = { 0x01, 0x80, 0xff };
static const struct {
	size_t len;
	uint8_t byte;
} appends[APPENDS] = { { 1, 0 }, { 1, 0xa5 }, { SECTOR, 0 }, { SECTOR, 0xa5 } };

/* ---- images ---- */

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void read_file(int dir, const char *name, struct damage_file *ret)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_eq(fstat(fd, &st), 0);
	*ret = (struct damage_file){ 0 };
	snprintf(ret->name, sizeof ret->name, "%s", name);
	ck_assert_int_eq(buf_append_zeros(&ret->content, (size_t)st.st_size), KV_OK);
	if (ret->content.len > 0)
		ck_assert_int_eq(pread(fd, ret->content.data, ret->content.len, 0),
			(ssize_t)ret->content.len);
	close(fd);
}

static void write_file(int dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	if (len > 0)
		ck_assert_int_eq(pwrite(fd, data, len, 0), (ssize_t)len);
	close(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct damage_file *)a)->name, ((const struct damage_file *)b)->name);
}

static bool is_regular(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

struct damage_image damage_image_read(const char *path)
{
	struct damage_image image = { 0 };
	DIR *list = fdopendir(open_dir(path));
	struct dirent *entry;

	ck_assert_ptr_nonnull(list);
	while ((entry = readdir(list)) != NULL) {
		if (!is_regular(dirfd(list), entry->d_name))
			continue;
		image.files = realloc(image.files, (image.count + 1) * sizeof *image.files);
		ck_assert_ptr_nonnull(image.files);
		read_file(dirfd(list), entry->d_name, &image.files[image.count++]);
	}
	closedir(list);
	if (image.count > 0)
		qsort(image.files, image.count, sizeof *image.files, by_name);
	return image;
}

void damage_image_free(struct damage_image *image)
{
	while (image->count > 0)
		buf_free(&image->files[--image->count].content);
	free(image->files);
	image->files = NULL;
}

size_t damage_image_find(const struct damage_image *image, const char *name)
{
	size_t i = 0;

	while (i < image->count && strcmp(image->files[i].name, name) != 0)
		i++;
	return i;
}

/* Removes the files that `keep` (NULL: none) does not name; one level of directories is emptied. */
static void remove_others(int dir, const struct damage_image *keep)
{
	DIR *list = fdopendir(dir);
	struct dirent *entry;

	ck_assert_ptr_nonnull(list);
	while ((entry = readdir(list)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (keep && entry->d_type == DT_DIR)
			remove_others(openat(dirfd(list), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				NULL);
		else if (!keep || damage_image_find(keep, name) == keep->count)
			ck_assert_int_eq(unlinkat(dirfd(list), name, 0), 0);
	}
	closedir(list);
}

void damage_image_write(const struct damage_image *image, const char *path)
{
	int dir = open_dir(path);

	for (size_t i = 0; i < image->count; i++)
		write_file(dir, image->files[i].name, image->files[i].content.data,
			image->files[i].content.len);
	remove_others(dir, image);
}

/* ---- numbers ---- */

static size_t foreign_of(
	const struct damage_image *image, const struct damage_image *other, size_t file)
{
	return other ? damage_image_find(other, image->files[file].name) : 0;
}

static size_t count_of(const struct damage_image *image, const struct damage_image *other,
	size_t file, enum damage_kind kind)
{
	size_t len = image->files[file].content.len;

	switch (kind) {
	case DAMAGE_FLIP:
		return FLIPS * len;
	case DAMAGE_CUT:
		return len;
	case DAMAGE_ZERO:
		return (len + SECTOR - 1) / SECTOR;
	case DAMAGE_APPEND:
		return APPENDS;
	case DAMAGE_SWAP:
		return image->count - file - 1;
	case DAMAGE_REPLACE:
		return image->count - 1;
	case DAMAGE_FOREIGN:
		return other && foreign_of(image, other, file) < other->count;
	default:
		return 1;
	}
}

static struct damage make(size_t file, enum damage_kind kind, size_t n)
{
	struct damage damage = { .kind = kind, .file = file };

	switch (kind) {
	case DAMAGE_FLIP:
		damage.at = n / FLIPS;
		damage.bits = flips[n % FLIPS];
		break;
	case DAMAGE_CUT:
		damage.at = n;
		break;
	case DAMAGE_ZERO:
		damage.at = n * SECTOR;
		break;
	case DAMAGE_APPEND:
		damage.at = appends[n].len;
		damage.bits = appends[n].byte;
		break;
	case DAMAGE_SWAP:
		damage.with = file + 1 + n;
		break;
	case DAMAGE_REPLACE:
		damage.with = n < file ? n : n + 1;
		break;
	default:
		break;
	}
	return damage;
}

size_t damage_count(const struct damage_image *image, const struct damage_image *other)
{
	size_t count = 0;

	for (size_t file = 0; file < image->count; file++)
		for (int kind = 0; image->files[file].content.len > 0 && kind < DAMAGE_KINDS;
			kind++)
			count += count_of(image, other, file, (enum damage_kind)kind);
	return count;
}

struct damage damage_at(
	const struct damage_image *image, const struct damage_image *other, size_t n)
{
	for (size_t file = 0; file < image->count; file++)
		for (int kind = 0; image->files[file].content.len > 0 && kind < DAMAGE_KINDS;
			kind++) {
			size_t count = count_of(image, other, file, (enum damage_kind)kind);

			if (n < count)
				return make(file, (enum damage_kind)kind, n);
			n -= count;
		}
	ck_abort_msg("there is no such damage");
}

static bool same(const struct buf *a, const struct buf *b)
{
	return slice_equal(buf_slice(a), buf_slice(b));
}

static size_t sector_end(const struct buf *content, size_t at)
{
	return content->len - at > SECTOR ? at + SECTOR : content->len;
}

bool damage_changes(const struct damage_image *image, const struct damage_image *other,
	const struct damage *damage)
{
	const struct buf *content = &image->files[damage->file].content;

	switch (damage->kind) {
	case DAMAGE_ZERO:
		for (size_t i = damage->at; i < sector_end(content, damage->at); i++)
			if (content->data[i] != 0)
				return true;
		return false;
	case DAMAGE_SWAP:
	case DAMAGE_REPLACE:
		return !same(content, &image->files[damage->with].content);
	case DAMAGE_FOREIGN:
		return !same(
			content, &other->files[foreign_of(image, other, damage->file)].content);
	default:
		return true;
	}
}

/* ---- doing it ---- */

static void damage_content(struct buf *content, const struct damage *damage)
{
	switch (damage->kind) {
	case DAMAGE_FLIP:
		content->data[damage->at] ^= damage->bits;
		break;
	case DAMAGE_CUT:
		content->len = damage->at;
		break;
	case DAMAGE_ZERO:
		memset(content->data + damage->at, 0, sector_end(content, damage->at) - damage->at);
		break;
	case DAMAGE_APPEND:
		ck_assert_int_eq(buf_append_zeros(content, damage->at), KV_OK);
		memset(content->data + content->len - damage->at, damage->bits, damage->at);
		break;
	default: { /* DAMAGE_TWICE */
		size_t len = content->len;

		ck_assert_int_eq(buf_append_zeros(content, len), KV_OK);
		memcpy(content->data + len, content->data, len);
	}
	}
}

static void put(int dir, const struct damage_file *place, const struct buf *content)
{
	write_file(dir, place->name, content->data, content->len);
}

void damage_write(const struct damage_image *image, const struct damage_image *other,
	const struct damage *damage, const char *path)
{
	const struct damage_file *file = &image->files[damage->file],
				 *with = &image->files[damage->with];
	struct buf content = { 0 };
	int dir = open_dir(path);

	damage_image_write(image, path);
	switch (damage->kind) {
	case DAMAGE_MISSING:
		ck_assert_int_eq(unlinkat(dir, file->name, 0), 0);
		break;
	case DAMAGE_SWAP:
		put(dir, with, &file->content);
		put(dir, file, &with->content);
		break;
	case DAMAGE_REPLACE:
		put(dir, file, &with->content);
		break;
	case DAMAGE_FOREIGN:
		put(dir, file, &other->files[foreign_of(image, other, damage->file)].content);
		break;
	default:
		ck_assert_int_eq(buf_set(&content, buf_slice(&file->content)), KV_OK);
		damage_content(&content, damage);
		put(dir, file, &content);
	}
	buf_free(&content);
	close(dir);
}

const char *damage_describe(
	const struct damage_image *image, const struct damage *damage, char *text, size_t size)
{
	const char *name = image->files[damage->file].name, *with = image->files[damage->with].name;

	switch (damage->kind) {
	case DAMAGE_FLIP:
		snprintf(text, size, "%s: byte %zu xor %02x", name, damage->at, damage->bits);
		break;
	case DAMAGE_CUT:
		snprintf(text, size, "%s: cut to %zu bytes", name, damage->at);
		break;
	case DAMAGE_ZERO:
		snprintf(text, size, "%s: sector at %zu zeroed", name, damage->at);
		break;
	case DAMAGE_APPEND:
		snprintf(text, size, "%s: %zu bytes of %02x appended", name, damage->at,
			damage->bits);
		break;
	case DAMAGE_TWICE:
		snprintf(text, size, "%s: twice in a row", name);
		break;
	case DAMAGE_MISSING:
		snprintf(text, size, "%s: missing", name);
		break;
	case DAMAGE_SWAP:
		snprintf(text, size, "%s: swapped with %s", name, with);
		break;
	case DAMAGE_REPLACE:
		snprintf(text, size, "%s: replaced by %s", name, with);
		break;
	default:
		snprintf(text, size, "%s: from another store", name);
	}
	return text;
}
