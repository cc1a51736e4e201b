/* SPDX-License-Identifier: BSD-2-Clause */
/* The text is written once and then published by `answered`; nothing is ever taken back, so there is no lock. */
#define _GNU_SOURCE
#include "http/stopping.h"

#include <stdatomic.h>
#include <stdlib.h>

struct stopping {
	void (*request_stop)(void *arg); /* constant */
	void *request_stop_arg;          /* constant */

	atomic_bool requested;
	atomic_bool answered;
	char *text; /* owned; main thread, constant once answered */
};

struct stopping *stopping_new(void (*request_stop)(void *arg), void *arg)
{
	struct stopping *stopping = calloc(1, sizeof *stopping);

	if (!stopping)
		return NULL;
	stopping->request_stop = request_stop;
	stopping->request_stop_arg = arg;
	return stopping;
}

struct stopping *stopping_free(struct stopping *stopping)
{
	if (!stopping)
		return NULL;
	free(stopping->text);
	free(stopping);
	return NULL;
}

void stopping_join(struct stopping *stopping)
{
	if (!atomic_exchange(&stopping->requested, true) && !stopping_is_answered(stopping) &&
		stopping->request_stop)
		stopping->request_stop(stopping->request_stop_arg);
}

void stopping_answer(struct stopping *stopping, const char *text)
{
	if (stopping_is_answered(stopping))
		return;
	stopping->text = strdup(text);
	atomic_store(&stopping->answered, true);
}

bool stopping_is_answered(const struct stopping *stopping)
{
	return atomic_load(&stopping->answered);
}

struct slice stopping_text(const struct stopping *stopping)
{
	return stopping->text ? slice_of_string(stopping->text) : slice_of(NULL, 0);
}
