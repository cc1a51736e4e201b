/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A closed store with everything in it that a store can have (tables in two places, tombstones, range deletes, large values, a log of two
 * segments, a history), a copy of its files to damage again and again, and the judge of what is left of it: for tests of kvfsck.
 */
#ifndef KV_SUPPORT_FSCK_STORE_H
#define KV_SUPPORT_FSCK_STORE_H

#include "store/fsck.h"
#include "support/small_store.h"

enum {
	FSCK_KEYS = 130,
	FSCK_HISTORY = 8, /* versions of a key, at most */
	FSCK_FILES_MAX = 40,
	FSCK_RANGES_MAX = 512,
	FSCK_TEXT = 160,
};

struct fsck_range {
	char first[FSCK_TEXT], last[FSCK_TEXT];
	size_t first_len, last_len;
};

/* What was told since fsck_store_forget(). */
struct fsck_told {
	unsigned damages, remarks, lost, done;
	bool torn;  /* a torn tail of the log */
	bool any;   /* given up: any key may be concerned */
	bool cut;   /* more ranges than there is room for: all keys */
	struct fsck_range ranges[FSCK_RANGES_MAX]; /* given up */
	size_t range_count;
	char last[512];
};

struct fsck_store {
	struct small_store small; /* closed between the calls */
	/* the history of each key, newest last; 0: deleted, else the value's number */
	unsigned history[FSCK_KEYS][FSCK_HISTORY];
	unsigned versions[FSCK_KEYS];
	unsigned last_group_keys[4]; /* keys of the log's last group, FSCK_KEYS: none */
	char names[FSCK_FILES_MAX][32];
	struct buf files[FSCK_FILES_MAX];
	size_t file_count;
	struct fsck_told told;
	struct store_fsck_report report;
	bool unrepaired; /* to the judge, an answer that tells of damage is right, too */
};

void fsck_store_open(struct fsck_store *fs); /* makes it */
void fsck_store_done(struct fsck_store *fs);

/* The directory as it was made, without lost+found. */
void fsck_store_restore(struct fsck_store *fs);
/* Is it as it was made, but for the file `but` (NULL: none), which has the content `content`? */
bool fsck_store_is_unchanged(struct fsck_store *fs, const char *but, struct slice content);

/* The calls below look where small.options say, which may be elsewhere than where it was made. */
void fsck_store_forget(struct fsck_store *fs);
kv_status fsck_store_check(struct fsck_store *fs, struct kv_error *err);
kv_status fsck_store_repair(struct fsck_store *fs, bool accept_stale, struct kv_error *err);

/* Opens the store and reads all keys, by gets and by a scan. Each must have its right value, unless it was told as given up: then it may be absent,
 * or, with `stale`, have any value it ever had. How many keys were not right. */
unsigned fsck_store_judge(struct fsck_store *fs, bool stale);

#endif
