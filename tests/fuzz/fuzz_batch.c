/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of POST /v1/batch, as an array and as lines: taken as a whole, or refused with a status and a place. */
#include "fuzz/store.h"
#include "http/batchread.h"

static void run(struct store *store, struct slice text, enum jsonlist_form form)
{
	struct batchread read = { .text = text, .form = form, .access = { .role = ACCESS_WRITE },
		.value_max = 1000, .now_unix_ms = 1000000 };
	struct store_batch *batch = store_batch_new(store);
	kv_status status;

	FUZZ_REQUIRE(batch != NULL);
	status = batchread_run(&read, batch);
	if (status == KV_OK) {
		FUZZ_REQUIRE(read.kinds.len >= 1 && read.kinds.len == store_batch_count(batch));
	} else {
		FUZZ_REQUIRE(status == KV_INVALID && read.problem.status >= 400 && read.problem.status < 500);
		FUZZ_REQUIRE(read.index == SIZE_MAX || read.index <= text.len);
	}
	store_batch_free(batch);
	batchread_free(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *store = fuzz_store();

	if (size == 0)
		return 0;
	run(store, slice_of(data, size), JSONLIST_ARRAY);
	run(store, slice_of(data, size), JSONLIST_LINES);
	return 0;
}
