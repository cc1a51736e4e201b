/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compaction threads: describe the levels to compact_pick, run what it picks with compact_run, install the result.
 */
#ifndef KV_ENGINE_COMPACTION_H
#define KV_ENGINE_COMPACTION_H

#include "base/status.h"

struct engine;

void *compaction_thread(void *engine);

/* Merges everything down into the lowest level, and waits for it. Memory should have been flushed before. */
kv_status compaction_run_all(struct engine *engine, struct kv_error *err);

#endif
