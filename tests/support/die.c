/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

void die_errno(const char *format, ...)
{
	int errnum = errno;
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(errnum));
	exit(EXIT_FAILURE);
}

void must(kv_status status)
{
	if (status != KV_OK)
		die("%s", kv_status_text(status));
}
