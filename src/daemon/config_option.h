/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of options, and what each type of option can do: check, set, print, compare. */
#ifndef KV_DAEMON_CONFIG_OPTION_H
#define KV_DAEMON_CONFIG_OPTION_H

#include "daemon/config.h"

enum config_type {
	CONFIG_NUMBER,    /* uint64_t, min..max */
	CONFIG_SIZE,      /* uint64_t bytes, min..max, with K, M, G */
	CONFIG_BOOL,      /* uint64_t, 0 or 1 */
	CONFIG_WORD,      /* uint64_t, index into words */
	CONFIG_PATH,      /* char *, absolute */
	CONFIG_PATH_OR_NONE, /* char *, absolute or "" */
	CONFIG_NAME,      /* char *, of a user or group, or "" */
	CONFIG_ADDRESSES, /* struct config_list, not empty */
	CONFIG_HOSTS,     /* struct config_list */
	CONFIG_PEERS,     /* struct config_list, names of users, and of groups after '@' */
};

struct config_option {
	const char *name;
	enum config_type type;
	const char *fallback; /* one value as in the file; NULL: an empty list */
	uint64_t min, max;    /* of numbers (bytes for sizes) */
	const char *const *words; /* ends with NULL */
	bool reloadable;
	size_t offset;        /* of the field in struct config */
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* NULL when there is none of this name. */
const struct config_option *config_option_find(const char *name);
bool config_option_is_list(const struct config_option *option);

/* Is `text` acceptable as the value, or as one element of the list? */
bool config_option_check(const struct config_option *option, const char *text);

/* The values, which must have passed the check, replace what the field holds. Exactly one unless the option is a
 * list. KV_NO_MEMORY leaves the field empty. */
kv_status config_option_set(const struct config_option *option, struct config *config,
	const char *const *values, size_t count);
void config_option_clear(const struct config_option *option, struct config *config);

/* Completes "NAME must be ...": "a number from 0 to 65535". */
const char *config_option_expected(const struct config_option *option, char *buf, size_t size);

/* "name = value" and a newline. */
void config_option_print(const struct config_option *option, const struct config *config, FILE *to);

bool config_option_equal(const struct config_option *option, const struct config *a,
	const struct config *b);
void config_option_copy_number(const struct config_option *option, struct config *to,
	const struct config *from);

#endif
