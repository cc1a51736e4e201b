/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference that tables are compared with: a sorted array of entries, made at random, and the plain answers to what one
 * can ask a table.
 */
#ifndef KV_SUPPORT_SST_MODEL_H
#define KV_SUPPORT_SST_MODEL_H

#include "engine/iter.h"
#include "engine/sst_writer.h"

struct sst_model {
	struct entry *entries; /* in order; keys and values are malloc'ed */
	size_t count;
};

struct sst_model_shape {
	size_t entries;        /* tried; equal positions fall together */
	size_t keys;           /* different keys about; fewer than entries: several versions of each */
	size_t key_bytes_max;
	size_t value_bytes_max;
	bool blobs;            /* some entries point to blob files */
};

extern const struct store_id sst_model_id;

/* Keys are full of 00, 80 and FF, and prefixes of one another. */
struct sst_model sst_model_new(struct sst_model_shape shape, uint64_t *random);
/* One entry of one's own; the model is sorted again by sst_model_sort(). */
void sst_model_add(struct sst_model *model, struct slice key, uint64_t sequence, enum entry_kind kind,
	uint64_t expires_unix_ms, struct slice value);
void sst_model_sort(struct sst_model *model);
void sst_model_free(struct sst_model *model);

/* The first entry at or after the position; count when there is none. */
size_t sst_model_seek(const struct sst_model *model, struct slice key, uint64_t sequence);

bool sst_model_same(const struct entry *a, const struct entry *b);

/* Writes all of it as table `number`; the test fails when that fails. */
struct sst_meta sst_model_write(const struct sst_model *model, const struct dir *dir, uint64_t number,
	const struct sst_options *options);

/* Compares an iterator with the array: whole walks both ways, then `moves` random moves. */
void sst_model_check_iter(const struct sst_model *model, struct iter *iter, size_t moves,
	uint64_t *random);

#endif
