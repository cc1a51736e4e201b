# HTTP: everything between libmicrohttpd and store.h.
noinst_LIBRARIES += libkvhttp.a
libkvhttp_a_SOURCES = \
	src/http/acceptor.c src/http/acceptor.h \
	src/http/api.h \
	src/http/api_health.c \
	src/http/api_kv.c \
	src/http/api_metrics.c \
	src/http/api_scan.c \
	src/http/api_shutdown.c \
	src/http/api_simple.c \
	src/http/api_stats.c \
	src/http/base64.c src/http/base64.h \
	src/http/condition.c src/http/condition.h \
	src/http/connection.c src/http/connection.h \
	src/http/cursor.c src/http/cursor.h \
	src/http/farewell.c src/http/farewell.h \
	src/http/guard.c src/http/guard.h \
	src/http/head.c src/http/head.h \
	src/http/jsontext.c src/http/jsontext.h \
	src/http/judge.c src/http/judge.h \
	src/http/listen.c src/http/listen.h \
	src/http/metrics.c src/http/metrics.h \
	src/http/problem.c src/http/problem.h \
	src/http/reply.c src/http/reply.h \
	src/http/request.c src/http/request.h \
	src/http/route.c src/http/route.h \
	src/http/server.c src/http/server.h \
	src/http/service.h \
	src/http/stopping.c src/http/stopping.h \
	src/http/urlkey.c src/http/urlkey.h \
	src/http/worker.c src/http/worker.h \
	src/http/write.c src/http/write.h
