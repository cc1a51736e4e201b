/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every way in which the tests damage a small store that lies on disk, one after the other by its
 * number: bytes flipped, files cut, sectors zeroed, garbage appended, files written twice into each
 * other, swapped, in the place of another, missing, or from another store. For what the damage of
 * one byte and the like must not do: a wrong, a missing or a resurrected value.
 *
 * The functions fail the test when the directory cannot be read or written. One thread.
 */
#ifndef KV_SUPPORT_DAMAGE_H
#define KV_SUPPORT_DAMAGE_H

#include "base/buf.h"

struct damage_file {
	char name[256];
	struct buf content;
};

/* The files of a directory as they were when it was read; without its directories. */
struct damage_image {
	struct damage_file *files; /* by name */
	size_t count;
};

enum damage_kind {
	DAMAGE_FLIP,   /* the byte at `at`, xor `bits` */
	DAMAGE_CUT,    /* to `at` bytes */
	DAMAGE_ZERO,   /* the sector of 512 bytes that begins at `at` */
	DAMAGE_APPEND, /* `at` bytes of `bits` */
	DAMAGE_TWICE,  /* the content two times in a row */
	DAMAGE_MISSING,
	DAMAGE_SWAP,    /* with the file `with` */
	DAMAGE_REPLACE, /* by a copy of the file `with` */
	DAMAGE_FOREIGN, /* by the file of that name of another store */
	DAMAGE_KINDS
};

struct damage {
	enum damage_kind kind;
	size_t file, with; /* places in the image */
	size_t at;
	uint8_t bits;
};

struct damage_image damage_image_read(const char *path);
void damage_image_free(struct damage_image *image);
/* The place of a file in the image; image->count: there is none. */
size_t damage_image_find(const struct damage_image *image, const char *name);

/* The directory gets these files and no others; directories in it are emptied. */
void damage_image_write(const struct damage_image *image, const char *path);

/* How many damages there are; with `other` (NULL: without) those by files of another store, too. An
 * empty file has none. */
size_t damage_count(const struct damage_image *image, const struct damage_image *other);
/* The n-th, n < damage_count(). */
struct damage damage_at(
	const struct damage_image *image, const struct damage_image *other, size_t n);
/* Does it change anything? A sector of zeros that is zeroed does not, nor does a file in the place
 * of its equal. */
bool damage_changes(const struct damage_image *image, const struct damage_image *other,
	const struct damage *damage);

/* damage_image_write(), then the damage. */
void damage_write(const struct damage_image *image, const struct damage_image *other,
	const struct damage *damage, const char *path);

/* One line for people: "000004.sst: byte 17 xor 80". Returns `text`. */
const char *damage_describe(
	const struct damage_image *image, const struct damage *damage, char *text, size_t size);

#endif
