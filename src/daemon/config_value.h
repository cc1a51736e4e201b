/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of the configuration file as text: what they mean, and how they are written. Pure functions. */
#ifndef KV_DAEMON_CONFIG_VALUE_H
#define KV_DAEMON_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CONFIG_VALUE_SIZE_MAX = 24 }; /* bytes of a formatted size, with the NUL */

/* Decimal. False for anything else, and for what does not fit. */
bool config_value_number(const char *text, uint64_t *ret);
/* A number of bytes, with K, M or G for powers of 1024. */
bool config_value_size(const char *text, uint64_t *ret);
/* true, yes, on; false, no, off; in any case. */
bool config_value_bool(const char *text, uint64_t *ret);
/* The index of `text` in `words`, which end with NULL. */
bool config_value_word(const char *text, const char *const *words, uint64_t *ret);

/* Absolute, and more than "/". */
bool config_value_is_path(const char *text);
/* An IPv4 or IPv6 literal, "localhost", or the path of a Unix socket. */
bool config_value_is_address(const char *text);
/* Of an address: can nobody but this machine reach it? */
bool config_value_is_local_address(const char *address);
/* A name or IP literal as it stands in the Host field, without a port. */
bool config_value_is_host(const char *text);

/* The shortest exact form: "64M", "1000". Returns buf. */
const char *config_value_format_size(uint64_t bytes, char buf[CONFIG_VALUE_SIZE_MAX]);
/* In double quotes, with everything escaped that libconfuse would take for something else. */
void config_value_print_quoted(const char *text, FILE *to);

#endif
