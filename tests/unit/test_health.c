/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/health.h"

#include "support/runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct events {
	unsigned count;
	enum log_level level;
	char last[1024];
};

static void remember(void *arg, enum log_level level, const char *text)
{
	struct events *events = arg;

	events->count++;
	events->level = level;
	snprintf(events->last, sizeof events->last, "%s", text);
}

static struct events events;
static struct health health;

static void setup(void)
{
	events = (struct events){ 0 };
	ck_assert_int_eq(health_init(&health, remember, &events), KV_OK);
}

static void teardown(void)
{
	health_destroy(&health);
}

static void expect(enum health_state state, const char *reason)
{
	char text[HEALTH_REASON_MAX];

	ck_assert_int_eq(health_describe(&health, text, sizeof text), state);
	ck_assert_str_eq(text, reason);
}

START_TEST(it_starts_healthy_without_a_reason)
{
	expect(HEALTH_HEALTHY, "");
	ck_assert_int_eq(health_write_status(&health), KV_OK);
}
END_TEST

START_TEST(only_the_legal_changes_are_made)
{
	/* legal[from][to] */
	static const bool legal[HEALTH_STATE_COUNT][HEALTH_STATE_COUNT] = {
		[HEALTH_HEALTHY] = { true, true, true, true, true },
		[HEALTH_STALLED] = { true, true, true, true, true },
		[HEALTH_DISK_FULL] = { true, false, true, true, true },
		[HEALTH_FAILED] = { false, false, false, true, false },
		[HEALTH_FINISHED] = { false, false, false, true, true },
	};

	for (int from = 0; from < HEALTH_STATE_COUNT; from++)
		for (int to = 0; to < HEALTH_STATE_COUNT; to++) {
			struct health other;

			ck_assert_int_eq(health_init(&other, NULL, NULL), KV_OK);
			ck_assert(health_set(&other, (enum health_state)from, "a"));
			ck_assert_int_eq(health_set(&other, (enum health_state)to, "b"),
				legal[from][to]);
			ck_assert_int_eq(health_get(&other), legal[from][to] ? to : from);
			health_destroy(&other);
		}
}
END_TEST

START_TEST(the_first_reason_of_a_state_stays_and_each_change_is_told_once)
{
	ck_assert(health_set(&health, HEALTH_FAILED, "first"));
	ck_assert(health_set(&health, HEALTH_FAILED, "second"));
	expect(HEALTH_FAILED, "first");
	ck_assert_uint_eq(events.count, 1);
	ck_assert_int_eq(events.level, LOG_LEVEL_ERROR);
	ck_assert_ptr_nonnull(strstr(events.last, "failed: first"));
}
END_TEST

START_TEST(no_state_but_healthy_and_stalled_takes_writes)
{
	static const kv_status writes[HEALTH_STATE_COUNT] = { KV_OK, KV_OK, KV_NO_SPACE, KV_IO,
		KV_BUSY };

	for (int state = 0; state < HEALTH_STATE_COUNT; state++) {
		struct health other;

		ck_assert_int_eq(health_init(&other, NULL, NULL), KV_OK);
		health_set(&other, (enum health_state)state, "");
		ck_assert_int_eq(health_write_status(&other), writes[state]);
		health_destroy(&other);
	}
}
END_TEST

static void report(kv_status status)
{
	struct kv_error err = { .status = status, .errnum = ENOSPC, .file = "000001.wal",
		.text = "cannot write" };

	health_report(&health, "doing", &err);
}

START_TEST(what_passes_by_itself_does_not_change_the_state)
{
	report(KV_BUSY);
	report(KV_NO_MEMORY);
	report(KV_CORRUPT);
	expect(HEALTH_HEALTHY, "");
	ck_assert_uint_eq(events.count, 2); /* busy is not worth a line */
}
END_TEST

START_TEST(a_full_disk_and_a_failure_are_told_with_file_and_cause)
{
	char reason[HEALTH_REASON_MAX];

	report(KV_NO_SPACE);
	ck_assert_int_eq(health_describe(&health, reason, sizeof reason), HEALTH_DISK_FULL);
	ck_assert_ptr_nonnull(strstr(reason, "000001.wal"));
	report(KV_UNCERTAIN);
	ck_assert_int_eq(health_get(&health), HEALTH_FAILED);
	ck_assert(!health_set(&health, HEALTH_HEALTHY, ""));
}
END_TEST

START_TEST(a_state_is_left_by_who_entered_it_only)
{
	ck_assert(health_set(&health, HEALTH_STALLED, "behind"));
	ck_assert(health_set(&health, HEALTH_DISK_FULL, "no space"));
	health_leave(&health, HEALTH_STALLED); /* too late */
	expect(HEALTH_DISK_FULL, "no space");
	health_leave(&health, HEALTH_DISK_FULL);
	expect(HEALTH_HEALTHY, "");
	ck_assert(health_set(&health, HEALTH_FAILED, "broken"));
	health_leave(&health, HEALTH_FAILED);
	expect(HEALTH_FAILED, "broken");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health");
	TCase *tcase = tcase_create("health");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_starts_healthy_without_a_reason);
	tcase_add_test(tcase, only_the_legal_changes_are_made);
	tcase_add_test(tcase, the_first_reason_of_a_state_stays_and_each_change_is_told_once);
	tcase_add_test(tcase, no_state_but_healthy_and_stalled_takes_writes);
	tcase_add_test(tcase, what_passes_by_itself_does_not_change_the_state);
	tcase_add_test(tcase, a_full_disk_and_a_failure_are_told_with_file_and_cause);
	tcase_add_test(tcase, a_state_is_left_by_who_entered_it_only);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
