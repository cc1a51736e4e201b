/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of a check: what the files are, which of them are in force, log, tables with the large values they point to, and what is left. */
#include "engine/check.h"

#include "engine/identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_tell(struct check *check, const struct fsck_finding *finding)
{
	if (check->quiet)
		return;
	check->report.damages += finding->kind == FSCK_DAMAGE;
	check->report.remarks += finding->kind == FSCK_REMARK;
	check->report.losses += finding->kind == FSCK_LOST;
	check->sink.tell(check->sink.arg, finding);
}

void check_say(struct check *check, enum fsck_kind kind, const char *file, const char *format, ...)
{
	char text[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	struct fsck_finding finding = { .kind = kind, .file = file, .what = text };
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	check_tell(check, &finding);
}

/* A file that is only looked at is not made, and not opened for writing. */
static kv_status take_lock(struct check *check, bool make_lock, struct kv_error *err)
{
	kv_status status;

	if (make_lock)
		return identity_lock(&check->dir, &check->lock, err);
	status = file_open(&check->dir, "LOCK", FILE_READ, &check->lock, err);
	if (status == KV_NOT_FOUND) {
		check_say(check, FSCK_REMARK, "LOCK", "it is missing; the next start makes it");
		return KV_OK;
	}
	if (status == KV_OK)
		status = file_lock(&check->lock, err);
	if (status == KV_BUSY)
		kv_error_set(err, status, "another process has the store '%s' open", check->dir.path);
	return status;
}

kv_status check_open(const struct fs *fs, const char *path, bool make_lock, const struct fsck_sink *sink,
	struct check *check, struct kv_error *err)
{
	kv_status status;

	*check = (struct check){ .dir = { .fd = -1 }, .lock = { .fd = -1 }, .sink = *sink };
	status = dir_open(fs, path, false, &check->dir, err);
	if (status == KV_OK)
		status = check_list(check, err); /* no LOCK is made where there is no store */
	if (status == KV_OK)
		status = take_lock(check, make_lock, err);
	if (status == KV_OK)
		status = check_list(check, err); /* a daemon may have ended in between */
	return status;
}

static void blob_fault(void *arg, const char *name, uint64_t offset, const char *what, bool value)
{
	struct check *check = arg;
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = name, .has_offset = true, .offset = offset,
		.what = what };

	(void)value; /* which keys it costs is told with the entries */
	check_tell(check, &finding);
}

static kv_status check_tables(struct check *check, struct kv_error *err)
{
	const struct manifest *manifest = &check->manifest;
	kv_status status = KV_OK;

	check->table_bad = calloc(manifest->table_count + 1, sizeof *check->table_bad);
	if (!check->table_bad)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check tables");
	for (size_t i = 0; status == KV_OK && i < manifest->table_count; i++) {
		char name[FILENAME_MAX_BYTES];
		struct check_table table;
		uint64_t number = manifest->tables[i].meta.number;

		status = check_one_table(check, filename_make(name, FILENAME_TABLE, number), number,
			&manifest->tables[i].meta, &table, err);
		check->table_bad[i] = status == KV_OK && (table.bad || table.blob_bad);
	}
	return status;
}

/* Without a MANIFEST every table may be one of the store. */
static kv_status check_found_tables(struct check *check, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < check->file_count; i++) {
		char name[FILENAME_MAX_BYTES];
		struct check_table table;

		if (check->files[i].kind == FILENAME_TABLE)
			status = check_one_table(check, filename_make(name, FILENAME_TABLE, check->files[i].number),
				check->files[i].number, NULL, &table, err);
	}
	return status;
}

kv_status check_run(struct check *check, struct kv_error *err)
{
	const struct blob_check_events events = { .fault = blob_fault, .arg = check };
	kv_status status = check_identity(check, err);

	if (status == KV_OK)
		status = check_manifest(check, err);
	if (status != KV_OK)
		return status;
	check->blobs = blob_check_new(&check->dir, &check->id, &events);
	if (!check->blobs)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check large values");
	status = check_log(check, err);
	if (status == KV_OK)
		status = check->manifest_state == CHECK_GOOD ? check_tables(check, err) : check_found_tables(check, err);
	if (status == KV_OK)
		check_leftovers(check);
	check->report.needs_stale = check->manifest_state != CHECK_GOOD || check->log_lost;
	return status;
}

static void forget(struct check *check)
{
	blob_check_free(check->blobs);
	manifest_free(&check->manifest);
	free(check->table_bad);
	free(check->files);
}

kv_status check_begin_again(struct check *check, struct kv_error *err)
{
	struct check fresh = { .dir = check->dir, .lock = check->lock, .sink = check->sink };

	forget(check);
	*check = fresh;
	return check_list(check, err);
}

void check_close(struct check *check)
{
	forget(check);
	file_close(&check->lock);
	dir_close(&check->dir);
}

kv_status engine_check(const struct fs *fs, const char *path, const struct fsck_sink *sink, struct fsck_report *ret,
	struct kv_error *err)
{
	struct check check;
	struct kv_error own = { 0 };
	kv_status status;

	err = err ? err : &own; /* findings are made of it */
	status = check_open(fs, path, false, sink, &check, err);
	if (status == KV_OK)
		status = check_run(&check, err);
	if (status == KV_OK)
		*ret = check.report;
	check_close(&check);
	return status;
}
