/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of kvstored: parsed into a struct, printed by nobody but main. */
#ifndef KV_DAEMON_OPTIONS_H
#define KV_DAEMON_OPTIONS_H

#include "base/status.h"

#include <stdio.h>

#define OPTIONS_CONFIG_FILE "/etc/kvstored/kvstored.conf"

struct options {
	const char *config_path; /* borrowed from argv, or OPTIONS_CONFIG_FILE */
	bool config_given;       /* then the file must exist */
	bool foreground;
	bool check_config;
	bool version;
	bool help;
};

/* KV_INVALID with a text that names the argument that is wrong; *ret is untouched then. Uses getopt's
 * global state: main thread. */
kv_status options_parse(int argc, char **argv, struct options *ret, struct kv_error *err);

/* The text of --help. */
void options_print_help(FILE *to);

#endif
