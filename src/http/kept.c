/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The response refers to the bytes of `body`, which are overwritten for the next answer: a connection has one answer at a time, and
 * libmicrohttpd has let go of the bytes of the last one when it reads the next request.
 */
#define _GNU_SOURCE
#include "http/kept.h"

#include <microhttpd.h>

static void drop_response(struct kept *kept)
{
	if (kept->response)
		MHD_destroy_response(kept->response);
	kept->response = NULL;
}

struct MHD_Response *kept_response(struct kept *kept, struct slice body, const char *content_type)
{
	if (kept->response && kept->body.len == body.len) {
		if (body.len > 0)
			memcpy(kept->body.data, body.data, body.len);
		return kept->response;
	}
	drop_response(kept); /* before its bytes move */
	if (buf_set(&kept->body, body) != KV_OK)
		return NULL;
	kept->response = MHD_create_response_from_buffer(body.len, kept->body.data, MHD_RESPMEM_PERSISTENT);
	if (kept->response && MHD_add_response_header(kept->response, "Content-Type", content_type) != MHD_YES)
		drop_response(kept);
	return kept->response;
}

void kept_free(struct kept *kept)
{
	drop_response(kept);
	buf_free(&kept->body);
}
