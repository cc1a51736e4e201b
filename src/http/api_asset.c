/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /openapi.json, and the dashboard at /ui/. An embedded file is sent from where it lies in the binary; its ETag is its checksum, so that a browser asks again
 * each time (no-cache) and gets the bytes only after an upgrade.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/checksum.h"
#include "http/asset.h"
#include "http/condition.h"
#include "http/reply.h"

#include <assert.h>

/* The page runs its own script and nothing else, talks to its own server and nobody else, and is framed by nobody. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

static void reply_asset(struct request *request, const char *name, const char *type)
{
	const struct asset *asset = asset_find(name);
	char etag[CONDITION_ETAG_SIZE];
	uint64_t version;

	assert(asset);
	version = checksum64(slice_of(asset->data, asset->len), 0);
	condition_etag(version, etag);
	if (head_has(&request->head, HEAD_IF_NONE_MATCH) &&
		condition_matches(request->head.value[HEAD_IF_NONE_MATCH], version, true)) {
		reply_empty(request, 304, etag);
		return;
	}
	reply_constant(request, slice_of(asset->data, asset->len), (const struct reply_header[]){
		{ "Content-Type", type },
		{ "ETag", etag },
		{ "Cache-Control", "no-cache" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy", policy },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ NULL, NULL } });
}

void api_openapi(struct request *request)
{
	reply_asset(request, "openapi.json", "application/json");
}

void api_ui(struct request *request)
{
	static const struct {
		const char *path, *name, *type;
	} files[] = {
		{ "", "index.html", "text/html; charset=utf-8" },
		{ "app.js", "app.js", "text/javascript; charset=utf-8" },
		{ "style.css", "style.css", "text/css; charset=utf-8" },
		{ "icon.svg", "icon.svg", "image/svg+xml" },
	};
	size_t i = 0;

	while (i < sizeof files / sizeof files[0] &&
		!slice_equal(request->raw_key, slice_of_string(files[i].path)))
		i++;
	if (i < sizeof files / sizeof files[0])
		reply_asset(request, files[i].name, files[i].type);
	else
		reply_error(request, 404, "there is nothing at this path");
}

void api_ui_redirect(struct request *request)
{
	reply_redirect(request, "/ui/");
}
