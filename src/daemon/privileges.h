/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From root to the user of the configuration. As root: resolve, make what that user will need, open what
 * only root may, then drop. Started by anybody else, nothing is dropped and all these succeed.
 */
#ifndef KV_DAEMON_PRIVILEGES_H
#define KV_DAEMON_PRIVILEGES_H

#include "base/status.h"

#include <sys/types.h>

struct privileges {
	bool drop; /* are there any to drop? */
	uid_t uid; /* of the user to become, when drop */
	gid_t gid;
	char user[64];
};

/* KV_INVALID when there is no such user or group. `user` "": stay root; `group` "": the user's own. */
kv_status privileges_resolve(const char *user, const char *group, struct privileges *ret,
	struct kv_error *err);

/* Makes the directory (0700), when only the last component is missing, and gives it to the user. One that is there already
 * must belong to the user, else KV_IO with EACCES. */
kv_status privileges_make_dir(const struct privileges *privileges, const char *path, struct kv_error *err);

/* Makes the empty file (0640), when it is missing, and gives it to the user. One that is there stays as it is: giving away
 * what somebody else may have put there is how root gets cheated. */
kv_status privileges_make_file(const struct privileges *privileges, const char *path,
	struct kv_error *err);

/* What is created between these two belongs to the user's group (the Unix sockets). */
kv_status privileges_enter_group(const struct privileges *privileges, struct kv_error *err);
kv_status privileges_leave_group(const struct privileges *privileges, struct kv_error *err);

/* Groups, group, user; for good, and checked. Core dumps stay possible as far as RLIMIT_CORE allows. */
kv_status privileges_drop(const struct privileges *privileges, struct kv_error *err);

#endif
