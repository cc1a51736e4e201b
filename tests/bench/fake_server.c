/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvstored's HTTP layer over the store that is none: shows what the layer itself costs, beside bare_mhd.
 *   fake_server PORT [THREADS]
 */
#include "http/server.h"
#include "support/fake_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char *const listen[] = { "127.0.0.1" };
	struct store *store = fake_store_new();
	struct server_options options;
	struct kv_error err;
	struct server *server;
	char line[512];

	server_options_init(&options);
	options.listen = listen;
	options.port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 8078);
	options.threads = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	fake_store_set_commits(store, FAKE_STORE_THREAD);
	if (server_bind(&options, &server, &err) != KV_OK || server_start(server, store, &err) != KV_OK) {
		fprintf(stderr, "%s\n", kv_error_format(&err, line, sizeof line));
		return EXIT_FAILURE;
	}
	pause();
	return EXIT_SUCCESS;
}
