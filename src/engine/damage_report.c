/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/damage_report.h"

#include "engine/file_error.h"

#include <inttypes.h>
#include <stdio.h>

enum { KEY_BYTES_MAX = 48, KEY_TEXT_MAX = 4 * KEY_BYTES_MAX + 4 };

/* A key as people can read it: what is not printable, and what would end the quotes, in
 * hexadecimal. */
static const char *key_text(struct slice key, char to[KEY_TEXT_MAX])
{
	size_t at = 0, len = key.len < KEY_BYTES_MAX ? key.len : KEY_BYTES_MAX;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = key.data[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		at += (size_t)snprintf(to + at, KEY_TEXT_MAX - at, plain ? "%c" : "\\x%02x", c);
	}
	snprintf(to + at, KEY_TEXT_MAX - at, "%s", len < key.len ? "..." : "");
	return to;
}

static void tell(struct engine *engine, const struct table *table, const struct kv_error *err,
	const char *what)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX], first[KEY_TEXT_MAX], last[KEY_TEXT_MAX];

	kv_error_format(err, line, sizeof line);
	if (table)
		health_event(&engine->health, LOG_LEVEL_ERROR,
			"%s: %s of the keys from \"%s\" to \"%s\" cannot be read", line, what,
			key_text(buf_slice(&table_meta(table)->smallest), first),
			key_text(buf_slice(&table_meta(table)->largest), last));
	else
		health_event(&engine->health, LOG_LEVEL_ERROR, "%s: %s cannot be read", line, what);
}

void damage_report_table(
	struct engine *engine, struct table *table, const struct kv_error *err, bool mark)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	if (mark && table_get_mark(table) == TABLE_FREE) {
		table_set_mark(table, TABLE_DAMAGED);
		atomic_store_explicit(&background->damaged, true, memory_order_relaxed);
	}
	pthread_mutex_unlock(&background->mu);
	if (table_note_damage(table))
		tell(engine, table, err, "some");
}

bool damage_report_is_known(struct engine *engine, const struct table *table)
{
	bool marked;

	pthread_mutex_lock(&engine->background.mu);
	marked = table_get_mark(table) == TABLE_DAMAGED;
	pthread_mutex_unlock(&engine->background.mu);
	return marked || table_has_damage(table);
}

void damage_report_passed(struct engine *engine, struct table *table)
{
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	if (table_get_mark(table) == TABLE_DAMAGED) {
		table_set_mark(table, TABLE_FREE);
		background->compact_kicked = true;
		pthread_cond_broadcast(&background->compact_wake);
	}
	pthread_mutex_unlock(&background->mu);
	if (table_forget_damage(table))
		health_event(&engine->health, LOG_LEVEL_WARNING, "%06" PRIu64 ".sst, which could not be read before, can be",
			table_meta(table)->number);
}

struct search {
	uint64_t number;
	bool found;
};

static void look_at(void *arg, uint64_t number)
{
	struct search *search = arg;

	search->found = search->found || number == search->number;
}

/* The table itself, or one whose entries point to the blob file; with a reference. NULL: there is
 * none. */
static struct table *find_table(struct engine *engine, enum filename_kind kind, uint64_t number)
{
	struct view *view = views_acquire(&engine->views);
	struct search search = { .number = number };
	struct table *ret = NULL;

	for (unsigned n = 0; !ret && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; !ret && i < view->levels[n]->count; i++) {
			struct table *table = view->levels[n]->tables[i];

			if (kind == FILENAME_BLOB)
				table_each_blob(table, look_at, &search);
			if (search.found ||
				(kind == FILENAME_TABLE && table_meta(table)->number == number))
				ret = table_ref(table);
		}
	view_unref(view);
	return ret;
}

bool damage_report_error(struct engine *engine, const struct kv_error *err)
{
	struct table *table;
	uint64_t number;
	enum filename_kind kind = file_error_which(err, &number);

	if (kind != FILENAME_TABLE && kind != FILENAME_BLOB)
		return false;
	table = find_table(engine, kind, number);
	if (kind == FILENAME_TABLE && table)
		damage_report_table(engine, table, err, false);
	if (kind == FILENAME_BLOB && blob_set_note_damage(engine->blobs, number))
		tell(engine, table, err, "a large value");
	table_unref(table);
	return kind == FILENAME_BLOB || table;
}

uint64_t damage_report_basics(struct engine *engine)
{
	unsigned bits = atomic_load_explicit(&engine->scrub.damaged_basics, memory_order_relaxed);

	return ((bits & SCRUB_FORMAT_DAMAGED) != 0) + ((bits & SCRUB_MANIFEST_DAMAGED) != 0);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* Behind the `len` bytes that are there already; returns how many there would be. */
static size_t append(char *to, size_t size, size_t len, uint64_t count, const char *what)
{
	if (count == 0 || len >= size)
		return len;
	return len + (size_t)snprintf(to + len, size - len, "%s%" PRIu64 " damaged %s%s",
			     len > 0 ? ", " : "", count, what, plural(count));
}

void damage_report_summary(struct engine *engine, char *to, size_t size)
{
	struct table_cache_stats tables;
	struct blob_set_stats blobs;
	size_t len = 0;

	table_cache_get_stats(engine->tables, &tables);
	blob_set_get_stats(engine->blobs, &blobs);
	snprintf(to, size, "%s", "");
	len = append(to, size, len, tables.damaged, "table");
	len = append(to, size, len, blobs.damaged, "large value");
	(void)append(to, size, len, damage_report_basics(engine), "basic file");
}
