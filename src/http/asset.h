/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of the source tree that the server gives out as they are. The build makes asset_data.c of them (local.mk): a
 * string each, so that the binary needs nothing beside it.
 */
#ifndef KV_HTTP_ASSET_H
#define KV_HTTP_ASSET_H

#include <stddef.h>

struct asset {
	const char *name; /* without folder: "openapi.json" */
	const char *data; /* text; a NUL follows it */
	size_t len;
};

extern const struct asset asset_data[]; /* the last one has no name */

/* NULL: there is none of that name. */
const struct asset *asset_find(const char *name);

#endif
