/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of a request is complete: may it go on? Everything that doc/http-api.md calls bad input, in one order. */
#ifndef KV_HTTP_JUDGE_H
#define KV_HTTP_JUDGE_H

#include "http/request.h"

/* Fills in method, route, raw_key, raw_query and body_max; false: request->problem says why not. */
bool judge_request(struct request *request, const char *method, const char *version);

#endif
