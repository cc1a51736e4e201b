/* SPDX-License-Identifier: BSD-2-Clause */
/* The users and groups of the option socket_admins, as numbers. */
#ifndef KV_DAEMON_PEERS_H
#define KV_DAEMON_PEERS_H

#include "daemon/config.h"

#include <sys/types.h>

struct peers {
	uid_t *uids; /* owned, as gids */
	size_t uid_count;
	gid_t *gids;
	size_t gid_count;
};

/* Names of users and, after '@', of groups. KV_INVALID: there is none of this name. Main thread, before there are others. */
kv_status peers_resolve(const struct config_list *names, struct peers *ret, struct kv_error *err);
void peers_free(struct peers *peers); /* safe on a zeroed one and twice */

#endif
