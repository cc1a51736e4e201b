/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who asks, and may they? What a client is allowed comes from the first of these that there is: the token in its request, the
 * user at the other end of a Unix socket, its address. Worker's thread.
 */
#ifndef KV_HTTP_AUTHORIZE_H
#define KV_HTTP_AUTHORIZE_H

#include "http/request.h"

/* What the client of a new connection may do without a token. */
struct access authorize_peer(const struct service *service, enum guard_peer peer, int fd);

/* Fills in request->access; its route must be known. False: request->problem says why not. */
bool authorize_request(struct request *request);

/* In the middle of a long answer, or at the end of a body: is the token that it came with still good? When not, a request gets 401 with the text. */
bool authorize_still(struct request *request);
#define AUTHORIZE_NOT_ANY_MORE "this token is not good any more"

#endif
