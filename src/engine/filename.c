/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A name is ours only in the one spelling that we write: parsing takes the number out, makes the
 * name again and compares. So two names never mean the same file, and a person's copy
 * ("000012.sst.old") is foreign.
 */
#include "engine/filename.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum filename_kind kind;
} fixed_names[] = {
	{ "FORMAT", FILENAME_FORMAT },
	{ "LOCK", FILENAME_LOCK },
	{ "MANIFEST", FILENAME_MANIFEST },
	{ "FORMAT.new", FILENAME_TEMP },
	{ "MANIFEST.new", FILENAME_TEMP },
	{ "SCRUB.new", FILENAME_TEMP },
	{ "SCRUB", FILENAME_SCRUB },
	{ FILENAME_LOST, FILENAME_LOST_FOUND },
	{ FILENAME_LOST_OTHER, FILENAME_LOST_FOUND },
	{ "RESERVE", FILENAME_RESERVE },
};

static const struct {
	const char *suffix;
	enum filename_kind kind;
} numbered[] = {
	{ ".wal", FILENAME_WAL },
	{ ".sst", FILENAME_TABLE },
	{ ".blob", FILENAME_BLOB },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *suffix_of(enum filename_kind kind)
{
	for (size_t i = 0; i < COUNT(numbered); i++)
		if (numbered[i].kind == kind)
			return numbered[i].suffix;
	return NULL;
}

const char *filename_make(char buf[FILENAME_MAX_BYTES], enum filename_kind kind, uint64_t number)
{
	const char *suffix = suffix_of(kind);

	assert(suffix && number > 0);
	snprintf(buf, FILENAME_MAX_BYTES, "%06" PRIu64 "%s", number, suffix);
	return buf;
}

/* Up to the first byte that is no digit. A number that does not fit wraps around, and is then
 * found to be spelled otherwise. */
static uint64_t leading_number(const char *name)
{
	uint64_t ret = 0;

	for (; *name >= '0' && *name <= '9'; name++)
		ret = ret * 10 + (uint64_t)(*name - '0');
	return ret;
}

static enum filename_kind parse_numbered(const char *name, uint64_t *ret_number)
{
	uint64_t number = leading_number(name);
	const char *suffix = strchr(name, '.');
	char again[FILENAME_MAX_BYTES];

	if (number == 0 || number > FILENAME_NUMBER_MAX || !suffix)
		return FILENAME_FOREIGN;
	for (size_t i = 0; i < COUNT(numbered); i++) {
		if (strcmp(suffix, numbered[i].suffix) != 0 ||
			strcmp(name, filename_make(again, numbered[i].kind, number)) != 0)
			continue;
		*ret_number = number;
		return numbered[i].kind;
	}
	return FILENAME_FOREIGN;
}

enum filename_kind filename_parse(const char *name, uint64_t *ret_number)
{
	*ret_number = 0;
	for (size_t i = 0; i < COUNT(fixed_names); i++)
		if (strcmp(name, fixed_names[i].name) == 0)
			return fixed_names[i].kind;
	return parse_numbered(name, ret_number);
}
