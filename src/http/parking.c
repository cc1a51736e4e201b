/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waking sets a mark in the request and one for the whole parking; the worker looks through its parked requests when it finds the
 * latter. Nothing is queued, so there is nothing to take back when a request ends. What ends a commit or job may not touch the
 * request any more (it may be gone), so it leaves only the mark for all, and its result is found in `custody`.
 *
 * Being resumed is a hint: who is resumed looks whether it really can go on, and parks again.
 */
#define _GNU_SOURCE
#include "http/parking.h"

#include "base/clock.h"
#include "http/request.h"

static void link_in(struct parking *parking, struct request *request)
{
	request->parked.previous = NULL;
	request->parked.next = parking->first;
	if (parking->first)
		parking->first->parked.previous = request;
	parking->first = request;
	parking->count++;
}

static void unlink_from(struct parking *parking, struct request *request)
{
	struct request *previous = request->parked.previous, *next = request->parked.next;

	if (next)
		next->parked.previous = previous;
	if (previous)
		previous->parked.next = next;
	else
		parking->first = next;
	parking->count--;
}

static void note_alarm(struct parking *parking, uint64_t alarm_us)
{
	if (alarm_us != 0 && (parking->next_alarm_us == 0 || alarm_us < parking->next_alarm_us))
		parking->next_alarm_us = alarm_us;
}

bool parking_enter(struct parking *parking, struct request *request, uint64_t alarm_us)
{
	if (atomic_exchange(&request->parked.woken, false))
		return false;
	if (request->parked.suspended)
		return true;
	request->parked.suspended = true;
	request->parked.alarm_us = alarm_us;
	note_alarm(parking, alarm_us);
	link_in(parking, request);
	MHD_suspend_connection(request->mhd);
	return true;
}

void parking_forget_wake(struct request *request)
{
	atomic_store(&request->parked.woken, false);
}

void parking_wake(struct parking *parking, struct request *request)
{
	if (!atomic_exchange(&request->parked.woken, true))
		atomic_store(&parking->look, true);
}

void parking_look(struct parking *parking)
{
	atomic_store(&parking->look, true);
}

void parking_wake_all(struct parking *parking)
{
	atomic_store(&parking->all, true);
	atomic_store(&parking->look, true);
}

static void resume(struct parking *parking, struct request *request)
{
	unlink_from(parking, request);
	request->parked.suspended = false;
	MHD_resume_connection(request->mhd);
}

static bool may_go_on(struct request *request, uint64_t now_us)
{
	uint64_t alarm_us = request->parked.alarm_us;

	return atomic_exchange(&request->parked.woken, false) || atomic_load(&request->custody) == CUSTODY_DONE ||
		(alarm_us != 0 && alarm_us <= now_us);
}

bool parking_turn(struct parking *parking)
{
	bool look = atomic_load_explicit(&parking->look, memory_order_relaxed) &&
		atomic_exchange(&parking->look, false);
	uint64_t now_us;
	bool all, resumed = false;
	struct request *next;

	if (!parking->first || (!look && parking->next_alarm_us == 0))
		return false;
	now_us = clock_monotonic_us();
	if (!look && now_us < parking->next_alarm_us)
		return false;
	all = atomic_exchange(&parking->all, false);
	parking->next_alarm_us = 0;
	for (struct request *request = parking->first; request; request = next) {
		next = request->parked.next;
		if (all || may_go_on(request, now_us)) {
			resume(parking, request);
			resumed = true;
		} else {
			note_alarm(parking, request->parked.alarm_us);
		}
	}
	return resumed;
}

void parking_empty(struct parking *parking)
{
	while (parking->first)
		resume(parking, parking->first);
}
