/* SPDX-License-Identifier: BSD-2-Clause */
/* sd_notify(3), or nothing. */
#include <config.h>
#include "daemon/notify.h"

#ifdef HAVE_SYSTEMD

#include "base/clock.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

void notify_ready(void)
{
	(void)sd_notifyf(0, "READY=1\nMAINPID=%ld", (long)getpid());
}

void notify_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_us());
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void notify_status(const char *text)
{
	(void)sd_notifyf(0, "STATUS=%s", text);
}

#else

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(const char *text)
{
	(void)text;
}

#endif
