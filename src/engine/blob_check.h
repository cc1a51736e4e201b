/* SPDX-License-Identifier: BSD-2-Clause */
/* Verifies blob files, each once, however many entries point to it. For kvfsck. One thread. */
#ifndef KV_ENGINE_BLOB_CHECK_H
#define KV_ENGINE_BLOB_CHECK_H

#include "base/file.h"
#include "engine/blob_pointer.h"

struct blob_check;

struct blob_check_events {
	/* `value`: the value cannot be read as a whole; else only the header is concerned. */
	void (*fault)(void *arg, const char *name, uint64_t offset, const char *what, bool value);
	void *arg;
};

/* `dir` and `id` are borrowed. NULL when out of memory. */
struct blob_check *blob_check_new(const struct dir *dir, const struct store_id *id, const struct blob_check_events *events);
struct blob_check *blob_check_free(struct blob_check *check); /* NULL is allowed; returns NULL */

/* Can the value be read? Reads the file the first time. */
kv_status blob_check_pointer(struct blob_check *check, const struct blob_pointer *pointer, bool *ret_good,
	struct kv_error *err);

/* Did a pointer name the file? Has it a header that is not right? */
bool blob_check_is_needed(const struct blob_check *check, uint64_t number);
bool blob_check_has_bad_header(const struct blob_check *check, uint64_t number);

#endif
