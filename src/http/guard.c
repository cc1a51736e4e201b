/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order of the judgement: Host (TCP only; a Unix socket is no place that a browser can be lured to), Origin, Sec-Fetch-Site.
 * Our own pages have the Origin that their Host says, and pass.
 */
#define _GNU_SOURCE
#include "http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

enum guard_peer guard_peer_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_UNIX)
		return GUARD_PEER_UNIX;
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof in);
		return ntohl(in.sin_addr.s_addr) >> 24 == 127 ? GUARD_PEER_LOOPBACK : GUARD_PEER_REMOTE;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof in6);
		if (IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
			(IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127))
			return GUARD_PEER_LOOPBACK;
	}
	return GUARD_PEER_REMOTE;
}

static bool is_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return true;
}

/* Takes the port and the brackets away. */
static bool host_name(struct slice host, struct slice *ret_name)
{
	const uint8_t *end;
	size_t name_len;

	if (host.len > 0 && host.data[0] == '[') {
		end = memchr(host.data, ']', host.len);
		if (!end)
			return false;
		name_len = (size_t)(end - host.data) - 1;
		*ret_name = slice_of(host.data + 1, name_len);
		host = slice_of(end + 1, host.len - name_len - 2);
	} else {
		end = memchr(host.data, ':', host.len);
		name_len = end ? (size_t)(end - host.data) : host.len;
		*ret_name = slice_of(host.data, name_len);
		host = slice_of(host.data + name_len, host.len - name_len);
	}
	if (host.len == 0)
		return true;
	return host.data[0] == ':' && is_digits(slice_of(host.data + 1, host.len - 1));
}

static bool is_name(struct slice s, const char *name)
{
	return s.len == strlen(name) && strncasecmp((const char *)s.data, name, s.len) == 0;
}

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_name(name, names[i]))
			return true;
	return false;
}

static bool is_loopback_address(struct slice name)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr in;
	struct in6_addr in6;

	if (name.len >= sizeof text)
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	if (inet_pton(AF_INET, text, &in) == 1)
		return ntohl(in.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

bool guard_host_allowed(const struct guard_rules *rules, struct slice host)
{
	struct slice name;

	if (!host_name(host, &name) || name.len == 0)
		return false;
	return is_name(name, "localhost") || is_loopback_address(name) ||
		is_one_of(name, rules->allowed_hosts, rules->allowed_hosts_count) ||
		is_one_of(name, rules->listen, rules->listen_count) ||
		is_one_of(name, rules->tls_listen, rules->tls_listen_count);
}

/* The page's own server: http(s)://Host. */
static bool is_own_origin(struct slice origin, struct slice host)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);

		if (origin.len == len + host.len && host.len > 0 &&
			strncasecmp((const char *)origin.data, schemes[i], len) == 0 &&
			strncasecmp((const char *)origin.data + len, (const char *)host.data, host.len) == 0)
			return true;
	}
	return false;
}

static bool knows_host(const struct guard_rules *rules, struct guard_memory *memory, struct slice host)
{
	if (host.len > 0 && slice_equal(host, slice_of(memory->host, memory->len)))
		return true;
	if (!guard_host_allowed(rules, host))
		return false;
	if (host.len <= sizeof memory->host) {
		memcpy(memory->host, host.data, host.len);
		memory->len = (uint8_t)host.len;
	}
	return true;
}

bool guard_request(const struct guard_rules *rules, enum guard_peer peer, struct guard_memory *memory,
	const struct head *head, struct problem *problem)
{
	struct slice host = head_has(head, HEAD_HOST) ? head->value[HEAD_HOST] : slice_of(NULL, 0);

	if (peer != GUARD_PEER_UNIX && head_has(head, HEAD_HOST) && !knows_host(rules, memory, host))
		return problem_set(problem, 403, "this host name is not allowed here (see allowed_hosts)");
	if (head_has(head, HEAD_ORIGIN) && !is_own_origin(head->value[HEAD_ORIGIN], host))
		return problem_set(problem, 403, "requests of pages from elsewhere are not allowed");
	if (head_has(head, HEAD_SEC_FETCH_SITE) &&
		is_name(head->value[HEAD_SEC_FETCH_SITE], "cross-site"))
		return problem_set(problem, 403, "requests of pages from elsewhere are not allowed");
	return true;
}

static bool is_browser(const struct head *head)
{
	static const unsigned marks = 1u << HEAD_ORIGIN | 1u << HEAD_REFERER | 1u << HEAD_COOKIE |
		1u << HEAD_SEC_FETCH_SITE | 1u << HEAD_SEC_FETCH_OTHER;

	if ((head->seen & marks) != 0)
		return true;
	return head_has(head, HEAD_USER_AGENT) &&
		slice_starts_with(head->value[HEAD_USER_AGENT], slice_of_string("Mozilla/"));
}

bool guard_shutdown(const struct guard_rules *rules, enum guard_peer peer, const struct access *access,
	const struct head *head, struct problem *problem)
{
	if (rules->shutdown == GUARD_SHUTDOWN_OFF)
		return problem_set(problem, 403, "shutdown over HTTP is switched off (option 'shutdown')");
	if (is_browser(head))
		return problem_set(problem, 403, "shutdown is not for browsers");
	/* without tokens every client of a loopback address is an admin; that is not meant by "token" */
	if (rules->shutdown == GUARD_SHUTDOWN_TOKEN && !access->by_token && peer != GUARD_PEER_UNIX)
		return problem_set(problem, 401, "shutdown needs a token with the role 'admin' (option 'shutdown')");
	return true;
}
