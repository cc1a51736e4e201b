/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker threads' common part: starting, waking, waiting, stopping. All condition variables run on the monotonic clock. */
#include "base/clock.h"
#include "engine/compaction.h"
#include "engine/engine_internal.h"

static kv_status init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	bool ok;

	if (pthread_condattr_init(&attributes) != 0)
		return KV_NO_MEMORY;
	ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
		pthread_cond_init(condition, &attributes) == 0;
	pthread_condattr_destroy(&attributes);
	return ok ? KV_OK : KV_NO_MEMORY;
}

kv_status background_init(struct engine *engine)
{
	struct background *background = &engine->background;

	background->overwritten = 1; /* not known yet */
	background->warm.seen_us = clock_monotonic_us();
	if (pthread_mutex_init(&background->mu, NULL) != 0 ||
		pthread_mutex_init(&background->pick_mu, NULL) != 0 ||
		init_condition(&background->flush_wake) != KV_OK ||
		init_condition(&background->compact_wake) != KV_OK ||
		init_condition(&engine->scrub.wake) != KV_OK ||
		init_condition(&background->progress) != KV_OK)
		return KV_NO_MEMORY;
	return KV_OK;
}

static void tell_stop(struct engine *engine)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	background->stop = true;
	pthread_cond_broadcast(&background->flush_wake);
	pthread_cond_broadcast(&background->compact_wake);
	pthread_cond_broadcast(&background->progress);
	pthread_cond_broadcast(&engine->scrub.wake);
	pthread_mutex_unlock(&background->mu);
}

kv_status background_start(struct engine *engine, struct kv_error *err)
{
	struct background *background = &engine->background;
	kv_status status = scrub_start(engine, err);
	int failed;

	if (status != KV_OK)
		return status;
	failed = pthread_create(&background->flush_thread, NULL, flush_thread, engine);
	if (failed) {
		tell_stop(engine);
		scrub_join(engine);
		return kv_error_errno(err, failed, "", "cannot start the flush thread");
	}
	while (background->compact_thread_count < engine->options.compaction_threads) {
		failed = pthread_create(
			&background->compact_threads[background->compact_thread_count], NULL,
			compaction_thread, engine);
		if (failed) {
			background_stop(engine);
			return kv_error_errno(err, failed, "", "cannot start a compaction thread");
		}
		background->compact_thread_count++;
	}
	return KV_OK;
}

void background_stop(struct engine *engine)
{
	struct background *background = &engine->background;

	tell_stop(engine);
	scrub_join(engine);
	pthread_join(background->flush_thread, NULL);
	while (background->compact_thread_count > 0)
		pthread_join(background->compact_threads[--background->compact_thread_count], NULL);
}

void background_destroy(struct engine *engine)
{
	struct background *background = &engine->background;

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		buf_free(&background->cursors[n]);
	pthread_mutex_destroy(&background->pick_mu);
	pthread_mutex_destroy(&background->mu);
	pthread_cond_destroy(&background->flush_wake);
	pthread_cond_destroy(&background->compact_wake);
	pthread_cond_destroy(&engine->scrub.wake);
	pthread_cond_destroy(&background->progress);
}

void background_kick_flush(struct engine *engine)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	background->flush_kicked = true;
	pthread_cond_signal(&background->flush_wake);
	pthread_mutex_unlock(&background->mu);
}

void background_kick_compact(struct engine *engine)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	background->compact_kicked = true;
	pthread_cond_broadcast(&background->compact_wake);
	pthread_mutex_unlock(&background->mu);
}

void background_progress(struct engine *engine)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	background->progress_count++;
	pthread_cond_broadcast(&background->progress);
	pthread_mutex_unlock(&background->mu);
}

uint64_t background_quiet_us(struct engine *engine)
{
	struct background *background = &engine->background;
	uint64_t sequence = engine_visible(engine), now = clock_monotonic_us(), quiet_us;

	pthread_mutex_lock(&background->mu);
	if (background->seen_us == 0 || background->seen_sequence != sequence) {
		background->seen_sequence = sequence;
		background->seen_us = now;
	}
	quiet_us = now > background->seen_us ? now - background->seen_us : 0;
	pthread_mutex_unlock(&background->mu);
	return quiet_us;
}

bool background_wait_locked(struct engine *engine, pthread_cond_t *condition, uint64_t deadline_us)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_us / 1000000),
		.tv_nsec = (long)(deadline_us % 1000000) * 1000,
	};

	return pthread_cond_timedwait(condition, &engine->background.mu, &deadline) == 0;
}

uint64_t background_progress_count(struct engine *engine)
{
	struct background *background = &engine->background;
	uint64_t count;

	pthread_mutex_lock(&background->mu);
	count = background->progress_count;
	pthread_mutex_unlock(&background->mu);
	return count;
}

bool background_wait_progress(struct engine *engine, uint64_t seen, uint64_t deadline_us)
{
	struct background *background = &engine->background;
	bool in_time = true;

	pthread_mutex_lock(&background->mu);
	while (in_time && !background->stop && background->progress_count == seen)
		in_time = background_wait_locked(engine, &background->progress, deadline_us);
	in_time = in_time && !background->stop;
	pthread_mutex_unlock(&background->mu);
	return in_time;
}
