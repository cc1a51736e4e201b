/* SPDX-License-Identifier: BSD-2-Clause */
/* A segment of the log. What is read follows on from one another, and is the operations that would be written again. */
#include "engine/batch.h"
#include "engine/wal_reader.h"
#include "fuzz/wal_input.h"

static kv_status add(struct batch *batch, const struct entry *entry)
{
	struct blob_pointer pointer;

	switch (entry->kind) {
	case ENTRY_DELETE:
		return batch_delete(batch, entry->key);
	case ENTRY_PUT:
		return batch_put(batch, entry->key, entry->value, entry->expires_unix_ms);
	case ENTRY_RANGE_DELETE:
		return batch_delete_range(batch, entry->key, entry->value);
	case ENTRY_BLOB:
		FUZZ_REQUIRE(blob_pointer_decode(entry->value, &pointer));
		return batch_put_blob(batch, entry->key, &pointer, entry->expires_unix_ms);
	}
	fuzz_failed(__FILE__, __LINE__, "a kind that is known");
}

static void check_payload(const struct wal_read_group *group)
{
	struct reader reader = reader_of(group->payload);
	struct batch again = { 0 };
	struct entry entry = { 0 };
	uint32_t count = 0;
	bool same = true;
	kv_status status;

	while ((status = batch_next(&reader, &entry)) == KV_OK) {
		count++;
		/* what cannot be said again is a delete that expires, and more ranges than a batch takes */
		same = same && add(&again, &entry) == KV_OK &&
			!(entry.kind == ENTRY_DELETE && entry.expires_unix_ms != 0);
	}
	FUZZ_REQUIRE(status == KV_NOT_FOUND);
	FUZZ_REQUIRE(count == group->count);
	if (same)
		FUZZ_REQUIRE(slice_equal(buf_slice(&again.operations), group->payload));
	batch_free(&again);
}

static void read_all(struct wal_reader *reader, const struct wal_input *input)
{
	uint64_t next_sequence = wal_reader_header(reader)->first_sequence, synced = 0, end, torn_end;
	struct wal_read_group group = { 0 };
	kv_status status;

	if (input->end > 0)
		wal_reader_set_end(reader, input->end);
	while ((status = wal_reader_next(reader, &group, NULL)) == KV_OK) {
		FUZZ_REQUIRE(group.first_sequence == next_sequence);
		FUZZ_REQUIRE(group.synced >= synced && group.synced <= group.offset);
		FUZZ_REQUIRE(group.first_sequence + group.count - 1 <= ENTRY_SEQUENCE_MAX);
		check_payload(&group);
		next_sequence += group.count;
		synced = group.synced;
	}
	FUZZ_REQUIRE(status == KV_NOT_FOUND || status == KV_CORRUPT);
	FUZZ_REQUIRE(wal_reader_next(reader, &group, NULL) == status);
	if (status != KV_NOT_FOUND)
		return;
	end = wal_reader_end(reader, &torn_end);
	FUZZ_REQUIRE(end <= torn_end && torn_end <= input->bytes);
	FUZZ_REQUIRE(input->end == 0 || end == input->end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wal_segment_state state = WAL_SEGMENT_UNUSED;
	struct wal_reader *reader = NULL;
	struct wal_input input;
	struct fuzz_dir dir;

	fuzz_dir_open(&dir);
	input = wal_input_put(slice_of(data, size), false, &dir);
	if (wal_reader_open(&dir.dir, &fuzz_store_id, FUZZ_FILE_NUMBER, &reader, &state, NULL) == KV_OK &&
		state == WAL_SEGMENT_USED)
		read_all(reader, &input);
	wal_reader_close(reader);
	fuzz_dir_close(&dir);
	return 0;
}
