/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/wal_log.h"

#include "support/runner.h"

void wal_log_open(struct wal_log *log)
{
	memset(log, 0, sizeof *log);
	disk_open(&log->disk);
	for (int i = 0; i < FORMAT_STORE_ID_BYTES; i++)
		log->id.bytes[i] = (uint8_t)(0xa0 + i);
	log->next_sequence = 100;
	log->seed = 1;
}

void wal_log_close(struct wal_log *log)
{
	wal_log_end(log);
	disk_close(&log->disk);
}

void wal_log_begin_existing(struct wal_log *log, uint64_t number)
{
	struct wal_header header = { .number = number, .prev_number = log->number,
		.first_sequence = log->next_sequence };

	if (log->writer)
		header.prev_end = wal_writer_end(log->writer);
	wal_log_end(log);
	ck_assert_int_eq(wal_writer_open(&log->disk.dir, &log->id, &header, &log->writer, NULL), KV_OK);
	log->number = number;
}

void wal_log_begin(struct wal_log *log, uint64_t number, uint64_t bytes)
{
	ck_assert_int_eq(wal_make_segment(&log->disk.dir, number, bytes, WAL_WRITTEN, NULL), KV_OK);
	wal_log_begin_existing(log, number);
}

void wal_log_end(struct wal_log *log)
{
	log->writer = wal_writer_close(log->writer);
	for (size_t i = 0; i < log->count; i++)
		buf_free(&log->groups[i].payload);
	log->count = 0;
}

static void fill(struct buf *value, size_t len, uint64_t *seed)
{
	buf_clear(value);
	ck_assert_int_eq(buf_append_zeros(value, len), KV_OK);
	for (size_t i = 0; i < len; i++)
		value->data[i] = (uint8_t)(runner_random(seed) % 255 + 1); /* no zeros: every lost byte shows */
}

static void make_payload(struct wal_log *log, uint32_t operations, size_t value_bytes, struct batch *batch)
{
	struct buf value = { 0 };

	for (uint32_t i = 0; i < operations; i++) {
		uint64_t key = runner_random(&log->seed) | UINT64_C(0x0101010101010101);

		fill(&value, value_bytes, &log->seed);
		ck_assert_int_eq(batch_put(batch, slice_of(&key, sizeof key), buf_slice(&value), 0), KV_OK);
	}
	buf_free(&value);
}

kv_status wal_log_append(struct wal_log *log, uint32_t operations, size_t value_bytes)
{
	struct batch batch = { 0 };
	struct wal_log_group *group = &log->groups[log->count];
	struct wal_group header = { .first_sequence = log->next_sequence, .count = operations,
		.wall_us = 1000 * log->next_sequence };
	struct slice payload;
	kv_status status;

	ck_assert_uint_lt(log->count, WAL_LOG_GROUPS_MAX);
	make_payload(log, operations, value_bytes, &batch);
	payload = buf_slice(&batch.operations);
	*group = (struct wal_log_group){ .offset = wal_writer_end(log->writer),
		.first_sequence = log->next_sequence, .count = operations,
		.synced = wal_writer_synced(log->writer) };
	status = wal_append(log->writer, &header, &payload, 1, NULL);
	if (status == KV_OK) {
		group->payload = batch.operations;
		batch.operations = (struct buf){ 0 };
		log->count++;
		log->next_sequence += operations;
	}
	batch_free(&batch);
	return status;
}

void wal_log_commit(struct wal_log *log, uint32_t operations, size_t value_bytes)
{
	ck_assert_int_eq(wal_log_append(log, operations, value_bytes), KV_OK);
	ck_assert_int_eq(wal_sync(log->writer, NULL), KV_OK);
}

size_t wal_log_group_bytes(const struct wal_log_group *group)
{
	return WAL_GROUP_HEADER_BYTES + group->payload.len;
}

static void compare(const struct wal_log_group *want, const struct wal_read_group *got)
{
	ck_assert_uint_eq(got->offset, want->offset);
	ck_assert_uint_eq(got->first_sequence, want->first_sequence);
	ck_assert_uint_eq(got->count, want->count);
	ck_assert_uint_eq(got->wall_us, 1000 * want->first_sequence);
	ck_assert_uint_eq(got->synced, want->synced);
	ck_assert(slice_equal(got->payload, buf_slice(&want->payload)));
}

struct wal_log_found wal_log_read(struct wal_log *log, uint64_t number, uint64_t end)
{
	struct wal_log_found ret = { 0 };
	struct wal_reader *reader = NULL;
	struct wal_read_group group;

	ret.status = wal_reader_open(&log->disk.dir, &log->id, number, &reader, &ret.state, &ret.err);
	if (ret.status != KV_OK)
		return ret;
	if (end != 0)
		wal_reader_set_end(reader, end);
	while (ret.state == WAL_SEGMENT_USED &&
		(ret.status = wal_reader_next(reader, &group, &ret.err)) == KV_OK) {
		ck_assert_uint_lt(ret.count, log->count);
		compare(&log->groups[ret.count++], &group);
		ck_assert_uint_eq(wal_reader_synced(reader), group.synced);
	}
	/* what has ended or is damaged stays so */
	if (ret.status == KV_NOT_FOUND || ret.status == KV_CORRUPT)
		ck_assert_int_eq(wal_reader_next(reader, &group, &ret.err), ret.status);
	if (ret.status == KV_NOT_FOUND)
		ret.end = wal_reader_end(reader, &ret.torn_end);
	wal_reader_close(reader);
	return ret;
}
