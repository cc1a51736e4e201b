/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policy (compact_pick) and filter (compact_filter) together, on a tree whose tables are arrays: random writes, flushes, snapshots and
 * a clock; several compactions under way at a time, which end in any order. What every snapshot and the newest state read must
 * always be what was written; every pick must fit the tree; picking must come to an end.
 */
#include "engine/compact_filter.h"
#include "engine/compact_pick.h"
#include "support/runner.h"

#include <stdlib.h>

enum {
	KEYS_MAX = 4000,
	KEY_BYTES = 4,
	ENTRY_BYTES = 10, /* what an entry counts for in the size of a table */
	JOBS_MAX = 3,
	SNAPSHOTS_MAX = 6,
	TABLES_MAX = 8000,
};

/* ck_assert reports every call to the parent process, which is too slow for millions of them. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s", #condition);                                            \
	} while (0)

struct version {
	uint32_t key;
	uint64_t sequence;
	uint64_t expires_unix_ms;
	enum entry_kind kind;
};

struct sim_table {
	struct version *versions;
	size_t count;
	uint8_t smallest[KEY_BYTES], largest[KEY_BYTES];
	struct pick_table info;
};

struct sim_level {
	struct sim_table *tables[TABLES_MAX];
	size_t count;
	uint8_t cursor[KEY_BYTES];
	bool has_cursor;
};

struct job {
	struct pick pick;
	struct sim_table *outputs[TABLES_MAX];
	size_t output_count;
};

static struct sim {
	uint64_t rnd;
	uint32_t key_count;
	struct pick_options options;
	uint64_t now_unix_ms;
	uint64_t last_sequence;
	uint64_t last_number;

	struct version *history[KEYS_MAX]; /* every version of the key ever written, oldest first */
	size_t history_counts[KEYS_MAX];

	struct version *memory; /* not flushed; in the order of writing */
	size_t memory_count;
	struct sim_level levels[MANIFEST_LEVELS];

	struct job *jobs[JOBS_MAX];
	size_t job_count;

	uint64_t snapshots[SNAPSHOTS_MAX]; /* ascending */
	size_t snapshot_count;

	uint64_t blob_bytes; /* of every value of every fourth key, which lies in a blob file */

	uint64_t picks, moves;
	uint64_t reasons[PICK_MANUAL + 1];
} sim;

static uint64_t random_below(uint64_t n)
{
	return (runner_random(&sim.rnd) >> 16) % n;
}

static void key_bytes(uint32_t key, uint8_t *to)
{
	uint8_t bytes[KEY_BYTES] = { (uint8_t)(key >> 24), (uint8_t)(key >> 16), (uint8_t)(key >> 8),
		(uint8_t)key };

	memcpy(to, bytes, KEY_BYTES);
}

static void *checked(void *memory)
{
	CHECK(memory != NULL);
	return memory;
}

/* ---- tables ---- */

static int by_position(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->sequence > y->sequence ? -1 : 1;
}

/* Takes `count` versions, in order. */
static struct sim_table *make_table(const struct version *versions, size_t count)
{
	struct sim_table *table = checked(calloc(1, sizeof *table));
	struct pick_table *info = &table->info;

	table->versions = checked(malloc(count * sizeof *versions));
	memcpy(table->versions, versions, count * sizeof *versions);
	table->count = count;
	key_bytes(versions[0].key, table->smallest);
	key_bytes(versions[count - 1].key, table->largest);
	info->smallest = slice_of(table->smallest, KEY_BYTES);
	info->largest = slice_of(table->largest, KEY_BYTES);
	info->number = ++sim.last_number;
	info->bytes = count * ENTRY_BYTES;
	info->entries = count;
	info->first_sequence = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		const struct version *v = &versions[i];

		info->tombstones += v->kind == ENTRY_DELETE;
		if (v->kind == ENTRY_PUT && v->key % 4 == 0)
			info->blob_bytes += sim.blob_bytes;
		if (v->sequence < info->first_sequence)
			info->first_sequence = v->sequence;
		if (v->sequence > info->last_sequence)
			info->last_sequence = v->sequence;
		if (v->expires_unix_ms != 0 &&
			(info->oldest_expiry_unix_ms == 0 || v->expires_unix_ms < info->oldest_expiry_unix_ms))
			info->oldest_expiry_unix_ms = v->expires_unix_ms;
	}
	return table;
}

static void free_table(struct sim_table *table)
{
	free(table->versions);
	free(table);
}

static struct sim_table *find_table(unsigned level, uint64_t number)
{
	struct sim_level *l = &sim.levels[level];

	for (size_t i = 0; i < l->count; i++) {
		if (l->tables[i]->info.number == number)
			return l->tables[i];
	}
	ck_abort_msg("table %u is not in level %u", (unsigned)number, level);
	return NULL;
}

static void take_out(unsigned level, const struct sim_table *table)
{
	struct sim_level *l = &sim.levels[level];
	size_t at = 0;

	while (l->tables[at] != table)
		at++;
	l->count--;
	memmove(&l->tables[at], &l->tables[at + 1], (l->count - at) * sizeof l->tables[0]);
}

/* Into a level below 0, where nothing may overlap; or on top of level 0. */
static void put_in(unsigned level, struct sim_table *table)
{
	struct sim_level *l = &sim.levels[level];
	size_t at = 0;

	CHECK(l->count < TABLES_MAX);
	while (level > 0 && at < l->count &&
		slice_compare(l->tables[at]->info.smallest, table->info.smallest) < 0)
		at++;
	if (level > 0 && at > 0)
		CHECK(slice_compare(l->tables[at - 1]->info.largest, table->info.smallest) < 0);
	if (level > 0 && at < l->count)
		CHECK(slice_compare(table->info.largest, l->tables[at]->info.smallest) < 0);
	memmove(&l->tables[at + 1], &l->tables[at], (l->count - at) * sizeof l->tables[0]);
	l->tables[at] = table;
	l->count++;
}

/* ---- reading ---- */

static const struct version *table_find(const struct sim_table *table, uint32_t key, uint64_t sequence)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct version *v = &table->versions[mid];

		if (v->key < key || (v->key == key && v->sequence > sequence))
			low = mid + 1;
		else
			high = mid;
	}
	if (low < table->count && table->versions[low].key == key)
		return &table->versions[low];
	return NULL;
}

/* As the engine looks: the first place, from the newest down, that has a version not newer than `sequence`. */
static const struct version *tree_find(uint32_t key, uint64_t sequence)
{
	for (size_t i = sim.memory_count; i-- > 0;) {
		if (sim.memory[i].key == key && sim.memory[i].sequence <= sequence)
			return &sim.memory[i];
	}
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++) {
		for (size_t i = 0; i < sim.levels[level].count; i++) {
			const struct version *v = table_find(sim.levels[level].tables[i], key, sequence);

			if (v)
				return v;
		}
	}
	return NULL;
}

static const struct version *history_find(uint32_t key, uint64_t sequence)
{
	for (size_t i = sim.history_counts[key]; i-- > 0;) {
		if (sim.history[key][i].sequence <= sequence)
			return &sim.history[key][i];
	}
	return NULL;
}

/* The sequence of what a reader sees; 0: nothing. */
static uint64_t seen(const struct version *v)
{
	if (!v || v->kind == ENTRY_DELETE ||
		(v->expires_unix_ms != 0 && v->expires_unix_ms <= sim.now_unix_ms))
		return 0;
	return v->sequence;
}

static void check_reads_of(uint32_t key)
{
	for (size_t i = 0; i <= sim.snapshot_count; i++) {
		uint64_t at = i < sim.snapshot_count ? sim.snapshots[i] : sim.last_sequence;

		CHECK(seen(tree_find(key, at)) == seen(history_find(key, at)));
	}
}

static void check_reads(void)
{
	for (uint32_t key = 0; key < sim.key_count; key++)
		check_reads_of(key);
}

/* ---- writing ---- */

static void write_version(void)
{
	struct version v = { .key = (uint32_t)random_below(sim.key_count),
		.sequence = ++sim.last_sequence,
		.kind = random_below(3) == 0 ? ENTRY_DELETE : ENTRY_PUT };
	size_t *count = &sim.history_counts[v.key];

	if (v.kind == ENTRY_PUT && random_below(5) == 0)
		v.expires_unix_ms = sim.now_unix_ms + 1 + random_below(5000000);
	sim.memory = checked(realloc(sim.memory, (sim.memory_count + 1) * sizeof v));
	sim.memory[sim.memory_count++] = v;
	sim.history[v.key] = checked(realloc(sim.history[v.key], (*count + 1) * sizeof v));
	sim.history[v.key][(*count)++] = v;
}

/* What compact_run does with the entries, without files: `versions` in order -> tables. */
static size_t filter_into_tables(const struct compact_filter *filter, const struct version *versions,
	size_t count, uint64_t bytes_max, struct sim_table **tables)
{
	struct version *kept = checked(malloc((count + 1) * sizeof *kept));
	size_t kept_count = 0, table_count = 0;

	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || versions[i - 1].key != versions[i].key;
		uint8_t bytes[KEY_BYTES];
		struct entry entry = { .key = slice_of(bytes, KEY_BYTES), .sequence = versions[i].sequence,
			.expires_unix_ms = versions[i].expires_unix_ms, .kind = versions[i].kind };
		enum compact_verdict verdict;

		key_bytes(versions[i].key, bytes);
		verdict = compact_filter_judge(filter, &entry, first ? 0 : versions[i - 1].sequence);
		if (verdict == COMPACT_DROP)
			continue;
		if (first && kept_count * ENTRY_BYTES >= bytes_max) {
			tables[table_count++] = make_table(kept, kept_count);
			kept_count = 0;
		}
		kept[kept_count] = versions[i];
		if (verdict == COMPACT_BURY)
			kept[kept_count] = (struct version){ .key = versions[i].key,
				.sequence = versions[i].sequence, .kind = ENTRY_DELETE };
		kept_count++;
	}
	if (kept_count > 0)
		tables[table_count++] = make_table(kept, kept_count);
	free(kept);
	return table_count;
}

static void flush(void)
{
	struct compact_filter filter = { .snapshots = sim.snapshots, .snapshot_count = sim.snapshot_count,
		.now_unix_ms = sim.now_unix_ms };
	struct sim_table *table;

	if (sim.memory_count == 0)
		return;
	qsort(sim.memory, sim.memory_count, sizeof *sim.memory, by_position);
	if (filter_into_tables(&filter, sim.memory, sim.memory_count, UINT64_MAX, &table) == 1)
		put_in(0, table);
	sim.memory_count = 0;
}

/* ---- compactions ---- */

static void describe(struct pick_level *levels)
{
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++) {
		struct sim_level *l = &sim.levels[level];
		struct pick_table *tables = checked(malloc((l->count + 1) * sizeof *tables));

		for (size_t i = 0; i < l->count; i++)
			tables[i] = l->tables[i]->info;
		levels[level] = (struct pick_level){ .tables = tables, .count = l->count };
		if (l->has_cursor)
			levels[level].cursor = slice_of(l->cursor, KEY_BYTES);
	}
}

static kv_status pick_next(bool manual, struct pick *ret)
{
	struct pick_level levels[MANIFEST_LEVELS];
	kv_status status;

	sim.options.now_unix_ms = sim.now_unix_ms;
	sim.options.oldest_snapshot = sim.snapshot_count > 0 ? sim.snapshots[0] : UINT64_MAX;
	describe(levels);
	status = manual ? compact_pick_all(levels, &sim.options, ret)
			: compact_pick(levels, &sim.options, ret);
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++)
		free((void *)(uintptr_t)levels[level].tables);
	return status;
}

static bool is_input(const struct pick *pick, unsigned which, const struct sim_table *table)
{
	for (size_t i = 0; i < pick->input_count[which]; i++) {
		if (pick->inputs[which][i] == table->info.number)
			return true;
	}
	return false;
}

static bool touch(const struct sim_table *a, const struct sim_table *b)
{
	return slice_compare(a->info.smallest, b->info.largest) <= 0 &&
		slice_compare(a->info.largest, b->info.smallest) >= 0;
}

/* No staying table of the output level shares a key with an input, and none of the level with an input of that. */
static void check_closed(const struct pick *pick, unsigned input_which, const struct sim_table *input)
{
	for (unsigned which = input_which == 1 || pick->level == 0; which < 2; which++) {
		struct sim_level *l = &sim.levels[which == 0 ? pick->level : pick->output_level];

		if (which == 1 && pick->level == pick->output_level)
			break;
		for (size_t i = 0; i < l->count; i++) {
			if (!is_input(pick, which, l->tables[i]))
				CHECK(!touch(l->tables[i], input));
		}
	}
}

static void check_levels_of(const struct pick *pick)
{
	const struct sim_level *zero = &sim.levels[0];
	size_t stay = zero->count - (pick->level == 0 ? pick->input_count[0] : 0);

	CHECK(pick->input_count[0] > 0);
	CHECK(pick->output_level < MANIFEST_LEVELS);
	CHECK(pick->score >= 1);
	for (unsigned level = pick->level + 1; level < pick->output_level; level++)
		CHECK(sim.levels[level].count == 0);
	for (unsigned level = pick->output_level + 1; pick->level == pick->output_level && level < MANIFEST_LEVELS; level++)
		CHECK(sim.levels[level].count == 0);
	/* of level 0, the oldest */
	for (size_t i = 0; pick->level == 0 && i < zero->count; i++)
		CHECK(is_input(pick, 0, zero->tables[i]) == (i >= stay));
}

static void mark(const struct pick *pick, bool busy)
{
	for (unsigned which = 0; which < 2; which++) {
		for (size_t i = 0; i < pick->input_count[which]; i++) {
			struct sim_table *table = find_table(which == 0 ? pick->level : pick->output_level,
				pick->inputs[which][i]);

			CHECK(table->info.busy != busy);
			table->info.busy = busy;
		}
	}
}

static void check_pick(const struct pick *pick)
{
	check_levels_of(pick);
	for (unsigned which = 0; which < 2; which++) {
		for (size_t i = 0; i < pick->input_count[which]; i++)
			check_closed(pick, which, find_table(which == 0 ? pick->level : pick->output_level,
				pick->inputs[which][i]));
	}
	if (pick->move)
		CHECK(pick->input_count[1] == 0);
	sim.picks++;
	sim.moves += pick->move;
	sim.reasons[pick->reason]++;
}

static bool may_be_below(void *arg, struct slice key)
{
	const struct job *job = arg;

	for (unsigned level = job->pick.output_level + 1; level < MANIFEST_LEVELS; level++) {
		for (size_t i = 0; i < sim.levels[level].count; i++) {
			const struct pick_table *info = &sim.levels[level].tables[i]->info;

			if (slice_compare(info->smallest, key) <= 0 && slice_compare(info->largest, key) >= 0)
				return true;
		}
	}
	return false;
}

/* All versions of the inputs, in order; freed by the caller. */
static struct version *gather(const struct pick *pick, size_t *ret_count)
{
	struct version *all = checked(malloc(sizeof *all));
	size_t count = 0;

	for (unsigned which = 0; which < 2; which++) {
		for (size_t i = 0; i < pick->input_count[which]; i++) {
			struct sim_table *table = find_table(which == 0 ? pick->level : pick->output_level,
				pick->inputs[which][i]);

			all = checked(realloc(all, (count + table->count + 1) * sizeof *all));
			memcpy(all + count, table->versions, table->count * sizeof *all);
			count += table->count;
		}
	}
	qsort(all, count, sizeof *all, by_position);
	*ret_count = count;
	return all;
}

/* Does the work now, with the snapshots and levels of now; the tree changes when the job ends. */
static void start_job(const struct pick *pick)
{
	struct job *job = checked(calloc(1, sizeof *job));
	struct compact_filter filter = { .snapshots = sim.snapshots, .snapshot_count = sim.snapshot_count,
		.now_unix_ms = sim.now_unix_ms, .may_be_below = may_be_below, .arg = job };
	size_t count;
	struct version *versions;

	check_pick(pick);
	job->pick = *pick;
	mark(pick, true);
	if (!pick->move) {
		versions = gather(pick, &count);
		job->output_count = filter_into_tables(&filter, versions, count, sim.options.table_bytes,
			job->outputs);
		free(versions);
	}
	sim.jobs[sim.job_count++] = job;
}

static void end_job(size_t at)
{
	struct job *job = sim.jobs[at];
	struct pick *pick = &job->pick;
	struct sim_level *from = &sim.levels[pick->level];

	mark(pick, false);
	for (unsigned which = 0; which < 2; which++) {
		unsigned level = which == 0 ? pick->level : pick->output_level;

		for (size_t i = 0; i < pick->input_count[which]; i++) {
			struct sim_table *table = find_table(level, pick->inputs[which][i]);

			if (which == 0)
				memcpy(from->cursor, table->largest, KEY_BYTES);
			take_out(level, table);
			if (pick->move)
				put_in(pick->output_level, table);
			else
				free_table(table);
		}
	}
	from->has_cursor = true;
	for (size_t i = 0; i < job->output_count; i++)
		put_in(pick->output_level, job->outputs[i]);
	pick_free(pick);
	free(job);
	sim.jobs[at] = sim.jobs[--sim.job_count];
}

static void end_all_jobs(void)
{
	while (sim.job_count > 0)
		end_job(random_below(sim.job_count));
}

/* Picks until nothing is due; every pick at once, or several at a time. Returns how many. */
static unsigned settle(bool manual, unsigned at_a_time)
{
	struct pick pick;
	unsigned picks = 0;

	for (;;) {
		kv_status status = sim.job_count < at_a_time ? pick_next(manual, &pick) : KV_BUSY;

		if (status == KV_OK) {
			start_job(&pick);
			picks++;
			ck_assert_msg(picks < 20000, "picking does not come to an end");
		} else if (sim.job_count > 0) {
			end_job(random_below(sim.job_count));
		} else {
			CHECK(status == KV_NOT_FOUND);
			return picks;
		}
	}
}

/* ---- the course of a simulation ---- */

static void new_snapshot(void)
{
	if (sim.snapshot_count < SNAPSHOTS_MAX)
		sim.snapshots[sim.snapshot_count++] = sim.last_sequence;
}

static void drop_snapshot(void)
{
	size_t at = random_below(SNAPSHOTS_MAX);

	if (at >= sim.snapshot_count)
		return;
	sim.snapshot_count--;
	memmove(&sim.snapshots[at], &sim.snapshots[at + 1],
		(sim.snapshot_count - at) * sizeof sim.snapshots[0]);
}

static void begin_sim(uint64_t seed, uint32_t key_count, uint64_t table_entries)
{
	memset(&sim, 0, sizeof sim);
	sim.rnd = seed | 1;
	sim.key_count = key_count;
	sim.now_unix_ms = 1000000000;
	sim.blob_bytes = random_below(3) * 10 * ENTRY_BYTES;
	sim.options = (struct pick_options){ .level0_threshold = 2 + (uint32_t)random_below(3),
		.table_bytes = table_entries * ENTRY_BYTES,
		.base_bytes = table_entries * ENTRY_BYTES * (1 + random_below(4)),
		.level_factor = 2 + (uint32_t)random_below(9),
		.small_bytes = 10 * ENTRY_BYTES,
		.quiet = random_below(2) == 0,
		.overwritten = (double)random_below(3) / 2,
		.oldest_snapshot = UINT64_MAX,
		.manual_sequence = UINT64_MAX };
}

static void end_sim(void)
{
	end_all_jobs();
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++) {
		for (size_t i = 0; i < sim.levels[level].count; i++)
			free_table(sim.levels[level].tables[i]);
	}
	for (size_t i = 0; i < KEYS_MAX; i++)
		free(sim.history[i]);
	free(sim.memory);
}

static void random_step(uint64_t flush_every, unsigned at_a_time)
{
	struct pick pick;
	uint64_t what = random_below(100);

	if (what < 60) {
		write_version();
	} else if (what < 70) {
		if (random_below(flush_every) == 0)
			flush();
	} else if (what < 80) {
		if (sim.job_count < at_a_time && pick_next(random_below(20) == 0, &pick) == KV_OK)
			start_job(&pick);
	} else if (what < 90) {
		if (sim.job_count > 0)
			end_job(random_below(sim.job_count));
	} else if (what < 92) {
		new_snapshot();
	} else if (what < 96) {
		drop_snapshot();
	} else if (what < 97) {
		sim.now_unix_ms += random_below(1000000);
	} else {
		check_reads_of((uint32_t)random_below(sim.key_count));
	}
}

/* After everything was merged down and no snapshot is left, only what is live is left, in one level. */
static void check_clean(void)
{
	unsigned filled = 0;
	size_t live = 0, entries = 0;

	for (unsigned level = 0; level < MANIFEST_LEVELS; level++) {
		filled += sim.levels[level].count > 0;
		for (size_t i = 0; i < sim.levels[level].count; i++) {
			ck_assert_uint_eq(sim.levels[level].tables[i]->info.tombstones, 0);
			entries += sim.levels[level].tables[i]->count;
		}
	}
	for (uint32_t key = 0; key < sim.key_count; key++)
		live += seen(history_find(key, sim.last_sequence)) != 0;
	ck_assert_uint_le(filled, 1);
	ck_assert_uint_ge(entries, live);
}

/* Where nothing is due, level 0 is below its threshold, and no level but the last is above what it may hold. */
static void check_targets(void)
{
	unsigned last = MANIFEST_LEVELS - 1;
	uint64_t share = 0;

	ck_assert_uint_lt(sim.levels[0].count, sim.options.level0_threshold);
	while (last > 0 && sim.levels[last].count == 0)
		last--;
	for (unsigned level = last; level > 0; level--) {
		uint64_t bytes = 0;

		for (size_t i = 0; i < sim.levels[level].count; i++)
			bytes += sim.levels[level].tables[i]->info.bytes;
		if (level < last)
			ck_assert_uint_le(bytes,
				share > sim.options.base_bytes ? share : sim.options.base_bytes);
		else
			share = bytes;
		share /= sim.options.level_factor;
	}
}

/* Where nothing is due, not much more than half of the store is pointed to from above the last level. */
static void check_blobs(void)
{
	unsigned last = MANIFEST_LEVELS - 1;
	uint64_t upper = 0, rest = 0;

	while (last > 0 && sim.levels[last].count == 0)
		last--;
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++) {
		for (size_t i = 0; i < sim.levels[level].count; i++) {
			const struct pick_table *info = &sim.levels[level].tables[i]->info;

			*(level < last || last == 0 ? &upper : &rest) += info->blob_bytes;
			rest += info->bytes;
		}
	}
	ck_assert_uint_le(upper, rest / 2 + sim.options.base_bytes);
}

START_TEST(every_snapshot_and_the_newest_state_read_what_was_written)
{
	uint64_t seed = runner_seed();

	for (unsigned round = 0; round < 60; round += RUNNER_STEP) {
		begin_sim(seed + round * 7919, 5 + (uint32_t)(seed + round) % 150, 1 + round % 7);
		for (unsigned step = 0; step < 2500; step++) {
			random_step(1 + round % 8, 1 + round % JOBS_MAX);
			if (step % 250 == 0)
				check_reads();
		}
		check_reads();
		settle(false, 1 + round % JOBS_MAX);
		check_reads();
		check_targets();
		check_blobs();
		settle(true, 1 + round % JOBS_MAX);
		check_reads();
		flush();
		sim.snapshot_count = 0;
		settle(true, 1);
		check_reads();
		check_clean();
		end_sim();
	}
}
END_TEST

START_TEST(thousands_of_tables_settle_within_their_targets)
{
	uint64_t seed = runner_seed();
	uint64_t moves = 0, reasons[PICK_MANUAL + 1] = { 0 };

	for (unsigned round = 0; round < 3; round++) {
		begin_sim(seed + round, KEYS_MAX, 2 + round % 3);
		sim.blob_bytes = round * 30 * ENTRY_BYTES;
		for (unsigned step = 0; step < 12000; step++) {
			write_version();
			if (step % 60 == 0) {
				flush();
				settle(false, 1 + round % JOBS_MAX);
			}
			if (step % 3000 == 0)
				new_snapshot();
		}
		sim.now_unix_ms += 10000000;
		sim.snapshot_count = 0;
		settle(false, 1);
		check_targets();
		check_blobs();
		check_reads();
		/* what is rich in tombstones, or expired long ago, has been cleaned */
		for (unsigned level = 1; level < MANIFEST_LEVELS; level++) {
			for (size_t i = 0; i < sim.levels[level].count; i++) {
				const struct pick_table *info = &sim.levels[level].tables[i]->info;

				ck_assert(info->tombstones == 0 || info->tombstones * 2 < info->entries);
				ck_assert_uint_eq(info->oldest_expiry_unix_ms, 0);
			}
		}
		ck_assert_uint_gt(sim.levels[MANIFEST_LEVELS - 1].count, 200);
		moves += sim.moves;
		for (unsigned r = 0; r <= PICK_MANUAL; r++)
			reasons[r] += sim.reasons[r];
		end_sim();
	}
	ck_assert_uint_gt(moves, 0);
	ck_assert_uint_gt(reasons[PICK_LEVEL0], 0);
	ck_assert_uint_gt(reasons[PICK_SIZE], 0);
	ck_assert_uint_gt(reasons[PICK_TOMBSTONES], 0);
	ck_assert_uint_gt(reasons[PICK_EXPIRED], 0);
	ck_assert_uint_gt(reasons[PICK_BLOBS], 0);
}
END_TEST

/* ---- a value in one level, a tombstone in another above it, a snapshot between ---- */

static void put_version(unsigned level, uint32_t key, enum entry_kind kind)
{
	struct version v = { .key = key, .sequence = ++sim.last_sequence, .kind = kind };
	size_t *count = &sim.history_counts[key];

	put_in(level, make_table(&v, 1));
	sim.history[key] = checked(realloc(sim.history[key], (*count + 1) * sizeof v));
	sim.history[key][(*count)++] = v;
}

START_TEST(a_tombstone_stays_above_its_value_for_every_pair_of_levels)
{
	for (unsigned low = 1; low < MANIFEST_LEVELS; low++) {
		for (unsigned high = 0; high < low; high++) {
			for (unsigned with_snapshot = 0; with_snapshot < 2; with_snapshot++) {
				struct pick pick;

				begin_sim(low * 100 + high, 3, 1);
				put_version(low, 1, ENTRY_PUT);
				if (with_snapshot)
					new_snapshot();
				put_version(high, 1, ENTRY_DELETE);
				for (unsigned steps = 0; pick_next(true, &pick) == KV_OK; steps++) {
					ck_assert_uint_lt(steps, 10);
					start_job(&pick);
					end_job(0);
					check_reads();
				}
				ck_assert_int_eq(tree_find(1, UINT64_MAX) != NULL, with_snapshot);
				sim.snapshot_count = 0;
				settle(true, 1);
				check_reads();
				ck_assert_ptr_null(tree_find(1, UINT64_MAX));
				end_sim();
			}
		}
	}
}
END_TEST

/* Writes that come meanwhile do not keep a manual compaction from ending. */
START_TEST(merging_everything_ends_under_a_load_of_writes)
{
	struct pick pick;
	unsigned picks = 0;

	begin_sim(runner_seed(), 100, 3);
	for (unsigned i = 0; i < 500; i++) {
		write_version();
		if (i % 50 == 0)
			flush();
	}
	flush();
	sim.options.manual_sequence = sim.last_sequence;
	while (pick_next(true, &pick) == KV_OK) {
		ck_assert_uint_lt(++picks, 200);
		start_job(&pick);
		end_job(0);
		for (unsigned i = 0; i < 30; i++)
			write_version();
		flush();
	}
	for (unsigned level = 0; level < MANIFEST_LEVELS - 1; level++) {
		for (size_t i = 0; i < sim.levels[level].count; i++)
			ck_assert_uint_gt(sim.levels[level].tables[i]->info.first_sequence,
				sim.options.manual_sequence);
	}
	check_reads();
	end_sim();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compact_tree");
	TCase *tc = tcase_create("compact_tree");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, every_snapshot_and_the_newest_state_read_what_was_written);
	if (RUNNER_STEP < 10) /* minutes under the thread sanitizer, which has nothing to see in one thread */
		tcase_add_test(tc, thousands_of_tables_settle_within_their_targets);
	tcase_add_test(tc, a_tombstone_stays_above_its_value_for_every_pair_of_levels);
	tcase_add_test(tc, merging_everything_ends_under_a_load_of_writes);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
