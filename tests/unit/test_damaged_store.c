/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault 8 for a whole store: every byte of every file flipped three ways, every length, sectors
 * zeroed, garbage appended, files swapped, doubled, missing, from another store. What is opened
 * then answers with the right value or with damage, in gets and in scans, and takes writes; or it
 * is refused. Only the last group of the log may be taken for one that was never finished, all of
 * it, and with a warning. And what is zeroed up to the very end of the newest log cannot be told
 * from what was never written: there whole groups may be missing from the end.
 *
 * A sample by the seed; with KV_LONG=1 all of them, or a part of them (see runner_is_mine).
 */
#include "base/clock.h"
#include "support/damage.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	KEYS = 40,
	LARGE_BYTES = 4096,
	VALUE_MAX = 2 * LARGE_BYTES,
	STATES_MAX = 10,
	SAMPLED_ONE_OF = 400,        /* of the damages of single bytes and lengths, */
	SAMPLED_ONE_OF_ZEROS = 6000, /* ... and where the log has not been written */
};

struct model {
	const char *values[KEYS]; /* NULL: there is none */
};

struct outcomes {
	unsigned long refused, right, in_part, without_last;
};

static struct small_store small;
static struct damage_image image, foreign;
static struct model now;
static struct model
	states[STATES_MAX]; /* after each group of the newest log; the first: before them */
static size_t state_count;
static char large[3][VALUE_MAX + 1], longer[1200]; /* some sectors of the log */
static struct outcomes outcomes;

static void key_of(unsigned i, char key[16])
{
	snprintf(key, 16, "key%02u", i);
}

/* A group has been committed. */
static void note_state(void)
{
	ck_assert_uint_lt(state_count, STATES_MAX);
	states[state_count++] = now;
}

static void put(unsigned i, const char *value)
{
	char key[16];

	key_of(i, key);
	ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	now.values[i] = value;
}

static void delete (unsigned i)
{
	char key[16];

	key_of(i, key);
	ck_assert_int_eq(small_delete(&small, key), KV_OK);
	now.values[i] = NULL;
}

static void delete_range(unsigned from, unsigned to)
{
	char start[16], end[16];

	key_of(from, start);
	key_of(to, end);
	ck_assert_int_eq(small_delete_range(&small, start, end), KV_OK);
	for (unsigned i = from; i < to; i++)
		now.values[i] = NULL;
}

static void flush(void)
{
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}

/* A table in the lowest level, two in level 0, what hides of theirs, large values in tables and in
 * the log, writes in the log alone. */
static void build(const char *value, const char *newer)
{
	now = (struct model){ 0 };
	state_count = 0;
	small_store_open(&small);
	for (unsigned i = 0; i < 30; i++)
		put(i, i == 7 ? large[0] : value);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	put(3, newer);
	delete (4);
	put(31, newer);
	flush();
	delete_range(10, 14);
	put(11, newer);
	put(20, large[1]);
	delete (31);
	flush();
	note_state();
	put(3, value), note_state();
	delete (5), note_state();
	put(32, large[2]), note_state();
	put(33, longer), note_state();
	put(11, value), note_state();
	delete (25), note_state();
	delete_range(1, 3), note_state();
	put(26, newer), note_state();
	small_wait_for_spare(&small);
	small_store_crash(&small);
}

static void set_up(void)
{
	for (unsigned i = 0; i < 3; i++)
		memset(large[i], 'a' + (int)i, LARGE_BYTES + 50 * i);
	memset(longer, 'z', sizeof longer - 1);
	small_store_init(&small);
	small.options.large_value_bytes = LARGE_BYTES;
	build("one of the other store", "another");
	foreign = damage_image_read(small.disk.path);
	small_store_done(&small);
	small_store_init(&small);
	small.options.large_value_bytes = LARGE_BYTES;
	build("a value", "a newer value");
	image = damage_image_read(small.disk.path);
	outcomes = (struct outcomes){ 0 };
}

static void tear_down(void)
{
	damage_image_free(&image);
	damage_image_free(&foreign);
	small_store_done(&small);
}

/* ---- looking ---- */

static void read_large(struct store_large *source, char value[VALUE_MAX + 1], kv_status *status)
{
	uint64_t size = store_large_size(source);

	ck_assert_uint_le(size, VALUE_MAX);
	*status = store_large_read(source, 0, value, (size_t)size, NULL);
	value[size] = '\0';
}

/* The value goes to `ret_value`. */
static kv_status get(const char *key, char ret_value[VALUE_MAX + 1])
{
	struct store_value found;
	kv_status status = store_get(small.store, NULL, slice_of_string(key), &found, NULL);

	if (status != KV_OK)
		return status;
	if (found.large) {
		read_large(found.large, ret_value, &status);
	} else {
		ck_assert_uint_le(found.value.bytes.len, VALUE_MAX);
		memcpy(ret_value, found.value.bytes.data, found.value.bytes.len);
		ret_value[found.value.bytes.len] = '\0';
	}
	store_value_release(&found);
	return status;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_damage(kv_status status)
{
	return status == KV_CORRUPT || status == KV_IO;
}

/* Every get is right by the model, or damage; counts the latter. */
static bool gets_are_right(const struct model *model, unsigned *ret_damaged)
{
	char key[16], value[VALUE_MAX + 1];

	for (unsigned i = 0; i < KEYS; i++) {
		kv_status status;

		key_of(i, key);
		status = get(key, value);
		*ret_damaged += is_damage(status);
		if (!is_damage(status) && !(status == KV_OK && same(value, model->values[i])) &&
			!(status == KV_NOT_FOUND && !model->values[i]))
			return false;
	}
	return true;
}

static bool item_is_right(const struct store_iter *iter, const char *expected)
{
	struct store_large *source = NULL;
	char value[VALUE_MAX + 1];
	kv_status status = store_iter_large(iter, &source, NULL);

	if (is_damage(status))
		return true;
	if (!source)
		return slice_equal(store_iter_value(iter), slice_of_string(expected));
	read_large(source, value, &status);
	store_large_free(source);
	return is_damage(status) || same(value, expected);
}

/* What the scan shows is the beginning of what it should; all of it, or it ends with damage. */
static bool scan_is_right(const struct model *model)
{
	struct store_iter *iter;
	char key[16];
	unsigned i = 0;
	bool right = true;
	kv_status status;

	ck_assert_int_eq(store_iter_open(small.store, NULL, &iter, NULL), KV_OK);
	for (store_iter_seek_first(iter); right && store_iter_valid(iter);
		store_iter_next(iter), i++) {
		while (i < KEYS && !model->values[i])
			i++;
		key_of(i, key);
		right = i < KEYS && slice_equal(store_iter_key(iter), slice_of_string(key)) &&
			item_is_right(iter, model->values[i]);
	}
	status = store_iter_status(iter, NULL);
	store_iter_close(iter);
	for (; right && status == KV_OK && i < KEYS; i++)
		right = !model->values[i];
	return right && (status == KV_OK || is_damage(status));
}

/* A store that is open takes writes, and they are there after the next start, unless that is
 * refused. */
static bool write_works(void)
{
	char value[VALUE_MAX + 1];
	kv_status status = small_put(&small, "new", "1");

	if (status != KV_OK || get("new", value) != KV_OK || !same(value, "1"))
		return false;
	small_store_crash(&small);
	status = small_store_try_open(&small, NULL);
	return status == KV_CORRUPT ||
	       (status == KV_OK && get("new", value) == KV_OK && same(value, "1"));
}

static bool refusal_is_right(kv_status status, const struct kv_error *err)
{
	return (status == KV_CORRUPT || status == KV_UNSUPPORTED) &&
	       err->text[0] != '\0';
}

/* The state that the store shows; counts the damaged keys. */
static const struct model *find_state(size_t states_back, const char *what, unsigned *ret_damaged)
{
	for (size_t back = 0; back <= states_back; back++) {
		*ret_damaged = 0;
		if (gets_are_right(&states[state_count - 1 - back], ret_damaged))
			return &states[state_count - 1 - back];
	}
	ck_abort_msg("%s: a wrong answer", what);
}

/* How much of the end may be gone. */
enum end {
	END_STAYS,
	END_INCOMPLETE, /* the newest log is damaged: its last group, with a warning */
	END_UNKNOWN,    /* the newest log is zeroed to its end: as much as was */
};

/* Looks at the store as it lies on disk. */
static void judge(const char *what, enum end end)
{
	struct kv_error err = { 0 };
	const struct model *state;
	unsigned damaged;
	kv_status status;

	small_forget_warnings(&small);
	status = small_store_try_open(&small, &err);
	if (status != KV_OK) {
		ck_assert_msg(refusal_is_right(status, &err), "%s: not opened: %s (%s)", what,
			err.text, kv_status_text(status));
		outcomes.refused++;
		return;
	}
	state = find_state(end == END_UNKNOWN ? state_count - 1 : end == END_INCOMPLETE, what, &damaged);
	if (state != &states[state_count - 1]) {
		ck_assert_msg(end == END_UNKNOWN || small_was_warned(&small, "an incomplete last group"),
			"%s: the last write is lost without a word", what);
		outcomes.without_last++;
	} else {
		outcomes.right += damaged == 0;
	}
	ck_assert_msg(scan_is_right(state), "%s: a wrong scan", what);
	ck_assert_msg(write_works(), "%s: a write is not kept", what);
	small_store_crash(&small);
	outcomes.in_part += damaged > 0;
}

/* ---- the tests ---- */

static const struct buf *newest_log(size_t *ret_written)
{
	const struct buf *content = NULL;

	for (size_t i = 0; i < image.count; i++) {
		const struct buf *other = &image.files[i].content;
		size_t len = other->len;

		if (!strstr(image.files[i].name, ".wal"))
			continue;
		while (len > 0 && other->data[len - 1] == 0)
			len--;
		if (len > 0) { /* the one that is made ahead has only zeros */
			content = other;
			*ret_written = len;
		}
	}
	ck_assert_ptr_nonnull(content);
	return content;
}

static enum end end_after(const struct damage *damage)
{
	size_t written;
	const struct buf *newest = newest_log(&written);

	if (newest == &image.files[damage->file].content)
		return damage->kind == DAMAGE_ZERO && damage->at + 512 >= written ? END_UNKNOWN : END_INCOMPLETE;
	return damage->kind == DAMAGE_SWAP && newest == &image.files[damage->with].content ? END_INCOMPLETE : END_STAYS;
}

static void damage_and_judge(size_t n)
{
	struct damage damage = damage_at(&image, &foreign, n);
	char text[200];

	if (!damage_changes(&image, &foreign, &damage))
		return;
	damage_write(&image, &foreign, &damage, small.disk.path);
	judge(damage_describe(&image, &damage, text, sizeof text), end_after(&damage));
}

/* Damages of single bytes, lengths and sectors are many. Sanitizers see a part of all. */
static bool is_chosen(size_t number, unsigned part, const struct damage *damage, uint64_t *random)
{
	bool in_zeros = strstr(image.files[damage->file].name, ".wal") && damage->at > 8192;

	if (getenv("KV_LONG"))
		return number % RUNNER_LONG_PARTS == part && runner_is_mine(number / RUNNER_LONG_PARTS);
	if (runner_random(random) % (3 * RUNNER_STEP - 2) != 0)
		return false;
	return damage->kind > DAMAGE_CUT || runner_random(random) % (in_zeros ? SAMPLED_ONE_OF_ZEROS : SAMPLED_ONE_OF) == 0;
}

static void report(size_t count, size_t done)
{
	printf("%zu of %zu damages of %zu files: %lu refused, %lu answered with some errors, %lu "
	       "without the last write, %lu right\n",
		done, count, image.count, outcomes.refused, outcomes.in_part, outcomes.without_last,
		outcomes.right);
}

START_TEST(a_store_without_damage_is_right)
{
	damage_image_write(&image, small.disk.path);
	judge("no damage", END_STAYS);
	ck_assert_uint_eq(outcomes.right, 1);
	/* so that the judge can be seen to object */
	now.values[3] = "something else";
	damage_image_write(&image, small.disk.path);
	small_store_open(&small);
	ck_assert(!gets_are_right(&now, &(unsigned){ 0 }));
	ck_assert(!scan_is_right(&now));
}
END_TEST

/* All of what is done to whole files and sectors; of bytes and lengths a sample. */
START_TEST(no_damage_of_any_kind_gives_a_wrong_answer)
{
	size_t count = damage_count(&image, &foreign), done = 0;
	uint64_t random = runner_seed();

	for (size_t n = 0; n < count; n++) {
		struct damage damage = damage_at(&image, &foreign, n);

		if (!is_chosen(n, (unsigned)_i, &damage, &random))
			continue;
		damage_and_judge(n);
		done++;
	}
	report(count, done);
	ck_assert_uint_gt(outcomes.refused, 0);
	ck_assert_uint_gt(outcomes.in_part, 0);
	ck_assert_uint_gt(outcomes.right, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damaged_store");
	TCase *tests = tcase_create("damaged_store");

	tcase_set_timeout(tests, getenv("KV_LONG") ? 3600 : 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, a_store_without_damage_is_right);
	tcase_add_loop_test(tests, no_damage_of_any_kind_gives_a_wrong_answer, 0, getenv("KV_LONG") ? RUNNER_LONG_PARTS : 1);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
