/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts are a table. The setters cut what does not fit: a message that lost its end is better than none,
 * and no allocation may stand between a failure and its report.
 */
#define _GNU_SOURCE
#include "base/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[KV_STATUS_COUNT] = {
	[KV_OK] = "success",
	[KV_NOT_FOUND] = "not found",
	[KV_INVALID] = "not acceptable",
	[KV_CONDITION] = "condition not met",
	[KV_NO_MEMORY] = "out of memory",
	[KV_NO_SPACE] = "no space left",
	[KV_BUSY] = "busy",
	[KV_IO] = "input/output error",
	[KV_CORRUPT] = "damaged data",
	[KV_UNSUPPORTED] = "not supported",
	[KV_UNCERTAIN] = "outcome unknown until the next start",
	[KV_NOT_NUMBER] = "not a number",
	[KV_OVERFLOW] = "number out of range",
	[KV_GONE] = "no longer kept",
};

const char *kv_status_text(kv_status status)
{
	if ((unsigned)status >= KV_STATUS_COUNT)
		return "unknown status";
	return texts[status];
}

kv_status kv_status_from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return KV_NO_SPACE;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return KV_NO_MEMORY;
	default:
		return KV_IO;
	}
}

static void clear(struct kv_error *err, kv_status status)
{
	err->status = status;
	err->errnum = 0;
	err->has_offset = false;
	err->offset = 0;
	err->file[0] = '\0';
	err->text[0] = '\0';
}

static void set_file(struct kv_error *err, const char *file)
{
	snprintf(err->file, sizeof err->file, "%s", file ? file : "");
}

kv_status (kv_error_set)(struct kv_error *err, kv_status status, const char *format, ...)
{
	va_list args;

	if (!err)
		return status;
	clear(err, status);
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return status;
}

kv_status (kv_error_errno)(struct kv_error *err, int errnum, const char *file, const char *what)
{
	kv_status ret = kv_status_from_errno(errnum);

	if (!err)
		return ret;
	clear(err, ret);
	err->errnum = errnum;
	set_file(err, file);
	snprintf(err->text, sizeof err->text, "%s", what);
	return ret;
}

kv_status (kv_error_corrupt)(struct kv_error *err, const char *file, uint64_t offset,
	const char *format, ...)
{
	va_list args;

	if (!err)
		return KV_CORRUPT;
	clear(err, KV_CORRUPT);
	err->has_offset = true;
	err->offset = offset;
	set_file(err, file);
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return KV_CORRUPT;
}

/* GNU strerror_r: the constant text, or one made in `scratch`. Safe in any thread, as strerror is not. */
static const char *reason(const struct kv_error *err, char *scratch, size_t size)
{
	if (err->errnum != 0)
		return strerror_r(err->errnum, scratch, size);
	return kv_status_text(err->status);
}

const char *kv_error_format(const struct kv_error *err, char *buf, uint32_t size)
{
	char place[KV_ERROR_FILE_MAX + 40] = "";
	char scratch[128];
	const char *why = reason(err, scratch, sizeof scratch);

	if (size == 0)
		return buf;
	if (err->file[0] != '\0' && err->has_offset)
		snprintf(place, sizeof place, "%s at offset %" PRIu64 ": ", err->file, err->offset);
	else if (err->file[0] != '\0')
		snprintf(place, sizeof place, "%s: ", err->file);
	if (err->text[0] != '\0')
		snprintf(buf, size, "%s%s (%s)", place, err->text, why);
	else
		snprintf(buf, size, "%s%s", place, why);
	return buf;
}
