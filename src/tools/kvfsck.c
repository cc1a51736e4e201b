/* SPDX-License-Identifier: BSD-2-Clause */
/* kvfsck: looks at the files of a store that no kvstored has open. Here are its options and what it prints; the rest is the store's. */
#define _GNU_SOURCE
#include <config.h>
#include "store/fsck.h"
#include "tools/fsck_exit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char *const kinds[] = {
	[STORE_FINDING_REMARK] = "remark",
	[STORE_FINDING_DAMAGE] = "damage",
	[STORE_FINDING_LOST] = "lost",
	[STORE_FINDING_DONE] = "done",
};

struct arguments {
	bool help, version, repair, accept_stale, dump, values;
	const char *path;
};

static int print_help(FILE *to)
{
	fputs("Usage: kvfsck DIRECTORY\n"
	      "       kvfsck --repair [--accept-stale] DIRECTORY\n"
	      "       kvfsck --dump [--values] FILE\n"
	      "Checks the files of a kvstored that is not running.\n\n"
	      "  --repair        keep all that checks, move the rest to lost+found\n"
	      "  --accept-stale  also where keys may then have an older value, or deleted ones come back\n"
	      "  --dump          print a log segment, table, MANIFEST, FORMAT or blob file\n"
	      "  --values        with the values\n"
	      "  -h, --help      print this, exit\n"
	      "  -V, --version   print the version, exit\n\n"
	      "See kvfsck(8).\n",
		to);
	return fflush(to) == 0 ? EX_OK : EX_IOERR;
}

static int misuse(const char *what)
{
	fprintf(stderr, "kvfsck: %s; see kvfsck --help\n", what);
	return EX_USAGE;
}

/* EX_OK or EX_USAGE. */
static int parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{ "repair", no_argument, NULL, 'r' },
		{ "accept-stale", no_argument, NULL, 'a' },
		{ "dump", no_argument, NULL, 'd' },
		{ "values", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int letter;

	*ret = (struct arguments){ 0 };
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		ret->repair = ret->repair || letter == 'r';
		ret->accept_stale = ret->accept_stale || letter == 'a';
		ret->dump = ret->dump || letter == 'd';
		ret->values = ret->values || letter == 'v';
		ret->help = ret->help || letter == 'h';
		ret->version = ret->version || letter == 'V';
		if (letter == '?')
			return misuse("there is no such option, or it takes no argument");
	}
	if (ret->help || ret->version)
		return EX_OK;
	if (argc - optind != 1 || argv[optind][0] == '\0')
		return misuse("one directory or file must be named");
	if (ret->dump && ret->repair)
		return misuse("--dump and --repair do not go together");
	if ((ret->accept_stale && !ret->repair) || (ret->values && !ret->dump))
		return misuse("--accept-stale is for --repair, and --values for --dump");
	ret->path = argv[optind];
	return EX_OK;
}

/* ---- what is found ---- */

static void print_keys(FILE *to, const struct store_finding *finding)
{
	struct buf text = { 0 };
	bool one = slice_equal(finding->first, finding->last);
	kv_status status = store_quote(finding->first, &text);

	if (status == KV_OK && !one)
		status = buf_append(&text, " to ", 4);
	if (status == KV_OK && !one)
		status = store_quote(finding->last, &text);
	if (status == KV_OK)
		fprintf(to, ": %s %.*s", one ? "key" : "keys", (int)text.len, (const char *)text.data);
	else
		fputs(": keys that there is no memory to print", to);
	buf_free(&text);
}

/* A file that is not of the store may have any name. */
static void print_name(FILE *to, const char *name)
{
	struct buf text = { 0 };
	bool plain = true;

	for (const char *c = name; *c != '\0'; c++)
		plain = plain && *c > ' ' && *c < 0x7f;
	if (plain)
		fputs(name, to);
	else if (store_quote(slice_of_string(name), &text) == KV_OK)
		fwrite(text.data, 1, text.len, to);
	fputs(": ", to);
	buf_free(&text);
}

static void print_finding(void *arg, const struct store_finding *finding)
{
	FILE *to = arg;

	fprintf(to, "%s: ", kinds[finding->kind]);
	if (finding->file[0] != '\0')
		print_name(to, finding->file);
	if (finding->has_offset)
		fprintf(to, "offset %" PRIu64 ": ", finding->offset);
	fputs(finding->what, to);
	if (finding->scope == STORE_SCOPE_KEYS)
		print_keys(to, finding);
	else if (finding->scope == STORE_SCOPE_ANY)
		fputs(": any key may be concerned", to);
	fputc('\n', to);
}

static int complain(const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX + 128];

	fflush(stdout);
	fprintf(stderr, "kvfsck: %s\n", kv_error_format(err, line, sizeof line));
	return fsck_exit_code(err);
}

/* ---- what it does ---- */

static int check(const struct arguments *arguments)
{
	struct store_fsck_report report;
	struct kv_error err = { 0 };

	if (store_check(&fs_posix, arguments->path, print_finding, stdout, &report, &err) != KV_OK)
		return complain(&err);
	printf("%s: %" PRIu64 " files, %" PRIu64 " entries: ", arguments->path, report.files, report.entries);
	if (report.damages == 0)
		puts("clean");
	else
		printf("damaged, %" PRIu64 " findings; kvfsck --repair %s%s\n", report.damages,
			report.needs_stale ? "--accept-stale " : "", arguments->path);
	return report.damages == 0 ? EX_OK : EX_DATAERR;
}

/* Files that root makes in the data of another user are closed to the daemon. What cannot be looked at is told by the repair. */
static bool is_anothers(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid == geteuid())
		return false;
	fprintf(stderr, "kvfsck: '%s' belongs to the user %ju: repair it as that user\n", path, (uintmax_t)st.st_uid);
	return true;
}

static int repair(const struct arguments *arguments)
{
	struct store_fsck_report report;
	struct kv_error err = { 0 };

	if (is_anothers(arguments->path))
		return EX_NOPERM;
	if (store_repair(&fs_posix, arguments->path, arguments->accept_stale, print_finding, stdout, &report, &err) != KV_OK)
		return complain(&err);
	if (report.damages == 0)
		printf("%s: clean, nothing more to repair\n", arguments->path);
	else
		printf("%s: repaired, %" PRIu64 " losses\n", arguments->path, report.losses);
	return EX_OK;
}

static void print_line(void *arg, struct slice text)
{
	fwrite(text.data, 1, text.len, arg);
}

static int dump(const struct arguments *arguments)
{
	struct store_printer printer = { .line = print_line, .arg = stdout, .values = arguments->values };
	struct kv_error err = { 0 };

	if (store_dump(&fs_posix, arguments->path, &printer, print_finding, stderr, &err) != KV_OK)
		return complain(&err);
	return EX_OK;
}

/* A repair that has lost MANIFEST merges all tables at once, each with a descriptor. What cannot be had will be missed, and told, there. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(const struct arguments *arguments)
{
	raise_descriptors();
	if (arguments->dump)
		return dump(arguments);
	return arguments->repair ? repair(arguments) : check(arguments);
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	int code = parse(argc, argv, &arguments);

	if (code != EX_OK)
		return code;
	if (arguments.help)
		return print_help(stdout);
	if (arguments.version)
		puts("kvfsck (kvstored) " PACKAGE_VERSION);
	else
		code = run(&arguments);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fputs("kvfsck: cannot write to standard output\n", stderr);
	return EX_IOERR;
}
