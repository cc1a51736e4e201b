/* SPDX-License-Identifier: BSD-2-Clause */
/* What history.c and history_write.c share. */
#ifndef KV_MODEL_HISTORY_INTERNAL_H
#define KV_MODEL_HISTORY_INTERNAL_H

#include "model/history.h"

enum { IN_FLIGHT_MAX = 5 };

/* Ends the test when the condition does not hold. */
void history_must(bool condition, const char *what);

/* Around a call of the store, which may be made to fail by fault_alloc: history_is_ok(h, store_flush(history_enter(h), &err), &err).
 * False: it has failed, as it may when the history is faulty. */
struct store *history_enter(struct history *history);
bool history_is_ok(const struct history *history, kv_status status, const struct kv_error *err);

/* Gets, a scan and the change feed: nothing wrong may be read, but for errors of a faulty one. */
void history_read(struct history *history);

/* So many random batches at the same time, 1..IN_FLIGHT_MAX; waits for them. */
void history_write(struct history *history, size_t count);

/* Forgets every version above this one. */
void history_forget(struct history *history, uint64_t version);

#endif
