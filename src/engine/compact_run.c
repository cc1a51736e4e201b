/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass: each entry read is judged by compact_filter; what stays goes to the output table that is open. A table
 * is closed when it is large enough and the key changes. Room for its description is made before it is finished, so that a
 * table that exists is always known, and can be removed when a later step fails.
 */
#include "engine/compact_run.h"

#include "engine/compact_filter.h"
#include "engine/filename.h"

#include <stdlib.h>

enum { PACE_BYTES = 64 << 10 };

struct compact_job {
	const struct compact_run *run;
	struct compact_filter filter;
	struct sst_writer *writer; /* the open output; NULL: none */
	uint64_t writer_paced;     /* bytes of it that were reported to pace() */

	struct buf key;            /* of the entry read last */
	uint64_t newer;            /* its sequence; 0: nothing was read */
	uint64_t work;             /* bytes read since pace() was called last */
	uint64_t unpaced;          /* bytes written to closed outputs, not yet reported */

	struct compact_result result;
};

void compact_result_free(struct compact_result *result)
{
	for (size_t i = 0; i < result->table_count; i++)
		sst_meta_free(&result->tables[i]);
	free(result->tables);
	*result = (struct compact_result){ 0 };
}

void compact_result_remove(const struct compact_result *result, const struct dir *dir)
{
	char name[FILENAME_MAX_BYTES];

	for (size_t i = 0; i < result->table_count; i++)
		dir_unlink(dir, filename_make(name, FILENAME_TABLE, result->tables[i].number), NULL);
}

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "cannot go on writing tables");
}

/* What a buffered block costs is an estimate, so a count may also fall. */
static uint64_t rise(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static kv_status open_output(struct compact_job *job, struct kv_error *err)
{
	const struct compact_run *run = job->run;

	job->writer_paced = 0;
	return sst_writer_open(run->dir, run->id, run->new_file_number(run->arg), &run->table,
		&job->writer, err);
}

static kv_status close_output(struct compact_job *job, struct kv_error *err)
{
	struct compact_result *result = &job->result;
	struct sst_meta *tables =
		realloc(result->tables, (result->table_count + 1) * sizeof *result->tables);
	kv_status status;

	if (!tables)
		return no_memory(err);
	result->tables = tables;
	status = sst_writer_finish(job->writer, &tables[result->table_count], err);
	if (status != KV_OK)
		return status;
	job->writer = sst_writer_close(job->writer);
	result->bytes_written += tables[result->table_count].file_bytes;
	job->unpaced += rise(job->writer_paced, tables[result->table_count].file_bytes);
	result->table_count++;
	return KV_OK;
}

static kv_status write_entry(struct compact_job *job, const struct entry *entry, bool first_of_key,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	if (job->writer && first_of_key &&
		sst_writer_bytes(job->writer) >= job->run->table_bytes_max)
		status = close_output(job, err);
	if (status == KV_OK && !job->writer)
		status = open_output(job, err);
	if (status == KV_OK)
		status = sst_writer_add(job->writer, entry, err);
	if (status == KV_OK)
		job->result.entries_written++;
	return status;
}

/* One entry of the input. An output never begins in the middle of a key, because `first_of_key` is about the versions read: when
 * the first of them were dropped, the next one that stays goes into the table that is open. */
static kv_status take_entry(struct compact_job *job, const struct entry *entry, struct kv_error *err)
{
	bool first_of_key = job->newer == 0 || !slice_equal(entry->key, buf_slice(&job->key));
	struct entry buried = { .key = entry->key, .sequence = entry->sequence, .kind = ENTRY_DELETE };
	enum compact_verdict verdict =
		compact_filter_judge(&job->filter, entry, first_of_key ? 0 : job->newer);

	job->result.entries_read++;
	job->work += entry->key.len + entry->value.len + sizeof entry->sequence;
	job->newer = entry->sequence;
	if (first_of_key && buf_set(&job->key, entry->key) != KV_OK)
		return no_memory(err);
	switch (verdict) {
	case COMPACT_KEEP:
		return write_entry(job, entry, first_of_key, err);
	case COMPACT_BURY:
		return write_entry(job, &buried, first_of_key, err);
	case COMPACT_DROP:
		break;
	}
	return KV_OK;
}

static kv_status keep_pace(struct compact_job *job, struct kv_error *err)
{
	uint64_t bytes = job->unpaced;
	kv_status status;

	if (job->work < PACE_BYTES || !job->run->pace)
		return KV_OK;
	if (job->writer) {
		bytes += rise(job->writer_paced, sst_writer_bytes(job->writer));
		job->writer_paced = sst_writer_bytes(job->writer);
	}
	job->work = 0;
	job->unpaced = 0;
	status = job->run->pace(job->run->arg, bytes);
	return status == KV_OK ? KV_OK : kv_error_set(err, status, "stopped while writing tables");
}

static kv_status take_all(struct compact_job *job, struct iter *input, struct kv_error *err)
{
	kv_status status = KV_OK;

	iter_seek_first(input);
	while (status == KV_OK && input->valid) {
		status = take_entry(job, &input->entry, err);
		if (status == KV_OK)
			status = keep_pace(job, err);
		if (status == KV_OK)
			iter_next(input);
	}
	if (status == KV_OK)
		status = iter_status(input, err);
	if (status == KV_OK && job->writer)
		status = close_output(job, err);
	if (status == KV_OK && job->result.table_count > 0)
		status = dir_sync(job->run->dir, err);
	return status;
}

kv_status compact_run(const struct compact_run *run, struct iter *input, struct compact_result *ret,
	struct kv_error *err)
{
	struct compact_job job = {
		.run = run,
		.filter = { .snapshots = run->snapshots,
			.snapshot_count = run->snapshot_count,
			.now_unix_ms = run->now_unix_ms,
			.may_be_below = run->may_be_below,
			.arg = run->arg },
	};
	kv_status status = take_all(&job, input, err);

	sst_writer_close(job.writer);
	buf_free(&job.key);
	if (status == KV_OK) {
		*ret = job.result;
		return KV_OK;
	}
	compact_result_remove(&job.result, run->dir);
	compact_result_free(&job.result);
	return status;
}
