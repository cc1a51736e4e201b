/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a start does with the blob files that it finds, once it knows which are needed: orphans of a crash are removed (uploads that were
 * never committed, files whose last pointer was gone). A needed file that is missing, or cut where the log tells its size, is told at once, by its name; it costs
 * the keys that point to it, when they are read.
 */
#include "engine/blob_format.h"
#include "engine/engine_internal.h"
#include "engine/filename.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TOLD_MAX = 20 }; /* each by its name */

struct sweep {
	struct engine *engine;
	bool keep_all;
	uint64_t errors;
	uint64_t damaged; /* cut or missing */
	uint64_t missing[TOLD_MAX];
};

static kv_status size_of(struct engine *engine, const char *name, uint64_t *ret_bytes, struct kv_error *err)
{
	struct file file;
	kv_status status = file_open(&engine->dir, name, FILE_READ, &file, err);

	*ret_bytes = 0;
	if (status != KV_OK)
		return status;
	status = file_size(&file, ret_bytes, err);
	file_close(&file);
	return status;
}

static void tell_bad(struct sweep *sweep, const char *name, kv_status looked, const struct kv_error *err, uint64_t bytes,
	uint64_t expected)
{
	struct engine *engine = sweep->engine;
	char text[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];

	if (++sweep->damaged > TOLD_MAX)
		return;
	if (looked == KV_OK)
		health_event(&engine->health, LOG_LEVEL_ERROR,
			"%s/%s: %" PRIu64 " bytes long instead of %" PRIu64 ": a large value is damaged",
			engine->dir.path, name, bytes, expected);
	else
		health_event(&engine->health, LOG_LEVEL_ERROR, "the file of a large value cannot be looked at: %s",
			kv_error_format(err, text, sizeof text));
}

static int sweep_one(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	struct engine *engine = sweep->engine;
	uint64_t number, bytes, expected;
	struct kv_error err = { 0 };
	kv_status looked;

	if (filename_parse(name, &number) != FILENAME_BLOB)
		return 0;
	looked = size_of(engine, name, &bytes, &err);
	if (blob_set_found(engine->blobs, number, bytes, &expected)) {
		if (looked != KV_OK || bytes != expected)
			tell_bad(sweep, name, looked, &err, bytes, expected);
		return 0;
	}
	if (!sweep->keep_all && dir_unlink(&engine->dir, name, NULL) != KV_OK)
		sweep->errors++;
	return 0;
}

static void note_missing(void *arg, uint64_t number)
{
	struct sweep *sweep = arg;

	if (sweep->damaged < TOLD_MAX)
		sweep->missing[sweep->damaged] = number;
	sweep->damaged++;
}

static void tell_missing(struct sweep *sweep)
{
	struct engine *engine = sweep->engine;
	uint64_t first = sweep->damaged;
	char name[FILENAME_MAX_BYTES];

	blob_set_each_missing(engine->blobs, note_missing, sweep);
	for (uint64_t i = first; i < sweep->damaged && i < TOLD_MAX; i++)
		health_event(&engine->health, LOG_LEVEL_ERROR, "%s/%s: the file of a large value is missing",
			engine->dir.path, filename_make(name, FILENAME_BLOB, sweep->missing[i]));
	if (sweep->damaged > TOLD_MAX)
		health_event(&engine->health, LOG_LEVEL_ERROR,
			"%" PRIu64 " large values in all are missing, cut or cannot be looked at", sweep->damaged);
}

uint64_t blob_sweep(struct engine *engine)
{
	struct sweep sweep = { .engine = engine, .keep_all = blob_set_keeps_all(engine->blobs) };

	if (dir_list(&engine->dir, sweep_one, &sweep, NULL) != KV_OK)
		return sweep.errors + 1; /* what was not seen is not missing */
	tell_missing(&sweep);
	return sweep.errors;
}
