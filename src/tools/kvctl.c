/* SPDX-License-Identifier: BSD-2-Clause */
/* kvctl: the commands are one table; what a command does is in a file of its own. */
#define _GNU_SOURCE
#include <config.h>
#include "tools/token_command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
	const char *words[2];
	int (*run)(int argc, char **argv);
	const char *form, *help;
} commands[] = {
	{ { "token", "add" }, token_command_add, " NAME --role=read|write|admin [--prefix=PREFIX]",
		"make a token, print it, and keep its hash" },
	{ { "token", "list" }, token_command_list, "", "print names, roles and prefixes" },
	{ { "token", "remove" }, token_command_remove, " NAME", "remove a token" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static int print_help(FILE *to)
{
	fprintf(to, "Usage: kvctl COMMAND [ARGUMENT]...\n"
		"Administers kvstored.\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  kvctl %s %s%s\n      %s\n", commands[i].words[0], commands[i].words[1], commands[i].form,
			commands[i].help);
	fprintf(to, "\n  --file=FILE  tokens are in FILE instead of " TOKEN_COMMAND_FILE "\n"
		"  -h, --help   print this, exit\n"
		"  -V, --version  print the version, exit\n\n"
		"After a change: systemctl reload kvstored. See kvctl(1).\n");
	return fflush(to) == 0 ? EX_OK : EX_IOERR;
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && is_one_of(argv[1], "--help", "-h"))
		return print_help(stdout);
	if (argc == 2 && is_one_of(argv[1], "--version", "-V"))
		return puts("kvctl (kvstored) " PACKAGE_VERSION) >= 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	for (size_t i = 0; i < COMMAND_COUNT && argc >= 3; i++)
		if (strcmp(argv[1], commands[i].words[0]) == 0 && strcmp(argv[2], commands[i].words[1]) == 0)
			return commands[i].run(argc - 2, argv + 2);
	if (argc >= 2)
		fprintf(stderr, "kvctl: unknown command '%s%s%s'\n", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
	print_help(stderr);
	return EX_USAGE;
}
