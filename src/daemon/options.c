/* SPDX-License-Identifier: BSD-2-Clause */
/* The options are one table: getopt's two forms and the help text are made from it. */
#define _GNU_SOURCE
#include "daemon/options.h"

#include <getopt.h>

static const struct {
	char letter;
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
} table[] = {
	{ 'f', "foreground", NULL, "do not become a daemon; log to stderr unless logfile is set" },
	{ 'c', "config", "FILE", "read FILE instead of " OPTIONS_CONFIG_FILE },
	{ 't', "check-config", NULL, "check the configuration, print what is in effect, exit" },
	{ 'V', "version", NULL, "print the version, exit" },
	{ 'h', "help", NULL, "print this, exit" },
};

enum { TABLE_LEN = sizeof(table) / sizeof(table[0]) };

static void build_getopt_forms(char *short_form, struct option *long_form)
{
	*short_form++ = ':'; /* a missing argument is told apart from an unknown option */
	for (size_t i = 0; i < TABLE_LEN; i++) {
		*short_form++ = table[i].letter;
		if (table[i].argument)
			*short_form++ = ':';
		long_form[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].argument ? required_argument : no_argument,
			.val = table[i].letter,
		};
	}
	*short_form = '\0';
	long_form[TABLE_LEN] = (struct option){ 0 };
}

static void apply(struct options *options, int letter, const char *argument)
{
	switch (letter) {
	case 'f':
		options->foreground = true;
		break;
	case 'c':
		options->config_path = argument;
		options->config_given = true;
		break;
	case 't':
		options->check_config = true;
		break;
	case 'V':
		options->version = true;
		break;
	case 'h':
		options->help = true;
		break;
	}
}

/* `last` is the argument that getopt stopped behind: of use for long options only, since letters may
 * stand together in one argument. */
static kv_status report_bad_option(bool argument_missing, const char *last, struct kv_error *err)
{
	if (optopt == 0)
		return kv_error_set(err, KV_INVALID, "unknown option '%s'", last);
	for (size_t i = 0; i < TABLE_LEN; i++) {
		if (table[i].letter == optopt)
			return kv_error_set(err, KV_INVALID, "option --%s %s", table[i].name,
				argument_missing ? "needs an argument" : "takes no argument");
	}
	return kv_error_set(err, KV_INVALID, "unknown option '-%c'", optopt);
}

kv_status options_parse(int argc, char **argv, struct options *ret, struct kv_error *err)
{
	struct options options = { .config_path = OPTIONS_CONFIG_FILE };
	char short_form[2 * TABLE_LEN + 2];
	struct option long_form[TABLE_LEN + 1];
	int letter;

	build_getopt_forms(short_form, long_form);
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_form, long_form, NULL)) != -1) {
		if (letter == ':' || letter == '?')
			return report_bad_option(letter == ':', argv[optind - 1], err);
		apply(&options, letter, optarg);
	}
	if (optind < argc)
		return kv_error_set(err, KV_INVALID, "unexpected argument '%s'", argv[optind]);
	*ret = options;
	return KV_OK;
}

void options_print_help(FILE *to)
{
	fprintf(to, "Usage: kvstored [OPTION]...\n"
		    "A persistent key-value store over HTTP.\n\n");
	for (size_t i = 0; i < TABLE_LEN; i++) {
		char form[40];

		snprintf(form, sizeof(form), "-%c, --%s%s%s", table[i].letter, table[i].name,
			table[i].argument ? " " : "", table[i].argument ? table[i].argument : "");
		fprintf(to, "  %-20s  %s\n", form, table[i].help);
	}
	fprintf(to, "\nSIGHUP reopens the log file and reads the configuration again; SIGTERM and SIGINT stop.\n"
		    "See kvstored(8) and kvstored.conf(5).\n");
}
