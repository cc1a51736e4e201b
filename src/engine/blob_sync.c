/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes with large values wait here until their files are durable, then join the commit queue: in a thread of its own, because a sync of
 * a large file takes long, and no small write is to wait for it.
 *
 * The thread takes all that is queued: it syncs every file, then the directory once. A file whose sync fails costs only its own write, of
 * which nothing is in the log. A directory whose sync fails is the end for the store (see dir_sync()).
 */
#define _GNU_SOURCE
#include "engine/engine_internal.h"
#include "engine/engine_upload.h"

#include <stdlib.h>

static kv_status sync_files(struct engine *engine, struct engine_write *write)
{
	struct kv_error err = { 0 };
	kv_status status = health_write_status(&engine->health);

	if (status != KV_OK)
		return status;
	status = engine_upload_sync_all(write, &err);
	if (status == KV_OK)
		return KV_OK;
	health_event(&engine->health, LOG_LEVEL_ERROR, "a large value cannot be made durable: %s: %s", err.file,
		err.text);
	if (status == KV_NO_SPACE)
		return status;
	err.status = KV_IO;
	engine_write_keep_error(write, &err); /* it is not the store that has failed */
	return KV_IO;
}

static kv_status sync_names(struct engine *engine)
{
	struct kv_error err = { 0 };

	if (dir_sync(&engine->dir, &err) == KV_OK)
		return KV_OK;
	health_report(&engine->health, "the names of large values cannot be made durable", &err);
	return KV_IO;
}

kv_status blob_sync_now(struct engine *engine, struct engine_write *write)
{
	kv_status status = sync_files(engine, write);

	return status == KV_OK ? sync_names(engine) : status;
}

static void sync_list(struct engine *engine, struct engine_write *list)
{
	kv_status names = KV_OK;
	bool any = false;

	for (struct engine_write *write = list; write; write = write->next) {
		write->status = sync_files(engine, write);
		any = any || write->status == KV_OK;
	}
	if (any)
		names = sync_names(engine);
	while (list) {
		struct engine_write *write = list;

		list = list->next;
		if (write->status == KV_OK)
			write->status = names;
		if (write->status == KV_OK)
			commit_enqueue(engine, write);
		else
			write->done(write, write->status);
	}
}

/* ---- the thread ---- */

kv_status blob_sync_submit(struct engine *engine, struct engine_write *write)
{
	struct blob_sync *sync = &engine->blob_sync;
	kv_status status = KV_OK;

	pthread_mutex_lock(&sync->mu);
	if (sync->closed) {
		status = KV_BUSY;
	} else {
		write->next = NULL;
		*sync->tail = write;
		sync->tail = &write->next;
		pthread_cond_signal(&sync->wake);
	}
	pthread_mutex_unlock(&sync->mu);
	return status;
}

static void *blob_sync_thread(void *arg)
{
	struct engine *engine = arg;
	struct blob_sync *sync = &engine->blob_sync;

	pthread_setname_np(pthread_self(), "blob-sync");
	pthread_mutex_lock(&sync->mu);
	for (;;) {
		struct engine_write *list;

		while (!sync->head && !sync->stop)
			pthread_cond_wait(&sync->wake, &sync->mu);
		if (!sync->head)
			break;
		list = sync->head;
		sync->head = NULL;
		sync->tail = &sync->head;
		sync->working = true;
		pthread_mutex_unlock(&sync->mu);

		sync_list(engine, list);

		pthread_mutex_lock(&sync->mu);
		sync->working = false;
		if (!sync->head)
			pthread_cond_broadcast(&sync->idle);
	}
	pthread_mutex_unlock(&sync->mu);
	return NULL;
}

/* ---- life ---- */

kv_status blob_sync_init(struct engine *engine)
{
	struct blob_sync *sync = &engine->blob_sync;

	sync->tail = &sync->head;
	if (pthread_mutex_init(&sync->mu, NULL) != 0 || pthread_cond_init(&sync->wake, NULL) != 0 ||
		pthread_cond_init(&sync->idle, NULL) != 0)
		return KV_NO_MEMORY;
	return KV_OK;
}

kv_status blob_sync_start(struct engine *engine, struct kv_error *err)
{
	int failed = pthread_create(&engine->blob_sync.thread, NULL, blob_sync_thread, engine);

	return failed ? kv_error_errno(err, failed, "", "cannot start the thread for large values") : KV_OK;
}

void blob_sync_drain(struct engine *engine)
{
	struct blob_sync *sync = &engine->blob_sync;

	pthread_mutex_lock(&sync->mu);
	sync->closed = true;
	while (sync->head || sync->working)
		pthread_cond_wait(&sync->idle, &sync->mu);
	pthread_mutex_unlock(&sync->mu);
}

void blob_sync_stop(struct engine *engine)
{
	struct blob_sync *sync = &engine->blob_sync;

	pthread_mutex_lock(&sync->mu);
	sync->closed = true;
	sync->stop = true;
	pthread_cond_signal(&sync->wake);
	pthread_mutex_unlock(&sync->mu);
	pthread_join(sync->thread, NULL);
}

void blob_sync_destroy(struct engine *engine)
{
	struct blob_sync *sync = &engine->blob_sync;

	pthread_mutex_destroy(&sync->mu);
	pthread_cond_destroy(&sync->wake);
	pthread_cond_destroy(&sync->idle);
}
