/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes whose value depends on the one before: increment and touch. The commit knows the value before, makes the put that
 * follows from it, and from there on (log, memtable, recovery, change feed) it is a put like any other.
 */
#ifndef KV_ENGINE_TRANSFORM_H
#define KV_ENGINE_TRANSFORM_H

#include "engine/engine.h"

/* Replaces the batch of `write` by the put that its transform makes of `before`, the live entry of the key; NULL: there is none. Fills in
 * the results of the transform. KV_CONDITION: nothing to touch. KV_NOT_NUMBER, KV_OVERFLOW, KV_NO_MEMORY; then nothing has changed. */
kv_status transform_apply(struct engine_write *write, const struct entry *before);

#endif
