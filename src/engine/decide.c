/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions, checks and transforms, one after the other: each sees what the ones before it have done. */
#include "engine/decide.h"

#include "base/rcu.h"
#include "engine/transform.h"

/* The newest version of a key. */
struct key_state {
	bool exists;
	struct entry entry; /* when it exists */
	struct pinned pin;  /* keeps its value */
};

/* What one decision looks into, and how far it is. */
struct decision {
	struct views *views;
	uint64_t visible_sequence, now_unix_ms;
	struct overlay *overlay;
	struct engine_write *write;
	struct reader reader;               /* the operations that follow */
	struct engine_condition *condition; /* the next one */
};

bool decide_is_needed(const struct engine_write *list)
{
	for (; list; list = list->next)
		if (list->condition_count > 0 || list->transform.kind != ENGINE_TRANSFORM_NONE)
			return true;
	return false;
}

/* A touch that found a blob refers to its file again: which must not go before that, because the entry has expired meanwhile. */
static bool must_hold(const struct engine_write *write, const struct entry *found)
{
	return found->kind == ENTRY_BLOB && write->transform.kind == ENGINE_TOUCH && !write->held;
}

/* Damage, or a disk that cannot read there: which will not pass by itself either. */
static bool is_unreadable(kv_status status)
{
	return status == KV_CORRUPT || status == KV_IO;
}

static kv_status note_unreadable(struct engine_write *write, kv_status status, const struct kv_error *err)
{
	if (is_unreadable(status))
		engine_write_keep_error(write, err);
	return status;
}

static kv_status read_state(const struct decision *d, struct slice key, struct key_state *ret)
{
	const struct entry *pending = overlay_find(d->overlay, key);
	struct view_read read = { 0 };
	struct kv_error err;
	kv_status status = KV_OK;

	*ret = (struct key_state){ 0 };
	if (pending) {
		read.entry = *pending;
	} else {
		struct view *view;

		rcu_enter();
		view = views_peek(d->views);
		status = view_get(view, key, d->visible_sequence, &read, &err);
		if (status == KV_OK && must_hold(d->write, &read.entry))
			d->write->held = view_ref(view);
		rcu_leave();
	}
	if (status != KV_OK && status != KV_NOT_FOUND)
		return note_unreadable(d->write, status, &err);
	*ret = (struct key_state){
		.exists = status == KV_OK && entry_is_live(&read.entry, d->now_unix_ms),
		.entry = read.entry,
		.pin = read.pin,
	};
	return KV_OK;
}

static bool holds(const struct engine_condition *condition, const struct key_state *state)
{
	switch (condition->expect) {
	case ENGINE_EXPECT_EXISTS:
	case ENGINE_EXPECT_NOT_ABSENT:
		return state->exists;
	case ENGINE_EXPECT_ABSENT:
		return !state->exists;
	case ENGINE_EXPECT_VERSION:
		return state->exists && state->entry.sequence == condition->version;
	case ENGINE_EXPECT_NOTHING:
		break;
	}
	return true;
}

static bool is_due(const struct decision *d, uint32_t place)
{
	const struct engine_write *write = d->write;

	return d->condition < write->conditions + write->condition_count && d->condition->place == place;
}

/* Nobody needs to read what he replaces or deletes: then damage is no obstacle, but the way to be rid of it. */
static bool may_be_unreadable(const struct engine_condition *condition)
{
	return !condition->is_check &&
		(condition->expect == ENGINE_EXPECT_NOTHING || condition->expect == ENGINE_EXPECT_NOT_ABSENT);
}

static kv_status decide_condition(struct decision *d, struct slice key)
{
	struct engine_condition *condition = d->condition++;
	struct key_state state;
	kv_status status = read_state(d, key, &state);

	if (is_unreadable(status) && may_be_unreadable(condition)) {
		condition->existed = true;
		condition->found = 0;
		return KV_OK;
	}
	if (status != KV_OK)
		return status;
	if (holds(condition, &state)) {
		condition->existed = state.exists;
		condition->found = state.exists ? state.entry.sequence : 0;
	} else {
		d->write->failed_place = condition->place;
		status = KV_CONDITION;
	}
	pinned_release(&state.pin);
	return status;
}

static struct slice check_key(const struct decision *d)
{
	return slice_of(d->write->check_keys.data + d->condition->key_offset, d->condition->key_len);
}

/* What stands at the place: a check or an operation. KV_NOT_FOUND: nothing more. */
static kv_status decide_place(struct decision *d, uint32_t place, uint64_t sequence, bool *ret_is_check)
{
	struct entry entry;
	kv_status status;

	*ret_is_check = is_due(d, place) && d->condition->is_check;
	if (*ret_is_check)
		return decide_condition(d, check_key(d));
	status = batch_next(&d->reader, &entry);
	if (status == KV_OK && is_due(d, place))
		status = decide_condition(d, entry.key);
	if (status != KV_OK)
		return status;
	entry.sequence = sequence;
	return overlay_add(d->overlay, &entry);
}

static kv_status decide_batch(struct decision *d)
{
	uint64_t sequence = d->write->first_sequence;
	kv_status status = KV_OK;

	d->reader = reader_of(buf_slice(&d->write->batch.operations));
	for (uint32_t place = 0; status == KV_OK; place++) {
		bool is_check;

		status = decide_place(d, place, sequence, &is_check);
		sequence += is_check ? 0 : 1;
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

static kv_status transform(const struct decision *d)
{
	struct reader reader = reader_of(buf_slice(&d->write->batch.operations));
	struct entry placeholder;
	struct key_state state;
	kv_status status = batch_next(&reader, &placeholder);

	if (status == KV_OK)
		status = read_state(d, placeholder.key, &state);
	if (status != KV_OK)
		return status;
	status = transform_apply(d->write, state.exists ? &state.entry : NULL);
	pinned_release(&state.pin);
	return status;
}

kv_status decide_write(struct views *views, uint64_t visible_sequence, uint64_t now_unix_ms,
	struct overlay *overlay, struct engine_write *write)
{
	size_t mark = overlay_mark(overlay);
	struct decision d = {
		.views = views,
		.visible_sequence = visible_sequence,
		.now_unix_ms = now_unix_ms,
		.overlay = overlay,
		.write = write,
		.condition = write->conditions,
	};
	kv_status status = KV_OK;

	write->failed_place = 0;
	if (write->transform.kind != ENGINE_TRANSFORM_NONE)
		status = transform(&d);
	if (status == KV_OK)
		status = decide_batch(&d);
	if (status != KV_OK)
		overlay_rollback(overlay, mark);
	return status;
}
