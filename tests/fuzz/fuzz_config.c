/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration file. One that is accepted and printed is accepted again, and means the same. */
#define _GNU_SOURCE
#include "daemon/config.h"
#include "daemon/config_option.h"
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static kv_status load(struct slice text, struct config *ret, struct kv_error *err)
{
	struct config_source source = { 0 };
	int fd = memfd_create("kvstored.conf", MFD_CLOEXEC);
	char path[64];
	kv_status status;

	FUZZ_REQUIRE(fd >= 0);
	FUZZ_REQUIRE(pwrite(fd, text.data, text.len, 0) == (ssize_t)text.len);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	source.path = path;
	status = config_load(&source, ret, err);
	close(fd);
	return status;
}

static void check_printed(const struct config *config)
{
	struct config again = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	FUZZ_REQUIRE(to != NULL);
	config_print(config, to);
	FUZZ_REQUIRE(fclose(to) == 0);
	FUZZ_REQUIRE(load(slice_of(text, len), &again, NULL) == KV_OK);
	for (size_t i = 0; i < config_option_count; i++)
		FUZZ_REQUIRE(config_option_equal(&config_options[i], config, &again));
	config_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = { 0 };
	struct kv_error err = { 0 };
	kv_status status;

	if (size > 65536)
		return 0;
	status = load(slice_of(data, size), &config, &err);
	if (status == KV_OK) {
		check_printed(&config);
		config_free(&config);
	} else {
		FUZZ_REQUIRE(status == KV_INVALID && err.text[0] != '\0');
	}
	return 0;
}
