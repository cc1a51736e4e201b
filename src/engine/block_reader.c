/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lookup looks for the hash byte of its key among those of the entries (they lie next to the head: usually one or two cache lines),
 * and decodes only the runs that have it: the right one, and by chance one of 256 others. It never builds a
 * key: it keeps how many bytes of the wanted key the last decoded one shares with it.
 */
#include "engine/block_reader.h"

#include "base/coding.h"
#include "engine/format.h"

#include <assert.h>

enum { LINE_BYTES = 64 };

/* One entry, decoded; `shared` bytes of its key are those of the entry before. */
struct decoded {
	const uint8_t *suffix;
	uint64_t shared, unshared;
	const uint8_t *value;
	uint64_t value_len;
	uint64_t sequence;
	uint64_t expires_unix_ms;
	enum entry_kind kind;
};

kv_status block_open(struct slice content, struct block *ret)
{
	size_t left, runs_bytes, keys_len;
	struct block block;

	if (content.len < BLOCK_HEAD_BYTES || content.data[BLOCK_HEAD_RESERVED] != 0)
		return KV_CORRUPT;
	block.count = get_fixed16(content.data + BLOCK_HEAD_COUNT);
	block.run_shift = content.data[BLOCK_HEAD_RUN_SHIFT];
	if (block.count == 0 || block.run_shift > BLOCK_RUN_SHIFT_MAX)
		return KV_CORRUPT;
	left = content.len - BLOCK_HEAD_BYTES;
	if (block.count > left)
		return KV_CORRUPT;
	left -= block.count;
	runs_bytes = (size_t)((block.count - 1) >> block.run_shift) * BLOCK_RUN_BYTES;
	if (runs_bytes > left)
		return KV_CORRUPT;
	left -= runs_bytes;
	keys_len = get_fixed32(content.data + BLOCK_HEAD_KEYS);
	if (keys_len > left)
		return KV_CORRUPT;
	block.hashes = content.data + BLOCK_HEAD_BYTES;
	block.runs = block.hashes + block.count;
	block.keys = block.runs + runs_bytes;
	block.keys_end = block.keys + keys_len;
	block.values_end = content.data + content.len;
	*ret = block;
	return KV_OK;
}

/* False when the position is outside of the block. */
static inline bool run_position(const struct block *block, uint32_t run, struct block_position *ret)
{
	const uint8_t *bytes;
	size_t key, value;

	if (run == 0) {
		*ret = (struct block_position){ block->keys, block->keys_end };
		return true;
	}
	bytes = block->runs + (size_t)(run - 1) * BLOCK_RUN_BYTES;
	key = get_fixed16(bytes + BLOCK_RUN_KEY);
	value = get_fixed16(bytes + BLOCK_RUN_VALUE);
	if (key > (size_t)(block->keys_end - block->keys) ||
		value > (size_t)(block->values_end - block->keys_end))
		return false;
	*ret = (struct block_position){ block->keys + key, block->keys_end + value };
	return true;
}

/* read_varint64 with a single byte inlined. */
static inline bool varint(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
	struct reader reader = { .pos = *pos, .end = end };

	if (*pos < end && **pos < 0x80) {
		*ret = *(*pos)++;
		return true;
	}
	if (!read_varint64(&reader, ret))
		return false;
	*pos = reader.pos;
	return true;
}

/* The last checks of an entry, whose numbers are read; `p` is where the suffix begins. */
static inline bool accept(const struct block *block, struct block_position *pos, size_t previous_len,
	const uint8_t *p, unsigned tag, uint64_t value_len, struct decoded *ret)
{
	if (tag > ENTRY_BLOB || ret->shared > previous_len ||
		ret->unshared > ENTRY_KEY_MAX - ret->shared || ret->shared + ret->unshared == 0 ||
		ret->sequence - 1 >= ENTRY_SEQUENCE_MAX)
		return false;
	if (p > block->keys_end || ret->unshared > (size_t)(block->keys_end - p) ||
		value_len > (size_t)(block->values_end - pos->value))
		return false;
	ret->kind = (enum entry_kind)tag;
	ret->suffix = p;
	ret->value = pos->value;
	ret->value_len = value_len;
	pos->key = p + ret->unshared;
	pos->value += value_len;
	return true;
}

/* `len` (1..7) bytes, little-endian. 0, which is no sequence, when it is not the shortest form. */
static inline uint64_t sequence_of(const uint8_t *p, unsigned len)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < len; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return len > 1 && p[len - 1] == 0 ? 0 : v;
}

/* Any entry, field by field. */
static __attribute__((noinline)) bool decode_any(const struct block *block, struct block_position *pos,
	size_t previous_len, struct decoded *ret)
{
	const uint8_t *p = pos->key, *end = block->keys_end;
	uint64_t value_len;
	unsigned tag, len;

	if (p >= end)
		return false;
	tag = *p++;
	len = 1 + (tag >> BLOCK_TAG_SEQUENCE_SHIFT & 7);
	if (!varint(&p, end, &ret->shared) || !varint(&p, end, &ret->unshared) ||
		!varint(&p, end, &value_len) || len > 7 || len > (size_t)(end - p))
		return false;
	ret->sequence = sequence_of(p, len);
	p += len;
	ret->expires_unix_ms = 0;
	if (tag & BLOCK_TAG_EXPIRES &&
		(!varint(&p, end, &ret->expires_unix_ms) || ret->expires_unix_ms == 0))
		return false;
	if (ret->shared > ENTRY_KEY_MAX)
		return false; /* the sums that follow could wrap */
	return accept(block, pos, previous_len, p, tag & BLOCK_TAG_KIND, value_len, ret);
}

/*
 * Decodes the entry at *pos and moves *pos behind it. `previous_len`: bytes of the key before it, 0 at the start of a run. False
 * when it is malformed.
 *
 * Where the next entry begins follows from the first few bytes in one step, not from one varint after the other: a walk
 * waits for nothing else.
 */
static inline __attribute__((always_inline)) bool decode(const struct block *block,
	struct block_position *pos, size_t previous_len, struct decoded *ret)
{
	const uint8_t *p = pos->key;
	uint64_t value_len;
	unsigned bits;

	/* nearly always each number but the value's length is a byte, and the block goes on for some more */
	if (block->values_end - p < 5 + 8 || (p[0] | p[1] | p[2]) >= 0x80 || (p[3] & p[4]) >= 0x80) {
		struct block_position here = *pos; /* of their own: what is behind the pointers stays in registers */
		struct decoded any;

		if (!decode_any(block, &here, previous_len, &any))
			return false;
		*pos = here;
		*ret = any;
		return true;
	}
	bits = 8 + (p[0] >> BLOCK_TAG_SEQUENCE_SHIFT) * 8;
	if (bits > 56)
		return false;
	ret->shared = p[1];
	ret->unshared = p[2];
	value_len = p[3];
	if (value_len >= 0x80) {
		value_len = (value_len & 0x7f) | (uint64_t)p[4] << 7;
		if (p[4] == 0)
			return false;
		p++;
	}
	ret->sequence = get_fixed64(p + 4) & ((UINT64_C(1) << bits) - 1);
	if (bits > 8 && ret->sequence >> (bits - 8) == 0)
		return false;
	ret->expires_unix_ms = 0;
	return accept(block, pos, previous_len, p + 4 + bits / 8, pos->key[0] & BLOCK_TAG_KIND, value_len,
		ret);
}

kv_status block_check_runs(const struct block *block)
{
	struct block_position pos = { block->keys, block->keys_end }, told;
	struct decoded decoded = { 0 };

	for (uint32_t index = 0; index < block->count; index++) {
		if ((index & ((1u << block->run_shift) - 1)) == 0) {
			if (!run_position(block, index >> block->run_shift, &told) || told.key != pos.key ||
				told.value != pos.value)
				return KV_CORRUPT;
			decoded.shared = decoded.unshared = 0;
		}
		if (!decode(block, &pos, decoded.shared + decoded.unshared, &decoded))
			return KV_CORRUPT;
	}
	return KV_OK;
}

static inline void fill(struct entry *entry, struct slice key, const struct decoded *from)
{
	entry->key = key;
	entry->value.data = from->value; /* one by one: copied as a pair they would be stored and read again */
	entry->value.len = from->value_len;
	entry->sequence = from->sequence;
	entry->expires_unix_ms = from->expires_unix_ms;
	entry->kind = from->kind;
}

/* A walk over the block that compares with one key and builds none. */
struct probe {
	struct block_position pos; /* of entry `index` */
	uint32_t index;
	size_t key_len; /* of the entry before, as `matched`: 0 at the start of a run */
	size_t matched; /* bytes that it has in common with the key */
};

/* Decodes entries up to and with `target`, from the start of its run when the probe is not in it already. */
static inline bool probe_to(const struct block *block, struct probe *probe, struct slice key,
	uint32_t target, struct decoded *ret)
{
	uint32_t run = target >> block->run_shift;

	if (probe->index > target || probe->index <= run << block->run_shift) {
		probe->index = run << block->run_shift;
		if (!run_position(block, run, &probe->pos))
			return false;
	}
	for (; probe->index <= target; probe->index++) {
		if ((probe->index & ((1u << block->run_shift) - 1)) == 0)
			probe->key_len = probe->matched = 0;
		if (!decode(block, &probe->pos, probe->key_len, ret))
			return false;
		probe->key_len = ret->shared + ret->unshared;
		/* an entry that shares more than matched differs where the one before did */
		if (ret->shared > probe->matched)
			continue;
		probe->matched = ret->shared + slice_common_prefix(slice_of(ret->suffix, ret->unshared),
			slice_of(key.data + ret->shared, key.len - ret->shared));
	}
	return true;
}

/* Starts to fetch the entry `index`, which is where it must be if all are about as long: key and value come side by side. */
static inline void prefetch_entry(const struct block *block, uint32_t index)
{
	size_t keys = (size_t)(block->keys_end - block->keys);
	size_t values = (size_t)(block->values_end - block->keys_end);
	uint32_t part = (index << 16) / block->count; /* of the block; the index has at most 16 bits */
	const uint8_t *value;

	if (keys > BLOCK_SHARED_BYTES_MAX || values > BLOCK_SHARED_BYTES_MAX)
		return;
	__builtin_prefetch(block->keys + (keys * part >> 16));
	value = block->keys_end + (values * part >> 16);
	__builtin_prefetch(value);
	__builtin_prefetch(value + LINE_BYTES);
}

kv_status block_get(const struct block *block, struct slice key, uint64_t hash,
	uint64_t max_sequence, struct entry *ret)
{
	const uint8_t *hit = block->hashes, *end = hit + block->count;
	struct probe probe = { .index = UINT32_MAX };
	struct decoded decoded = { 0 };

	for (;; hit++) {
		hit = memchr(hit, (uint8_t)hash, (size_t)(end - hit));
		if (!hit)
			return KV_NOT_FOUND;
		prefetch_entry(block, (uint32_t)(hit - block->hashes));
		if (!probe_to(block, &probe, key, (uint32_t)(hit - block->hashes), &decoded))
			return KV_CORRUPT;
		if (probe.matched == key.len && probe.key_len == key.len && decoded.sequence <= max_sequence)
			break;
	}
	fill(ret, key, &decoded);
	return KV_OK;
}

kv_status block_cursor_open(struct block_cursor *cursor, struct slice content)
{
	return block_open(content, &cursor->block);
}

/* The key of an entry that shares some of it with the one before, which may lie right before `to`. Short parts, nearly all, are copied without
 * a call where both sides have room. */
static inline void assemble(uint8_t *to, const uint8_t *previous, const struct decoded *from,
	const struct block *block)
{
	uint8_t part[BLOCK_KEY_SLACK / 2];

	if (from->shared <= sizeof part && from->unshared <= sizeof part &&
		(size_t)(block->values_end - from->suffix) >= sizeof part) {
		memcpy(part, previous, sizeof part);
		memcpy(to, part, sizeof part);
		memcpy(to + from->shared, from->suffix, sizeof part);
	} else {
		memcpy(to, previous, from->shared);
		memcpy(to + from->shared, from->suffix, from->unshared);
	}
}

/*
 * Decodes up to `most` entries from `index` on, which begins at *pos. `previous` is the key before it, empty where a run begins: it lies
 * in the block or at the start of `keys`, of which keys_bytes are in use.
 */
static kv_status fill_batch(struct block_cursor *cursor, uint32_t index, const struct block_position *pos,
	struct slice previous, uint32_t most)
{
	const uint32_t run_mask = (1u << cursor->block.run_shift) - 1;
	struct block_position next = *pos;
	struct decoded decoded;
	uint32_t n = 0;

	if (most > cursor->block.count - index)
		most = cursor->block.count - index;
	for (; n < most; n++) {
		struct block_position here = next;
		struct slice key;

		if (((index + n) & run_mask) == 0)
			previous.len = 0;
		if (!decode(&cursor->block, &here, previous.len, &decoded))
			break;
		key = slice_of(decoded.suffix, decoded.shared + decoded.unshared);
		if (decoded.shared > 0) {
			assert(previous.data); /* else decode() had found less to share */
			key.data = cursor->keys + cursor->keys_bytes;
			if (key.len > sizeof cursor->keys - BLOCK_KEY_SLACK - cursor->keys_bytes)
				break; /* it begins the next batch */
			assemble(cursor->keys + cursor->keys_bytes, previous.data, &decoded, &cursor->block);
			cursor->keys_bytes += key.len;
		}
		__builtin_prefetch(decoded.value);
		fill(&cursor->entries[n], key, &decoded);
		previous = key;
		next.key = decoded.suffix + decoded.unshared; /* one by one, as in fill() */
		next.value = decoded.value + decoded.value_len;
	}
	cursor->index = index;
	cursor->count = n;
	cursor->next = next;
	return n > 0 ? KV_OK : KV_CORRUPT;
}

static kv_status start_run(struct block_cursor *cursor, uint32_t run, uint32_t most)
{
	struct block_position pos;

	cursor->keys_bytes = 0;
	if (!run_position(&cursor->block, run, &pos))
		return KV_CORRUPT;
	return fill_batch(cursor, run << cursor->block.run_shift, &pos, slice_of(NULL, 0), most);
}

/* The batch behind this one. The last key of this one has to stay, for the next to share with. */
static kv_status go_on(struct block_cursor *cursor, uint32_t most)
{
	struct slice previous = cursor->entries[cursor->count - 1].key;
	struct block_position pos = cursor->next;

	cursor->keys_bytes = 0;
	if (previous.data >= cursor->keys && previous.data < cursor->keys + sizeof cursor->keys) {
		memmove(cursor->keys, previous.data, previous.len);
		previous.data = cursor->keys;
		cursor->keys_bytes = previous.len;
	}
	return fill_batch(cursor, cursor->index + cursor->count, &pos, previous, most);
}

/* A batch that ends with entry `index`. */
static kv_status end_with(struct block_cursor *cursor, uint32_t index)
{
	uint32_t run = index >> cursor->block.run_shift;
	uint32_t more = BLOCK_BATCH >> cursor->block.run_shift; /* runs that a batch has room for */
	uint32_t left;
	kv_status status;

	if (more > 1)
		run -= run < more - 1 ? run : more - 1;
	left = index + 1 - (run << cursor->block.run_shift);
	status = start_run(cursor, run, left < BLOCK_BATCH ? left : BLOCK_BATCH);
	while (status == KV_OK && (left = index + 1 - cursor->index - cursor->count) > 0)
		status = go_on(cursor, left < BLOCK_BATCH ? left : BLOCK_BATCH);
	return status;
}

kv_status block_cursor_first(struct block_cursor *cursor)
{
	return start_run(cursor, 0, BLOCK_BATCH);
}

kv_status block_cursor_last(struct block_cursor *cursor)
{
	return end_with(cursor, cursor->block.count - 1);
}

kv_status block_cursor_next(struct block_cursor *cursor)
{
	if (cursor->index + cursor->count == cursor->block.count)
		return KV_NOT_FOUND;
	return go_on(cursor, BLOCK_BATCH);
}

kv_status block_cursor_prev(struct block_cursor *cursor)
{
	if (cursor->index == 0)
		return KV_NOT_FOUND;
	return end_with(cursor, cursor->index - 1);
}

/* The last run that begins before (key, sequence), or the first run. */
static kv_status find_run(const struct block *block, struct slice key, uint64_t sequence,
	uint32_t *ret)
{
	uint32_t low = 0, high = (block->count - 1) >> block->run_shift;
	struct block_position pos;
	struct decoded decoded;

	while (low < high) {
		uint32_t middle = high - (high - low) / 2;

		if (!run_position(block, middle, &pos) || !decode(block, &pos, 0, &decoded))
			return KV_CORRUPT;
		if (entry_compare_position(slice_of(decoded.suffix, decoded.unshared), decoded.sequence,
			    key, sequence) < 0)
			low = middle;
		else
			high = middle - 1;
	}
	*ret = low;
	return KV_OK;
}

/* The first of the batch at or after the position; `count` when there is none. */
static uint32_t find_in_batch(const struct block_cursor *cursor, struct slice key, uint64_t sequence)
{
	uint32_t at = 0;

	while (at < cursor->count && entry_compare_position(cursor->entries[at].key,
					     cursor->entries[at].sequence, key, sequence) < 0)
		at++;
	return at;
}

kv_status block_cursor_seek(struct block_cursor *cursor, struct slice key, uint64_t sequence, uint32_t *ret_at)
{
	uint32_t run;
	kv_status status = find_run(&cursor->block, key, sequence, &run);

	if (status == KV_OK)
		status = start_run(cursor, run, BLOCK_BATCH_SEEK);
	while (status == KV_OK) {
		*ret_at = find_in_batch(cursor, key, sequence);
		if (*ret_at < cursor->count)
			break;
		status = block_cursor_next(cursor);
	}
	return status;
}

kv_status block_cursor_seek_before(struct block_cursor *cursor, struct slice key, uint32_t *ret_at)
{
	kv_status status = block_cursor_seek(cursor, key, ENTRY_SEQUENCE_MAX, ret_at);

	if (status == KV_OK && *ret_at > 0) {
		--*ret_at;
		return KV_OK;
	}
	if (status == KV_NOT_FOUND)
		status = block_cursor_last(cursor);
	else if (status == KV_OK)
		status = block_cursor_prev(cursor);
	if (status == KV_OK)
		*ret_at = cursor->count - 1;
	return status;
}
