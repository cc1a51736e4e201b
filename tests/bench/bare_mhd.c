/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit that kvstored's speed is measured against: libmicrohttpd alone with its own epoll loops, as many threads and as much
 * memory a connection as kvstored by its defaults, answering a constant: 100 bytes to GET, "OK" to everything else.
 *   bare_mhd PORT [THREADS]
 */
#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *value_response, *ok_response;

static enum MHD_Result on_access(void *arg, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **context)
{
	static int seen;

	(void)arg;
	(void)url;
	(void)version;
	(void)data;
	if (!*context) {
		*context = &seen;
		return MHD_YES;
	}
	if (*size > 0) {
		*size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(mhd, 200, strcmp(method, "GET") == 0 ? value_response : ok_response);
}

int main(int argc, char **argv)
{
	static char value[100], ok[] = "OK\n";
	struct MHD_Daemon *daemon;
	int port = argc > 1 ? atoi(argv[1]) : 8079;
	int threads = argc > 2 ? atoi(argv[2]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct MHD_OptionItem pool[] = {
		{ threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	memset(value, 'x', sizeof value);
	value_response = MHD_create_response_from_buffer(sizeof value, value, MHD_RESPMEM_PERSISTENT);
	ok_response = MHD_create_response_from_buffer(3, ok, MHD_RESPMEM_PERSISTENT);
	if (!value_response || !ok_response)
		return EXIT_FAILURE;
	MHD_add_response_header(value_response, "Content-Type", "application/octet-stream");
	MHD_add_response_header(ok_response, "Content-Type", "text/plain; charset=utf-8");
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC,
		(uint16_t)port, NULL, NULL, on_access, NULL,
		MHD_OPTION_CONNECTION_LIMIT, 1024u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 * 1024),
		MHD_OPTION_ARRAY, pool,
		MHD_OPTION_END);
	if (!daemon) {
		perror("bare_mhd");
		return EXIT_FAILURE;
	}
	pause();
	return EXIT_SUCCESS;
}
