/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large values on their way in. The file is written as the value comes, its pointer goes into a batch, and before that is committed
 * blob_sync.c makes the file durable.
 *
 * The upload's reference on its file is given up with it: a batch that was committed has left another one in the memtable; of any
 * other nobody will ever ask for the file, so it is removed. Only where it is not known whether the pointer got into the log does the file
 * stay, for the next start to decide.
 */
#include "engine/engine_upload.h"

#include "engine/blob_format.h"
#include "engine/blob_writer.h"
#include "engine/engine_internal.h"
#include "engine/filename.h"

#include <stdlib.h>

struct engine_upload {
	struct engine *engine; /* constant */
	uint64_t number;       /* constant */
	struct engine_upload *next; /* of the same write */
	struct blob_writer *writer; /* NULL: synced */
	struct blob_pointer pointer; /* number 0: not finished */
	uint64_t bytes;
	bool failed; /* its sync has: it is never committed */
	bool keep;   /* the file, whatever comes */
};

/* On a full disk it would take what the deletes are to have, only to be refused at its end; and where the store has failed, nobody would remove its file. */
kv_status engine_upload_new(struct engine *engine, struct engine_upload **ret, struct kv_error *err)
{
	struct engine_upload *upload;
	kv_status status = health_write_status(&engine->health);

	if (status != KV_OK)
		return status == KV_NO_SPACE ? kv_error_set(err, status, "there is no space for a large value") : status;
	upload = calloc(1, sizeof *upload);
	if (!upload)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	upload->engine = engine;
	upload->number = catalog_new_file_number(&engine->catalog);
	status = blob_set_ref(engine->blobs, upload->number, 0);
	if (status != KV_OK) {
		free(upload);
		return kv_error_set(err, status, "out of memory for a large value");
	}
	status = blob_writer_new(&engine->dir, &engine->id, upload->number, &upload->writer, err);
	if (status != KV_OK) {
		engine_upload_free(upload);
		return status;
	}
	*ret = upload;
	return KV_OK;
}

struct engine_upload *engine_upload_free(struct engine_upload *upload)
{
	if (!upload)
		return NULL;
	blob_writer_close(upload->writer);
	if (!upload->keep)
		blob_set_unref(upload->engine->blobs, upload->number);
	free(upload);
	return NULL;
}

kv_status engine_upload_append(struct engine_upload *upload, struct slice bytes, struct kv_error *err)
{
	if (bytes.len > ENTRY_VALUE_MAX - upload->bytes)
		return kv_error_set(err, KV_INVALID, "the value is longer than a value may be");
	upload->bytes += bytes.len;
	return blob_writer_append(upload->writer, bytes, err);
}

void engine_write_keep_error(struct engine_write *write, const struct kv_error *err)
{
	if (!write->error)
		write->error = malloc(sizeof *write->error);
	if (write->error)
		*write->error = *err;
}

/* Again when the batch did not take it. */
static kv_status finish(struct engine_upload *upload, struct kv_error *err)
{
	kv_status status;

	if (upload->pointer.number != 0)
		return KV_OK;
	status = blob_writer_finish(upload->writer, &upload->pointer, err);
	if (status == KV_OK)
		blob_set_set_bytes(upload->engine->blobs, upload->number, blob_file_bytes(upload->bytes));
	return status;
}

kv_status engine_write_put_upload(struct engine_write *write, struct slice key, struct engine_upload *upload,
	uint64_t expires_unix_ms)
{
	struct kv_error err = { 0 };
	kv_status status = finish(upload, &err);

	if (status == KV_IO)
		engine_write_keep_error(write, &err);
	if (status == KV_OK)
		status = batch_put_blob(&write->batch, key, &upload->pointer, expires_unix_ms);
	if (status != KV_OK)
		return status;
	upload->next = write->uploads;
	write->uploads = upload;
	return KV_OK;
}

void engine_write_free_uploads(struct engine_write *write)
{
	while (write->uploads) {
		struct engine_upload *next = write->uploads->next;

		engine_upload_free(write->uploads);
		write->uploads = next;
	}
}

/* ---- for the commit ---- */

kv_status engine_upload_sync_all(struct engine_write *write, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (struct engine_upload *upload = write->uploads; status == KV_OK && upload; upload = upload->next) {
		if (upload->failed)
			return kv_error_set(err, KV_IO, "writing this large value has failed before");
		if (!upload->writer)
			continue;
		status = blob_writer_sync(upload->writer, err);
		upload->writer = blob_writer_close(upload->writer);
		upload->failed = status != KV_OK;
		if (status == KV_OK)
			count_up(&upload->engine->counters.large_bytes_written, upload->bytes);
	}
	return status;
}

uint64_t engine_upload_bytes_all(const struct engine_write *write)
{
	uint64_t bytes = 0;

	for (const struct engine_upload *upload = write->uploads; upload; upload = upload->next)
		bytes += upload->bytes;
	return bytes;
}

void engine_upload_keep_all(struct engine_write *write)
{
	for (struct engine_upload *upload = write->uploads; upload; upload = upload->next)
		upload->keep = true;
}
