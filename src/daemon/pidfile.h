/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pidfile: "PID\n", locked (flock) for as long as the daemon lives. The lock, not the content, says whether
 * somebody is running: the file of a dead daemon is simply taken over.
 */
#ifndef KV_DAEMON_PIDFILE_H
#define KV_DAEMON_PIDFILE_H

#include "base/status.h"

struct pidfile;

/* Makes or takes over the file at `path`, with our pid in it; one that a daemon of root's has left, and we may not write, is made anew where we may. Symbolic links, hard links
 * and anything but a regular file are refused and left as they are. KV_BUSY: a live daemon holds it; the text names path and pid. */
kv_status pidfile_create(const char *path, struct pidfile **ret, struct kv_error *err);

/* Removes the file (it is emptied when its directory is not ours to change) and frees. NULL allowed; returns NULL. */
struct pidfile *pidfile_remove(struct pidfile *pidfile);

#endif
