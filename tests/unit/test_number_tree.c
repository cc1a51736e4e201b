/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/number_tree.h"

#include "support/runner.h"

#include <stdlib.h>

static unsigned freed;

static void free_node(void *node)
{
	freed++;
	free(node);
}

static void insert(struct number_tree *tree, uint64_t number)
{
	struct number_node *node = malloc(sizeof *node);

	ck_assert_ptr_nonnull(node);
	node->number = number;
	ck_assert_ptr_null(number_tree_find(tree, number));
	ck_assert(number_tree_insert(tree, node));
	ck_assert_ptr_eq(number_tree_find(tree, number), node);
}

START_TEST(an_empty_tree_has_nothing)
{
	struct number_tree tree = { NULL };

	ck_assert_ptr_null(number_tree_find(&tree, 0));
	number_tree_clear(&tree, free_node);
	ck_assert_uint_eq(freed, 0);
}
END_TEST

START_TEST(what_was_inserted_is_found_and_nothing_else)
{
	struct number_tree tree = { NULL };

	for (uint64_t i = 0; i < 10000; i++)
		insert(&tree, i * 7919 % 10007 * 2); /* all different, in no order */
	insert(&tree, UINT64_MAX);
	for (uint64_t i = 0; i < 10000; i++)
		ck_assert_uint_eq(number_tree_find(&tree, i * 7919 % 10007 * 2)->number, i * 7919 % 10007 * 2);
	for (uint64_t i = 0; i < 10007; i++)
		ck_assert_ptr_null(number_tree_find(&tree, 2 * i + 1));
	ck_assert_ptr_null(number_tree_find(&tree, UINT64_MAX - 1));
	number_tree_clear(&tree, free_node);
	ck_assert_uint_eq(freed, 10001);
	ck_assert_ptr_null(number_tree_find(&tree, UINT64_MAX));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("number_tree");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, an_empty_tree_has_nothing);
	tcase_add_test(tcase, what_was_inserted_is_found_and_nothing_else);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
