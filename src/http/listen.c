/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket file that is already there is taken over only when it is a socket and nobody answers: a connect that is refused tells.
 * All sockets are non-blocking: the acceptor polls them together.
 */
#define _GNU_SOURCE
#include "http/listen.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* An address in use is not an input/output error: it is KV_BUSY. */
static kv_status failed(struct kv_error *err, int errnum, const char *address, const char *what)
{
	kv_status status = kv_error_errno(err, errnum, address, what);

	if (errnum != EADDRINUSE)
		return status;
	if (err)
		err->status = KV_BUSY;
	return KV_BUSY;
}

/* Makes it listen and adds it; takes over `fd` and `path`. */
static kv_status take(struct listen_set *set, int fd, char *path, bool tls, const char *address,
	struct kv_error *err)
{
	if (listen(fd, BACKLOG) != 0) {
		kv_status status = failed(err, errno, address, "cannot listen");

		close(fd);
		free(path);
		return status;
	}
	set->fds[set->count] = fd;
	set->paths[set->count] = path;
	set->tls[set->count] = tls;
	set->count++;
	return KV_OK;
}

static uint16_t bound_port(int fd)
{
	union address bound = { 0 };
	socklen_t len = sizeof bound;

	if (getsockname(fd, &bound.any, &len) != 0)
		return 0;
	return ntohs(bound.any.sa_family == AF_INET ? bound.in.sin_port : bound.in6.sin6_port);
}

/* The port that all sockets of a kind have. */
static uint16_t *port_of(struct listen_set *set, bool tls)
{
	return tls ? &set->tls_port : &set->port;
}

/* An address that this machine does not have may still come: the network is often there later than we are. Not those of "localhost", which it has or
 * never will. */
static bool bind_for_later(int fd, const char *name, const union address *address, socklen_t len)
{
	bool v6 = address->any.sa_family == AF_INET6;
	int on = 1;

	if (errno != EADDRNOTAVAIL || strcmp(name, "127.0.0.1") == 0 || strcmp(name, "::1") == 0)
		return false;
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on) != 0 ||
		bind(fd, &address->any, len) != 0)
		return false;
	log_warning("this machine does not have the address %s yet", name);
	return true;
}

static kv_status add_tcp(struct listen_set *set, const char *name, const union address *address,
	socklen_t len, bool tls, struct kv_error *err)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return failed(err, errno, name, "cannot make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address->any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, &address->any, len) != 0 && !bind_for_later(fd, name, address, len)) {
		kv_status status = failed(err, errno, name, "cannot bind");

		close(fd);
		return status;
	}
	if (*port_of(set, tls) == 0)
		*port_of(set, tls) = bound_port(fd);
	return take(set, fd, NULL, tls, name, err);
}

static kv_status add_ip(struct listen_set *set, const char *name, uint16_t port, bool tls, struct kv_error *err)
{
	union address address = { 0 };
	uint16_t use = htons(*port_of(set, tls) != 0 ? *port_of(set, tls) : port);

	if (inet_pton(AF_INET, name, &address.in.sin_addr) == 1) {
		address.in.sin_family = AF_INET;
		address.in.sin_port = use;
		return add_tcp(set, name, &address, sizeof address.in, tls, err);
	}
	memset(&address, 0, sizeof address);
	if (inet_pton(AF_INET6, name, &address.in6.sin6_addr) != 1)
		return kv_error_set(err, KV_INVALID, "'%s' is not an address to listen on", name);
	address.in6.sin6_family = AF_INET6;
	address.in6.sin6_port = use;
	return add_tcp(set, name, &address, sizeof address.in6, tls, err);
}

static kv_status add_localhost(struct listen_set *set, uint16_t port, bool tls, struct kv_error *err)
{
	struct kv_error error6 = { 0 };
	kv_status status = add_ip(set, "127.0.0.1", port, tls, err);
	kv_status status6;

	if (status != KV_OK)
		return status;
	status6 = add_ip(set, "::1", port, tls, &error6);
	if (status6 == KV_OK || error6.errnum == EADDRNOTAVAIL || error6.errnum == EAFNOSUPPORT)
		return KV_OK; /* a machine without IPv6 */
	if (err)
		*err = error6;
	return status6;
}

/* Removes a socket file that nobody listens on. KV_BUSY: somebody does. */
static kv_status clear_path(const union address *address, struct kv_error *err)
{
	const char *path = address->un.sun_path;
	struct stat st;
	int fd;
	int connected;
	int errnum;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? KV_OK : kv_error_errno(err, errno, path, "cannot look at");
	if (!S_ISSOCK(st.st_mode))
		return kv_error_errno(err, EPERM, path, "there is something that is not a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return kv_error_errno(err, errno, path, "cannot make a socket");
	connected = connect(fd, &address->any, sizeof address->un);
	errnum = errno;
	close(fd);
	if (connected == 0 || errnum == EAGAIN)
		return failed(err, EADDRINUSE, path, "cannot bind");
	if (errnum != ECONNREFUSED)
		return kv_error_errno(err, errnum, path, "cannot look who listens");
	if (unlink(path) != 0)
		return kv_error_errno(err, errno, path, "cannot remove the old socket");
	return KV_OK;
}

static kv_status add_unix(struct listen_set *set, const char *path, struct kv_error *err)
{
	union address address = { 0 };
	kv_status status;
	char *copy;
	int fd;

	if (strlen(path) >= sizeof address.un.sun_path)
		return kv_error_set(err, KV_INVALID, "the path of the socket is too long: '%s'", path);
	address.un.sun_family = AF_UNIX;
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	status = clear_path(&address, err);
	if (status != KV_OK)
		return status;
	copy = strdup(path);
	if (!copy)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &address.any, sizeof address.un) != 0 || chmod(path, 0660) != 0) {
		status = failed(err, errno, path, "cannot bind");
		if (fd >= 0)
			close(fd);
		free(copy);
		return status;
	}
	return take(set, fd, copy, false, path, err);
}

kv_status listen_add(struct listen_set *set, const char *address, uint16_t port, bool tls, struct kv_error *err)
{
	if (set->count > LISTEN_MAX - 2)
		return kv_error_set(err, KV_INVALID, "too many addresses to listen on");
	if (address[0] == '/' && !tls)
		return add_unix(set, address, err);
	if (strcmp(address, "localhost") == 0)
		return add_localhost(set, port, tls, err);
	return add_ip(set, address, port, tls, err);
}

static int option_of(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* NULL, or what is wrong with it. */
static const char *judge_socket(int fd, bool tls)
{
	int family = option_of(fd, SO_DOMAIN);

	if (family < 0)
		return "is not a socket";
	if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
		return "is neither of TCP nor a Unix socket";
	if (option_of(fd, SO_TYPE) != SOCK_STREAM)
		return "is not for streams";
	if (option_of(fd, SO_ACCEPTCONN) != 1)
		return "does not listen";
	return tls && family == AF_UNIX ? "is a Unix socket, and those have no TLS" : NULL;
}

kv_status listen_adopt(struct listen_set *set, int fd, bool tls, struct kv_error *err)
{
	const char *wrong = set->count >= LISTEN_MAX ? "is one too many" : judge_socket(fd, tls);
	int flags = fcntl(fd, F_GETFL);

	if (wrong || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return kv_error_set(err, KV_INVALID, "descriptor %d of the service manager %s", fd,
			wrong ? wrong : "cannot be used");
	if (option_of(fd, SO_DOMAIN) != AF_UNIX && *port_of(set, tls) == 0)
		*port_of(set, tls) = bound_port(fd);
	set->fds[set->count] = fd;
	set->paths[set->count] = NULL;
	set->tls[set->count] = tls;
	set->count++;
	return KV_OK;
}

void listen_close(struct listen_set *set, int remove_paths)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->fds[i] >= 0)
			close(set->fds[i]);
		set->fds[i] = -1;
		if (remove_paths && set->paths[i])
			(void)unlink(set->paths[i]); /* gone already is fine */
		if (remove_paths) {
			free(set->paths[i]);
			set->paths[i] = NULL;
		}
	}
}
