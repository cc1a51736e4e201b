/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the store: one table of legal changes, one function that makes them. */
#include "engine/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[HEALTH_STATE_COUNT] = {
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_STALLED] = "stalled",
	[HEALTH_DISK_FULL] = "disk_full",
	[HEALTH_FAILED] = "failed",
	[HEALTH_FINISHED] = "finished",
};

#define TO(state) (1u << (HEALTH_##state))

/* legal_changes[from] is the set of states that may follow */
static const unsigned legal_changes[HEALTH_STATE_COUNT] = {
	[HEALTH_HEALTHY] = TO(STALLED) | TO(DISK_FULL) | TO(FAILED) | TO(FINISHED),
	[HEALTH_STALLED] = TO(HEALTHY) | TO(DISK_FULL) | TO(FAILED) | TO(FINISHED),
	[HEALTH_DISK_FULL] = TO(HEALTHY) | TO(FAILED) | TO(FINISHED),
	[HEALTH_FAILED] = 0,
	[HEALTH_FINISHED] = TO(FAILED),
};

kv_status health_init(struct health *health,
	void (*event)(void *arg, enum log_level level, const char *text), void *event_arg)
{
	atomic_init(&health->state, HEALTH_HEALTHY);
	health->reason[0] = '\0';
	health->event = event;
	health->event_arg = event_arg;
	return pthread_mutex_init(&health->mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

void health_destroy(struct health *health)
{
	pthread_mutex_destroy(&health->mu);
}

const char *health_state_name(enum health_state state)
{
	return (unsigned)state < HEALTH_STATE_COUNT ? state_names[state] : "unknown";
}

enum health_state health_describe(struct health *health, char *reason, size_t size)
{
	enum health_state state;

	pthread_mutex_lock(&health->mu);
	state = health_get(health);
	snprintf(reason, size, "%s", health->reason);
	pthread_mutex_unlock(&health->mu);
	return state;
}

void health_event(struct health *health, enum log_level level, const char *format, ...)
{
	char text[HEALTH_REASON_MAX + 128];
	va_list args;

	if (!health->event)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	health->event(health->event_arg, level, text);
}

static bool set(struct health *health, unsigned from_any_of, enum health_state state,
	const char *reason)
{
	enum health_state from;
	bool legal;

	pthread_mutex_lock(&health->mu);
	from = health_get(health);
	legal = from == state ||
		((from_any_of & (1u << from)) != 0 && (legal_changes[from] & (1u << state)) != 0);
	if (legal && from != state) {
		snprintf(health->reason, sizeof health->reason, "%s", reason);
		atomic_store_explicit(&health->state, (int)state, memory_order_release);
	}
	pthread_mutex_unlock(&health->mu);

	if (legal && from != state)
		health_event(health, state == HEALTH_FAILED ? LOG_LEVEL_ERROR :
			state == HEALTH_DISK_FULL ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			"store is %s%s%s (was %s)", health_state_name(state), reason[0] ? ": " : "",
			reason, health_state_name(from));
	return legal;
}

bool health_set(struct health *health, enum health_state state, const char *reason)
{
	return set(health, ~0u, state, reason);
}

void health_leave(struct health *health, enum health_state from)
{
	(void)set(health, 1u << from, HEALTH_HEALTHY, ""); /* another state has come in between: it stays */
}

void health_report(struct health *health, const char *doing, const struct kv_error *err)
{
	char line[HEALTH_REASON_MAX], reason[HEALTH_REASON_MAX + 64];

	snprintf(reason, sizeof reason, "%s: %s", doing, kv_error_format(err, line, sizeof line));
	switch (err->status) {
	case KV_BUSY:
		break;
	case KV_NO_SPACE:
		health_set(health, HEALTH_DISK_FULL, reason);
		break;
	case KV_NO_MEMORY:
		health_event(health, LOG_LEVEL_WARNING, "%s; will be tried again", reason);
		break;
	case KV_CORRUPT:
		health_event(health, LOG_LEVEL_ERROR, "%s", reason);
		break;
	default:
		health_set(health, HEALTH_FAILED, reason);
	}
}

kv_status health_write_status(const struct health *health)
{
	switch (health_get(health)) {
	case HEALTH_DISK_FULL:
		return KV_NO_SPACE;
	case HEALTH_FAILED:
		return KV_IO;
	case HEALTH_FINISHED:
		return KV_BUSY;
	default:
		return KV_OK;
	}
}
