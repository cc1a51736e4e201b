/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict on the way in: no sign, no space, no hexadecimal, nothing after the unit. */
#define _GNU_SOURCE
#include "daemon/config_value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* Decimal digits only: no sign, no space, no hexadecimal. *ret_end is what follows them. */
static bool parse_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return false;
	}
	*ret = value;
	*ret_end = at;
	return at != text;
}

static bool parse_unit(const char *unit, uint64_t *ret)
{
	static const struct {
		const char *letter;
		uint64_t bytes;
	} units[] = { { "", 1 }, { "K", UINT64_C(1) << 10 }, { "M", UINT64_C(1) << 20 },
		{ "G", UINT64_C(1) << 30 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(unit, units[i].letter) == 0) {
			*ret = units[i].bytes;
			return true;
		}
	}
	return false;
}

bool config_value_bool(const char *text, uint64_t *ret)
{
	static const char *const forms[] = { "false", "true", "no", "yes", "off", "on" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcasecmp(text, forms[i]) == 0) {
			*ret = i % 2;
			return true;
		}
	}
	return false;
}

bool config_value_word(const char *text, const char *const *words, uint64_t *ret)
{
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool config_value_number(const char *text, uint64_t *ret)
{
	const char *end;
	uint64_t value;

	if (!parse_digits(text, &value, &end) || *end != '\0')
		return false;
	*ret = value;
	return true;
}

bool config_value_size(const char *text, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	uint64_t unit;

	if (!parse_digits(text, &value, &end) || !parse_unit(end, &unit) ||
		__builtin_mul_overflow(value, unit, &value))
		return false;
	*ret = value;
	return true;
}

static bool is_ip_literal(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

bool config_value_is_path(const char *text)
{
	return text[0] == '/' && text[1] != '\0';
}

bool config_value_is_address(const char *text)
{
	if (config_value_is_path(text))
		return strlen(text) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	return strcmp(text, "localhost") == 0 || is_ip_literal(text);
}

bool config_value_is_host(const char *text)
{
	size_t len = strlen(text);

	if (is_ip_literal(text))
		return true;
	return len > 0 && len <= 253 &&
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == len;
}

bool config_value_is_local_address(const char *address)
{
	struct in_addr ip4;
	struct in6_addr ip6;

	if (config_value_is_path(address) || strcmp(address, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address, &ip4) == 1)
		return ntohl(ip4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &ip6) == 1 && IN6_IS_ADDR_LOOPBACK(&ip6);
}

const char *config_value_format_size(uint64_t bytes, char buf[CONFIG_VALUE_SIZE_MAX])
{
	static const char units[] = { '\0', 'K', 'M', 'G' };
	size_t unit = 0;

	while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, CONFIG_VALUE_SIZE_MAX, "%" PRIu64 "%c", bytes, units[unit]);
	return buf;
}

void config_value_print_quoted(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte < 0x20 || byte == 0x7f)
			fprintf(to, "\\x%02x", byte);
		else if (strchr("\"\\$", byte))
			fprintf(to, "\\%c", byte);
		else
			fputc(byte, to);
	}
	fputc('"', to);
}
