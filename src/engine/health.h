/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the store and the reason for it; changes go through health_set(), which knows which are legal:
 *
 *	healthy <-> stalled          compaction debt
 *	healthy, stalled <-> disk_full   ENOSPC or EDQUOT anywhere; space is back
 *	any but finished -> failed   a failed sync, append or MANIFEST change; only a restart leaves it
 *	healthy, stalled, disk_full -> finished
 */
#ifndef KV_ENGINE_HEALTH_H
#define KV_ENGINE_HEALTH_H

#include "base/log.h"
#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>

enum health_state {
	HEALTH_HEALTHY,
	HEALTH_STALLED,
	HEALTH_DISK_FULL,
	HEALTH_FAILED,
	HEALTH_FINISHED,
	HEALTH_STATE_COUNT
};

enum { HEALTH_REASON_MAX = 512 };

struct health {
	_Atomic int state;
	pthread_mutex_t mu;
	char reason[HEALTH_REASON_MAX]; /* guarded by mu; "" when healthy */
	/* constant: told each change and other notable events; never called under mu */
	void (*event)(void *arg, enum log_level level, const char *text);
	void *event_arg;
};

kv_status health_init(struct health *health,
	void (*event)(void *arg, enum log_level level, const char *text), void *event_arg);
void health_destroy(struct health *health);

static inline enum health_state health_get(const struct health *health)
{
	return (enum health_state)atomic_load_explicit(&health->state, memory_order_acquire);
}

const char *health_state_name(enum health_state state);

/* State and reason together. Any thread. */
enum health_state health_describe(struct health *health, char *reason, size_t size);

/* True when the state is now `state` (or was already); false when the change is not legal. The first reason for a state stays. Any thread. */
bool health_set(struct health *health, enum health_state state, const char *reason);

/* Back to healthy, if the state is still `from`. Any thread. */
void health_leave(struct health *health, enum health_state from);

/* What an I/O failure of flush, compaction or housekeeping means: KV_NO_SPACE -> disk_full; KV_NO_MEMORY and
 * KV_BUSY: nothing (it is tried again); KV_CORRUPT: an event only; anything else -> failed. */
void health_report(struct health *health, const char *doing, const struct kv_error *err);

/* The status that a write gets in this state: KV_OK, KV_NO_SPACE, KV_IO, KV_BUSY. */
kv_status health_write_status(const struct health *health);

void health_event(struct health *health, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
