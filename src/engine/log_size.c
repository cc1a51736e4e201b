/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/log_size.h"

enum {
	GROWTH = 4,         /* of the target, each time the burst has come to a part of it: 1/GROWTH */
	NOTABLE_PART = 32,  /* a log of less than that part of the store is left alone */
	FLUSH_CREDIT = 4,   /* a flush may cost so many times what was written since the last one */
};

struct log_size log_size_begin(uint64_t full)
{
	uint64_t small = full < LOG_SMALL_BYTES ? full : LOG_SMALL_BYTES;

	return (struct log_size){ .small = small, .full = full, .target = small };
}

static bool has_paid(uint64_t credit, const struct log_scene *scene, uint64_t cost)
{
	return credit >= cost || scene->quiet_us / 1000000 >= cost / LOG_FREE_BYTES_PER_S;
}

static void set_target(struct log_size *size, const struct log_scene *scene)
{
	if (scene->quiet_us >= LOG_QUIET_US) {
		size->burst_from = scene->written;
		if (has_paid(scene->written - size->grown_at, scene, size->target - size->small))
			size->target = size->small;
		return;
	}
	while (size->target < size->full && scene->written - size->burst_from >= size->target / GROWTH) {
		size->target = size->target > size->full / GROWTH ? size->full : size->target * GROWTH;
		size->grown_at = scene->written;
	}
}

/* A retired segment is taken when it has about the size; so a factor of two is no reason for a change. */
static bool must_resize(const struct log_size *size, const struct log_scene *scene, uint64_t wanted)
{
	bool is_small = size->target == size->small && scene->quiet_us >= LOG_QUIET_US;

	if (scene->spare_bytes == 0)
		return false;
	return scene->spare_bytes < wanted / 2 || (is_small && (scene->spare_bytes / 2 > wanted || scene->has_retired));
}

static bool is_notable(const struct log_size *size, const struct log_scene *scene)
{
	return scene->log_bytes > 2 * size->small && scene->log_bytes > scene->store_bytes / NOTABLE_PART;
}

struct log_advice log_size_look(struct log_size *size, const struct log_scene *scene)
{
	struct log_advice advice = { .step = LOG_KEEP, .look_at_written = UINT64_MAX };
	bool quiet = scene->quiet_us >= LOG_QUIET_US, notable;

	if (size->full == size->small) {
		advice.segment_bytes = size->full;
		advice.settled = true;
		return advice;
	}
	set_target(size, scene);
	advice.segment_bytes = size->target < scene->enough ? size->target : scene->enough;
	notable = quiet && size->target == size->small && is_notable(size, scene);
	if (must_resize(size, scene, advice.segment_bytes))
		advice.step = LOG_RESIZE;
	else if (notable && scene->spare_bytes > 0 &&
		has_paid(FLUSH_CREDIT * (scene->written - size->flushed_at), scene,
			scene->log_bytes + scene->table_bytes))
		advice.step = LOG_FLUSH;
	advice.drop_retired = advice.step == LOG_RESIZE &&
		(advice.segment_bytes <= size->small || advice.segment_bytes < scene->spare_bytes);
	if (advice.step == LOG_FLUSH)
		size->flushed_at = scene->written;
	advice.settled = quiet && size->target == size->small && !notable && advice.step == LOG_KEEP;
	if (advice.settled)
		advice.look_at_written = scene->written + 1;
	else if (size->target < size->full)
		advice.look_at_written = size->burst_from + size->target / GROWTH;
	return advice;
}
