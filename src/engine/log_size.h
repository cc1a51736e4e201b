/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How large the files of the log should be: policy only. Pure: no I/O, no lock, no clock; the caller describes the log and gets advice.
 *
 * While somebody writes, a segment is as large as a memtable needs it, and the next one is made ahead, of zeros. All of that is of no use to a store
 * that nobody writes to, and would be most of a small one. So a segment begins small; the next one is made four times as large whenever a
 * burst of writes has come to a quarter of it, and is always there before it is needed. A second without a write ends the burst: then the next
 * segment is cut, and memory is flushed when its log is a notable part of the store.
 *
 * Neither is for nothing: zeros must be written again, and a flush makes compaction rewrite what it overlaps. So each waits until it has paid:
 * until as much has been written since the last time as it costs (a quarter of it, for a flush), or the quiet has lasted so long that it comes
 * to no more than LOG_FREE_BYTES_PER_S. A store that writes a little now and then stays as it is, small.
 */
#ifndef KV_ENGINE_LOG_SIZE_H
#define KV_ENGINE_LOG_SIZE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOG_SMALL_BYTES = 1 << 20,          /* of a segment for which nobody waits */
	LOG_QUIET_US = 1000 * 1000,         /* without a write */
	LOG_FREE_BYTES_PER_S = 1 << 20,
};

struct log_size {
	uint64_t small, full; /* bytes of a segment, at least and at most; constant */
	uint64_t target;      /* of the next one */
	uint64_t burst_from;  /* log_scene.written when it was quiet last, */
	uint64_t grown_at;    /* ... when target was raised last, */
	uint64_t flushed_at;  /* ... when a flush was advised last */
};

struct log_scene {
	uint64_t written;     /* bytes of log since the store was opened */
	uint64_t quiet_us;    /* since the last write */
	uint64_t enough;      /* no segment need be larger: full, or less where that is known */
	uint64_t spare_bytes; /* of the segment made ahead; 0: there is none */
	bool has_retired;     /* another one is kept to make the next from */
	uint64_t log_bytes;   /* of the segments that memory needs; only looked at when it is quiet, as the next two */
	uint64_t table_bytes;
	uint64_t store_bytes; /* tables and large values */
};

enum log_step {
	LOG_KEEP,
	LOG_RESIZE, /* the segment made ahead to `segment_bytes` */
	LOG_FLUSH,  /* memory, so that its segments go */
};

struct log_advice {
	enum log_step step;
	uint64_t segment_bytes;   /* of the next segment */
	bool drop_retired;        /* with LOG_RESIZE: nothing is to be made from what is retired */
	bool settled;             /* only a write can change the advice */
	uint64_t look_at_written; /* ask again when log_scene.written has come to this; UINT64_MAX: need not be */
};

/* Segments of at most `full` bytes. */
struct log_size log_size_begin(uint64_t full);

/* To be asked about once a LOG_QUIET_US unless the advice was settled, and after each step taken. */
struct log_advice log_size_look(struct log_size *size, const struct log_scene *scene);

#endif
