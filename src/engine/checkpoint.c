/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A consistent copy: memory is flushed, then the tables of one view are linked into a new directory together with a
 * MANIFEST that names just them. The view keeps the files; the MANIFEST is written last, so that an
 * interrupted copy is no store.
 */
#include "engine/engine_internal.h"
#include "engine/filename.h"

static kv_status link_tables(struct engine *engine, const struct view *view, const struct dir *to,
	struct kv_error *err)
{
	kv_status status = KV_OK;
	char name[FILENAME_MAX_BYTES];

	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; status == KV_OK && i < view->levels[n]->count; i++) {
			filename_make(name, FILENAME_TABLE,
				table_meta(view->levels[n]->tables[i])->number);
			status = dir_link(&engine->dir, name, to, name, err);
		}
	if (status == KV_OK)
		status = dir_link(&engine->dir, "FORMAT", to, "FORMAT", err);
	return status == KV_OK ? dir_sync(to, err) : status;
}

static kv_status refuse_existing(struct engine *engine, const char *path, struct kv_error *err)
{
	struct dir existing;
	kv_status status = dir_open(engine->options.fs, path, false, &existing, err);

	if (status == KV_OK) {
		dir_close(&existing);
		return kv_error_set(err, KV_INVALID, "'%s' exists already", path);
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

kv_status engine_checkpoint(struct engine *engine, const char *path, struct kv_error *err)
{
	struct catalog *catalog = &engine->catalog;
	struct dir to = { .fd = -1 };
	struct manifest manifest;
	struct view *view;
	kv_status status = refuse_existing(engine, path, err);

	if (status == KV_OK)
		status = engine_flush(engine, err);
	if (status == KV_OK)
		status = dir_open(engine->options.fs, path, true, &to, err);
	if (status != KV_OK)
		return status;
	/* view and sequence must belong together */
	pthread_mutex_lock(&catalog->io_mu);
	view = views_acquire(&engine->views);
	status = catalog_describe(catalog, view->levels, NULL, 0, &manifest);
	pthread_mutex_unlock(&catalog->io_mu);
	if (status != KV_OK) {
		kv_error_set(err, status, "out of memory for a checkpoint");
		goto out;
	}
	manifest.generation = 1;
	status = link_tables(engine, view, &to, err);
	if (status == KV_OK)
		status = manifest_write(&to, &engine->id, &manifest, err);
	manifest_free(&manifest);
out:
	view_unref(view);
	dir_close(&to);
	return status;
}
