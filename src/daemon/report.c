/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "daemon/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Appends a line; one that does not fit is cut. */
static void add(char *buf, size_t size, size_t *len, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void add(char *buf, size_t size, size_t *len, const char *format, ...)
{
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(buf + *len, size - *len, format, args);
	va_end(args);
	if (more > 0)
		*len = (size_t)more < size - *len ? *len + (size_t)more : size - 1;
}

const char *report_format(const struct report_facts *facts, char *buf, size_t size)
{
	const struct store_finish_report *store = &facts->store;
	size_t len = 0;

	add(buf, size, &len, "requests drained: %u\n", facts->drained - facts->left);
	if (facts->left > 0)
		add(buf, size, &len, "requests cut off: %u\n", facts->left);
	if (facts->failure) {
		add(buf, size, &len, "memory not flushed: %s\n", facts->failure);
		add(buf, size, &len, "acknowledged writes stay in the WAL; the next start replays it\n");
	} else {
		if (store->table[0] != '\0')
			add(buf, size, &len, "entries flushed: %" PRIu64 " (%" PRIu64 " bytes) into %s\n",
				store->entries_flushed, store->bytes_flushed, store->table);
		else
			add(buf, size, &len, "entries flushed: 0, memory was empty\n");
		add(buf, size, &len, "WAL segments removed: %" PRIu64 "\n", store->log_files_removed);
		add(buf, size, &len, "on disk: %" PRIu64 " tables, %" PRIu64 " bytes\n", store->tables,
			store->bytes_on_disk);
	}
	add(buf, size, &len, "time taken: %" PRIu64 ".%03" PRIu64 " s\n", facts->elapsed_us / 1000000,
		facts->elapsed_us / 1000 % 1000);
	add(buf, size, &len, "kvstored stopped\n");
	return buf;
}
