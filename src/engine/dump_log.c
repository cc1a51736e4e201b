/* SPDX-License-Identifier: BSD-2-Clause */
/* A segment of the log. It says itself of which store and number it is; without its header, FORMAT beside it and its name do. */
#include "engine/dump.h"

#include "engine/batch.h"
#include "engine/wal_reader.h"

static void print_header(struct dump *dump, const struct wal_header *header, const struct store_id *id)
{
	dump_begin(dump, "log");
	dump_number(dump, "segment", header->number);
	dump_number(dump, "version", WAL_VERSION);
	dump_id(dump, id);
	dump_number(dump, "blocks", header->blocks);
	dump_number(dump, "previous", header->prev_number);
	dump_number(dump, "previous-end", header->prev_end);
	dump_number(dump, "previous-unsynced", header->prev_unsynced);
	dump_number(dump, "first-sequence", header->first_sequence);
	dump_end(dump);
}

static void print_group(struct dump *dump, const struct wal_read_group *group)
{
	struct reader reader = reader_of(group->payload);

	dump_begin(dump, "group");
	dump_number(dump, "offset", group->offset);
	dump_number(dump, "sequence", group->first_sequence);
	dump_number(dump, "operations", group->count);
	dump_number(dump, "bytes", group->payload.len);
	dump_number(dump, "time", group->wall_us);
	dump_number(dump, "synced", group->synced);
	dump_end(dump);
	for (uint32_t i = 0; i < group->count; i++) {
		struct entry entry = { .sequence = group->first_sequence + i };

		if (batch_next(&reader, &entry) != KV_OK)
			return; /* not with a group that the reader gave out */
		dump_entry(dump, &entry);
	}
}

static kv_status print_groups(struct dump *dump, struct wal_reader *reader, struct kv_error *err)
{
	struct wal_read_group group;
	uint64_t end, torn_end;
	kv_status status = KV_OK;

	while (status == KV_OK) {
		status = wal_reader_next(reader, &group, err);
		if (status == KV_OK) {
			print_group(dump, &group);
		} else if (status == KV_CORRUPT) {
			dump_fault(dump, err->offset, err->text);
			status = wal_reader_resume(reader, err);
			if (status == KV_NOT_FOUND)
				return KV_OK;
		}
	}
	if (status != KV_NOT_FOUND)
		return status;
	end = wal_reader_end(reader, &torn_end);
	dump_begin(dump, torn_end > end ? "torn" : "end");
	dump_number(dump, "offset", end);
	if (torn_end > end)
		dump_number(dump, "bytes", torn_end - end);
	dump_end(dump);
	return KV_OK;
}

kv_status dump_log(struct dump *dump, struct kv_error *err)
{
	enum wal_segment_state state;
	struct wal_reader *reader = NULL;
	struct kv_error fault;
	kv_status status = dump_origin(dump, FILENAME_WAL, err);

	if (status == KV_OK && (!dump->has_id || dump->number == 0)) {
		dump_fault(dump, 0, "the header is damaged, and neither the name nor a FORMAT beside the file tells whose it is");
		return KV_OK;
	}
	/* a segment of the history may be shorter than its header says */
	if (status == KV_OK)
		status = wal_reader_open_named(&dump->dir, dump->name, &dump->id, dump->number, true, &reader, &state, &fault,
			err);
	if (status != KV_OK)
		return status;
	if (fault.status != KV_OK)
		dump_fault(dump, fault.offset, fault.text);
	if (state == WAL_SEGMENT_USED)
		print_header(dump, wal_reader_header(reader), &dump->id);
	if (state == WAL_SEGMENT_UNUSED) {
		dump_begin(dump, "unused");
		dump_end(dump);
	} else {
		status = print_groups(dump, reader, err);
	}
	wal_reader_close(reader);
	return status;
}
