/* SPDX-License-Identifier: BSD-2-Clause */
/* What a simulated disk consists of: the bytes of files, the names of directories. */
#define _GNU_SOURCE
#include "support/sim_disk_internal.h"

#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void sim_must(bool condition, const char *what)
{
	if (!condition)
		ck_abort_msg("sim_disk: %s", what);
}

/* ---- bytes, names, inodes ---- */

static void reserve(struct sim_bytes *bytes, size_t capacity)
{
	if (capacity <= bytes->capacity)
		return;
	sim_must(!bytes->reserved, "a mapped file has become too large");
	capacity += capacity / 2;
	bytes->data = realloc(bytes->data, capacity);
	sim_must(bytes->data != NULL, "out of memory");
	bytes->capacity = capacity;
}

void sim_bytes_resize(struct sim_bytes *bytes, size_t size)
{
	reserve(bytes, size);
	if (size > bytes->size)
		memset(bytes->data + bytes->size, 0, size - bytes->size);
	bytes->size = size;
}

void sim_bytes_write(struct sim_bytes *bytes, const uint8_t *from, size_t len, uint64_t offset)
{
	if (len == 0)
		return;
	if (offset + len > bytes->size)
		sim_bytes_resize(bytes, offset + len);
	memcpy(bytes->data + offset, from, len);
}

void sim_bytes_free(struct sim_bytes *bytes)
{
	if (bytes->reserved)
		munmap(bytes->data, SIM_RESERVED);
	else
		free(bytes->data);
	*bytes = (struct sim_bytes){ 0 };
}

void sim_bytes_pin(struct sim_bytes *bytes)
{
	struct sim_bytes pinned = { .size = bytes->size, .capacity = SIM_RESERVED, .reserved = true };

	if (bytes->reserved)
		return;
	sim_must(bytes->size <= SIM_RESERVED, "a file is too large to be mapped");
	pinned.data = mmap(NULL, SIM_RESERVED, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sim_must(pinned.data != MAP_FAILED, "out of address space");
	if (bytes->size > 0)
		memcpy(pinned.data, bytes->data, bytes->size);
	sim_bytes_free(bytes);
	*bytes = pinned;
}

static struct sim_name *find_name(const struct sim_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i].name, name) == 0)
			return &names->list[i];
	return NULL;
}

int sim_names_find(const struct sim_names *names, const char *name)
{
	const struct sim_name *found = find_name(names, name);

	return found ? found->inode : SIM_NONE;
}

void sim_names_set(struct sim_names *names, const char *name, int inode)
{
	struct sim_name *found = find_name(names, name);

	if (inode == SIM_NONE) {
		if (found)
			*found = names->list[--names->count];
		return;
	}
	if (!found) {
		names->list = reallocarray(names->list, names->count + 1, sizeof *names->list);
		sim_must(names->list != NULL, "out of memory");
		found = &names->list[names->count++];
		snprintf(found->name, sizeof found->name, "%s", name);
	}
	found->inode = inode;
}

struct sim_inode *sim_inodes_add(struct sim_inodes *inodes, bool is_dir)
{
	inodes->list = reallocarray(inodes->list, inodes->count + 1, sizeof *inodes->list);
	sim_must(inodes->list != NULL, "out of memory");
	inodes->list[inodes->count] = (struct sim_inode){ .is_dir = is_dir, .locked_by = SIM_NONE };
	return &inodes->list[inodes->count++];
}

void sim_inodes_copy(struct sim_inodes *to, const struct sim_inodes *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct sim_inode *old = &from->list[i];
		struct sim_inode *new = sim_inodes_add(to, old->is_dir);

		sim_bytes_write(&new->content, old->content.data, old->content.size, 0);
		for (size_t k = 0; k < old->names.count; k++)
			sim_names_set(&new->names, old->names.list[k].name, old->names.list[k].inode);
	}
}

void sim_inodes_free(struct sim_inodes *inodes)
{
	for (size_t i = 0; i < inodes->count; i++) {
		sim_bytes_free(&inodes->list[i].content);
		free(inodes->list[i].names.list);
		free(inodes->list[i].shadow);
	}
	free(inodes->list);
	*inodes = (struct sim_inodes){ 0 };
}
