/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "daemon/peers.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

/* In a user namespace (PrivateUsers= of systemd), all users and groups that it does not know have this number. */
enum { OVERFLOW_ID = 65534 };

static kv_status add_user(const char *name, struct peers *peers, struct kv_error *err)
{
	/* cppcheck-suppress getpwnamCalled ; before there are threads */
	const struct passwd *user = getpwnam(name);

	if (!user)
		return kv_error_set(err, KV_INVALID, "user '%s' of socket_admins does not exist", name);
	if (user->pw_uid == OVERFLOW_ID)
		return kv_error_set(err, KV_INVALID, "user '%s' of socket_admins is who all unknown users look like", name);
	peers->uids[peers->uid_count++] = user->pw_uid;
	return KV_OK;
}

static kv_status add_group(const char *name, struct peers *peers, struct kv_error *err)
{
	/* cppcheck-suppress getgrnamCalled ; before there are threads */
	const struct group *group = getgrnam(name);

	if (!group)
		return kv_error_set(err, KV_INVALID, "group '%s' of socket_admins does not exist", name);
	if (group->gr_gid == OVERFLOW_ID)
		return kv_error_set(err, KV_INVALID, "group '%s' of socket_admins is what all unknown groups look like", name);
	peers->gids[peers->gid_count++] = group->gr_gid;
	return KV_OK;
}

kv_status peers_resolve(const struct config_list *names, struct peers *ret, struct kv_error *err)
{
	struct peers peers = {
		.uids = calloc(names->count + 1, sizeof(*peers.uids)),
		.gids = calloc(names->count + 1, sizeof(*peers.gids)),
	};
	kv_status status = KV_OK;

	if (!peers.uids || !peers.gids)
		status = kv_error_set(err, KV_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < names->count && status == KV_OK; i++)
		status = names->items[i][0] == '@' ? add_group(names->items[i] + 1, &peers, err) :
			add_user(names->items[i], &peers, err);
	if (status == KV_OK)
		*ret = peers;
	else
		peers_free(&peers);
	return status;
}

void peers_free(struct peers *peers)
{
	free(peers->uids);
	free(peers->gids);
	*peers = (struct peers){ 0 };
}
