/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvstored. The start in its order is start_order[] of start.c; what the main thread does in between is serve.c;
 * the end in its order is stop.c.
 */
#include <config.h>
#include "daemon/daemon.h"
#include "daemon/exit_code.h"
#include "daemon/serve.h"
#include "daemon/start.h"
#include "daemon/stop.h"

static enum exit_code check_config(struct daemon *daemon)
{
	return stop_daemon(daemon, start_check_config(daemon, stdout));
}

static enum exit_code run(struct daemon *daemon)
{
	enum exit_code code = start_daemon(daemon);

	if (code == EXIT_CODE_OK)
		serve_until_stopped(daemon);
	return stop_daemon(daemon, code);
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	struct kv_error err;

	if (options_parse(argc, argv, &daemon.options, &err) != KV_OK) {
		fprintf(stderr, "kvstored: %s\nTry 'kvstored --help'.\n", err.text);
		return EXIT_CODE_USAGE;
	}
	if (daemon.options.help) {
		options_print_help(stdout);
		return EXIT_CODE_OK;
	}
	if (daemon.options.version) {
		printf("kvstored %s\n", PACKAGE_VERSION);
		return EXIT_CODE_OK;
	}
	return (int)(daemon.options.check_config ? check_config(&daemon) : run(&daemon));
}
