/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a start share. One thread, the one that opens the store; after a start on a full disk the flush thread. */
#ifndef KV_ENGINE_RECOVER_INTERNAL_H
#define KV_ENGINE_RECOVER_INTERNAL_H

#include "engine/engine_internal.h"
#include "engine/replay.h"

struct recovery {
	struct engine *engine;
	struct manifest manifest;
	uint64_t file_number_max; /* of all files that are there */
	size_t data_files;        /* MANIFEST, WAL, table and blob files that are there */
	struct replay replay;
	uint64_t segment;         /* the one begun */
	bool torn_is_kept;
	bool unused_is_cut;       /* the segment made ahead has given its space back */
	bool has_begun;           /* 5 is done */
	uint64_t sweep_errors;
};

/* Steps 1 and 2 of recover.c: fills in manifest, file_number_max and data_files. KV_CORRUPT: FORMAT, MANIFEST or a file that it names is
 * missing or damaged. */
kv_status recover_files(struct recovery *recovery, struct kv_error *err);

#endif
