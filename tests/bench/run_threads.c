/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measured part begins when all sessions are open, and ends when the last measured thread is done. What each thread has of the operations is
 * a range of them.
 */
#include "bench/run_threads.h"

#include "support/die.h"

#include <stdlib.h>

static struct worker *new_worker(struct run *run, uint64_t number)
{
	struct worker *ret = calloc(1, sizeof *ret);

	if (!ret)
		die("no memory");
	ret->shared = &run->workers;
	ret->draw = draw_new(run->settings->seed * 1000 + number);
	ret->deadline_ns = UINT64_MAX;
	ret->value = malloc(run->settings->value_size + 1);
	if (!ret->value)
		die("no memory");
	return ret;
}

static void free_worker(struct worker *worker)
{
	free(worker->value);
	free(worker);
}

struct worker *run_threads_worker(struct run *run)
{
	struct worker *ret = new_worker(run, 999);

	ret->session = run->workers.adapter->session_open(run->workers.database);
	return ret;
}

struct worker *run_threads_worker_free(struct worker *worker)
{
	worker->shared->adapter->session_close(worker->session);
	free_worker(worker);
	return NULL;
}

/* A thread opens and closes its own session: some engines tie it to the thread. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	struct workers *shared = worker->shared;
	const struct settings *settings = shared->settings;

	worker->session = shared->adapter->session_open(shared->database);
	pthread_barrier_wait(&shared->ready);
	pthread_barrier_wait(&shared->go);
	worker->last_ns = clock_monotonic_ns();
	if (settings->max_seconds != 0)
		worker->deadline_ns = worker->last_ns + settings->max_seconds * 1000000000;
	settings->workload->run(worker);
	if (!worker->extra && atomic_fetch_sub(&shared->measured_left, 1) == 1)
		pthread_barrier_wait(&shared->done);
	pthread_barrier_wait(&shared->closing);
	shared->adapter->session_close(worker->session);
	return NULL;
}

static void start(struct run *run, uint64_t number)
{
	const struct settings *settings = run->settings;
	struct worker *worker = new_worker(run, number);

	run->threads[number] = worker;
	worker->number = number;
	worker->extra = number >= settings->threads;
	worker->first = settings->ops * number / settings->threads;
	worker->end = settings->ops * (number + 1) / settings->threads;
	worker->done = worker->first;
	if (pthread_create(&worker->thread, NULL, work, worker) != 0)
		die("cannot start thread %u", (unsigned)number);
}

static void add(struct run *run, const struct worker *worker)
{
	if (worker->extra) {
		run->extra_ops += worker->ops;
		run->extra_user_bytes += worker->user_bytes;
		return;
	}
	run->ops += worker->ops;
	run->found += worker->found;
	run->missing += worker->missing;
	run->entries += worker->entries;
	run->user_bytes += worker->user_bytes;
	histogram_merge(&run->histogram, &worker->histogram);
}

static void collect(struct run *run)
{
	uint64_t last_ns = 0;

	for (uint64_t i = 0; i < run->thread_count; i++) {
		pthread_join(run->threads[i]->thread, NULL);
		add(run, run->threads[i]);
		if (!run->threads[i]->extra && run->threads[i]->last_ns > last_ns)
			last_ns = run->threads[i]->last_ns;
	}
	run->seconds = (double)(last_ns - run->at_begin.clock_ns) / 1e9;
}

static void barrier(pthread_barrier_t *ret, uint64_t count)
{
	if (pthread_barrier_init(ret, NULL, (unsigned)count) != 0)
		die("cannot make a barrier for %u threads", (unsigned)count);
}

void run_threads(struct run *run)
{
	struct workers *shared = &run->workers;

	run->thread_count = run->settings->threads + run->settings->workload->extra_threads;
	run->threads = calloc(run->thread_count, sizeof(struct worker *));
	if (!run->threads)
		die("no memory");
	shared->all = run->threads;
	atomic_init(&shared->measured_left, (unsigned)run->settings->threads);
	barrier(&shared->ready, run->thread_count + 1);
	barrier(&shared->go, run->thread_count + 1);
	barrier(&shared->done, 2);
	barrier(&shared->closing, run->thread_count + 1);
	for (uint64_t i = 0; i < run->thread_count; i++)
		start(run, i);
	pthread_barrier_wait(&shared->ready);
	run->at_begin = figures_now();
	pthread_barrier_wait(&shared->go);
	pthread_barrier_wait(&shared->done);
	run->at_end = figures_now();
	pthread_barrier_wait(&shared->closing);
	collect(run);
}

void run_threads_free(struct run *run)
{
	for (uint64_t i = 0; i < run->thread_count; i++)
		free_worker(run->threads[i]);
	free(run->threads);
	run->threads = NULL;
	run->thread_count = 0;
}

bool run_threads_written(const struct run *run, struct draw *draw, uint64_t *ret_index)
{
	const struct worker *worker = run->threads[draw_below(draw, run->settings->threads)];
	uint64_t place;

	if (worker->done == worker->first)
		return false;
	place = worker->first + draw_below(draw, worker->done - worker->first);
	*ret_index = run->settings->workload->ascending ? place : permutation_at(&run->workers.order, place);
	return true;
}
