/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of /shutdown: they wait, suspended, until the main thread has the answer for them. */
#ifndef KV_HTTP_STOPPING_H
#define KV_HTTP_STOPPING_H

#include "base/slice.h"

struct request;
struct stopping;

/* `request_stop` is called once, for the first request that joins. NULL: no memory. */
struct stopping *stopping_new(void (*request_stop)(void *arg), void *arg);
struct stopping *stopping_free(struct stopping *stopping);

/* Pool thread; the connection is suspended already. It will be resumed, perhaps before this returns. */
void stopping_join(struct stopping *stopping, struct request *request);

/* The text is there: resumes all that wait, now and from now on. Out of memory: they are resumed all the same, with
 * an empty text. Main thread, once. */
void stopping_answer(struct stopping *stopping, const char *text);

/* After a request was resumed: the answer; valid until stopping_free(). */
struct slice stopping_text(const struct stopping *stopping);

#endif
