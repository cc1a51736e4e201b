/* SPDX-License-Identifier: BSD-2-Clause */
/* Last in, first out; but the clients of /shutdown get their answer before the server goes. */
#define _GNU_SOURCE
#include "daemon/stop.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/notify.h"
#include "daemon/report.h"
#include "daemon/start.h"

#include <stdlib.h>
#include <string.h>

/* Well below the stop timeouts of service managers. */
enum { DRAIN_MS = 10000 };

static void log_lines(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		log_info("%.*s", (int)len, text);
		text += text[len] == '\n' ? len + 1 : len;
	}
}

static enum exit_code finish(struct daemon *daemon)
{
	uint64_t begin_us = clock_monotonic_us();
	struct report_facts facts = { 0 };
	struct kv_error err = { 0 };
	char why[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	char text[REPORT_MAX];

	notify_stopping();
	facts.drained = server_drain(daemon->server, DRAIN_MS, &facts.left);
	if (store_finish(daemon->store, &facts.store, &err) != KV_OK) {
		facts.failure = start_format_error(&err, why, sizeof(why));
		log_error("cannot write memory out to a table: %s", why);
	}
	facts.elapsed_us = clock_monotonic_us() - begin_us;
	report_format(&facts, text, sizeof(text));
	log_lines(text);
	server_answer_shutdown(daemon->server, text);
	return facts.failure ? EXIT_CODE_IO : EXIT_CODE_OK;
}

enum exit_code stop_daemon(struct daemon *daemon, enum exit_code code)
{
	if (daemon->serves) {
		enum exit_code finished = finish(daemon);

		code = code == EXIT_CODE_OK ? finished : code;
	}
	daemon->server = server_stop(daemon->server);
	atomic_store(&daemon->told_store, NULL);
	daemon->store = store_close(daemon->store);
	daemon->pidfile = pidfile_remove(daemon->pidfile);
	daemon->signals = signals_close(daemon->signals);
	peers_free(&daemon->peers);
	config_free(&daemon->config);
	free((char *)daemon->source.path);
	daemon->source.path = NULL;
	log_close();
	return code;
}
