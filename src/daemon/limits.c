/* SPDX-License-Identifier: BSD-2-Clause */
/* Core dumps are left to the administrator: RLIMIT_CORE stays as it was given to us. */
#include "daemon/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

/* Tables, write-ahead log, directory, lock, log, epoll and event descriptors. */
enum { OWN_DESCRIPTORS = 1024 };

static bool try_limit(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

kv_status limits_raise_descriptors(uint64_t connections, struct kv_error *err)
{
	rlim_t needed = (rlim_t)connections + OWN_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return kv_error_errno(err, errno, "", "cannot read the limit of open files");
	if (limit.rlim_cur >= needed)
		return KV_OK;
	if (limit.rlim_max >= needed && try_limit(needed, limit.rlim_max))
		return KV_OK;
	if (limit.rlim_max < needed && try_limit(needed, needed))
		return KV_OK;
	(void)try_limit(limit.rlim_max, limit.rlim_max);
	return kv_error_set(err, KV_INVALID,
		"%" PRIu64 " open files are allowed, %" PRIu64 " are needed for %" PRIu64 " connections",
		(uint64_t)limit.rlim_max, (uint64_t)needed, connections);
}
