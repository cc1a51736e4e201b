/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scrub: a thread that reads every live file once an interval, slowly and from the disk, and
 * verifies all that can be verified, so that damage is known before somebody needs what is damaged,
 * and while there still is a backup. What comes next, and how fast, is decided by scrub_plan.
 *
 * It has a reader of its own for each table, so it opens none of the table cache's, and puts
 * nothing into the block cache. It holds a reference on the table, or on the file of the large
 * value, that it reads, never a view.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/io_priority.h"
#include "engine/blob_reader.h"
#include "engine/blob_verify.h"
#include "engine/damage_report.h"
#include "engine/scrub_basics.h"
#include "engine/scrub_state.h"

enum {
	SLICE_US = 250 * 1000,           /* of reading at the rate, before it waits */
	LIST_US = 5 * 1000 * 1000,       /* a list of the files is good for so long */
	LOOK_US = 60 * 1000 * 1000,      /* look at the time this often */
	RETRY_US = 10 * 1000 * 1000,     /* after a want of memory or descriptors */
	SAVE_US = 10 * 60 * 1000 * 1000, /* at most this much of the progress is lost */
};

struct scrubber {
	struct engine *engine;
	struct scrub_list list;
	uint64_t first_new; /* numbers from here on are of files that this process writes */
	uint64_t bytes;     /* of all that is in the list */
	uint64_t listed_us; /* 0: the list is not good */
	uint64_t saved_us;
	uint64_t now_us, seen_us; /* the scrub's own time, and what the monotonic clock was when it was looked at last */
	bool loaded; /* the progress of earlier processes */
	bool dirty;  /* there is progress to save */

	struct table *table; /* that is read; NULL: none */
	uint64_t rate;       /* bytes a second */
	uint64_t next_us;    /* what has been read is paid for at this time */
};

static uint64_t interval_of(struct engine *engine)
{
	return atomic_load_explicit(&engine->scrub_interval_s, memory_order_relaxed);
}

/* The wall clock, which stands when it was set back; meanwhile the monotonic one goes on in its place. */
static uint64_t now_unix_s(struct scrubber *scrubber)
{
	uint64_t wall = clock_wall_us(), monotonic = clock_monotonic_us();

	scrubber->now_us += monotonic - scrubber->seen_us;
	scrubber->seen_us = monotonic;
	if (scrubber->now_us < wall)
		scrubber->now_us = wall;
	return scrubber->now_us / 1000000;
}

/* ---- reading slowly ---- */

static bool is_over(const struct scrubber *scrubber)
{
	return interval_of(scrubber->engine) == 0 ||
	       (scrubber->table && table_is_obsolete(scrubber->table));
}

/* KV_BUSY: the store closes, the scrub was turned off, or the table has been replaced. */
static kv_status pace(void *arg, uint64_t bytes)
{
	struct scrubber *scrubber = arg;
	struct engine *engine = scrubber->engine;
	uint64_t now = clock_monotonic_us();
	bool over;

	if (scrubber->next_us < now)
		scrubber->next_us = now;
	pthread_mutex_lock(&engine->background.mu);
	while (!(over = engine->background.stop || is_over(scrubber)) &&
		scrubber->next_us > now + SLICE_US) {
		background_wait_locked(engine, &engine->scrub.wake, scrubber->next_us);
		now = clock_monotonic_us();
	}
	pthread_mutex_unlock(&engine->background.mu);
	if (over)
		return KV_BUSY;
	scrubber->next_us += bytes * 1000000 / scrubber->rate;
	count_up(&engine->scrub.bytes, bytes);
	return KV_OK;
}

/* What passes by itself, or is no failure at all. All else is damage to whoever will need the file.
 */
static bool is_temporary(kv_status status)
{
	return status == KV_OK || status == KV_BUSY || status == KV_NO_MEMORY;
}

/* Is it the file that the entry means? Its content has its own turn. */
static kv_status check_pointer(void *arg, struct slice key, const struct blob_pointer *pointer)
{
	struct scrubber *scrubber = arg;
	struct engine *engine = scrubber->engine;
	struct kv_error err = { 0 };
	struct blob_reader *reader;
	kv_status status = pace(scrubber, BLOB_HEADER_BYTES + BLOB_FOOTER_BYTES);

	(void)key;
	if (status != KV_OK)
		return status;
	status = blob_reader_open(&engine->dir, &engine->id, pointer, &reader, &err);
	if (status == KV_OK)
		blob_reader_close(reader);
	else if (!is_temporary(status))
		damage_report_error(engine, &err);
	return is_temporary(status) ? status : KV_OK;
}

static struct verify_way way_of(struct scrubber *scrubber)
{
	return (struct verify_way){ .pace = pace, .blob = check_pointer, .arg = scrubber };
}

static kv_status read_table(struct scrubber *scrubber, struct kv_error *err)
{
	struct engine *engine = scrubber->engine;
	const struct sst_meta *meta = table_meta(scrubber->table);
	struct verify_way way = way_of(scrubber);
	struct sst_reader *reader;
	kv_status status = sst_reader_open(
		&engine->dir, &engine->id, meta->number, meta, engine->blocks, &reader, err);

	if (status != KV_OK)
		return status;
	status = sst_reader_verify_from_disk(reader, &way, err);
	sst_reader_close(reader);
	return status;
}

static kv_status check_table(struct scrubber *scrubber)
{
	struct kv_error err = { 0 };
	bool was_damaged = damage_report_is_known(scrubber->engine, scrubber->table);
	kv_status status = read_table(scrubber, &err);

	if (status == KV_OK && was_damaged) /* not what was found meanwhile */
		damage_report_passed(scrubber->engine, scrubber->table);
	if (is_temporary(status))
		return status;
	/* after a failed read a compaction may try, which will know what to do when it fails, too
	 */
	damage_report_table(scrubber->engine, scrubber->table, &err, status == KV_CORRUPT);
	return KV_OK;
}

static kv_status check_blob(struct scrubber *scrubber, uint64_t number)
{
	struct engine *engine = scrubber->engine;
	struct verify_way way = way_of(scrubber);
	struct kv_error err = { 0 };
	kv_status status = blob_verify_from_disk(&engine->dir, &engine->id, number, &way, &err);

	if (is_temporary(status))
		return status;
	damage_report_error(engine, &err);
	return KV_OK;
}

/* ---- what there is to read ---- */

struct listing {
	struct scrub_list list;
	uint64_t bytes;
	uint64_t owner;
	kv_status status;
};

static void add(struct listing *listing, uint64_t number)
{
	struct scrub_item item = { .number = number, .owner = listing->owner };

	if (listing->status == KV_OK)
		listing->status = scrub_list_add(&listing->list, &item);
}

static void add_blob(void *arg, uint64_t number)
{
	add(arg, number);
}

static void add_table(struct listing *listing, const struct table *table)
{
	const struct sst_meta *meta = table_meta(table);

	listing->owner = meta->number;
	listing->bytes += meta->file_bytes + meta->blob_bytes;
	add(listing, meta->number);
	table_each_blob(table, add_blob, listing);
}

static kv_status list_files(struct engine *engine, struct listing *ret)
{
	struct view *view = views_acquire(&engine->views);

	*ret = (struct listing){ .status = KV_OK, .owner = SCRUB_BASICS };
	add(ret, SCRUB_BASICS);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; i < view->levels[n]->count; i++)
			add_table(ret, view->levels[n]->tables[i]);
	view_unref(view);
	if (ret->status != KV_OK)
		scrub_list_free(&ret->list);
	return ret->status;
}

/* Nothing depends on it, so what cannot be read is as good as not there. */
static void load(struct scrubber *scrubber)
{
	struct engine *engine = scrubber->engine;
	struct kv_error err = { 0 };
	kv_status status = scrub_state_read(&engine->dir, &engine->id, &scrubber->list, &err);

	scrubber->loaded = true;
	if (status != KV_OK && status != KV_NOT_FOUND)
		health_event(
			&engine->health, LOG_LEVEL_WARNING, "the scrub begins anew: %s", err.text);
}

static kv_status refresh(struct scrubber *scrubber)
{
	struct listing listing;
	kv_status status;

	if (!scrubber->loaded)
		load(scrubber);
	status = list_files(scrubber->engine, &listing);
	if (status != KV_OK)
		return status;
	scrub_list_sort(&listing.list);
	if (scrub_plan_carry(&listing.list, &scrubber->list, scrubber->first_new, now_unix_s(scrubber)) > 0)
		scrubber->dirty =
			true; /* files of this process should not be read at once by the next */
	scrub_list_free(&scrubber->list);
	scrubber->list = listing.list;
	scrubber->bytes = listing.bytes;
	scrubber->listed_us = clock_monotonic_us();
	return KV_OK;
}

/* A new list; and a MANIFEST that could not be mended (the disk was full) may be by now, or a
 * change of the tables has replaced it. */
static kv_status look_around(struct scrubber *scrubber)
{
	struct scrub *scrub = &scrubber->engine->scrub;
	kv_status status = refresh(scrubber);

	if (status == KV_OK && atomic_load(&scrub->damaged_basics) & SCRUB_MANIFEST_DAMAGED)
		status = scrub_basics_check_manifest(scrubber->engine);
	return status;
}

static void save(struct scrubber *scrubber)
{
	struct engine *engine = scrubber->engine;
	struct kv_error err = { 0 };

	if (!scrubber->dirty)
		return;
	scrubber->saved_us = clock_monotonic_us();
	if (scrub_state_write(&engine->dir, &engine->id, &scrubber->list, &err) == KV_OK)
		scrubber->dirty = false;
	else
		health_event(&engine->health, LOG_LEVEL_WARNING,
			"the scrub's progress cannot be saved: %s", err.text);
}

/* ---- the thread ---- */

/* The live table of this number, with a reference. */
static struct table *take_table(struct engine *engine, uint64_t number)
{
	struct view *view = views_acquire(&engine->views);
	struct table *ret = NULL;

	for (unsigned n = 0; !ret && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; !ret && i < view->levels[n]->count; i++)
			if (table_meta(view->levels[n]->tables[i])->number == number)
				ret = table_ref(view->levels[n]->tables[i]);
	view_unref(view);
	return ret;
}

/* Gives the reference back. */
static void leave_table(struct scrubber *scrubber)
{
	bool is_gone = table_is_obsolete(scrubber->table);

	table_unref(scrubber->table);
	scrubber->table = NULL;
	if (is_gone)
		background_kick_flush(scrubber->engine); /* it may have been the last reference */
}

/* scrubber->table, whose reference is given back. */
static kv_status check_whole_table(struct scrubber *scrubber)
{
	kv_status status = check_table(scrubber);

	if (status == KV_OK)
		count_up(&scrubber->engine->scrub.tables, 1);
	if (status == KV_BUSY && table_is_obsolete(scrubber->table))
		status = KV_NOT_FOUND;
	leave_table(scrubber);
	return status;
}

/* The same for a large value that scrubber->table points to. When that is replaced meanwhile, the
 * value lives on in another table: so it is the file that is held while it is read. */
static kv_status check_large_value(struct scrubber *scrubber, uint64_t number)
{
	struct engine *engine = scrubber->engine;
	kv_status status = blob_set_ref(engine->blobs, number, 0);

	leave_table(scrubber);
	if (status != KV_OK)
		return status;
	status = check_blob(scrubber, number);
	if (status == KV_OK)
		count_up(&engine->scrub.large_values, 1);
	blob_set_unref(engine->blobs, number);
	return status;
}

/* KV_OK: read. KV_NOT_FOUND: its table has been replaced; what that pointed to belongs to another
 * one now, or to none. */
static kv_status check_item(struct scrubber *scrubber, const struct scrub_item *item)
{
	struct engine *engine = scrubber->engine;

	if (item->number == SCRUB_BASICS)
		return scrub_basics_check(engine);
	scrubber->table = take_table(engine, item->owner);
	if (!scrubber->table)
		return KV_NOT_FOUND;
	return item->number == item->owner ? check_whole_table(scrubber)
					   : check_large_value(scrubber, item->number);
}

static void tell_progress(struct scrubber *scrubber, uint64_t interval_s)
{
	struct scrub *scrub = &scrubber->engine->scrub;

	atomic_store(&scrub->due, scrub_plan_due(&scrubber->list, interval_s, now_unix_s(scrubber)));
	atomic_store(&scrub->files, scrubber->list.count);
}

static void tell_nothing(struct engine *engine)
{
	atomic_store(&engine->scrub.files, 0);
	atomic_store(&engine->scrub.due, 0);
}

/* One file; returns when the next is due, 0: at once. */
static uint64_t work(struct scrubber *scrubber)
{
	struct engine *engine = scrubber->engine;
	uint64_t interval_s = interval_of(engine), now_us = clock_monotonic_us(),
		 now_s = now_unix_s(scrubber), due_s;
	kv_status status = KV_OK;
	size_t i;

	if (interval_s == 0) {
		tell_nothing(engine);
		return now_us + LOOK_US;
	}
	if (scrubber->listed_us == 0 || now_us - scrubber->listed_us >= LIST_US)
		status = look_around(scrubber);
	if (status != KV_OK)
		return now_us + RETRY_US;
	tell_progress(scrubber, interval_s);
	if (now_us - scrubber->saved_us >= SAVE_US)
		save(scrubber);
	i = scrub_plan_next(&scrubber->list, interval_s, &due_s);
	if (due_s > now_s) {
		scrubber->listed_us = 0; /* anew when it is time */
		return now_us +
		       (due_s - now_s < LOOK_US / 1000000 ? (due_s - now_s) * 1000000 : LOOK_US);
	}
	scrubber->rate = scrub_plan_rate(scrubber->bytes, interval_s);
	status = check_item(scrubber, &scrubber->list.items[i]);
	if (status == KV_NOT_FOUND) {
		scrubber->listed_us = 0;
		return 0;
	}
	if (status != KV_OK)
		return clock_monotonic_us() + RETRY_US;
	scrubber->list.items[i].checked_unix_s = now_unix_s(scrubber);
	scrubber->dirty = true;
	return 0;
}

static void *scrub_thread(void *arg)
{
	struct engine *engine = arg;
	struct background *background = &engine->background;
	struct scrubber scrubber = { .engine = engine,
		.saved_us = clock_monotonic_us(),
		.seen_us = clock_monotonic_us(),
		.first_new = atomic_load(&engine->catalog.next_file_number) };

	pthread_setname_np(pthread_self(), "scrub");
	io_priority_lower();
	pthread_mutex_lock(&background->mu);
	while (!background->stop) {
		uint64_t next;

		engine->scrub.kicked = false;
		pthread_mutex_unlock(&background->mu);
		next = work(&scrubber);
		pthread_mutex_lock(&background->mu);
		while (next != 0 && !background->stop && !engine->scrub.kicked &&
			background_wait_locked(engine, &engine->scrub.wake, next))
			;
	}
	pthread_mutex_unlock(&background->mu);
	if (scrubber.loaded && refresh(&scrubber) == KV_OK)
		save(&scrubber);
	scrub_list_free(&scrubber.list);
	return NULL;
}

kv_status scrub_start(struct engine *engine, struct kv_error *err)
{
	int failed = pthread_create(&engine->scrub.thread, NULL, scrub_thread, engine);

	return failed ? kv_error_errno(err, failed, "", "cannot start the thread of the scrub")
		      : KV_OK;
}

void scrub_join(struct engine *engine)
{
	pthread_join(engine->scrub.thread, NULL);
}

void scrub_kick(struct engine *engine)
{
	pthread_mutex_lock(&engine->background.mu);
	engine->scrub.kicked = true;
	pthread_cond_signal(&engine->scrub.wake);
	pthread_mutex_unlock(&engine->background.mu);
}
