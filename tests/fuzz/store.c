/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/store.h"

#include "support/fake_store.h"

#include <stdlib.h>

static struct store *store;

static void close_store(void)
{
	store = fake_store_free(store);
}

struct store *fuzz_store(void)
{
	if (!store) {
		store = fake_store_new(); /* which is a real one here: librealserver.a */
		FUZZ_REQUIRE(store != NULL && atexit(close_store) == 0);
	}
	return store;
}
