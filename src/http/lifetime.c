/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/lifetime.h"

#include "base/decimal.h"
#include "http/duration.h"

#include <stdio.h>
#include <time.h>

bool lifetime_of_ttl(struct slice text, uint64_t now_unix_ms, uint64_t *ret_unix_ms)
{
	uint64_t ms;

	if (!duration_parse(text, &ms) || now_unix_ms > LIFETIME_LAST_MS || ms > LIFETIME_LAST_MS - now_unix_ms)
		return false;
	*ret_unix_ms = now_unix_ms + ms;
	return true;
}

bool lifetime_is_expires(uint64_t unix_ms)
{
	return unix_ms != 0 && unix_ms <= LIFETIME_LAST_MS;
}

bool lifetime_of_expires(struct slice text, uint64_t *ret_unix_ms)
{
	uint64_t unix_ms;

	if (!decimal_uint64(text, &unix_ms) || !lifetime_is_expires(unix_ms))
		return false;
	*ret_unix_ms = unix_ms;
	return true;
}

uint64_t lifetime_end(const struct lifetime *lifetime, uint64_t now_unix_ms)
{
	if (lifetime->ttl_ms == 0)
		return lifetime->expires_unix_ms;
	if (now_unix_ms > LIFETIME_LAST_MS || lifetime->ttl_ms > LIFETIME_LAST_MS - now_unix_ms)
		return LIFETIME_LAST_MS;
	return now_unix_ms + lifetime->ttl_ms;
}

/* Not strftime(): the names are English in every locale. */
const char *lifetime_date(uint64_t unix_ms, char buf[LIFETIME_DATE_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
		"Nov", "Dec" };
	time_t seconds = (time_t)((unix_ms < LIFETIME_LAST_MS ? unix_ms : LIFETIME_LAST_MS) / 1000);
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm); /* cannot fail in these years */
	snprintf(buf, LIFETIME_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
		(unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
		(unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	return buf;
}

uint64_t lifetime_seconds_left(uint64_t expires_unix_ms, uint64_t now_unix_ms)
{
	return expires_unix_ms > now_unix_ms ? (expires_unix_ms - now_unix_ms - 1) / 1000 + 1 : 0;
}
