/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request that waits for somebody else: the store, a thread for jobs, the end of the daemon.
 *
 * Handing over and back: `custody` says who has it. The end of a commit or job may come at any time, even before worker_submit()
 * returns; it leaves the result and wakes the worker, whose next calls of the handler find it. When the connection is lost first, that
 * end inherits the request and frees it.
 */
#define _GNU_SOURCE
#include "http/request_wait.h"

#include "http/worker.h"

static void begin_wait(struct request *request, enum request_step step,
	void (*go_on)(struct request *, kv_status))
{
	request->step = step;
	request->go_on = go_on;
	request->waits_in_body = request->place == REQUEST_IN_BODY;
	worker_wait_begins(request->worker);
}

static void give_away(struct request *request, void (*go_on)(struct request *, kv_status))
{
	begin_wait(request, REQUEST_WAITING, go_on);
	atomic_store(&request->custody, CUSTODY_AWAY);
	atomic_fetch_add(&request->service->away, 1);
}

/* Any thread. */
static void give_back(struct request *request, kv_status status)
{
	struct service *service = request->service;
	struct worker *worker = request->worker;
	bool may_be_parked = request->waits_in_body;

	request->result = status;
	if (atomic_exchange(&request->custody, CUSTODY_DONE) == CUSTODY_ORPHANED)
		request_destroy(request);
	/* from here on the request may be gone; server_stop() keeps the worker until `away` is 0 */
	if (may_be_parked)
		parking_look(worker_parking(worker));
	worker_wake(worker);
	atomic_fetch_sub(&service->away, 1);
}

/* The store's threads; or the worker's own, at the end of its turn or in worker_submit() of any request. */
static void committed(struct store_batch *batch, kv_status status, void *arg)
{
	(void)batch; /* still in request->batch */
	give_back(arg, status);
}

void request_commit(struct request *request, void (*go_on)(struct request *, kv_status))
{
	give_away(request, go_on);
	worker_submit(request->worker, request->batch, committed, request);
}

static void run_job(struct job *job, bool stopping)
{
	struct request *request = (struct request *)((char *)job - offsetof(struct request, job));

	give_back(request, stopping ? KV_BUSY : request->work(request));
}

static void resume(struct request *request, kv_status status)
{
	worker_wait_ends(request->worker);
	request->step = REQUEST_BODY;
	request->go_on(request, status);
}

void request_job(struct request *request, kv_status (*work)(struct request *),
	void (*go_on)(struct request *, kv_status))
{
	request->work = work;
	request->job.run = run_job;
	give_away(request, go_on);
	if (jobs_add(request->service->jobs, &request->job))
		return;
	atomic_fetch_sub(&request->service->away, 1);
	atomic_store_explicit(&request->custody, CUSTODY_OURS, memory_order_relaxed);
	resume(request, KV_BUSY);
}

void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status))
{
	begin_wait(request, REQUEST_STOPPING, go_on);
	(void)connection_enter(&request->connection, CONNECTION_STOPPING); /* there is no deadline in work */
	stopping_join(request->service->stopping);
}

bool request_wait_is_over(struct request *request)
{
	if (request->step == REQUEST_STOPPING) {
		if (!stopping_is_answered(request->service->stopping))
			return false;
		resume(request, KV_OK);
	} else if (request->step == REQUEST_WAITING) {
		if (atomic_load(&request->custody) != CUSTODY_DONE)
			return false;
		atomic_store_explicit(&request->custody, CUSTODY_OURS, memory_order_relaxed);
		resume(request, request->result);
	}
	return !request_is_waiting(request);
}

bool request_leave(struct request *request)
{
	return request->step != REQUEST_WAITING ||
		atomic_exchange(&request->custody, CUSTODY_ORPHANED) == CUSTODY_DONE;
}
