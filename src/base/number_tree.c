/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "base/number_tree.h"

#include <search.h>
#include <stddef.h>

int number_compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

struct number_node *number_tree_find(const struct number_tree *tree, uint64_t number)
{
	const struct number_node wanted = { .number = number };
	struct number_node *const *found = tfind(&wanted, &tree->root, number_compare);

	return found ? *found : NULL;
}

bool number_tree_insert(struct number_tree *tree, struct number_node *node)
{
	return tsearch(node, &tree->root, number_compare) != NULL;
}

void number_tree_clear(struct number_tree *tree, void (*free_node)(void *node))
{
	tdestroy(tree->root, free_node);
	tree->root = NULL;
}
