/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_RBTREE_AUGMENTED_H
#define SCALE_LINUX_RBTREE_AUGMENTED_H

#include <linux/rbtree.h>

#define rb_insert_augmented(node, root, augment)	rb_insert_(node, root, augment)
#define rb_erase_augmented(node, root, augment)		rb_erase_(node, root, augment)

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
static void name##_rotate(struct rb_node *old, struct rb_node *new) \
{ \
	name##_copy(old, new); \
	compute(rb_entry(old, type, field), false); \
} \
storage const struct rb_augment_callbacks name = { name##_propagate, name##_copy, name##_rotate }

#endif /* SCALE_LINUX_RBTREE_AUGMENTED_H */
