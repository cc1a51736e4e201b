/* SPDX-License-Identifier: BSD-2-Clause */
/* Large values on their way out: a reader of a blob file, and the reference that keeps the file. */
#include "engine/blob_reader.h"
#include "engine/damage_report.h"

#include <stdlib.h>

struct engine_large {
	struct engine *engine;
	uint64_t number;
	struct blob_reader *reader;
};

kv_status engine_large_open(struct engine *engine, const struct blob_pointer *pointer,
	struct engine_large **ret, struct kv_error *err)
{
	struct engine_large *large = malloc(sizeof *large);
	kv_status status;

	if (!large) {
		engine_large_release(engine, pointer);
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	}
	status = blob_reader_open(&engine->dir, &engine->id, pointer, &large->reader, err);
	if (status != KV_OK) {
		engine_large_release(engine, pointer);
		free(large);
		return status;
	}
	large->engine = engine;
	large->number = pointer->number;
	*ret = large;
	return KV_OK;
}

struct engine_large *engine_large_close(struct engine_large *large)
{
	if (!large)
		return NULL;
	blob_reader_close(large->reader);
	blob_set_unref(large->engine->blobs, large->number);
	free(large);
	return NULL;
}

kv_status engine_large_read(struct engine_large *large, uint64_t offset, void *to, size_t len,
	struct kv_error *err)
{
	kv_status status = blob_reader_read(large->reader, offset, to, len, err);

	if (status == KV_CORRUPT && err)
		damage_report_error(large->engine, err);
	return status;
}

kv_status engine_large_hold(struct engine *engine, const struct entry *entry, struct blob_pointer *ret,
	struct kv_error *err)
{
	struct blob_pointer pointer;
	kv_status status;

	if (!blob_pointer_decode(entry->value, &pointer))
		return kv_error_set(err, KV_CORRUPT, "the pointer to a large value is damaged");
	status = blob_set_ref(engine->blobs, pointer.number, 0);
	if (status != KV_OK)
		return kv_error_set(err, status, "out of memory for a large value");
	*ret = pointer;
	return KV_OK;
}

void engine_large_release(struct engine *engine, const struct blob_pointer *pointer)
{
	blob_set_unref(engine->blobs, pointer->number);
}
