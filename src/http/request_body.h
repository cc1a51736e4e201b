/* SPDX-License-Identifier: BSD-2-Clause */
/* What request.c does with the bytes of a body. The worker's thread. */
#ifndef KV_HTTP_REQUEST_BODY_H
#define KV_HTTP_REQUEST_BODY_H

#include "http/request.h"

bool request_expects_body(const struct request *request);

/* The header is complete and good. False has answered, and the body is not to be read. */
bool request_body_begin(struct request *request);

/* Takes bytes, lowering *size to what is left; what is left is offered again. MHD_NO: the connection must be closed. */
enum MHD_Result request_body_take(struct request *request, const char *data, size_t *size);

/* Bytes have come that a commit or job under way keeps from being taken: until its end. */
enum MHD_Result request_body_park(struct request *request);

#endif
