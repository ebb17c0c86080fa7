/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Red-black trees with the functions of the kernel's, and its size of a node: the colour is in the
 * pointer to the parent.
 */
#ifndef SCALE_LINUX_RBTREE_H
#define SCALE_LINUX_RBTREE_H

#include <linux/kernel.h>

struct rb_node {
	uintptr_t parent_and_black;
	struct rb_node *rb_right, *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

/* Keeps a sum over each node's subtree right; see rbtree_augmented.h. */
struct rb_augment_callbacks {
	void (*propagate)(struct rb_node *node, struct rb_node *stop);
	void (*copy)(struct rb_node *old, struct rb_node *new);
	void (*rotate)(struct rb_node *old, struct rb_node *new);
};

#define RB_ROOT				((struct rb_root){ NULL })
#define RB_EMPTY_ROOT(root)		(!READ_ONCE((root)->rb_node))
#define rb_entry(ptr, type, member)	container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member) \
	({ struct rb_node *node_ = (ptr); node_ ? rb_entry(node_, type, member) : NULL; })
#define rb_parent(node)			((struct rb_node *)((node)->parent_and_black & ~1UL))

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **link)
{
	*node = (struct rb_node){ .parent_and_black = (uintptr_t)parent };
	*link = node;
}

void rb_insert_(struct rb_node *node, struct rb_root *root,
		const struct rb_augment_callbacks *augment);
void rb_erase_(struct rb_node *node, struct rb_root *root,
	       const struct rb_augment_callbacks *augment);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);

#define rb_insert_color(node, root)	rb_insert_(node, root, NULL)
#define rb_erase(node, root)		rb_erase_(node, root, NULL)

#endif /* SCALE_LINUX_RBTREE_H */
