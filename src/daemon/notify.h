/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling the service manager. Without libsystemd, or when nobody listens ($NOTIFY_SOCKET), these do nothing.
 * Nothing depends on their success. Any thread.
 */
#ifndef KV_DAEMON_NOTIFY_H
#define KV_DAEMON_NOTIFY_H

void notify_ready(void);
void notify_reloading(void); /* until the next notify_ready() */
void notify_stopping(void);
/* The line that `systemctl status` shows. */
void notify_status(const char *text);

#endif
