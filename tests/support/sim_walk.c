/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk as a power cut leaves it. A walk keeps what is durable at its point, and which events are still pending: those of names in one list,
 * those of each file's bytes in another. A sync takes what it covers from the pending to the durable. A cut goes through what is
 * pending, in its order, and decides of each what became of it.
 */
#include "support/sim_disk_internal.h"

#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Events of the journal that no sync has covered. */
struct pending {
	size_t *events;
	size_t count;
};

struct sim_walk {
	const struct sim_disk *disk; /* borrowed */
	size_t at;                   /* the next event */
	struct sim_inodes durable;
	struct pending names;
	struct pending *bytes; /* of each inode */
	bool *lost;            /* of each event: a failed sync has dropped it */
};

/* What is decided once for a cut. */
struct cut {
	enum sim_loss loss;
	uint64_t *random;
	uint64_t chance; /* out of 256 that something survives */
	size_t first_lost; /* of SIM_LOSE_LATEST: the event that was under way */
	bool garbage;    /* in the place of zeros */
};

static const struct sim_event *event_at(const struct sim_walk *w, size_t i)
{
	return &w->disk->journal.list[i];
}

static void add(struct pending *pending, size_t event)
{
	pending->events = reallocarray(pending->events, pending->count + 1, sizeof *pending->events);
	sim_must(pending->events != NULL, "out of memory");
	pending->events[pending->count++] = event;
}

struct sim_walk *sim_walk_new(struct sim_disk *disk)
{
	struct sim_walk *w = calloc(1, sizeof *w);

	sim_must(w != NULL, "out of memory");
	w->disk = disk;
	sim_inodes_copy(&w->durable, &disk->base);
	w->bytes = calloc(disk->inodes.count, sizeof *w->bytes);
	w->lost = calloc(disk->journal.count + 1, sizeof *w->lost);
	sim_must(w->bytes && w->lost, "out of memory");
	return w;
}

struct sim_walk *sim_walk_free(struct sim_walk *walk)
{
	if (!walk)
		return NULL;
	for (size_t i = 0; i < walk->disk->inodes.count; i++)
		free(walk->bytes[i].events);
	free(walk->bytes);
	free(walk->names.events);
	free(walk->lost);
	sim_inodes_free(&walk->durable);
	free(walk);
	return NULL;
}

size_t sim_walk_length(const struct sim_walk *walk)
{
	return walk->disk->journal.count;
}

/* ---- syncs ----
 * What a failed sync has dropped may still be found after a cut, until a later sync: then what is durable by that would be written over. */

static void make_durable(struct sim_inode *file, const struct sim_event *event)
{
	if (event->kind == SIM_RESIZE)
		sim_bytes_resize(&file->content, event->offset);
	else
		sim_bytes_write(&file->content, event->bytes, event->len, event->offset);
}

static void sync_bytes(struct sim_walk *w, int inode)
{
	struct pending *pending = &w->bytes[inode];

	for (size_t i = 0; i < pending->count; i++)
		if (!w->lost[pending->events[i]])
			make_durable(&w->durable.list[inode], event_at(w, pending->events[i]));
	pending->count = 0;
}

static void apply_name(struct sim_inodes *inodes, const struct sim_event *event)
{
	struct sim_names *from = &inodes->list[event->from.dir].names;

	if (event->kind == SIM_BIND) {
		sim_names_set(from, event->from.name, event->inode);
		return;
	}
	/* the name may be another file's by now, if not everything before survived */
	if (sim_names_find(from, event->from.name) == event->inode)
		sim_names_set(from, event->from.name, SIM_NONE);
	if (event->kind == SIM_RENAME)
		sim_names_set(&inodes->list[event->to.dir].names, event->to.name, event->inode);
}

/* A rename to another directory would need the syncs of both; that of one covers nothing here, which is harsher than need be. */
static bool is_covered(const struct sim_event *event, int dir)
{
	return event->from.dir == dir && (event->kind != SIM_RENAME || event->to.dir == dir);
}

static void sync_names(struct sim_walk *w, int dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->names.count; i++) {
		const struct sim_event *event = event_at(w, w->names.events[i]);

		if (!is_covered(event, dir))
			w->names.events[kept++] = w->names.events[i];
		else if (!w->lost[w->names.events[i]])
			apply_name(&w->durable, event);
	}
	w->names.count = kept;
}

static void lose(struct sim_walk *w, int inode)
{
	for (size_t i = 0; i < w->bytes[inode].count; i++)
		w->lost[w->bytes[inode].events[i]] = true;
	for (size_t i = 0; w->disk->loses_names && i < w->names.count; i++)
		if (is_covered(event_at(w, w->names.events[i]), inode))
			w->lost[w->names.events[i]] = true;
}

bool sim_walk_next(struct sim_walk *w, struct sim_step *ret)
{
	const struct sim_event *event;
	size_t at = w->at;

	if (at == w->disk->journal.count)
		return false;
	event = event_at(w, at);
	w->at++;
	*ret = (struct sim_step){ 0 };
	switch (event->kind) {
	case SIM_MARK:
		*ret = (struct sim_step){ .is_mark = true, .kind = event->inode, .value = event->offset };
		break;
	case SIM_NEW:
		sim_inodes_add(&w->durable, event->is_dir);
		break;
	case SIM_WRITE:
	case SIM_RESIZE:
		add(&w->bytes[event->inode], at);
		break;
	case SIM_BIND:
	case SIM_UNBIND:
	case SIM_RENAME:
		add(&w->names, at);
		break;
	case SIM_SYNC:
		if (w->durable.list[event->inode].is_dir)
			sync_names(w, event->inode);
		else
			sync_bytes(w, event->inode);
		break;
	case SIM_LOST_SYNC:
		lose(w, event->inode);
		break;
	}
	return true;
}

/* ---- cuts ---- */

static uint64_t below(const struct cut *cut, uint64_t n)
{
	return (runner_random(cut->random) >> 20) % n;
}

static bool by_chance(const struct cut *cut)
{
	return below(cut, 256) < cut->chance;
}

/* An operation as a whole; of a write its sectors may still be asked for one by one. */
static bool survives(const struct cut *cut, size_t event)
{
	switch (cut->loss) {
	case SIM_LOSE_NONE:
		return true;
	case SIM_LOSE_LATEST:
		return event < cut->first_lost;
	case SIM_LOSE_WRITES:
	case SIM_LOSE_ANY:
		return by_chance(cut);
	default:
		return false;
	}
}

static void grow(const struct cut *cut, struct sim_bytes *bytes, uint64_t size)
{
	size_t old = bytes->size;

	if (size <= old)
		return;
	sim_bytes_resize(bytes, size);
	for (size_t i = old; cut->garbage && i < size; i++)
		bytes->data[i] = (uint8_t)runner_random(cut->random);
}

static void cut_resize(const struct cut *cut, struct sim_bytes *bytes, size_t at, const struct sim_event *event)
{
	if (survives(cut, at))
		sim_bytes_resize(bytes, event->offset); /* zeros, since no data was to come */
}

/* The part of the write that lies in the sector of `offset`. */
static size_t in_sector(const struct sim_event *event, uint64_t offset)
{
	uint64_t left = event->offset + event->len - offset;
	uint64_t sector = SIM_SECTOR - offset % SIM_SECTOR;

	return (size_t)(left < sector ? left : sector);
}

static bool sector_survives(const struct cut *cut, size_t at, bool whole)
{
	if (cut->loss == SIM_LOSE_ANY || (cut->loss == SIM_LOSE_LATEST && at == cut->first_lost))
		return by_chance(cut);
	return whole;
}

static void cut_write(const struct cut *cut, struct sim_bytes *bytes, size_t at, const struct sim_event *event)
{
	bool whole = survives(cut, at);
	uint64_t end = event->offset + event->len;
	size_t len;

	if (sector_survives(cut, at, whole))
		grow(cut, bytes, end); /* the new size, perhaps without the data */
	for (uint64_t offset = event->offset; offset < end; offset += len) {
		len = in_sector(event, offset);
		if (offset + len > bytes->size || !sector_survives(cut, at, whole))
			continue;
		memcpy(bytes->data + offset, event->bytes + (offset - event->offset), len);
	}
}

static void cut_file(const struct sim_walk *w, const struct cut *cut, int inode, struct sim_bytes *bytes)
{
	const struct pending *pending = &w->bytes[inode];

	for (size_t i = 0; i < pending->count; i++) {
		size_t at = pending->events[i];
		const struct sim_event *event = event_at(w, at);

		if (event->kind == SIM_RESIZE)
			cut_resize(cut, bytes, at, event);
		else
			cut_write(cut, bytes, at, event);
	}
}

static void mark_reachable(const struct sim_inodes *inodes, int inode, bool *reachable)
{
	reachable[inode] = true;
	for (size_t i = 0; i < inodes->list[inode].names.count; i++)
		mark_reachable(inodes, inodes->list[inode].names.list[i].inode, reachable);
}

static struct cut decide(const struct sim_walk *w, enum sim_loss loss, uint64_t *random)
{
	static const uint64_t chances[] = { 16, 128, 240 };
	struct cut cut = { .loss = loss, .random = random };

	cut.chance = chances[below(&cut, 3)];
	cut.garbage = below(&cut, 4) == 0;
	/* mostly something that was still to be done */
	cut.first_lost = w->at - below(&cut, w->at < 20 ? w->at + 1 : 20);
	return cut;
}

struct sim_disk *sim_walk_cut(const struct sim_walk *w, enum sim_loss loss, uint64_t *random)
{
	struct cut cut = decide(w, loss, random);
	struct sim_inodes names = { 0 };
	bool *reachable = calloc(w->durable.count, sizeof *reachable);

	sim_must(reachable != NULL, "out of memory");
	/* the names first: of files without any nothing is left */
	for (size_t i = 0; i < w->durable.count; i++) {
		const struct sim_inode *old = &w->durable.list[i];
		struct sim_inode *new = sim_inodes_add(&names, old->is_dir);

		for (size_t k = 0; k < old->names.count; k++)
			sim_names_set(&new->names, old->names.list[k].name, old->names.list[k].inode);
	}
	for (size_t i = 0; i < w->names.count; i++)
		if (survives(&cut, w->names.events[i]))
			apply_name(&names, event_at(w, w->names.events[i]));
	mark_reachable(&names, SIM_ROOT, reachable);
	for (size_t i = 0; i < w->durable.count; i++) {
		const struct sim_bytes *old = &w->durable.list[i].content;
		struct sim_inode *file = &names.list[i];

		if (!reachable[i] || file->is_dir)
			continue;
		sim_bytes_write(&file->content, old->data, old->size, 0);
		cut_file(w, &cut, (int)i, &file->content);
	}
	free(reachable);
	return sim_disk_of(&names);
}

const char *sim_walk_describe(const struct sim_walk *w, char *to, size_t size)
{
	static const char *const names[] = { "write", "resize", "sync", "failed sync", "new inode", "create or link", "remove",
		"rename", "mark" };
	const struct sim_event *event;

	if (w->at == 0) {
		snprintf(to, size, "the begin");
		return to;
	}
	event = event_at(w, w->at - 1);
	snprintf(to, size, "step %zu of %zu: %s, inode %d, %s%s%s, offset %" PRIu64 ", %zu bytes", w->at,
		w->disk->journal.count, names[event->kind], event->inode, event->from.name,
		event->kind == SIM_RENAME ? " to " : "", event->to.name, event->offset, event->len);
	return to;
}
