/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that do not fit are cut, as everywhere in errors: nothing here can fail. */
#include "engine/file_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

kv_status (file_error)(struct kv_error *err, kv_status status, const char *dir_path, const char *name,
	uint64_t offset, const char *format, ...)
{
	va_list args;

	if (!err)
		return status;
	*err = (struct kv_error){ .status = status, .has_offset = true, .offset = offset };
	snprintf(err->file, sizeof err->file, "%s/%s", dir_path, name);
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return status;
}

enum filename_kind file_error_which(const struct kv_error *err, uint64_t *ret_number)
{
	const char *slash = strrchr(err->file, '/');

	return filename_parse(slash ? slash + 1 : err->file, ret_number);
}
