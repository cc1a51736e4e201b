/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list under a mutex; resumption happens outside of it. Whoever joins after the answer came is resumed at once.
 */
#define _GNU_SOURCE
#include "http/stopping.h"

#include "http/request.h"

#include <pthread.h>
#include <stdlib.h>

struct stopping {
	void (*request_stop)(void *arg); /* constant */
	void *request_stop_arg;          /* constant */

	pthread_mutex_t mu;
	struct request *waiting; /* guarded by mu */
	bool requested;          /* guarded by mu */
	bool answered;           /* guarded by mu; once true it stays, and text does not change */
	char *text;              /* owned */
};

struct stopping *stopping_new(void (*request_stop)(void *arg), void *arg)
{
	struct stopping *stopping = calloc(1, sizeof *stopping);

	if (!stopping)
		return NULL;
	stopping->request_stop = request_stop;
	stopping->request_stop_arg = arg;
	pthread_mutex_init(&stopping->mu, NULL);
	return stopping;
}

struct stopping *stopping_free(struct stopping *stopping)
{
	if (!stopping)
		return NULL;
	pthread_mutex_destroy(&stopping->mu);
	free(stopping->text);
	free(stopping);
	return NULL;
}

void stopping_join(struct stopping *stopping, struct request *request)
{
	bool answered;
	bool first;

	pthread_mutex_lock(&stopping->mu);
	answered = stopping->answered;
	if (!answered) {
		request->next_stopping = stopping->waiting;
		stopping->waiting = request;
	}
	first = !stopping->requested && !answered;
	stopping->requested = true;
	pthread_mutex_unlock(&stopping->mu);
	if (answered)
		request_resume(request, KV_OK);
	if (first && stopping->request_stop)
		stopping->request_stop(stopping->request_stop_arg);
}

void stopping_answer(struct stopping *stopping, const char *text)
{
	struct request *request;

	pthread_mutex_lock(&stopping->mu);
	if (!stopping->answered)
		stopping->text = strdup(text);
	stopping->answered = true;
	request = stopping->waiting;
	stopping->waiting = NULL;
	pthread_mutex_unlock(&stopping->mu);
	while (request) {
		struct request *next = request->next_stopping;

		request_resume(request, KV_OK);
		request = next;
	}
}

struct slice stopping_text(const struct stopping *stopping)
{
	return stopping->text ? slice_of_string(stopping->text) : slice_of(NULL, 0);
}
