/* SPDX-License-Identifier: BSD-2-Clause */
/* What a request that puts one key has said of it before its body. */
#ifndef KV_HTTP_WRITE_PLAN_H
#define KV_HTTP_WRITE_PLAN_H

#include "http/lifetime.h"
#include "store/store.h"

/* What a write may say beside key and value. A zeroed one says nothing. */
struct write_options {
	struct lifetime lifetime;
	enum store_durability durability;
};

struct write_plan {
	struct slice key;   /* lies in the request's target, as value */
	struct slice value; /* when has_value; otherwise the body is the value */
	bool has_value;
	struct store_condition condition;
	struct write_options options;
};

#endif
