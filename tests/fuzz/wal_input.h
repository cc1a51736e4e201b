/* SPDX-License-Identifier: BSD-2-Clause */
/* An input that means a WAL segment: flags (1 byte), end (4 bytes), header (72 bytes), then what follows the header's block. */
#ifndef KV_FUZZ_WAL_INPUT_H
#define KV_FUZZ_WAL_INPUT_H

#include "fuzz/fuzz.h"

struct wal_input {
	uint64_t end; /* 0: none is told to the reader */
	size_t bytes; /* of the file */
};

/* Flag 1: the end counts. Flag 2: the rest of the file is repeated until it has 640 KiB: groups larger than a window of the change feed. */
enum { WAL_INPUT_END = 1, WAL_INPUT_LARGE = 2 };

/* Puts segment FUZZ_FILE_NUMBER into the directory. Unless it may be large, flag 2 is not looked at: that takes time. */
struct wal_input wal_input_put(struct slice input, bool may_be_large, struct fuzz_dir *dir);

#endif
