/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a backend of the store fills in: a table of functions with the contracts of store.h. A batch reaches the backend as a
 * `struct store_batch`, which it makes itself, because its form is the backend's own.
 */
#ifndef KV_STORE_BACKEND_H
#define KV_STORE_BACKEND_H

#include "store/store.h"

/* Objects of a backend begin with these, so that the functions of store.h find the table. */
struct store {
	const struct store_backend *backend;
};

struct store_batch {
	const struct store_backend *backend;
};

/* Every move of the backend sets all of it, so that looking at an entry costs no call. */
struct store_iter {
	const struct store_backend *backend;
	bool valid;
	struct slice key;   /* when not valid: what store_iter_key() is then */
	struct slice value; /* empty when it is large */
	uint64_t size;      /* while valid: bytes of the value, large or not */
};

struct store_snapshot {
	const struct store_backend *backend;
};

struct store_upload {
	const struct store_backend *backend;
};

struct store_large {
	const struct store_backend *backend;
	uint64_t size;
};

struct store_changes {
	const struct store_backend *backend;
};

struct store_backend {
	const char *name;
	kv_status (*open)(const struct store_options *options, struct store **ret,
		struct kv_error *err);
	kv_status (*retune)(struct store *store, const struct store_tunables *tunables,
		struct kv_error *err);
	kv_status (*finish)(struct store *store, struct store_finish_report *ret,
		struct kv_error *err);
	void (*close)(struct store *store);

	struct store_batch *(*batch_new)(struct store *store);
	void (*batch_free)(struct store_batch *batch);
	kv_status (*batch_put)(struct store_batch *batch, struct slice key, struct slice value,
		uint64_t expires_unix_ms, const struct store_condition *condition);
	kv_status (*batch_delete)(struct store_batch *batch, struct slice key,
		const struct store_condition *condition);
	kv_status (*batch_delete_range)(struct store_batch *batch, struct slice start,
		struct slice end);
	kv_status (*batch_check)(struct store_batch *batch, struct slice key,
		const struct store_condition *condition);
	kv_status (*batch_increment)(struct store_batch *batch, struct slice key, int64_t by);
	kv_status (*batch_touch)(struct store_batch *batch, struct slice key,
		uint64_t expires_unix_ms);
	size_t (*batch_count)(const struct store_batch *batch);
	void (*batch_set_durability)(struct store_batch *batch, enum store_durability durability);
	struct store_outcome (*batch_outcome)(const struct store_batch *batch, size_t index);
	size_t (*batch_failed_index)(const struct store_batch *batch);
	const struct kv_error *(*batch_error)(const struct store_batch *batch);
	void (*submit)(struct store *store, const struct store_submission *submissions, size_t count);
	kv_status (*write)(struct store *store, struct store_batch *batch);

	uint64_t (*large_value_bytes)(const struct store *store);
	kv_status (*upload_new)(struct store *store, struct store_upload **ret,
		struct kv_error *err);
	kv_status (*upload_append)(struct store_upload *upload, struct slice bytes,
		struct kv_error *err);
	uint64_t (*upload_bytes)(const struct store_upload *upload);
	void (*upload_free)(struct store_upload *upload);
	kv_status (*batch_put_upload)(struct store_batch *batch, struct slice key,
		struct store_upload *upload, uint64_t expires_unix_ms,
		const struct store_condition *condition);
	kv_status (*large_read)(struct store_large *large, uint64_t offset, void *buf, size_t len,
		struct kv_error *err);
	void (*large_free)(struct store_large *large);

	kv_status (*get)(struct store *store, const struct store_snapshot *snapshot,
		struct slice key, struct store_value *ret, struct kv_error *err);
	struct store_snapshot *(*snapshot_new)(struct store *store);
	void (*snapshot_free)(struct store_snapshot *snapshot);
	uint64_t (*snapshot_version)(const struct store_snapshot *snapshot);

	kv_status (*iter_open)(struct store *store, const struct store_snapshot *snapshot,
		struct store_iter **ret, struct kv_error *err);
	void (*iter_close)(struct store_iter *iter);
	void (*iter_seek_first)(struct store_iter *iter);
	void (*iter_seek_last)(struct store_iter *iter);
	void (*iter_seek)(struct store_iter *iter, struct slice key);
	void (*iter_seek_before)(struct store_iter *iter, struct slice key);
	void (*iter_next)(struct store_iter *iter);
	void (*iter_prev)(struct store_iter *iter);
	kv_status (*iter_large)(const struct store_iter *iter, struct store_large **ret,
		struct kv_error *err);
	uint64_t (*iter_version)(const struct store_iter *iter);
	uint64_t (*iter_expires_unix_ms)(const struct store_iter *iter);
	kv_status (*iter_status)(const struct store_iter *iter, struct kv_error *err);
	void (*iter_set_deadline)(struct store_iter *iter, uint64_t deadline_us);

	kv_status (*estimate_range)(struct store *store, struct slice start, struct slice end,
		struct store_estimate *ret, struct kv_error *err);
	kv_status (*changes_open)(struct store *store, uint64_t since, struct store_changes **ret,
		struct kv_error *err);
	kv_status (*changes_next)(struct store_changes *changes, struct store_change *ret,
		struct kv_error *err);
	void (*changes_close)(struct store_changes *changes);
	uint64_t (*changes_oldest)(struct store *store);
	void (*watch_add)(struct store *store, struct store_watch *watch);
	void (*watch_remove)(struct store *store, struct store_watch *watch);

	enum store_state (*get_state)(struct store *store, char *reason, size_t size);
	void (*get_stats)(struct store *store, struct store_stats *ret);
	kv_status (*flush)(struct store *store, struct kv_error *err);
	kv_status (*compact)(struct store *store, struct kv_error *err);
	kv_status (*checkpoint)(struct store *store, const char *path, struct kv_error *err);
	void (*get_capabilities)(const struct store *store, struct store_capabilities *ret);
};

/* The log-structured merge tree of src/engine (lsm_backend.c). */
extern const struct store_backend store_backend_lsm;

#endif
