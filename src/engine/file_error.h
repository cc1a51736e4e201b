/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors about the content of a file of the store: status, path and offset in one call; and which file it was. */
#ifndef KV_ENGINE_FILE_ERROR_H
#define KV_ENGINE_FILE_ERROR_H

#include "base/status.h"
#include "engine/filename.h"

/* Fills `err` (NULL is allowed) and returns `status`. */
kv_status file_error(struct kv_error *err, kv_status status, const char *dir_path, const char *name,
	uint64_t offset, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Kind and number of the file that an error names; as filename_parse(), FILENAME_OTHER also where it names none. */
enum filename_kind file_error_which(const struct kv_error *err, uint64_t *ret_number);

#if defined(__clang_analyzer__) || defined(KV_ANALYZE) /* see status.h */
#define file_error(...) kv_error_status(file_error(__VA_ARGS__))
#endif

#endif
