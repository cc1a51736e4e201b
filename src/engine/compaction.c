/* SPDX-License-Identifier: BSD-2-Clause */
/* The compaction threads: one job after the other, and engine_compact() step by step. */
#define _GNU_SOURCE
#include "engine/compaction.h"

#include "base/clock.h"
#include "engine/compaction_job.h"
#include "engine/damage_report.h"

enum {
	LOOK_US = 30 * 1000 * 1000, /* look for expired data this often, also when nobody writes */
	RETRY_US = 1300 * 1000, /* not that of the flush thread: on a full disk each would find what the other has just taken */
};

/* One compaction; `err` is not NULL. *ret_for_writers: one that took its turn in the place of a step of engine_compact(). KV_NOT_FOUND: nothing to
 * do. KV_BUSY: others are in the way. KV_CORRUPT: damage, or it is in the way. */
static kv_status compact_once(struct engine *engine, bool manual, bool *ret_for_writers, struct kv_error *err)
{
	struct compaction_job job;
	kv_status status = compaction_job_take(engine, manual, &job);

	*ret_for_writers = status == KV_OK && job.for_writers;
	if (status == KV_NOT_FOUND || status == KV_BUSY)
		return status;
	if (status != KV_OK)
		return kv_error_set(err, status, "%s", status == KV_CORRUPT ?
			"a damaged table cannot be compacted" : "out of memory for a compaction");
	status = compaction_job_run(&job, err);
	compaction_job_end(&job, status, err);
	if (status != KV_OK && !(status == KV_CORRUPT && damage_report_error(engine, err)))
		health_report(&engine->health, "cannot compact", err);
	views_reclaim(&engine->views);
	background_kick_flush(engine); /* removes the files of replaced tables */
	background_progress(engine);
	return status;
}

/* ---- the threads ---- */

static bool manual_waits_locked(const struct background *background)
{
	return background->manual_wanted > background->manual_done;
}

/* One step of engine_compact(), or one for who writes meanwhile; true when another should follow at once. */
static bool manual_step(struct engine *engine)
{
	struct background *background = &engine->background;
	struct kv_error err = { 0 };
	bool done, for_writers = false;
	uint64_t serving;
	kv_status status;

	pthread_mutex_lock(&background->mu);
	serving = background->manual_wanted;
	pthread_mutex_unlock(&background->mu);
	if (health_get(&engine->health) == HEALTH_FAILED)
		status = kv_error_set(&err, KV_IO, "the store has failed");
	else if (atomic_load(&engine->catalog.unbegun)) /* the start is not over: it would sweep what is written now */
		status = kv_error_set(&err, KV_NO_SPACE, "there was no space yet to begin a log since the start");
	else
		status = compact_once(engine, true, &for_writers, &err);

	pthread_mutex_lock(&background->mu);
	/* busy: another compaction is in the way, and kicks when it is done */
	done = status != KV_OK && (status != KV_BUSY || background->stop) && !for_writers;
	if (done) {
		background->manual_done = serving;
		background->manual_behind = 0;
		background->manual_status = status == KV_NOT_FOUND ? KV_OK : status;
		background->manual_error = err;
	}
	pthread_mutex_unlock(&background->mu);
	if (done)
		background_progress(engine);
	return status == KV_OK;
}

/* Looks whether somebody writes. False: it is not known to be quiet, and should be looked at again soon. */
static bool look_whether_quiet(struct engine *engine)
{
	struct background *background = &engine->background;
	bool quiet = background_quiet_us(engine) >= LOG_QUIET_US;

	pthread_mutex_lock(&background->mu);
	background->quiet = quiet;
	pthread_mutex_unlock(&background->mu);
	return quiet;
}

/* One round; returns when the next is due, 0: at once. *ret_failed: not sooner than that, however much is asked for. */
static uint64_t work(struct engine *engine, bool manual, bool *ret_failed)
{
	struct kv_error err = { 0 };
	kv_status status = KV_OK;
	bool quiet, for_writers;

	*ret_failed = false;
	if (!manual && (health_get(&engine->health) == HEALTH_FAILED || atomic_load(&engine->catalog.unbegun)))
		return clock_monotonic_us() + LOOK_US;
	quiet = look_whether_quiet(engine);
	if (manual)
		return manual_step(engine) ? 0 : clock_monotonic_us() + RETRY_US;
	status = compact_once(engine, false, &for_writers, &err);
	if (status == KV_OK)
		return 0;
	if (quiet && status == KV_NOT_FOUND)
		warm_left_out(engine);
	*ret_failed = status != KV_NOT_FOUND && status != KV_BUSY;
	if (*ret_failed)
		return clock_monotonic_us() + RETRY_US;
	return clock_monotonic_us() + (quiet ? LOOK_US : LOG_QUIET_US / 4);
}

void *compaction_thread(void *arg)
{
	struct engine *engine = arg;
	struct background *background = &engine->background;

	pthread_setname_np(pthread_self(), "compaction");
	pthread_mutex_lock(&background->mu);
	while (!background->stop) {
		bool manual = manual_waits_locked(background);
		bool failed;
		uint64_t next;

		background->compact_kicked = false;
		pthread_mutex_unlock(&background->mu);
		next = work(engine, manual, &failed);
		pthread_mutex_lock(&background->mu);
		while (next != 0 && !background->stop && (failed || !background->compact_kicked) &&
			background_wait_locked(engine, &background->compact_wake, next))
			;
	}
	pthread_mutex_unlock(&background->mu);
	return NULL;
}

kv_status compaction_run_all(struct engine *engine, struct kv_error *err)
{
	struct background *background = &engine->background;
	kv_status status = KV_BUSY;
	uint64_t mine;

	pthread_mutex_lock(&background->mu);
	mine = ++background->manual_wanted;
	background->manual_sequence = engine_visible(engine);
	background->manual_unix_ms = clock_wall_ms();
	background->compact_kicked = true;
	pthread_cond_broadcast(&background->compact_wake);
	while (!background->stop && background->manual_done < mine)
		background_wait_locked(engine, &background->progress,
			clock_monotonic_us() + RETRY_US);
	if (background->manual_done >= mine) {
		status = background->manual_status;
		if (status != KV_OK && err)
			*err = background->manual_error;
	} else {
		kv_error_set(err, KV_BUSY, "the store is closing");
	}
	pthread_mutex_unlock(&background->mu);
	return status;
}
