/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"

#include "base/coding.h"

#include <stdio.h>
#include <stdlib.h>

const struct store_id fuzz_store_id = { "fuzz store id 16" };

void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

struct slice fuzz_bytes(struct slice *input, size_t len)
{
	struct slice bytes = slice_of(input->data, len < input->len ? len : input->len);

	*input = slice_of(input->data + bytes.len, input->len - bytes.len);
	return bytes;
}

uint8_t fuzz_byte(struct slice *input)
{
	struct slice byte = fuzz_bytes(input, 1);

	return byte.len > 0 ? byte.data[0] : 0;
}

uint32_t fuzz_u32(struct slice *input)
{
	uint8_t bytes[4] = { 0 };
	struct slice taken = fuzz_bytes(input, sizeof bytes);

	if (taken.len > 0)
		memcpy(bytes, taken.data, taken.len);
	return get_fixed32(bytes);
}

struct slice fuzz_line(struct slice *input)
{
	const uint8_t *end = input->len > 0 ? memchr(input->data, '\n', input->len) : NULL;
	struct slice line = fuzz_bytes(input, end ? (size_t)(end - input->data) : input->len);

	(void)fuzz_byte(input);
	return line;
}
