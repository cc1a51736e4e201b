/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/tlspipe.h"

#include "support/die.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- certificates ---- */

static void check_gnutls(int result, const char *what)
{
	if (result < 0)
		die("%s: %s", what, gnutls_strerror(result));
}

static void write_file(const char *path, gnutls_datum_t pem)
{
	FILE *file = fopen(path, "w");

	if (!file || fchmod(fileno(file), 0600) != 0 || fwrite(pem.data, 1, pem.size, file) != pem.size || fclose(file) != 0)
		die_errno("cannot write '%s'", path);
	gnutls_free(pem.data);
}

void tlspipe_make_certificate(const char *certificate_path, const char *key_path)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t pem;
	time_t now = time(NULL);

	check_gnutls(gnutls_x509_privkey_init(&key), "key");
	check_gnutls(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), "key");
	check_gnutls(gnutls_x509_crt_init(&certificate), "certificate");
	check_gnutls(gnutls_x509_crt_set_version(certificate, 3), "version");
	check_gnutls(gnutls_x509_crt_set_serial(certificate, "\x01", 1), "serial");
	check_gnutls(gnutls_x509_crt_set_dn(certificate, "CN=localhost", NULL), "name");
	check_gnutls(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, "localhost", strlen("localhost"),
		GNUTLS_FSAN_SET), "other name");
	check_gnutls(gnutls_x509_crt_set_activation_time(certificate, now - 3600), "time");
	check_gnutls(gnutls_x509_crt_set_expiration_time(certificate, now + 3600), "time");
	check_gnutls(gnutls_x509_crt_set_key(certificate, key), "key");
	check_gnutls(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), "signature");
	check_gnutls(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), "export");
	write_file(certificate_path, pem);
	check_gnutls(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), "export");
	write_file(key_path, pem);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
}

/* ---- the thread behind a connection ---- */

struct tlspipe {
	gnutls_session_t session;
	struct tlspipe *next;
	int net, plain;
	bool sending; /* the test has not ended its side */
};

/*
 * GnuTLS gives a session up when a send fails, and reads no more from it. But a server that answers and closes while it is still sent
 * to has answered: what it does not take is dropped here, and the answer can be read.
 */
static ssize_t send_or_drop(gnutls_transport_ptr_t net, const void *data, size_t len)
{
	ssize_t n = send((int)(intptr_t)net, data, len, MSG_NOSIGNAL);

	return n < 0 && (errno == EPIPE || errno == ECONNRESET) ? (ssize_t)len : n;
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* False: TLS is at its end. */
static bool plain_to_tls(struct tlspipe *pipe)
{
	char bytes[16384];
	ssize_t n = recv(pipe->plain, bytes, sizeof bytes, 0);
	ssize_t sent;

	if (n <= 0) {
		pipe->sending = false;
		gnutls_bye(pipe->session, GNUTLS_SHUT_WR);
		return true;
	}
	for (ssize_t done = 0; done < n; done += sent) {
		sent = gnutls_record_send(pipe->session, bytes + done, (size_t)(n - done));
		if (sent < 0)
			return false;
	}
	return true;
}

static bool tls_to_plain(struct tlspipe *pipe)
{
	char bytes[16384];

	do {
		ssize_t n = gnutls_record_recv(pipe->session, bytes, sizeof bytes);

		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			return true;
		if (n <= 0 || !send_all(pipe->plain, bytes, (size_t)n))
			return false;
	} while (gnutls_record_check_pending(pipe->session) > 0);
	return true;
}

static void pump(struct tlspipe *pipe)
{
	bool open = true;

	while (open) {
		struct pollfd polls[] = {
			{ .fd = pipe->net, .events = POLLIN },
			{ .fd = pipe->sending ? pipe->plain : -1, .events = POLLIN },
		};

		if (poll(polls, 2, -1) < 0)
			break;
		if (polls[0].revents != 0)
			open = tls_to_plain(pipe);
		if (open && polls[1].revents != 0)
			open = plain_to_tls(pipe);
	}
}

/* GnuTLS ends with the program, before threads do: they are ended first. */
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static struct tlspipe *pipes; /* guarded by mu */

static void end_all(void)
{
	pthread_mutex_lock(&mu);
	for (struct tlspipe *pipe = pipes; pipe; pipe = pipe->next) {
		shutdown(pipe->plain, SHUT_RDWR);
		shutdown(pipe->net, SHUT_RDWR);
	}
	while (pipes)
		pthread_cond_wait(&left, &mu);
	pthread_mutex_unlock(&mu);
}

static void add(struct tlspipe *pipe)
{
	static bool registered;

	pthread_mutex_lock(&mu);
	if (!registered && atexit(end_all) != 0)
		die("out of memory");
	registered = true;
	pipe->next = pipes;
	pipes = pipe;
	pthread_mutex_unlock(&mu);
}

static void remove_and_close(struct tlspipe *pipe)
{
	struct tlspipe **link = &pipes;

	pthread_mutex_lock(&mu);
	while (*link != pipe)
		link = &(*link)->next;
	*link = pipe->next;
	close(pipe->plain);
	close(pipe->net);
	free(pipe);
	pthread_cond_signal(&left);
	pthread_mutex_unlock(&mu);
}

static void *run(void *arg)
{
	struct tlspipe *pipe = arg;
	gnutls_certificate_credentials_t credentials;
	int result;

	check_gnutls(gnutls_certificate_allocate_credentials(&credentials), "credentials");
	check_gnutls(gnutls_init(&pipe->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), "session");
	check_gnutls(gnutls_set_default_priority(pipe->session), "priority");
	check_gnutls(gnutls_credentials_set(pipe->session, GNUTLS_CRD_CERTIFICATE, credentials), "credentials");
	gnutls_transport_set_int(pipe->session, pipe->net);
	gnutls_transport_set_push_function(pipe->session, send_or_drop);
	do
		result = gnutls_handshake(pipe->session);
	while (result < 0 && gnutls_error_is_fatal(result) == 0);
	if (result >= 0)
		pump(pipe);
	gnutls_deinit(pipe->session);
	gnutls_certificate_free_credentials(credentials);
	remove_and_close(pipe);
	return NULL;
}

int tlspipe_connect(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct tlspipe *pipe = calloc(1, sizeof *pipe);
	pthread_t thread;
	int ends[2];
	int on = 1;

	if (!pipe || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		die_errno("socketpair");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pipe->plain = ends[1];
	pipe->sending = true;
	pipe->net = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pipe->net < 0 || connect(pipe->net, (struct sockaddr *)&address, sizeof address) != 0)
		die_errno("connect");
	setsockopt(pipe->net, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	add(pipe);
	if (pthread_create(&thread, NULL, run, pipe) != 0)
		die("cannot start a thread");
	pthread_detach(thread);
	return ends[0];
}
