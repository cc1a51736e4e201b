/* SPDX-License-Identifier: BSD-2-Clause */
/* A MANIFEST. One that is accepted is written again as the same bytes. */
#include "engine/manifest.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest manifest = { 0 };
	struct fuzz_dir dir;

	fuzz_dir_open(&dir);
	fuzz_dir_put(&dir, "MANIFEST", slice_of(data, size));
	if (manifest_read(&dir.dir, &fuzz_store_id, &manifest, NULL) == KV_OK) {
		for (size_t i = 0; i < manifest.table_count; i++)
			FUZZ_REQUIRE(manifest.tables[i].level < MANIFEST_LEVELS);
		FUZZ_REQUIRE(manifest_write(&dir.dir, &fuzz_store_id, &manifest, NULL) == KV_OK);
		FUZZ_REQUIRE(slice_equal(fuzz_dir_get(&dir, "MANIFEST"), slice_of(data, size)));
		manifest_free(&manifest);
	}
	fuzz_dir_close(&dir);
	return 0;
}
