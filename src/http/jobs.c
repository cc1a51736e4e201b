/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue in the order of arrival, and threads that take from its front. */
#define _GNU_SOURCE
#include "http/jobs.h"

#include <pthread.h>
#include <stdlib.h>

struct jobs {
	unsigned queue_max;    /* constant */
	unsigned thread_count; /* constant after jobs_new */
	pthread_t *threads;    /* constant after jobs_new */

	pthread_mutex_t mu;
	pthread_cond_t changed;
	struct job *first, *last; /* guarded by mu */
	unsigned queued;          /* without those that have their place; guarded by mu */
	bool stopping;            /* guarded by mu */
};

/* Waits for a job; NULL: there will be none any more. */
static struct job *take(struct jobs *jobs, bool *ret_stopping)
{
	struct job *job;

	pthread_mutex_lock(&jobs->mu);
	while (!jobs->first && !jobs->stopping)
		pthread_cond_wait(&jobs->changed, &jobs->mu);
	job = jobs->first;
	if (job) {
		jobs->first = job->next;
		jobs->queued -= !job->has_place;
	}
	*ret_stopping = jobs->stopping;
	pthread_mutex_unlock(&jobs->mu);
	return job;
}

static void *run(void *arg)
{
	struct jobs *jobs = arg;
	struct job *job;
	bool stopping;

	pthread_setname_np(pthread_self(), "http-job");
	while ((job = take(jobs, &stopping)))
		job->run(job, stopping);
	return NULL;
}

struct jobs *jobs_new(unsigned threads, unsigned queue_max)
{
	struct jobs *jobs = calloc(1, sizeof *jobs);

	if (!jobs)
		return NULL;
	jobs->queue_max = queue_max;
	pthread_mutex_init(&jobs->mu, NULL);
	pthread_cond_init(&jobs->changed, NULL);
	jobs->threads = calloc(threads, sizeof jobs->threads[0]);
	if (!jobs->threads)
		return jobs_free(jobs);
	for (; jobs->thread_count < threads; jobs->thread_count++)
		if (pthread_create(&jobs->threads[jobs->thread_count], NULL, run, jobs) != 0)
			return jobs_free(jobs);
	return jobs;
}

bool jobs_add(struct jobs *jobs, struct job *job)
{
	bool added;

	job->next = NULL;
	pthread_mutex_lock(&jobs->mu);
	added = job->has_place || jobs->queued < jobs->queue_max;
	if (added) {
		if (jobs->first)
			jobs->last->next = job;
		else
			jobs->first = job;
		jobs->last = job;
		jobs->queued += !job->has_place;
		pthread_cond_signal(&jobs->changed);
	}
	pthread_mutex_unlock(&jobs->mu);
	return added;
}

struct jobs *jobs_free(struct jobs *jobs)
{
	if (!jobs)
		return NULL;
	pthread_mutex_lock(&jobs->mu);
	jobs->stopping = true;
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->mu);
	for (unsigned i = 0; i < jobs->thread_count; i++)
		pthread_join(jobs->threads[i], NULL);
	pthread_cond_destroy(&jobs->changed);
	pthread_mutex_destroy(&jobs->mu);
	free(jobs->threads);
	free(jobs);
	return NULL;
}
