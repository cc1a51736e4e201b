/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/history_internal.h"

#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void history_must(bool condition, const char *what)
{
	if (!condition)
		ck_abort_msg("history: %s", what);
}

bool history_is_ok(const struct history *h, kv_status status, const struct kv_error *err)
{
	char text[600];

	fault_alloc_pause(); /* the store has returned */
	if (status != KV_OK && !h->faulty)
		ck_abort_msg("history: %s", kv_error_format(err, text, sizeof text));
	return status == KV_OK;
}

struct store *history_enter(struct history *h)
{
	fault_alloc_resume();
	return atomic_load(&h->store);
}

uint64_t history_below(struct history *h, uint64_t n)
{
	return (runner_random(&h->random) >> 20) % n;
}

/* ---- the store ---- */

void history_options(struct history *h, struct store_options *ret)
{
	static const enum store_compression compressions[] = { STORE_COMPRESSION_NONE, STORE_COMPRESSION_LZ4,
		STORE_COMPRESSION_ZSTD };

	store_options_init(ret);
	ret->data_dir = HISTORY_PATH;
	ret->tunables.flush_interval_s = (uint32_t)history_below(h, 2);
	ret->tunables.compaction_threshold = 2 + (uint32_t)history_below(h, 3);
	ret->memtable_bytes = h->kind == HISTORY_LAZY ? 131072 : h->kind == HISTORY_UNSYNCED ? 16384 : 16384 << history_below(h, 3);
	ret->block_cache_bytes = history_below(h, 2) * 65536;
	ret->large_value_bytes = HISTORY_LARGE;
	ret->change_log_bytes = h->change_log_bytes;
	ret->durability = h->kind != HISTORY_MIXED || history_below(h, 2) == 0 ? STORE_DURABLE_OS : STORE_DURABLE_COMMIT;
	ret->compression = compressions[history_below(h, 3)];
	ret->compaction_threads = 1 + (unsigned)history_below(h, 2);
}

/* In the middle of a commit, and of everything else: what can be seen now? */
static void before_operation(void *arg, enum fault_op op, const char *name)
{
	struct history *h = arg;
	struct store *store = atomic_load(&h->store);
	struct store_stats stats;

	(void)name;
	h->windows += op == FAULT_MAP;
	if (!store || (op != FAULT_FDATASYNC && op != FAULT_PWRITEV))
		return;
	store_get_stats(store, &stats);
	sim_disk_mark(h->disk, HISTORY_SEEN, stats.last_version);
}

/* A power cut is no damage. */
static void on_event(void *arg, enum log_level level, const char *text)
{
	struct history *h = arg;

	if (!h->faulty && (level == LOG_LEVEL_ERROR || strstr(text, "change feed")))
		snprintf(h->complaint, sizeof h->complaint, "%s", text);
}

/* What an uncertain write has become is known now. */
static void check_version(struct history *h, uint64_t version)
{
	if (h->uncertain_to > 0 && version == h->uncertain_to)
		h->last_version = version;
	if (version != h->last_version)
		ck_abort_msg("version %" PRIu64 " after opening instead of %" PRIu64, version, h->last_version);
	for (size_t i = 0; i < h->submission_count; i++)
		if (h->submissions[i].last_version > version)
			h->submissions[i].last_version = 0; /* it is gone, and its versions are free */
	h->uncertain_to = 0;
	history_forget(h, version);
	sim_disk_mark(h->disk, HISTORY_PROMISED, version);
}

static bool open_store(struct history *h)
{
	struct store_options options;
	struct store_stats stats;
	struct store *store;
	struct kv_error err;
	kv_status status;

	history_options(h, &options);
	options.fs = fault_fs_fs(h->fault);
	options.event = on_event;
	options.event_arg = h;
	h->sync_commits = options.durability == STORE_DURABLE_COMMIT;
	history_enter(h);
	status = store_open(&options, &store, &err);
	if (status == KV_UNSUPPORTED) {
		options.compression = STORE_COMPRESSION_NONE;
		status = store_open(&options, &store, &err);
	}
	if (!history_is_ok(h, status, &err)) {
		if (status == KV_CORRUPT)
			ck_abort_msg("a fault was taken for damage: %s", err.text);
		history_must(sim_disk_open_count(h->disk) == 0, "a failed open has left a descriptor or a window open");
		return false;
	}
	store_get_stats(store, &stats);
	check_version(h, stats.last_version);
	atomic_store(&h->store, store);
	return true;
}

static void finish_store(struct history *h)
{
	struct store_finish_report report;
	struct kv_error err;

	if (history_is_ok(h, store_finish(history_enter(h), &report, &err), &err))
		sim_disk_mark(h->disk, HISTORY_PROMISED, h->last_version);
}

static void close_store(struct history *h)
{
	struct store *store = atomic_load(&h->store);
	struct store_stats stats;

	store_get_stats(store, &stats);
	h->flushes += stats.flushes;
	h->compactions += stats.compactions;
	atomic_store(&h->store, NULL);
	store_close(store);
	history_must(sim_disk_open_count(h->disk) == 0, "a descriptor or a window was left open");
}

/* ---- everything else ---- */

static void make_checkpoint(struct history *h)
{
	struct history_checkpoint *c = &h->checkpoints[h->checkpoint_count];
	struct kv_error err;

	if (h->checkpoint_count == HISTORY_CHECKPOINTS)
		return; /* enough of them */
	*c = (struct history_checkpoint){ .from = h->last_version, .to = h->last_version };
	snprintf(c->path, sizeof c->path, "/copy%" PRIx32, (uint32_t)runner_random(&h->random));
	if (history_is_ok(h, store_checkpoint(history_enter(h), c->path, &err), &err))
		sim_disk_mark(h->disk, HISTORY_CHECKPOINT, h->checkpoint_count++);
}

/* What waits for memory would wait a second each time. */
static void relieve(const struct history *h)
{
	if (h->relieved)
		fault_alloc_fail(0, false);
}

static void flush(struct history *h)
{
	struct kv_error err;

	relieve(h);
	if (history_is_ok(h, store_flush(history_enter(h), &err), &err))
		sim_disk_mark(h->disk, HISTORY_PROMISED, h->last_version);
}

static void compact(struct history *h)
{
	struct kv_error err;

	relieve(h);
	history_is_ok(h, store_compact(history_enter(h), &err), &err);
}

/* One key as it must be; an error is told elsewhere. */
static void read_key(struct history *h, struct slice key)
{
	const struct model_version *v = model_get(h->model, key, h->last_version, clock_wall_ms());
	struct store_value got;
	struct kv_error err;
	kv_status status = store_get(history_enter(h), NULL, key, &got, &err);

	if (status == KV_NOT_FOUND) {
		fault_alloc_pause();
		history_must(v == NULL, "a key is not found");
	} else if (history_is_ok(h, status, &err)) {
		history_must(v && got.version == v->version && got.size == v->value.len, "another value is found");
		store_value_release(&got);
	}
	history_must(status != KV_CORRUPT, "a fault was taken for damage");
}

static void read_all(struct history *h)
{
	struct store_iter *iter;
	struct kv_error err;
	uint64_t now = clock_wall_ms();
	long place = model_first(h->model, h->last_version, now);

	if (!history_is_ok(h, store_iter_open(history_enter(h), NULL, &iter, &err), &err))
		return;
	history_enter(h);
	store_iter_seek_first(iter);
	fault_alloc_pause();
	for (; store_iter_valid(iter); place = model_next(h->model, place, h->last_version, now)) {
		history_must(place != MODEL_NONE && slice_equal(store_iter_key(iter), model_key(h->model, place)),
			"a scan finds another key");
		history_enter(h);
		store_iter_next(iter);
		fault_alloc_pause();
	}
	if (store_iter_status(iter, &err) == KV_OK)
		history_must(place == MODEL_NONE, "a scan ends too early");
	else
		history_must(h->faulty && err.status != KV_CORRUPT, "a scan fails");
	store_iter_close(iter);
}

static void read_changes(struct history *h)
{
	struct store_changes *changes;
	struct store_change change;
	struct kv_error err;
	uint64_t last = 0;
	kv_status status;

	if (h->change_log_bytes == 0)
		return;
	history_enter(h);
	status = store_changes_open(atomic_load(&h->store), store_changes_oldest(atomic_load(&h->store)), &changes, &err);
	fault_alloc_pause();
	if (status != KV_OK) /* the oldest may go meanwhile */
		return;
	do {
		history_enter(h);
		status = store_changes_next(changes, &change, &err);
		fault_alloc_pause();
		history_must(status != KV_OK || (change.version > last && change.version <= h->last_version),
			"the change feed tells what is not there");
		last = status == KV_OK ? change.version : last;
	} while (status == KV_OK || status == KV_BUSY);
	history_must(status == KV_NOT_FOUND || status == KV_GONE || (h->faulty && status != KV_CORRUPT), "the change feed fails");
	store_changes_close(changes);
}

void history_read(struct history *h)
{
	for (size_t i = 0; i < HISTORY_KEYS; i += 5)
		read_key(h, buf_slice(&h->keys[i]));
	read_all(h);
	read_changes(h);
}

static void look_after(struct history *h)
{
	switch (history_below(h, 6)) {
	case 0:
		compact(h);
		break;
	case 1:
		make_checkpoint(h);
		break;
	case 2:
		if (history_below(h, 2) == 0)
			finish_store(h);
		close_store(h);
		open_store(h);
		break;
	default:
		flush(h);
		break;
	}
}

void history_live(struct history *h, unsigned operations)
{
	fault_alloc_pause();
	open_store(h);
	for (unsigned i = 0; i < operations; i++) {
		uint64_t what = history_below(h, 100);

		if (what < 80)
			history_write(h, 1);
		else if (what < 90)
			history_write(h, 2 + history_below(h, IN_FLIGHT_MAX - 1));
		else if (what < 94)
			history_read(h);
		else
			look_after(h);
	}
	close_store(h);
	fault_alloc_resume();
	if (h->complaint[0] != '\0')
		ck_abort_msg("the store said: %s", h->complaint);
}

static void write_many(struct history *h, unsigned count)
{
	while (count-- > 0)
		history_write(h, 1);
	history_read(h);
}

/* One fault may keep it from being opened; the next try is without. */
static bool open_somehow(struct history *h)
{
	if (open_store(h))
		return true;
	relieve(h);
	return open_store(h);
}

void history_script(struct history *h)
{
	fault_alloc_pause();
	if (!open_somehow(h))
		goto out;
	write_many(h, 12);
	flush(h);
	write_many(h, 20);
	make_checkpoint(h);
	flush(h);
	compact(h);
	write_many(h, 20);
	close_store(h);
	if (!open_somehow(h))
		goto out;
	write_many(h, 8);
	flush(h);
	compact(h);
	write_many(h, 3);
	relieve(h);
	finish_store(h);
	close_store(h);
	if (!open_somehow(h))
		goto out;
	write_many(h, 3);
	close_store(h);
out:
	fault_alloc_resume();
}

/* ---- its life ---- */

static void make_keys(struct history *h)
{
	static const uint8_t alphabet[6] = { 0x00, 0x01, 'a', 'b', 0x80, 0xff };

	for (size_t i = 0; i < HISTORY_KEYS; i++) {
		size_t len = 1 + history_below(h, i % 3 == 0 ? 4 : 20);

		history_must(buf_append_byte(&h->keys[i], alphabet[i % 6]) == KV_OK &&
			buf_append_byte(&h->keys[i], (uint8_t)i) == KV_OK, "out of memory");
		for (size_t k = 0; k < len; k++)
			history_must(buf_append_byte(&h->keys[i], alphabet[history_below(h, 6)]) == KV_OK, "out of memory");
	}
}

static void put_disk(struct history *h, struct sim_disk *disk)
{
	h->fault = fault_fs_free(h->fault);
	h->disk = sim_disk_free(h->disk);
	h->disk = disk;
	h->fault = fault_fs_new(sim_disk_fs(disk));
	fault_fs_allow_maps(h->fault);
	fault_fs_hook(h->fault, before_operation, h);
	h->submission_count = 0;
	h->checkpoint_count = 0;
	h->first_version = h->last_version;
}

struct history *history_new(uint64_t seed, enum history_kind kind)
{
	static const uint64_t change_logs[] = { 0, 100 << 10, 64 << 20 };
	struct history *h = calloc(1, sizeof *h);

	history_must(h != NULL, "out of memory");
	h->random = seed;
	h->model = model_new();
	h->change_log_bytes = kind == HISTORY_UNSYNCED ? 0 : change_logs[history_below(h, 3)];
	h->kind = kind;
	make_keys(h);
	put_disk(h, sim_disk_new());
	return h;
}

void history_forget(struct history *h, uint64_t version)
{
	model_truncate(h->model, version);
	while (h->change_count > 0 && h->changes[h->change_count - 1].version > version) {
		buf_free(&h->changes[h->change_count - 1].bound);
		buf_free(&h->changes[--h->change_count].value);
	}
	h->last_version = version;
}

void history_go_on(struct history *h, struct sim_disk *disk, uint64_t version)
{
	history_forget(h, version);
	h->uncertain_to = 0;
	put_disk(h, disk);
}

struct history *history_free(struct history *h)
{
	if (!h)
		return NULL;
	history_go_on(h, sim_disk_new(), 0);
	h->fault = fault_fs_free(h->fault);
	h->disk = sim_disk_free(h->disk);
	h->model = model_free(h->model);
	for (size_t i = 0; i < HISTORY_KEYS; i++)
		buf_free(&h->keys[i]);
	free(h->changes);
	free(h->submissions);
	free(h);
	return NULL;
}

bool history_is_boundary(const struct history *h, uint64_t version)
{
	for (size_t i = 0; i < h->submission_count; i++)
		if (h->submissions[i].last_version == version)
			return true;
	return version == h->first_version;
}

uint64_t history_durable_below(const struct history *h, uint64_t seen)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < h->submission_count; i++) {
		const struct history_submission *s = &h->submissions[i];

		if (s->durable && s->last_version <= seen && s->last_version > ret)
			ret = s->last_version;
	}
	return ret;
}
