/* SPDX-License-Identifier: BSD-2-Clause */
/* A few threads for what may wait for disks: flushes, checkpoints, files of large values. The workers never do. */
#ifndef KV_HTTP_JOBS_H
#define KV_HTTP_JOBS_H

#include <stdbool.h>

struct jobs;

/* Embedded by its owner, who keeps it until `run` was called. */
struct job {
	/* `stopping`: there is no time for it any more, it only has to be told so. Called exactly once, by a thread of the pool. */
	void (*run)(struct job *job, bool stopping);
	/* It goes on with something that was accepted already, and whose number is bounded elsewhere: it is never refused, and takes
	 * no place from others. Constant while it is in the pool. */
	bool has_place;
	struct job *next; /* the pool's */
};

/* At most `queue_max` jobs that nobody has begun, and those that have their place. NULL: no memory or no thread. */
struct jobs *jobs_new(unsigned threads, unsigned queue_max);

/* False: the queue is full, and the job has no place of its own. Any thread; never blocks. */
bool jobs_add(struct jobs *jobs, struct job *job);

/* Jobs that were not begun are told that it is stopping, those under way are waited for. NULL is allowed; returns NULL. Nobody
 * may add any more. */
struct jobs *jobs_free(struct jobs *jobs);

#endif
