/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay [FILE-OR-DIRECTORY...]: gives each file to the fuzzer, and beginnings of it, which are the files that a crash or a full disk
 * leaves. Without arguments: tests/fuzz/corpus/TARGET, of the program fuzz_TARGET.
 */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PREFIXES = 128 };

/* Of exactly as many bytes as are told, so that a sanitizer sees a read behind them. */
static void run(struct slice input)
{
	uint8_t *copy = malloc(input.len);

	FUZZ_REQUIRE(copy != NULL || input.len == 0);
	if (input.len > 0)
		memcpy(copy, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(copy, input.len);
	free(copy);
}

static struct buf read_file(const char *path)
{
	struct buf content = { 0 };
	FILE *file = fopen(path, "r");
	size_t got = 0;

	FUZZ_REQUIRE(file != NULL);
	do {
		FUZZ_REQUIRE(buf_reserve(&content, 65536) == KV_OK);
		got = fread(content.data + content.len, 1, 65536, file);
		content.len += got;
	} while (got > 0);
	FUZZ_REQUIRE(!ferror(file));
	fclose(file);
	return content;
}

static size_t replay_file(const char *path)
{
	struct buf content = read_file(path);
	size_t step = content.len / PREFIXES + 1;

	fprintf(stderr, "%s: %zu bytes\n", path, content.len); /* before: a crash tells its file */
	run(buf_slice(&content));
	for (size_t len = 0; len < content.len; len += step)
		run(slice_of(content.data, len));
	buf_free(&content);
	return 1;
}

static size_t replay(const char *path)
{
	struct dirent **names;
	struct stat about;
	size_t files = 0;
	int count;

	FUZZ_REQUIRE(stat(path, &about) == 0);
	if (!S_ISDIR(about.st_mode))
		return replay_file(path);
	count = scandir(path, &names, NULL, alphasort);
	FUZZ_REQUIRE(count >= 0);
	for (int i = 0; i < count; i++) {
		char *below = NULL;

		FUZZ_REQUIRE(asprintf(&below, "%s/%s", path, names[i]->d_name) > 0);
		if (names[i]->d_name[0] != '.')
			files += replay_file(below);
		free(below);
		free(names[i]);
	}
	free(names);
	return files;
}

int main(int argc, char **argv)
{
	const char *target = strstr(program_invocation_short_name, "fuzz_");
	const char *top = getenv("top_srcdir");
	char *corpus = NULL;
	size_t files = 0;

	for (int i = 1; i < argc; i++)
		files += replay(argv[i]);
	if (argc < 2) {
		FUZZ_REQUIRE(target != NULL);
		FUZZ_REQUIRE(asprintf(&corpus, "%s/tests/fuzz/corpus/%s", top ? top : ".", target + strlen("fuzz_")) > 0);
		files = replay(corpus);
		free(corpus);
	}
	printf("%zu inputs, and beginnings of them\n", files);
	return files > 0 ? 0 : 1;
}
