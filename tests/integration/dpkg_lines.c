/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "integration/dpkg_lines.h"

#include "base/buf.h"
#include "support/die.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS "/var/lib/dpkg/info/*.list"

/* Offsets first: the buffers move while they grow. */
struct place {
	size_t key, key_len, value, value_len;
};

struct reading {
	struct buf text, packages, places;
	size_t max_lines;
};

static size_t place_count(const struct reading *r)
{
	return r->places.len / sizeof(struct place);
}

static void read_list(struct reading *r, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct place place = { .value = r->packages.len, .value_len = strlen(name) - strlen(".list") };
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	if (!file)
		die_errno("cannot open '%s'", path);
	must(buf_append(&r->packages, name, place.value_len));
	while ((len = getline(&line, &capacity, file)) > 0) {
		if (r->max_lines > 0 && place_count(r) == r->max_lines)
			break;
		place.key = r->text.len;
		place.key_len = (size_t)len - (line[len - 1] == '\n');
		if (place.key_len == 0)
			continue;
		must(buf_append(&r->text, line, place.key_len));
		must(buf_append(&r->places, &place, sizeof(place)));
	}
	free(line);
	fclose(file);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		die("out of memory");
	return memory;
}

static int compare_lines(const void *a, const void *b)
{
	const struct dpkg_line *left = *(const struct dpkg_line *const *)a;
	const struct dpkg_line *right = *(const struct dpkg_line *const *)b;
	int order = slice_compare(left->key, right->key);

	return order != 0 ? order : (left > right) - (left < right);
}

static void group_by_key(struct dpkg_lines *lines)
{
	size_t i;

	lines->by_key = allocate(lines->line_count, sizeof(*lines->by_key));
	lines->keys = allocate(lines->line_count, sizeof(*lines->keys));
	for (i = 0; i < lines->line_count; i++)
		lines->by_key[i] = &lines->lines[i];
	qsort(lines->by_key, lines->line_count, sizeof(*lines->by_key), compare_lines);
	for (i = 0; i < lines->line_count; i++) {
		struct slice bytes = lines->by_key[i]->key;

		if (i == 0 || !slice_equal(bytes, lines->by_key[i - 1]->key)) {
			lines->keys[lines->key_count].bytes = bytes;
			lines->keys[lines->key_count++].lines = &lines->by_key[i];
		}
		lines->keys[lines->key_count - 1].line_count++;
		lines->lines[lines->by_key[i] - lines->lines].key_index = (uint32_t)lines->key_count - 1;
	}
}

void dpkg_lines_read(size_t max_lines, struct dpkg_lines *ret)
{
	struct reading r = { .max_lines = max_lines };
	const struct place *places;
	glob_t lists = { 0 };
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (glob(LISTS, 0, NULL, &lists) == 0) {
		for (i = 0; i < lists.gl_pathc; i++)
			read_list(&r, lists.gl_pathv[i]);
	}
	globfree(&lists);
	ret->line_count = place_count(&r);
	ret->lines = allocate(ret->line_count, sizeof(*ret->lines));
	places = (const void *)r.places.data;
	for (i = 0; i < ret->line_count; i++) {
		ret->lines[i].key = slice_of(r.text.data + places[i].key, places[i].key_len);
		ret->lines[i].value = slice_of(r.packages.data + places[i].value, places[i].value_len);
	}
	ret->text = (char *)r.text.data;
	ret->packages = (char *)r.packages.data;
	buf_free(&r.places);
	group_by_key(ret);
}

void dpkg_lines_free(struct dpkg_lines *lines)
{
	free(lines->lines);
	free(lines->keys);
	free(lines->by_key);
	free(lines->text);
	free(lines->packages);
	memset(lines, 0, sizeof(*lines));
}
