/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token decides also where the user would: a proxy on the Unix socket passes on what its clients may, not what it may itself.
 * A wrong one counts as none where nothing is asked for.
 */
#define _GNU_SOURCE
#include "http/authorize.h"

/* Without tokens, this machine is trusted. Whom the configuration lets in from elsewhere (insecure_listen) may use the store, but not
 * administer it. */
struct access authorize_peer(const struct service *service, enum guard_peer peer, int fd)
{
	enum access_role role = ACCESS_ADMIN;

	if (peer == GUARD_PEER_UNIX)
		role = peer_role(&service->peers, fd);
	else if (service->tokens)
		role = ACCESS_NONE;
	else if (peer == GUARD_PEER_REMOTE)
		role = ACCESS_WRITE;
	return (struct access){ .role = role };
}

static bool use_token(struct request *request)
{
	kv_status status = tokens_find(request->service->tokens, request->head.value[HEAD_AUTHORIZATION],
		&request->token);

	if (status == KV_OK)
		request->access = &request->token.access;
	else if (request->route->role == ACCESS_NONE)
		return true;
	else if (status == KV_NOT_FOUND)
		return problem_set(&request->problem, 401, "this token is not good here");
	else
		return problem_set(&request->problem, 503, "out of memory");
	return true;
}

bool authorize_request(struct request *request)
{
	bool with_tokens = request->service->tokens != NULL;

	request->access = &request->peer_access;
	if (with_tokens && head_has(&request->head, HEAD_AUTHORIZATION) && !use_token(request))
		return false;
	if (request->access->role >= request->route->role)
		return true;
	if (with_tokens && !request->access->by_token && request->connection.peer != GUARD_PEER_UNIX)
		return problem_set(&request->problem, 401, "this needs a token: 'Authorization: Bearer ...'");
	return problem_set(&request->problem, 403, "this needs the role '%s'",
		access_role_name(request->route->role));
}

bool authorize_still(struct request *request)
{
	return !request->access->by_token || tokens_still_good(request->service->tokens, &request->token);
}
