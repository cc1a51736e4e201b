/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share. Each is a function that libFuzzer calls with bytes of its own making (make fuzz), and that in other builds a
 * small main() calls with the files of tests/fuzz/corpus (make check). Beside not to crash, a fuzzer requires what must be true
 * whatever the bytes are.
 *
 * The checksums of what lies on disk are no obstacle: fuzzers of files link no_checksum.c, by FUZZ_NO_CHECKSUM, in whose world every
 * checksum is 0. The code under test is the one that everybody runs.
 */
#ifndef KV_FUZZ_FUZZ_H
#define KV_FUZZ_FUZZ_H

#include "base/file.h"
#include "engine/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program when it is not so, also with NDEBUG. */
#define FUZZ_REQUIRE(what) ((what) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #what))
void fuzz_failed(const char *file, int line, const char *what) __attribute__((noreturn));

/* ---- taking the input apart; at its end all are 0 and empty ---- */

uint8_t fuzz_byte(struct slice *input);
uint32_t fuzz_u32(struct slice *input);
/* The next `len` bytes, or what is left. */
struct slice fuzz_bytes(struct slice *input, size_t len);
/* The next line, without its newline. */
struct slice fuzz_line(struct slice *input);

/* ---- a directory in memory ---- */

enum { FUZZ_FILES_MAX = 4 };

struct fuzz_file {
	char name[32]; /* "": no file */
	struct buf content;
};

struct fuzz_dir {
	struct fuzz_file files[FUZZ_FILES_MAX];
	struct fs fs;
	struct dir dir; /* for the code under test */
};

void fuzz_dir_open(struct fuzz_dir *dir);
void fuzz_dir_close(struct fuzz_dir *dir);
/* Creates or replaces; the content is copied. */
void fuzz_dir_put(struct fuzz_dir *dir, const char *name, struct slice content);
struct slice fuzz_dir_get(const struct fuzz_dir *dir, const char *name);

/* Of all files in corpora. */
extern const struct store_id fuzz_store_id;
enum { FUZZ_FILE_NUMBER = 7 };

#endif
