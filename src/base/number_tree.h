/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Things found by a number: libc's balanced tree, tsearch(3), in a file of its own, because <search.h> has a `struct entry` as well. Not for several
 * threads at a time.
 */
#ifndef KV_BASE_NUMBER_TREE_H
#define KV_BASE_NUMBER_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* The first member of what is in the tree. */
struct number_node {
	uint64_t number;
};

struct number_tree {
	void *root; /* NULL: it is empty */
};

/* Of two uint64_t, for qsort() and bsearch(). */
int number_compare(const void *a, const void *b);

/* NULL: there is none. */
struct number_node *number_tree_find(const struct number_tree *tree, uint64_t number);

/* The number is not in the tree yet. The tree points to the node from then on; false: no memory, it is still the caller's alone. */
bool number_tree_insert(struct number_tree *tree, struct number_node *node);

/* Empties the tree and calls free_node for each node. */
void number_tree_clear(struct number_tree *tree, void (*free_node)(void *node));

#endif
