/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/judge.h"

#include "base/clock.h"
#include "engine/entry.h"
#include "model/model_check.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

struct judgement {
	struct history *history;
	struct store *store;
	uint64_t version;
	char event[500]; /* one that must not be */
	atomic_bool lost_segments; /* set by any thread */
};

static char text[900];

static const char *told(const char *what, kv_status status, const struct kv_error *err)
{
	char detail[600];

	snprintf(text, sizeof text, "%s: %s", what, err ? kv_error_format(err, detail, sizeof detail) : kv_status_text(status));
	return text;
}

void judge_mark(const struct history *h, const struct sim_step *mark, struct judge_bounds *bounds)
{
	uint64_t version = mark->value;

	switch ((enum history_mark)mark->kind) {
	case HISTORY_BEGUN:
		version = h->submissions[mark->value].last_version;
		if (version > bounds->begun)
			bounds->begun = version;
		return;
	case HISTORY_CHECKPOINT:
		bounds->checkpoints = mark->value + 1;
		return;
	case HISTORY_SEEN:
		version = history_durable_below(h, mark->value);
		break;
	case HISTORY_PROMISED:
		break;
	}
	if (version > bounds->promised)
		bounds->promised = version;
}

/* ---- one store ---- */

/* A power cut is no damage. */
static void on_event(void *arg, enum log_level level, const char *event)
{
	struct judgement *j = arg;

	if (level == LOG_LEVEL_ERROR || strstr(event, "change feed"))
		snprintf(j->event, sizeof j->event, "%s", event);
	if (strstr(event, "was not asked to be durable"))
		atomic_store(&j->lost_segments, true);
}

static const char *open_store(struct judgement *j, struct sim_disk *disk, const char *path)
{
	struct store_options options;
	struct store_stats stats;
	struct kv_error err;
	kv_status status;

	history_options(j->history, &options);
	options.data_dir = path;
	options.fs = sim_disk_fs(disk);
	options.compression = STORE_COMPRESSION_NONE;
	options.event = on_event;
	options.event_arg = j;
	status = store_open(&options, &j->store, &err);
	if (status != KV_OK)
		return told("it cannot be opened", status, &err);
	store_get_stats(j->store, &stats);
	j->version = stats.last_version;
	return NULL;
}

static const char *close_store(struct judgement *j, struct sim_disk *disk)
{
	j->store = store_close(j->store);
	if (sim_disk_open_count(disk) != 0)
		return "a descriptor or a window was left open";
	return j->event[0] != '\0' ? told(j->event, KV_CORRUPT, NULL) : NULL;
}

/* ---- what it must hold ---- */

static const char *check_scan(struct judgement *j)
{
	const struct model *model = j->history->model;
	uint64_t now = clock_wall_ms();
	const char *ret = NULL;
	struct store_iter *iter;
	struct kv_error err;
	kv_status status = store_iter_open(j->store, NULL, &iter, &err);
	long place;

	if (status != KV_OK)
		return told("no iterator", status, &err);
	store_iter_seek_first(iter);
	for (place = model_first(model, j->version, now); !ret && place != MODEL_NONE;
		place = model_next(model, place, j->version, now)) {
		ret = model_check_at(model, iter, place, j->version, now, HISTORY_LARGE);
		if (!ret)
			store_iter_next(iter);
	}
	if (!ret)
		ret = model_check_at(model, iter, MODEL_NONE, j->version, now, HISTORY_LARGE);
	store_iter_close(iter);
	return ret;
}

static const char *check_gets(struct judgement *j)
{
	uint64_t now = clock_wall_ms();
	const char *ret = NULL;

	for (size_t i = 0; !ret && i < HISTORY_KEYS; i++) {
		struct slice key = buf_slice(&j->history->keys[i]);
		const struct model_version *v = model_get(j->history->model, key, j->version, now);
		struct store_value got;
		struct kv_error err;
		kv_status status = store_get(j->store, NULL, key, &got, &err);

		if (status != KV_OK && status != KV_NOT_FOUND)
			return told("a get", status, &err);
		if ((status == KV_OK) != (v != NULL))
			return v ? "a key is not found" : "a key is back";
		if (!v)
			continue;
		if (got.version != v->version || got.size != v->value.len)
			ret = "a get gives another version";
		store_value_release(&got);
	}
	return ret;
}

static bool is_same_change(const struct history_change *want, const struct store_change *got)
{
	return got->kind == want->kind && got->version == want->version &&
		got->expires_unix_ms == want->expires_unix_ms && slice_equal(got->key, want->key) &&
		(got->large || slice_equal(got->value, buf_slice(&want->value))) &&
		(want->kind != STORE_CHANGE_PUT || got->size == want->value.len);
}

/* Is the whole log kept? Else the oldest changes may go while we read. */
static bool keeps_all(const struct judgement *j)
{
	return j->history->change_log_bytes > UINT32_C(1) << 20;
}

/* Everything after `since` up to the state, and nothing else. */
static const char *compare_changes(struct judgement *j, struct store_changes *changes, uint64_t since)
{
	const struct history *h = j->history;
	struct store_change got;
	struct kv_error err;
	kv_status status;
	size_t i = 0;

	while (i < h->change_count && h->changes[i].version <= since)
		i++;
	while ((status = store_changes_next(changes, &got, &err)) == KV_OK || status == KV_BUSY) {
		if (status == KV_BUSY)
			continue;
		if (i == h->change_count || !is_same_change(&h->changes[i], &got))
			return "the change feed tells another change";
		i++;
	}
	if (status == KV_GONE && !keeps_all(j))
		return NULL;
	if (status != KV_NOT_FOUND)
		return told("the change feed", status, &err);
	if ((i == 0 ? 0 : h->changes[i - 1].version) != (i == 0 ? 0 : j->version))
		return "the change feed does not end with the state";
	return NULL;
}

static const char *check_changes(struct judgement *j)
{
	uint64_t oldest = store_changes_oldest(j->store);
	struct store_changes *changes;
	struct kv_error err;
	const char *ret;
	kv_status status;

	if (j->history->change_log_bytes == 0)
		return NULL;
	if (keeps_all(j) && oldest != 0)
		return "the change feed has lost its begin";
	status = store_changes_open(j->store, oldest, &changes, &err);
	if (status == KV_GONE && !keeps_all(j))
		return NULL;
	if (status != KV_OK)
		return told("no change feed", status, &err);
	ret = compare_changes(j, changes, oldest);
	store_changes_close(changes);
	return ret;
}

/* What is written now must get a version of its own. */
static const char *check_write(struct judgement *j)
{
	struct store_batch *batch = store_batch_new(j->store);
	const char *ret = NULL;
	kv_status status;

	if (!batch)
		return "out of memory";
	store_batch_set_durability(batch, STORE_DURABLE_COMMIT);
	status = store_batch_put(batch, slice_of_string("after"), slice_of_string("the cut"), 0, NULL);
	if (status == KV_OK)
		status = store_write(j->store, batch);
	if (status != KV_OK)
		ret = told("a write after it", status, NULL);
	else if (store_batch_outcome(batch, 0).version <= j->version)
		ret = "a version is given out again";
	store_batch_free(batch);
	return ret;
}

static const char *check_content(struct judgement *j)
{
	const char *ret = check_scan(j);

	return ret ? ret : check_gets(j);
}

static const char *check_state(struct judgement *j)
{
	const char *ret = check_content(j);

	return ret ? ret : check_changes(j);
}

static const char *check_bounds(const struct judgement *j, const struct judge_bounds *bounds)
{
	const char *what = j->version < bounds->promised ? "something promised is missing" :
		j->version > bounds->begun ? "something is there before its time" :
		!history_is_boundary(j->history, j->version) ? "half of a batch is there" : NULL;

	if (!what)
		return NULL;
	snprintf(text, sizeof text, "%s: version %" PRIu64 ", promised %" PRIu64 ", begun %" PRIu64, what, j->version,
		bounds->promised, bounds->begun);
	return text;
}

/* Nobody has seen a version of the copy that the original gave out after it was made, and of its changes there are none yet. */
static const char *check_versions_of_copy(struct judgement *j)
{
	const struct history *h = j->history;
	uint64_t first = j->version, last = h->change_count > 0 ? h->changes[h->change_count - 1].version : 0;

	if (first <= last || first < ENTRY_SEQUENCES_PASSED_OVER)
		return "a checkpoint gives out versions of the original";
	if (h->change_log_bytes > 0 && store_changes_oldest(j->store) != first)
		return "the change feed of a checkpoint does not begin with it";
	j->version -= ENTRY_SEQUENCES_PASSED_OVER;
	return NULL;
}

static const char *check_checkpoint(struct history *h, struct sim_disk *disk, size_t n)
{
	const struct history_checkpoint *c = &h->checkpoints[n];
	struct judgement j = { .history = h };
	const char *ret = open_store(&j, disk, c->path), *at_close;

	if (!ret)
		ret = check_versions_of_copy(&j);
	if (!ret && (j.version < c->from || j.version > c->to))
		ret = "a checkpoint holds another state";
	if (!ret)
		ret = check_content(&j);
	at_close = close_store(&j, disk);
	return ret ? ret : at_close;
}

const char *judge_disk(struct history *h, struct sim_disk *disk, const struct judge_bounds *bounds, uint64_t *ret_version)
{
	struct judgement j = { .history = h };
	const char *ret = open_store(&j, disk, HISTORY_PATH), *at_close;

	*ret_version = j.version;
	h->lost_segments += atomic_load(&j.lost_segments);
	if (!ret)
		ret = check_bounds(&j, bounds);
	if (!ret)
		ret = check_state(&j);
	if (!ret && history_below(h, 4) == 0)
		ret = check_write(&j);
	at_close = close_store(&j, disk);
	if (!ret)
		ret = at_close;
	for (size_t n = 0; !ret && n < bounds->checkpoints; n++)
		if (history_below(h, 4) == 0)
			ret = check_checkpoint(h, disk, n);
	return ret;
}
