/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of a repair:
 *
 *	1. check; files under each other's names get their own ones; refuse when the user has to decide first: until here nothing else is changed
 *	2. what is kept of damaged tables, and of a log that cannot be replayed, is written into new tables
 *	3. the files that are given up are linked into lost+found
 *	4. FORMAT, if need be; then the new MANIFEST: from here on the store is another one
 *	5. the files that are given up leave the directory
 *	6. check again
 *
 * Ended before 4, the store is as it was, with files more that nothing names; ended after it, some of these are left. A second repair finds both.
 */
#include "engine/repair.h"

#include "engine/identity.h"

#include <inttypes.h>
#include <stdlib.h>

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "no memory to repair the store");
}

/* ---- the new MANIFEST ---- */

static kv_status copy_ranges(struct repair *repair)
{
	const struct manifest *manifest = &repair->check.manifest;
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < manifest->range_count; i++)
		status = manifest_add_range(&repair->next, manifest->ranges[i].sequence,
			buf_slice(&manifest->ranges[i].start), buf_slice(&manifest->ranges[i].end));
	return status;
}

/* The segments as they are, without the part of the history that is damaged. */
static kv_status copy_log(struct repair *repair)
{
	const struct manifest *manifest = &repair->check.manifest;
	size_t bad = manifest->history_count - repair->check.history_good;
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < manifest->wal_count; i++)
		status = manifest_add_wal(&repair->next, manifest->wal_numbers[i]);
	for (size_t i = bad; status == KV_OK && i < manifest->history_count; i++)
		status = manifest_add_history(&repair->next, manifest->history[i]);
	if (bad > 0)
		check_say(&repair->check, FSCK_LOST, "", "%zu segments of the change feed's history: it begins after them", bad);
	return status;
}

/* The log's table is the newest of all. */
static kv_status make_log_table(struct repair *repair, struct kv_error *err)
{
	struct compact_result result = { 0 };
	kv_status status = repair_log(repair, repair->check.manifest.last_sequence, false, &result,
		&repair->next.last_sequence, err);

	for (size_t i = 0; status == KV_OK && i < result.table_count; i++)
		if (manifest_add_table(&repair->next, 0, &result.tables[i]) != KV_OK)
			status = no_memory(err);
	compact_result_free(&result);
	return status;
}

static kv_status mend(struct repair *repair, struct kv_error *err)
{
	kv_status status = KV_OK;

	repair->next.last_sequence = repair->check.manifest.last_sequence;
	if (copy_ranges(repair) != KV_OK)
		return no_memory(err);
	if (repair->check.log_bad)
		status = make_log_table(repair, err);
	else if (copy_log(repair) != KV_OK)
		status = no_memory(err);
	return status == KV_OK ? repair_tables(repair, err) : status;
}

/* ---- into force ---- */

static kv_status rescue_named(struct repair *repair, enum check_state state, const char *name, struct kv_error *err)
{
	return state == CHECK_DAMAGED ? repair_rescue(repair, name, err) : KV_OK;
}

static kv_status put_into_force(struct repair *repair, struct kv_error *err)
{
	struct check *check = &repair->check;
	kv_status status = rescue_named(repair, check->format_state, "FORMAT", err);

	if (status == KV_OK)
		status = rescue_named(repair, check->manifest_state, "MANIFEST", err);
	if (status == KV_OK)
		status = repair_link(repair, err);
	if (status == KV_OK && check->format_state != CHECK_GOOD) {
		status = identity_write(&check->dir, &check->id, err);
		if (status == KV_OK)
			check_say(check, FSCK_DONE, "FORMAT", "written anew");
	}
	repair->next.generation = check->manifest.generation + 1;
	repair->next.next_file_number = repair->next_file_number;
	if (status == KV_OK)
		status = manifest_write(&check->dir, &check->id, &repair->next, err);
	if (status == KV_OK)
		check_say(check, FSCK_DONE, "MANIFEST", "written anew");
	return status;
}

/* The tables of a repair that failed before they were in force. */
static void remove_made(struct repair *repair)
{
	char name[FILENAME_MAX_BYTES];

	for (size_t i = 0; i < repair->made_count; i++)
		dir_unlink(&repair->check.dir, filename_make(name, FILENAME_TABLE, repair->made[i]), NULL);
}

static kv_status run(struct repair *repair, struct kv_error *err)
{
	struct check *check = &repair->check;
	kv_status status;

	repair->next_file_number = check->number_max + 1;
	if (repair->next_file_number < check->manifest.next_file_number)
		repair->next_file_number = check->manifest.next_file_number;
	status = check->manifest_state == CHECK_GOOD ? mend(repair, err) : repair_rebuild(repair, err);
	if (status == KV_OK)
		status = repair_rescue_rest(repair, err);
	if (status == KV_OK)
		status = put_into_force(repair, err);
	if (status != KV_OK) {
		if (status != KV_UNCERTAIN)
			remove_made(repair);
		return status;
	}
	status = repair_unlink(repair, err);
	return status == KV_OK ? repair_blob_headers(repair, err) : status;
}

static kv_status refuse(const struct check *check, struct kv_error *err)
{
	return kv_error_set(err, KV_INVALID,
		"%s: keys may get an older value, or deleted ones come back; nothing was changed: kvfsck --repair --accept-stale does it all the same",
		check->manifest_state != CHECK_GOOD ? "without MANIFEST nobody knows what is in force" :
						      "it is not known of which keys operations of the log are lost");
}

static void nobody(void *arg, const struct fsck_finding *finding)
{
	(void)arg;
	(void)finding;
}

/* The lock is held. */
static kv_status check_again(struct repair *repair, struct kv_error *err)
{
	struct check again = { .dir = repair->check.dir, .lock = { .fd = -1 }, .sink = { .tell = nobody } };
	kv_status status = check_list(&again, err);

	if (status == KV_OK)
		status = check_run(&again, err);
	if (status == KV_OK && again.report.damages > 0)
		status = kv_error_corrupt(err, "", 0, "there is still damage after the repair: check again");
	again.dir = (struct dir){ .fd = -1 };
	check_close(&again);
	return status;
}

static kv_status look(struct repair *repair, struct kv_error *err)
{
	bool moved = false;
	kv_status status = check_run(&repair->check, err);

	if (status == KV_OK && repair->check.report.damages > 0)
		status = repair_places(repair, &moved, err);
	if (status == KV_OK && moved)
		status = check_begin_again(&repair->check, err);
	return status == KV_OK && moved ? check_run(&repair->check, err) : status;
}

kv_status engine_repair(const struct fs *fs, const char *path, bool accept_stale, const struct fsck_sink *sink,
	struct fsck_report *ret, struct kv_error *err)
{
	struct repair repair = { .accept_stale = accept_stale };
	struct check *check = &repair.check;
	struct kv_error own = { 0 };
	kv_status status;

	err = err ? err : &own; /* findings are made of it */
	status = check_open(fs, path, true, sink, check, err);
	if (status == KV_OK)
		status = look(&repair, err);
	if (status == KV_OK && check->report.needs_stale && !accept_stale)
		status = refuse(check, err);
	if (status == KV_OK && check->report.damages > 0) {
		status = run(&repair, err);
		if (status == KV_OK)
			status = check_again(&repair, err);
	}
	if (status == KV_OK)
		*ret = check->report;
	manifest_free(&repair.next);
	key_ranges_free(&repair.lost);
	free(repair.rescued);
	free(repair.made);
	check_close(check);
	return status;
}
