/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_LLIST_H
#define UNIT_LINUX_LLIST_H

#include <linux/kernel.h>

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

#define llist_entry(ptr, type, member)	container_of(ptr, type, member)

static inline void init_llist_head(struct llist_head *list)
{
	list->first = NULL;
}

static inline bool llist_empty(const struct llist_head *list)
{
	return !list->first;
}

static inline bool llist_add(struct llist_node *node, struct llist_head *list)
{
	struct llist_node *other;

	for (other = list->first; other; other = other->next)
		if (other == node)
			kernel_bug("llist_add() twice");
	node->next = list->first;
	list->first = node;
	return !node->next;
}

static inline struct llist_node *llist_del_all(struct llist_head *list)
{
	struct llist_node *node = list->first;

	list->first = NULL;
	return node;
}

static inline struct llist_node *llist_reverse_order(struct llist_node *node)
{
	struct llist_node *reversed = NULL, *next;

	for (; node; node = next) {
		next = node->next;
		node->next = reversed;
		reversed = node;
	}
	return reversed;
}

#endif /* UNIT_LINUX_LLIST_H */
