/* SPDX-License-Identifier: BSD-2-Clause */
/* Is what a power cut has left right? */
#ifndef KV_MODEL_JUDGE_H
#define KV_MODEL_JUDGE_H

#include "model/history.h"

struct judge_bounds {
	uint64_t promised; /* nothing up to this version may be missing */
	uint64_t begun;    /* nothing above this version may be there */
	size_t checkpoints; /* so many were acknowledged */
};

/* Brings the bounds up to a mark of the journal. They begin with the history's first_version, twice, and no checkpoint. */
void judge_mark(const struct history *history, const struct sim_step *mark, struct judge_bounds *bounds);

/* Opens the store that is on the disk, compares everything, sometimes writes to it, and closes it. NULL, or what is wrong; *ret_version is
 * the state that was found, also when it is not right. */
const char *judge_disk(struct history *history, struct sim_disk *disk, const struct judge_bounds *bounds,
	uint64_t *ret_version);

#endif
