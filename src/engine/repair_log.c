/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log that cannot be replayed becomes a table of level 0: what replay would have had in memory. Its range deletes go to MANIFEST. As it is
 * read into memory, it needs as much of that as the log has operations.
 */
#include "engine/memtable.h"
#include "engine/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct replayed {
	struct repair *repair;
	struct memtable *memtable;
	uint64_t last_sequence; /* up to here only range deletes are taken */
};

static void fault(void *arg, const char *name, uint64_t offset, const char *what)
{
	(void)arg; /* the check has told it */
	(void)name;
	(void)offset;
	(void)what;
}

static void torn(void *arg, const char *name, uint64_t offset, uint64_t bytes)
{
	struct replayed *replayed = arg;

	check_say(&replayed->repair->check, FSCK_DONE, name,
		"%" PRIu64 " bytes of an incomplete group at offset %" PRIu64 " are left out", bytes, offset);
}

static void unsynced(void *arg, const char *name, uint64_t offset, uint64_t end)
{
	struct replayed *replayed = arg;

	check_say(&replayed->repair->check, FSCK_DONE, name, "what came behind offset %" PRIu64
		" (it went on to %" PRIu64 ") had not been asked to be durable, and is left out", offset, end);
}

static void lost(void *arg, uint64_t first, uint64_t end)
{
	struct replayed *replayed = arg;
	char text[160];
	struct fsck_finding finding = { .kind = FSCK_LOST, .file = "", .what = text, .scope = FSCK_SCOPE_ANY };

	if (end > 0)
		snprintf(text, sizeof text, "the operations %" PRIu64 " to %" PRIu64, first, end - 1);
	else
		snprintf(text, sizeof text, "operations from %" PRIu64 " on", first);
	check_tell(&replayed->repair->check, &finding);
}

static kv_status operation(void *arg, const struct entry *entry, struct kv_error *err)
{
	struct replayed *replayed = arg;
	kv_status status = KV_OK;

	if (entry->kind == ENTRY_RANGE_DELETE)
		status = manifest_add_range(&replayed->repair->next, entry->sequence, entry->key, entry->value);
	else if (entry->sequence > replayed->last_sequence)
		status = memtable_add(replayed->memtable, entry);
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "no memory for the log's operations");
}

static kv_status write_table(struct repair *repair, struct memtable *memtable, struct compact_result *ret,
	struct kv_error *err)
{
	struct repair_source source = { .repair = repair, .name = "" };
	struct iter *input = memtable_iter(memtable), *kept = input ? repair_iter(&source, input) : NULL;
	kv_status status = kept ? repair_write(repair, kept, UINT64_MAX, ret, err) :
				  kv_error_set(err, KV_NO_MEMORY, "no memory for the log's operations");
	kv_status left;

	iter_close(kept);
	iter_close(input);
	left = repair_leave(&source, err);
	if (status == KV_OK)
		check_say(&repair->check, FSCK_DONE, "", "%" PRIu64 " operations of the log are in a table now",
			source.entries);
	return status == KV_OK ? left : status;
}

static kv_status rescue_segments(struct repair *repair, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < repair->check.file_count; i++)
		if (repair->check.files[i].kind == FILENAME_WAL)
			status = repair_rescue_numbered(repair, FILENAME_WAL, repair->check.files[i].number, err);
	return status;
}

kv_status repair_log(struct repair *repair, uint64_t last_sequence, bool all, struct compact_result *ret_tables,
	uint64_t *ret_last, struct kv_error *err)
{
	struct check *check = &repair->check;
	struct replayed replayed = { .repair = repair, .memtable = memtable_new(1),
		.last_sequence = all && repair->tables_damaged ? 0 : last_sequence };
	struct log_scan log = { .dir = &check->dir, .id = &check->id, .last_sequence = last_sequence, .give_all = all,
		.events = { fault, torn, unsynced, lost, operation, &replayed } };
	uint64_t *found = NULL;
	size_t count = check->manifest.wal_count;
	kv_status status = KV_NO_MEMORY;

	if (all)
		found = check_all_segments(check, &count);
	if (replayed.memtable && (found || !all))
		status = log_scan_run(&log, all ? found : check->manifest.wal_numbers, count, err);
	else
		kv_error_set(err, status, "no memory for the log's operations");
	if (status == KV_OK)
		status = write_table(repair, replayed.memtable, ret_tables, err);
	if (status == KV_OK)
		status = rescue_segments(repair, err);
	if (status == KV_OK)
		check_say(check, FSCK_LOST, "", "the change feed's history: it begins after the repair");
	if (status == KV_OK) {
		*ret_last = log.next_sequence > last_sequence + 1 ? log.next_sequence - 1 : last_sequence;
		if (log.lost || all)
			*ret_last = entry_sequence_beyond(*ret_last);
	}
	memtable_unref(replayed.memtable);
	free(found);
	return status;
}
