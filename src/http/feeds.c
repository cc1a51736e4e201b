/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change cannot be missed: a stream says that it is idle before it looks for changes, and the thread looks who is idle after it was told
 * of the change.
 */
#define _GNU_SOURCE
#include "http/feeds.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

enum {
	PAUSE_US = 50,            /* for each stream that was woken */
	PAUSE_MAX_US = 20 * 1000,
};

struct feeds {
	struct store *store;     /* constant, as the next two */
	unsigned max;
	struct store_watch watch;
	sem_t news;
	atomic_bool told;        /* the thread has yet to look at what was posted */
	atomic_bool ending;

	pthread_mutex_t mu;
	struct feed *first;      /* guarded by mu, as all below */
	unsigned count;
	bool has_thread;
	pthread_t thread;
};

static void post(struct feeds *feeds)
{
	if (!atomic_exchange(&feeds->told, true))
		sem_post(&feeds->news);
}

static void on_commit(void *arg)
{
	post(arg);
}

static unsigned wake_idle(struct feeds *feeds)
{
	unsigned woken = 0;

	pthread_mutex_lock(&feeds->mu);
	for (struct feed *feed = feeds->first; feed; feed = feed->next)
		if (atomic_exchange(&feed->idle, false)) {
			stream_wake(&feed->stream);
			woken++;
		}
	pthread_mutex_unlock(&feeds->mu);
	return woken;
}

static void pause_after(unsigned woken)
{
	uint64_t us = (uint64_t)woken * PAUSE_US;
	struct timespec pause = { 0 };

	if (woken < 2)
		return;
	pause.tv_nsec = (long)(us < PAUSE_MAX_US ? us : PAUSE_MAX_US) * 1000;
	nanosleep(&pause, NULL);
}

static void *run(void *arg)
{
	struct feeds *feeds = arg;

	pthread_setname_np(pthread_self(), "http-feeds");
	while (!atomic_load(&feeds->ending)) {
		while (sem_wait(&feeds->news) != 0)
			; /* a signal came */
		atomic_store(&feeds->told, false); /* what comes from here on is posted again */
		pause_after(wake_idle(feeds));
	}
	return NULL;
}

struct feeds *feeds_new(struct store *store, unsigned max)
{
	struct feeds *feeds = calloc(1, sizeof *feeds);

	if (!feeds)
		return NULL;
	feeds->store = store;
	feeds->max = max;
	feeds->watch = (struct store_watch){ .notify = on_commit, .arg = feeds };
	sem_init(&feeds->news, 0, 0);
	pthread_mutex_init(&feeds->mu, NULL);
	return feeds;
}

struct feeds *feeds_free(struct feeds *feeds)
{
	if (!feeds)
		return NULL;
	atomic_store(&feeds->ending, true);
	post(feeds);
	if (feeds->has_thread)
		pthread_join(feeds->thread, NULL);
	pthread_mutex_destroy(&feeds->mu);
	sem_destroy(&feeds->news);
	free(feeds);
	return NULL;
}

static kv_status start_thread_locked(struct feeds *feeds)
{
	if (!feeds->has_thread)
		feeds->has_thread = pthread_create(&feeds->thread, NULL, run, feeds) == 0;
	return feeds->has_thread ? KV_OK : KV_NO_MEMORY;
}

static void add_locked(struct feeds *feeds, struct feed *feed)
{
	feed->feeds = feeds;
	feed->previous = NULL;
	feed->next = feeds->first;
	if (feeds->first)
		feeds->first->previous = feed;
	feeds->first = feed;
	if (feeds->count++ == 0)
		store_watch_add(feeds->store, &feeds->watch);
}

kv_status feeds_join(struct feeds *feeds, struct feed *feed)
{
	kv_status status = KV_BUSY;

	pthread_mutex_lock(&feeds->mu);
	if (feeds->count < feeds->max)
		status = start_thread_locked(feeds);
	if (status == KV_OK)
		add_locked(feeds, feed);
	pthread_mutex_unlock(&feeds->mu);
	return status;
}

void feeds_leave(struct feed *feed)
{
	struct feeds *feeds = feed->feeds;

	if (!feeds)
		return;
	pthread_mutex_lock(&feeds->mu);
	if (feed->previous)
		feed->previous->next = feed->next;
	else
		feeds->first = feed->next;
	if (feed->next)
		feed->next->previous = feed->previous;
	if (--feeds->count == 0)
		store_watch_remove(feeds->store, &feeds->watch);
	pthread_mutex_unlock(&feeds->mu);
	feed->feeds = NULL;
}

