/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trees whose nodes know a sum over what is below them. Who inserts a node has to mend the sums on
 * the way down to it.
 */
#ifndef UNIT_LINUX_RBTREE_AUGMENTED_H
#define UNIT_LINUX_RBTREE_AUGMENTED_H

#include <linux/rbtree.h>

#define rb_parent(node)		((node)->rb_parent)

struct rb_augment_callbacks {
	void (*propagate)(struct rb_node *node, struct rb_node *stop);
	void (*copy)(struct rb_node *old, struct rb_node *new);
};

#define rb_insert_augmented(node, root, augment)	rb_insert_color(node, root)

static inline void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
				      const struct rb_augment_callbacks *augment)
{
	struct rb_node *next = rb_leftmost_(node->rb_right);
	struct rb_node *from = !next ? node->rb_parent :
			       next->rb_parent == node ? next : next->rb_parent;

	rb_erase(node, root);
	if (next)
		augment->copy(node, next);
	augment->propagate(from, NULL);
}

/* @compute(object, exit) says whether the sum of an object is right already, or mends it. */
#define RB_DECLARE_CALLBACKS(storage, name, type, field, sum, compute) \
static void name##_propagate(struct rb_node *node, struct rb_node *stop) \
{ \
	while (node != stop && !compute(rb_entry(node, type, field), true)) \
		node = rb_parent(node); \
} \
static void name##_copy(struct rb_node *old, struct rb_node *new) \
{ \
	rb_entry(new, type, field)->sum = rb_entry(old, type, field)->sum; \
} \
storage const struct rb_augment_callbacks name = { name##_propagate, name##_copy }

#endif /* UNIT_LINUX_RBTREE_AUGMENTED_H */
