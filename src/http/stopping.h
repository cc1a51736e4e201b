/* SPDX-License-Identifier: BSD-2-Clause */
/* /shutdown: the first request of it asks the main thread to stop, and all of them wait for the answer that it will give. */
#ifndef KV_HTTP_STOPPING_H
#define KV_HTTP_STOPPING_H

#include "base/slice.h"

struct stopping;

/* `request_stop` is called once, for the first request that joins. NULL: no memory. */
struct stopping *stopping_new(void (*request_stop)(void *arg), void *arg);
struct stopping *stopping_free(struct stopping *stopping);

/* A request waits from now on. Any thread. */
void stopping_join(struct stopping *stopping);

/* The answer is there; whoever waits must be woken after this. Only the first text counts. Out of memory: an empty
 * one. Main thread. */
void stopping_answer(struct stopping *stopping, const char *text);

bool stopping_is_answered(const struct stopping *stopping);

/* When it is answered: the text; valid until stopping_free(). */
struct slice stopping_text(const struct stopping *stopping);

#endif
