/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row an option. A value is checked as text when its line is read (so that the error can name the
 * line) and converted once the whole file has passed.
 */
#define _GNU_SOURCE
#include "daemon/config_option.h"
#include "daemon/config_value.h"

#include "base/log.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const char *const bool_words[] = { "false", "true", NULL };
static const char *const log_level_words[] = { "error", "warning", "info", "debug", NULL };
static const char *const durability_words[] = { "commit", "os", NULL };
static const char *const compression_words[] = { "none", "lz4", "zstd", NULL };
static const char *const role_words[] = { "none", "read", "write", "admin", NULL };
static const char *const shutdown_words[] = { "loopback", "token", "off", NULL };

#define AT(field) .offset = offsetof(struct config, field)

const struct config_option config_options[] = {
	{ "listen", CONFIG_ADDRESSES, "127.0.0.1", AT(listen) },
	{ "port", CONFIG_NUMBER, "8080", 0, 65535, AT(port) },
	{ "tls_listen", CONFIG_ADDRESSES, NULL, AT(tls_listen) },
	{ "tls_port", CONFIG_NUMBER, "8443", 0, 65535, AT(tls_port) },
	{ "tls_certificate", CONFIG_PATH_OR_NONE, "", AT(tls_certificate) },
	{ "tls_key", CONFIG_PATH_OR_NONE, "", AT(tls_key) },
	{ "insecure_listen", CONFIG_BOOL, "false", .words = bool_words, AT(insecure_listen) },
	{ "allowed_hosts", CONFIG_HOSTS, NULL, AT(allowed_hosts) },
	{ "tokens_file", CONFIG_PATH_OR_NONE, "", AT(tokens_file) },
	{ "socket_role", CONFIG_WORD, "write", .words = role_words, AT(socket_role) },
	{ "socket_admins", CONFIG_PEERS, NULL, AT(socket_admins) },
	{ "rate_limit", CONFIG_NUMBER, "0", 0, 1000000, AT(rate_limit) },
	{ "rate_burst", CONFIG_NUMBER, "0", 0, 1000000, AT(rate_burst) },
	{ "request_limit", CONFIG_NUMBER, "0", 0, 1000000, AT(request_limit) },
	{ "shutdown", CONFIG_WORD, "loopback", .words = shutdown_words, AT(shutdown) },
	{ "http_threads", CONFIG_NUMBER, "0", 0, 256, AT(http_threads) },
	{ "connection_limit", CONFIG_NUMBER, "1024", 4, 1000000, AT(connection_limit) },
	{ "max_header_size", CONFIG_SIZE, "32K", 16 * KIB, 64 * KIB, AT(max_header_bytes) },
	{ "max_value_size", CONFIG_SIZE, "16M", 1, STORE_VALUE_MAX, AT(max_value_bytes) },
	{ "max_batch_size", CONFIG_SIZE, "16M", KIB, GIB, AT(max_batch_bytes) },
	{ "snapshot_max_age", CONFIG_NUMBER, "600", 1, 604800, AT(snapshot_max_age_s) },
	{ "snapshot_limit", CONFIG_NUMBER, "1000", 1, 100000, AT(snapshot_limit) },
	{ "data_dir", CONFIG_PATH, "/var/lib/kvstored", AT(data_dir) },
	{ "flush_interval", CONFIG_NUMBER, "60", 0, 86400, .reloadable = true,
		AT(flush_interval_s) },
	{ "compaction_threshold", CONFIG_NUMBER, "4", 2, 64, .reloadable = true,
		AT(compaction_threshold) },
	{ "scrub_interval", CONFIG_NUMBER, "604800", 0, 31536000, .reloadable = true,
		AT(scrub_interval_s) },
	{ "memtable_size", CONFIG_SIZE, "64M", 16 * KIB, 16 * GIB, AT(memtable_bytes) },
	{ "blob_threshold", CONFIG_SIZE, "64K", 4 * KIB, GIB, AT(blob_threshold_bytes) },
	{ "block_cache_size", CONFIG_SIZE, "256M", 0, 1024 * GIB, AT(block_cache_bytes) },
	{ "change_log_size", CONFIG_SIZE, "64M", 0, 1024 * GIB, AT(change_log_bytes) },
	{ "durability", CONFIG_WORD, "commit", .words = durability_words, AT(durability) },
	{ "compression", CONFIG_WORD, "none", .words = compression_words, AT(compression) },
	{ "backup_dir", CONFIG_PATH_OR_NONE, "", AT(backup_dir) },
	{ "pidfile", CONFIG_PATH_OR_NONE, "", AT(pidfile) },
	{ "logfile", CONFIG_PATH_OR_NONE, "", AT(logfile) },
	{ "log_level", CONFIG_WORD, "info", .words = log_level_words, .reloadable = true,
		AT(log_level) },
	{ "user", CONFIG_NAME, "kvstored", AT(user) },
	{ "group", CONFIG_NAME, "", AT(group) },
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

static void *field_of(const struct config_option *option, const struct config *config)
{
	return (char *)config + option->offset;
}

const struct config_option *config_option_find(const char *name)
{
	for (size_t i = 0; i < config_option_count; i++) {
		if (strcmp(config_options[i].name, name) == 0)
			return &config_options[i];
	}
	return NULL;
}

bool config_option_is_list(const struct config_option *option)
{
	return option->type == CONFIG_ADDRESSES || option->type == CONFIG_HOSTS || option->type == CONFIG_PEERS;
}

static bool is_string(const struct config_option *option)
{
	return option->type == CONFIG_PATH || option->type == CONFIG_PATH_OR_NONE ||
		option->type == CONFIG_NAME;
}

static bool parse(const struct config_option *option, const char *text, uint64_t *ret_number)
{
	switch (option->type) {
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
		return (option->type == CONFIG_SIZE ? config_value_size(text, ret_number)
						    : config_value_number(text, ret_number)) &&
			*ret_number >= option->min && *ret_number <= option->max;
	case CONFIG_BOOL:
		return config_value_bool(text, ret_number);
	case CONFIG_WORD:
		return config_value_word(text, option->words, ret_number);
	case CONFIG_PATH:
		return config_value_is_path(text);
	case CONFIG_PATH_OR_NONE:
		return text[0] == '\0' || config_value_is_path(text);
	case CONFIG_NAME:
		return strchr(text, ':') == NULL;
	case CONFIG_ADDRESSES:
		return config_value_is_address(text);
	case CONFIG_HOSTS:
		return config_value_is_host(text);
	case CONFIG_PEERS:
		return text[text[0] == '@'] != '\0' && strchr(text, ':') == NULL;
	}
	return false;
}

bool config_option_check(const struct config_option *option, const char *text)
{
	uint64_t ignored;

	return parse(option, text, &ignored);
}

/* ---- into struct config and out of it ---- */

static void clear_list(struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){ 0 };
}

void config_option_clear(const struct config_option *option, struct config *config)
{
	void *field = field_of(option, config);

	if (config_option_is_list(option)) {
		clear_list(field);
	} else if (is_string(option)) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else {
		*(uint64_t *)field = 0;
	}
}

static kv_status set_list(struct config_list *list, const char *const *values, size_t count)
{
	list->items = calloc(count + 1, sizeof(*list->items));
	if (!list->items)
		return KV_NO_MEMORY;
	for (; list->count < count; list->count++) {
		list->items[list->count] = strdup(values[list->count]);
		if (!list->items[list->count]) {
			clear_list(list);
			return KV_NO_MEMORY;
		}
	}
	return KV_OK;
}

kv_status config_option_set(const struct config_option *option, struct config *config,
	const char *const *values, size_t count)
{
	void *field = field_of(option, config);

	config_option_clear(option, config);
	if (config_option_is_list(option))
		return set_list(field, values, count);
	if (is_string(option)) {
		*(char **)field = strdup(values[0]);
		return *(char **)field ? KV_OK : KV_NO_MEMORY;
	}
	parse(option, values[0], field);
	return KV_OK;
}

void config_option_copy_number(const struct config_option *option, struct config *to,
	const struct config *from)
{
	*(uint64_t *)field_of(option, to) = *(const uint64_t *)field_of(option, from);
}

static bool lists_equal(const struct config_list *a, const struct config_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

bool config_option_equal(const struct config_option *option, const struct config *a,
	const struct config *b)
{
	const void *x = field_of(option, a);
	const void *y = field_of(option, b);

	if (config_option_is_list(option))
		return lists_equal(x, y);
	if (is_string(option))
		return strcmp(*(char *const *)x, *(char *const *)y) == 0;
	return *(const uint64_t *)x == *(const uint64_t *)y;
}

/* ---- for people ---- */

static void print_list(const struct config_list *list, FILE *to)
{
	fputc('{', to);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i == 0 ? "" : ", ", to);
		config_value_print_quoted(list->items[i], to);
	}
	fputc('}', to);
}

void config_option_print(const struct config_option *option, const struct config *config, FILE *to)
{
	const void *field = field_of(option, config);
	char buf[CONFIG_VALUE_SIZE_MAX];

	fprintf(to, "%s = ", option->name);
	if (config_option_is_list(option))
		print_list(field, to);
	else if (is_string(option))
		config_value_print_quoted(*(char *const *)field, to);
	else if (option->words && option->type == CONFIG_BOOL)
		fputs(option->words[*(const uint64_t *)field], to);
	else if (option->words)
		config_value_print_quoted(option->words[*(const uint64_t *)field], to);
	else if (option->type == CONFIG_SIZE)
		config_value_print_quoted(config_value_format_size(*(const uint64_t *)field, buf), to);
	else
		fprintf(to, "%" PRIu64, *(const uint64_t *)field);
	fputc('\n', to);
}

static const char *describe_words(const char *const *words, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "one of");

	for (size_t i = 0; words[i] && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s \"%s\"", i == 0 ? "" : ",",
			words[i]);
	return buf;
}

const char *config_option_expected(const struct config_option *option, char *buf, size_t size)
{
	char min[CONFIG_VALUE_SIZE_MAX];
	char max[CONFIG_VALUE_SIZE_MAX];

	switch (option->type) {
	case CONFIG_NUMBER:
		snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
		return buf;
	case CONFIG_SIZE:
		snprintf(buf, size, "a size from %s to %s, in bytes or with K, M or G",
			config_value_format_size(option->min, min), config_value_format_size(option->max, max));
		return buf;
	case CONFIG_WORD:
		return describe_words(option->words, buf, size);
	case CONFIG_BOOL:
		return "true or false";
	case CONFIG_PATH:
		return "an absolute path";
	case CONFIG_PATH_OR_NONE:
		return "an absolute path, or empty for none";
	case CONFIG_NAME:
		return "a name, or empty";
	case CONFIG_ADDRESSES:
		return "a list of IP addresses, \"localhost\" or absolute socket paths";
	case CONFIG_PEERS:
		return "a list of user names, and of group names after '@'";
	case CONFIG_HOSTS:
		return "a list of host names without port";
	}
	return "something else";
}
