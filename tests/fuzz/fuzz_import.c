/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of POST /v1/import. It does not matter in which pieces it comes: the first byte says how large they are. */
#include "fuzz/store.h"
#include "http/import.h"

struct outcome {
	uint64_t lines, operations;
	unsigned status; /* of the problem; 0: none */
};

static bool may_touch(void *arg, struct slice key)
{
	(void)arg;
	return key.data[0] != '!';
}

static void take(struct import *import, struct outcome *outcome)
{
	while (import->problem.status == 0 && import_has_line(import)) {
		struct store_batch *batch;

		import_take_lines(import);
		batch = import_give_batch(import);
		outcome->operations += batch ? store_batch_count(batch) : 0;
		store_batch_free(batch);
	}
}

static struct outcome run(struct store *store, struct slice text, size_t piece)
{
	struct import import = { .store = store, .limits = { .line_bytes = 500, .value_bytes = 1000 }, .may_touch = may_touch };
	struct outcome outcome = { 0 };
	struct store_batch *batch;

	while (text.len > 0 && import.problem.status == 0) {
		FUZZ_REQUIRE(buf_append_slice(&import.input, fuzz_bytes(&text, piece)) == KV_OK);
		take(&import, &outcome);
	}
	if (import.problem.status == 0) {
		import.at_end = true;
		take(&import, &outcome);
	}
	batch = import_give_batch(&import);
	outcome.operations += batch ? store_batch_count(batch) : 0;
	store_batch_free(batch);
	if (import.problem.status == 0)
		import_check_end(&import);
	outcome.status = import.problem.status;
	outcome.lines = import.lines;
	import_free(&import);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	size_t piece = fuzz_byte(&input) % 64 + 1;
	struct store *store = fuzz_store();
	struct outcome whole = run(store, input, SIZE_MAX), pieces = run(store, input, piece);

	FUZZ_REQUIRE(whole.lines == pieces.lines && whole.status == pieces.status && whole.operations == pieces.operations);
	return 0;
}
