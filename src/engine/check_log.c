/* SPDX-License-Identifier: BSD-2-Clause */
/* The segments to be replayed, then those kept for the change feed. */
#include "engine/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void fault(void *arg, const char *name, uint64_t offset, const char *what)
{
	struct check *check = arg;
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = name, .has_offset = true, .offset = offset,
		.what = what };

	check->log_bad = true;
	check_tell(check, &finding);
}

static void torn(void *arg, const char *name, uint64_t offset, uint64_t bytes)
{
	char text[160];
	struct fsck_finding finding = { .kind = FSCK_REMARK, .file = name, .has_offset = true, .offset = offset,
		.what = text };

	snprintf(text, sizeof text, "%" PRIu64 " bytes of an incomplete last group; the next start sets them aside",
		bytes);
	check_tell(arg, &finding);
}

static void unsynced(void *arg, const char *name, uint64_t offset, uint64_t end)
{
	char text[200];
	struct fsck_finding finding = { .kind = FSCK_REMARK, .file = name, .has_offset = true, .offset = offset,
		.what = text };

	snprintf(text, sizeof text, "it ends here instead of at %" PRIu64
		": what came behind that had not been asked to be durable, and the next start goes on without", end);
	check_tell(arg, &finding);
}

static void lost(void *arg, uint64_t first, uint64_t end)
{
	struct check *check = arg;
	char text[160];
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = "", .what = text, .scope = FSCK_SCOPE_ANY };

	check->log_bad = check->log_lost = true;
	if (end > 0)
		snprintf(text, sizeof text, "the operations %" PRIu64 " to %" PRIu64 " are lost with the log", first, end - 1);
	else
		snprintf(text, sizeof text, "operations from %" PRIu64 " on may be lost with the log", first);
	check_tell(check, &finding);
}

static kv_status operation(void *arg, const struct entry *entry, struct kv_error *err)
{
	struct check *check = arg;
	bool good;
	kv_status status = check_entry_blob(check, "", entry, &good, err);

	if (status == KV_OK && !good)
		check->log_bad = true;
	check->report.entries++;
	return status;
}

struct log_scan_events check_log_events(struct check *check)
{
	return (struct log_scan_events){ .fault = fault, .torn = torn, .unsynced = unsynced, .lost = lost, .operation = operation,
		.arg = check };
}

uint64_t *check_all_segments(const struct check *check, size_t *ret_count)
{
	uint64_t *numbers = calloc(check->file_count + 1, sizeof *numbers);
	size_t count = 0;

	for (size_t i = 0; numbers && i < check->file_count; i++)
		if (check->files[i].kind == FILENAME_WAL)
			numbers[count++] = check->files[i].number;
	*ret_count = count;
	return numbers;
}

static kv_status check_history(struct check *check, const struct log_scan *log, struct kv_error *err)
{
	struct log_scan history = { .dir = &check->dir, .id = &check->id, .events = log->events };
	bool bad = check->log_bad;
	kv_status status = log_scan_history(&history, check->manifest.history, check->manifest.history_count,
		log->header_sequence, &check->history_good, err);

	check->log_bad = bad; /* nobody needs the history to open the store */
	return status;
}

kv_status check_log(struct check *check, struct kv_error *err)
{
	const struct manifest *manifest = &check->manifest;
	struct log_scan log = { .dir = &check->dir, .id = &check->id, .last_sequence = manifest->last_sequence,
		.events = check_log_events(check) };
	uint64_t *numbers;
	size_t count;
	kv_status status;

	if (check->manifest_state == CHECK_GOOD) {
		status = log_scan_run(&log, manifest->wal_numbers, manifest->wal_count, err);
		if (status == KV_OK)
			status = check_history(check, &log, err);
		check->log_next_sequence = log.next_sequence;
		return status;
	}
	/* what is in tables is not known: no operation is missed before the first that is there */
	numbers = check_all_segments(check, &count);
	if (!numbers)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check the log");
	log.give_all = true;
	log.last_sequence = ENTRY_SEQUENCE_MAX;
	status = log_scan_run(&log, numbers, count, err);
	free(numbers);
	return status;
}
