/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A consistent copy: memory is flushed, then the tables of one view, with the large values that they point to, are linked into a new directory together with a
 * MANIFEST that names just them. The view keeps the files; the MANIFEST is written last, so that an
 * interrupted copy is no store. A copy that fails is removed.
 *
 * Both stores may go on, so the copy passes over the sequences that this one will give out: a position in the change feed or an ETag
 * that a client got here after the copy was made is unknown there, and never means another write.
 */
#include "engine/engine_internal.h"
#include "engine/file_error.h"
#include "engine/filename.h"
#include "engine/identity.h"

#include <errno.h>

struct blob_links {
	const struct dir *from, *to;
	struct kv_error *err;
	kv_status status;
};

/* A file of a live table is there, or it is damage. */
static kv_status link_file(const struct dir *from, const char *name, const struct dir *to, struct kv_error *err)
{
	kv_status status = dir_link(from, name, to, name, err);

	if (status != KV_NOT_FOUND || dir_has(from, name))
		return status;
	return file_error(err, KV_CORRUPT, from->path, name, 0, "a file that the store needs is missing");
}

/* Several tables may point to the same file. */
static void link_blob(void *arg, uint64_t number)
{
	struct blob_links *links = arg;
	char name[FILENAME_MAX_BYTES];

	filename_make(name, FILENAME_BLOB, number);
	if (links->status == KV_OK && !dir_has(links->to, name))
		links->status = link_file(links->from, name, links->to, links->err);
}

static kv_status link_table(struct engine *engine, const struct table *table, const struct dir *to,
	struct kv_error *err)
{
	struct blob_links links = { .from = &engine->dir, .to = to, .err = err };
	char name[FILENAME_MAX_BYTES];
	kv_status status;

	filename_make(name, FILENAME_TABLE, table_meta(table)->number);
	status = link_file(&engine->dir, name, to, err);
	if (status != KV_OK)
		return status;
	table_each_blob(table, link_blob, &links);
	return links.status;
}

static int link_if_blob(void *arg, const char *name)
{
	struct blob_links *links = arg;
	uint64_t number;

	if (filename_parse(name, &number) == FILENAME_BLOB)
		link_blob(links, number);
	return 0;
}

/* Where a table could not be read at the start, nobody knows what it needs; none is removed then, so all are there. The copy sweeps
 * what is too many. */
static kv_status link_all_blobs(struct engine *engine, const struct dir *to, struct kv_error *err)
{
	struct blob_links links = { .from = &engine->dir, .to = to, .err = err };
	kv_status status = dir_list(&engine->dir, link_if_blob, &links, err);

	return links.status != KV_OK ? links.status : status;
}

static kv_status link_tables(struct engine *engine, const struct view *view, const struct dir *to,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; status == KV_OK && i < view->levels[n]->count; i++)
			status = link_table(engine, view->levels[n]->tables[i], to, err);
	if (status == KV_OK && blob_set_keeps_all(engine->blobs))
		status = link_all_blobs(engine, to, err);
	if (status == KV_OK)
		status = identity_write(to, &engine->id, err); /* not a link to what may have been damaged since the start */
	return status == KV_OK ? dir_sync(to, err) : status;
}

/* The view keeps its files; it and the sequence must belong together. */
static kv_status describe(struct engine *engine, struct view **ret_view, struct manifest *ret, struct kv_error *err)
{
	struct catalog *catalog = &engine->catalog;
	kv_status status;

	pthread_mutex_lock(&catalog->io_mu);
	*ret_view = views_acquire(&engine->views);
	status = catalog_describe(catalog, (*ret_view)->levels, (*ret_view)->ranges, NULL, 0, ret);
	pthread_mutex_unlock(&catalog->io_mu);
	ret->generation = 1;
	ret->last_sequence = entry_sequence_beyond(ret->last_sequence);
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "out of memory for a checkpoint");
}

/* Fills the new directory. */
static kv_status fill(struct engine *engine, const struct dir *to, struct kv_error *err)
{
	struct manifest manifest = { 0 };
	struct view *view = NULL;
	kv_status status = describe(engine, &view, &manifest, err);

	if (status == KV_OK) {
		status = link_tables(engine, view, to, err);
		if (status == KV_OK)
			status = manifest_write(to, &engine->id, &manifest, err);
		manifest_free(&manifest);
	}
	view_unref(view);
	return status;
}

/* It can only be links that are refused for this. */
static kv_status explain(kv_status status, const char *path, struct kv_error *err)
{
	if (status == KV_OK || !err || err->errnum != EXDEV)
		return status;
	return kv_error_set(err, KV_UNSUPPORTED,
		"'%s' is not on the file system of the data, so it cannot have links to its files", path);
}

kv_status engine_checkpoint(struct engine *engine, const char *path, struct kv_error *err)
{
	struct dir to = { .fd = -1 };
	kv_status status = dir_create(engine->options.fs, path, &to, err);

	if (status != KV_OK)
		return status;
	status = engine_flush(engine, err);
	if (status == KV_OK)
		status = fill(engine, &to, err);
	if (status == KV_OK)
		dir_close(&to);
	else
		dir_discard(&to);
	return explain(status, path, err);
}
