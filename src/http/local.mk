# HTTP: everything between libmicrohttpd and store.h.
noinst_LIBRARIES += libkvhttp.a
libkvhttp_a_SOURCES = \
	src/http/access.c src/http/access.h \
	src/http/acceptor.c src/http/acceptor.h \
	src/http/api.h \
	src/http/api_admin.c \
	src/http/api_asset.c \
	src/http/api_count.c \
	src/http/api_batch.c \
	src/http/api_changes.c \
	src/http/api_counter.c \
	src/http/api_export.c \
	src/http/api_capabilities.c \
	src/http/api_health.c \
	src/http/api_import.c \
	src/http/api_kv.c \
	src/http/api_metrics.c \
	src/http/api_range.c \
	src/http/api_mget.c \
	src/http/api_scan.c \
	src/http/api_shutdown.c \
	src/http/api_simple.c \
	src/http/api_snapshots.c \
	src/http/api_stats.c \
	src/http/asset.c src/http/asset.h \
	src/http/authorize.c src/http/authorize.h \
	src/http/batchread.c src/http/batchread.h \
	src/http/document.c src/http/document.h \
	src/http/base64.c src/http/base64.h \
	src/http/changes_stream.c src/http/changes_stream.h \
	src/http/changes_walk.c src/http/changes_walk.h \
	src/http/condition.c src/http/condition.h \
	src/http/connection.c src/http/connection.h \
	src/http/cursor.c src/http/cursor.h \
	src/http/duration.c src/http/duration.h \
	src/http/farewell.c src/http/farewell.h \
	src/http/front.c src/http/front.h \
	src/http/feeds.c src/http/feeds.h \
	src/http/guard.c src/http/guard.h \
	src/http/head.c src/http/head.h \
	src/http/jobs.c src/http/jobs.h \
	src/http/jsonlist.c src/http/jsonlist.h \
	src/http/jsonread.c src/http/jsonread.h \
	src/http/import.c src/http/import.h \
	src/http/import_line.c src/http/import_line.h \
	src/http/jsontext.c src/http/jsontext.h \
	src/http/kept.c src/http/kept.h \
	src/http/judge.c src/http/judge.h \
	src/http/lifetime.c src/http/lifetime.h \
	src/http/listen.c src/http/listen.h \
	src/http/metrics.c src/http/metrics.h \
	src/http/parking.c src/http/parking.h \
	src/http/peer.c src/http/peer.h \
	src/http/problem.c src/http/problem.h \
	src/http/rate.c src/http/rate.h \
	src/http/reply.c src/http/reply.h \
	src/http/request.c src/http/request.h \
	src/http/request_body.c src/http/request_body.h \
	src/http/request_wait.c src/http/request_wait.h \
	src/http/route.c src/http/route_find.c src/http/route.h \
	src/http/scan.c src/http/scan.h \
	src/http/scan_item.c src/http/scan_item.h \
	src/http/scan_range.c src/http/scan_range.h \
	src/http/scan_stream.c src/http/scan_stream.h \
	src/http/scan_walk.c src/http/scan_walk.h \
	src/http/server.c src/http/server.h \
	src/http/service.h \
	src/http/snapshots.c src/http/snapshots.h \
	src/http/snapshot_use.c src/http/snapshot_use.h \
	src/http/stream.c src/http/stream.h \
	src/http/stopping.c src/http/stopping.h \
	src/http/tls.c src/http/tls.h \
	src/http/token.c src/http/token.h \
	src/http/tokens.c src/http/tokens.h \
	src/http/urlkey.c src/http/urlkey.h \
	src/http/value_body.c src/http/value_body.h \
	src/http/value_reply.c src/http/value_reply.h \
	src/http/worker.c src/http/worker.h \
	src/http/write.c src/http/write.h src/http/write_plan.h

# Files that the server gives out as they are, a C string each. The file is written beside and renamed, so that a build that was
# broken off leaves no half of it.
ASSETS = src/http/openapi.json src/http/ui/index.html src/http/ui/app.js src/http/ui/style.css src/http/ui/icon.svg
nodist_libkvhttp_a_SOURCES = asset_data.c
asset_data.c: $(ASSETS) src/http/local.mk
	$(AM_V_GEN){ \
	echo '/* Made by make of the files in ASSETS. */'; \
	echo '#include "http/asset.h"'; \
	echo 'const struct asset asset_data[] = {'; \
	for file in $(ASSETS); do \
		echo "{ \"$${file##*/}\","; \
		$(SED) -e 's/[\\"]/\\&/g' -e 's/^.*$$/"&\\n"/' "$(srcdir)/$$file" || exit 1; \
		echo ", $$(wc -c <"$(srcdir)/$$file") },"; \
	done; \
	echo '{ NULL, NULL, 0 } };'; } >$@.new && mv $@.new $@
EXTRA_DIST += $(ASSETS)
CLEANFILES += asset_data.c asset_data.c.new
