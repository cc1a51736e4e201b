/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/tempdir.h"

#include "support/die.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

char *tempdir_new(void)
{
	const char *base = getenv("TMPDIR");
	char *path;

	if (asprintf(&path, "%s/kvtest.XXXXXX", base ? base : "/tmp") < 0)
		die("out of memory");
	if (!mkdtemp(path))
		die_errno("cannot make '%s'", path);
	return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void tempdir_remove(char *path)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		die_errno("cannot remove '%s'", path);
	free(path);
}
