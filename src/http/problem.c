/* SPDX-License-Identifier: BSD-2-Clause */
/* No allocation stands between a refusal and its text: it lies in the struct. */
#include "http/problem.h"

#include <stdarg.h>
#include <stdio.h>

static void fill(struct problem *problem, unsigned status, bool close, const char *format,
	va_list args)
{
	problem->status = status;
	problem->close = close;
	problem->allow = 0;
	vsnprintf(problem->text, sizeof problem->text, format, args);
}

bool problem_set(struct problem *problem, unsigned status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(problem, status, false, format, args);
	va_end(args);
	return false;
}

bool problem_set_close(struct problem *problem, unsigned status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(problem, status, true, format, args);
	va_end(args);
	return false;
}
