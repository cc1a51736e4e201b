/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/peer.h"

#include <stdlib.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13 */
#endif

enum { GROUPS_MAX = 256 }; /* of one user; those of more than that are looked at for their own group only */

static bool has_gid(const struct peer_rules *rules, gid_t gid)
{
	for (size_t i = 0; i < rules->admin_gid_count; i++)
		if (rules->admin_gids[i] == gid)
			return true;
	return false;
}

enum access_role peer_judge(const struct peer_rules *rules, uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	if (uid == 0 || uid == rules->own_uid || has_gid(rules, gid))
		return ACCESS_ADMIN;
	for (size_t i = 0; i < rules->admin_uid_count; i++)
		if (rules->admin_uids[i] == uid)
			return ACCESS_ADMIN;
	for (size_t i = 0; i < count; i++)
		if (has_gid(rules, groups[i]))
			return ACCESS_ADMIN;
	return rules->others;
}

enum access_role peer_role(const struct peer_rules *rules, int fd)
{
	struct ucred user;
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof user;
	socklen_t groups_len = sizeof groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len) != 0)
		return ACCESS_NONE;
	if (rules->admin_gid_count == 0 || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) != 0)
		groups_len = 0;
	return peer_judge(rules, user.uid, user.gid, groups, groups_len / sizeof groups[0]);
}
