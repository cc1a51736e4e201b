/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user at the other end of a Unix socket, as the kernel tells (SO_PEERCRED), and the role that it has. It is that of the moment of the
 * connection, whoever uses the descriptor later.
 */
#ifndef KV_HTTP_PEER_H
#define KV_HTTP_PEER_H

#include "http/access.h"

#include <stddef.h>
#include <sys/types.h>

struct peer_rules {
	uid_t own_uid;           /* of the daemon: an admin, as root is */
	const uid_t *admin_uids; /* borrowed, as the next */
	size_t admin_uid_count;
	const gid_t *admin_gids; /* groups whose members are admins */
	size_t admin_gid_count;
	enum access_role others;
};

/* `groups` are those beside gid. */
enum access_role peer_judge(const struct peer_rules *rules, uid_t uid, gid_t gid, const gid_t *groups, size_t count);

/* Of a connected Unix socket; nobody's, when the kernel does not tell. */
enum access_role peer_role(const struct peer_rules *rules, int fd);

#endif
