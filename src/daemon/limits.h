/* SPDX-License-Identifier: BSD-2-Clause */
/* What the process may use, set to what the configuration needs. */
#ifndef KV_DAEMON_LIMITS_H
#define KV_DAEMON_LIMITS_H

#include "base/status.h"

/* Raises RLIMIT_NOFILE so that `connections` clients find a descriptor each beside the tables and logs of the
 * store; the hard limit too, where we may. KV_INVALID with a text that tells what is allowed and what is needed
 * when that cannot be had: the daemon runs, but the last of its clients may be turned away. */
kv_status limits_raise_descriptors(uint64_t connections, struct kv_error *err);

#endif
