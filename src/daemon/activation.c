/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include <config.h>
#include "daemon/activation.h"
#include "daemon/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

kv_status activation_take(struct activation *ret, struct kv_error *err)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);
	kv_status status = KV_OK;

	if (count < 0)
		return kv_error_set(err, KV_INVALID, "the sockets of the service manager cannot be taken: %s", strerror(-count));
	if (count > ACTIVATION_MAX)
		status = kv_error_set(err, KV_INVALID, "the service manager passes more than %d sockets", ACTIVATION_MAX);
	for (int i = 0; i < count; i++) {
		if (status == KV_OK)
			ret->sockets[ret->count++] = (struct server_socket){
				.fd = SD_LISTEN_FDS_START + i,
				.tls = names && strcmp(names[i], "https") == 0,
			};
		if (names)
			free(names[i]);
	}
	free(names);
	return status;
}
#else
kv_status activation_take(struct activation *ret, struct kv_error *err)
{
	(void)ret;
	(void)err;
	return KV_OK;
}
#endif

/* The address as in the configuration; "" for a Unix socket, and for what is none of ours (the server will tell). */
static const char *address_of(int fd, char buf[INET6_ADDRSTRLEN])
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} address = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(address);

	buf[0] = '\0';
	if (getsockname(fd, &address.any, &len) == 0 && address.any.sa_family == AF_INET)
		inet_ntop(AF_INET, &address.in.sin_addr, buf, INET6_ADDRSTRLEN);
	else if (address.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &address.in6.sin6_addr, buf, INET6_ADDRSTRLEN);
	return buf;
}

static kv_status check_socket(const struct server_socket *passed, const struct config *config, struct kv_error *err)
{
	char buf[INET6_ADDRSTRLEN];
	const char *address = address_of(passed->fd, buf);

	if (passed->tls && (config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0'))
		return kv_error_set(err, KV_INVALID, "the service manager passes a socket for TLS, which needs tls_certificate and "
			"tls_key");
	if (address[0] == '\0' || config->insecure_listen || config_value_is_local_address(address))
		return KV_OK;
	if (!passed->tls)
		return kv_error_set(err, KV_INVALID, "the service manager passes a socket on '%s', which is not a loopback address: "
			"name it \"https\", or set insecure_listen = true", address);
	if (config->tokens_file[0] == '\0')
		return kv_error_set(err, KV_INVALID, "the service manager passes a socket on '%s', which is not a loopback address: "
			"set tokens_file, or insecure_listen = true", address);
	return KV_OK;
}

kv_status activation_check(const struct activation *activation, const struct config *config, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; i < activation->count && status == KV_OK; i++)
		status = check_socket(&activation->sockets[i], config, err);
	return status;
}
