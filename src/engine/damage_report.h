/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is told of damage in a live file, whoever finds it (a read, a compaction, the scrub): one
 * line for each table and each large value, with file, offset and the keys concerned. Afterwards
 * they are counted as damaged as long as they are needed.
 */
#ifndef KV_ENGINE_DAMAGE_REPORT_H
#define KV_ENGINE_DAMAGE_REPORT_H

#include "engine/engine_internal.h"

/* `err` names the file and tells what is wrong with it. False: it is no live table or large value.
 * Any thread, outside of a read section. */
bool damage_report_error(struct engine *engine, const struct kv_error *err);

/* The same of a table that the caller has a reference on. `mark`: compaction is to go around it. */
void damage_report_table(
	struct engine *engine, struct table *table, const struct kv_error *err, bool mark);

/* Is something the matter with the table, as far as is known? */
bool damage_report_is_known(struct engine *engine, const struct table *table);
/* A table, which the caller has a reference on, was read as a whole from the disk without a fault: if anything was the matter with it, that has
 * passed, and it is compacted again. */
void damage_report_passed(struct engine *engine, struct table *table);

/* How many of FORMAT and MANIFEST. */
uint64_t damage_report_basics(struct engine *engine);

/* "1 damaged table, 2 damaged large values, 1 damaged basic file"; "" when there are none. */
void damage_report_summary(struct engine *engine, char *to, size_t size);

#endif
