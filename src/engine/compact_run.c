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
	uint64_t range_applied;    /* of the open output: what covers none of its entries so far */
	size_t fragment;           /* of run->ranges: that of the key read last */
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
	job->range_applied = run->ranges_complete;
	return sst_writer_open(run->dir, run->id, run->new_file_number(run->file_numbers), &run->table,
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
	sst_writer_set_range_applied(job->writer, job->range_applied);
	status = sst_writer_finish(job->writer, &tables[result->table_count], err);
	if (status != KV_OK)
		return status;
	job->writer = sst_writer_close(job->writer);
	result->bytes_written += tables[result->table_count].file_bytes;
	job->unpaced += rise(job->writer_paced, tables[result->table_count].file_bytes);
	result->table_count++;
	return KV_OK;
}

/* `covered_by`: the oldest range delete that covers the entry, but must not be applied to it yet; 0: none. */
static kv_status write_entry(struct compact_job *job, const struct entry *entry, bool first_of_key,
	uint64_t covered_by, struct kv_error *err)
{
	kv_status status = KV_OK;

	if (job->writer && first_of_key &&
		sst_writer_bytes(job->writer) >= job->run->table_bytes_max)
		status = close_output(job, err);
	if (status == KV_OK && !job->writer)
		status = open_output(job, err);
	if (status == KV_OK)
		status = sst_writer_add(job->writer, entry, err);
	if (covered_by != 0 && covered_by <= job->range_applied)
		job->range_applied = covered_by - 1;
	if (status == KV_OK)
		job->result.entries_written++;
	return status;
}

/* The oldest range delete that covers the entry; 0: none. The keys come in their order. */
static inline uint64_t covered_by(struct compact_job *job, const struct entry *entry)
{
	const struct range_set *ranges = job->run->ranges;

	if (!ranges)
		return 0;
	job->fragment = range_set_find(ranges, job->fragment, entry->key);
	return range_set_above(ranges, job->fragment, entry->sequence);
}

static inline bool same_key(const struct buf *a, struct slice b)
{
	return a->len == b.len && slice_common_prefix(buf_slice(a), b) == b.len;
}

/* As buf_set(), nearly always without a call. */
static inline kv_status keep_key(struct buf *to, struct slice key)
{
	if (key.len > to->capacity)
		return buf_set(to, key);
	memcpy(to->data, key.data, key.len);
	to->len = key.len;
	return KV_OK;
}

/* One entry of the input. An output never begins in the middle of a key, because `first_of_key` is about the versions read: when
 * the first of them were dropped, the next one that stays goes into the table that is open. */
static inline kv_status take_entry(struct compact_job *job, const struct entry *entry, struct kv_error *err)
{
	bool first_of_key = job->newer == 0 || !same_key(&job->key, entry->key);
	struct entry buried;
	uint64_t covered = covered_by(job, entry), newer = first_of_key ? 0 : job->newer;
	enum compact_verdict verdict = compact_filter_judge(&job->filter, entry,
		covered != 0 && (newer == 0 || covered < newer) ? covered : newer);

	job->result.entries_read++;
	job->work += entry->key.len + entry->value.len + sizeof entry->sequence;
	job->newer = entry->sequence;
	if (first_of_key && keep_key(&job->key, entry->key) != KV_OK)
		return no_memory(err);
	switch (verdict) {
	case COMPACT_KEEP:
		return write_entry(job, entry, first_of_key, covered, err);
	case COMPACT_BURY:
		buried = (struct entry){ .key = entry->key, .sequence = entry->sequence, .kind = ENTRY_DELETE };
		return write_entry(job, &buried, first_of_key, covered, err);
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
		status = take_entry(job, input->entry, err);
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
