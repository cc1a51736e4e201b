/* SPDX-License-Identifier: BSD-2-Clause */
/* A store for those fuzzers that make batches: one for all inputs, which nothing is written to. */
#ifndef KV_FUZZ_STORE_H
#define KV_FUZZ_STORE_H

#include "fuzz/fuzz.h"
#include "store/store.h"

/* Opened by the first call, in a directory that is removed when the program ends. */
struct store *fuzz_store(void);

#endif
