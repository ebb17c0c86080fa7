/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A search tree with rbtree's functions. It is not balanced: that is for speed only, and no test
 * has many nodes.
 */
#ifndef UNIT_LINUX_RBTREE_H
#define UNIT_LINUX_RBTREE_H

#include <linux/kernel.h>

struct rb_node {
	struct rb_node *rb_parent, *rb_left, *rb_right;
};

struct rb_root {
	struct rb_node *rb_node;
};

#define RB_ROOT				((struct rb_root){ NULL })
#define RB_EMPTY_ROOT(root)		(!(root)->rb_node)
#define rb_entry(ptr, type, member)	container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member) \
	({ struct rb_node *node_ = (ptr); node_ ? rb_entry(node_, type, member) : NULL; })

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **link)
{
	*node = (struct rb_node){ .rb_parent = parent };
	*link = node;
}

static inline void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	while (node->rb_parent)
		node = node->rb_parent;
	if (root->rb_node != node)
		kernel_bug("rb_insert_color: in another tree");
}

static inline struct rb_node *rb_leftmost_(struct rb_node *node)
{
	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

static inline struct rb_node *rb_first(const struct rb_root *root)
{
	if (root->rb_node)
		note_walked_();
	return rb_leftmost_(root->rb_node);
}

static inline struct rb_node *rb_next(const struct rb_node *node)
{
	note_walked_();
	if (node->rb_right)
		return rb_leftmost_(node->rb_right);
	while (node->rb_parent && node == node->rb_parent->rb_right)
		node = node->rb_parent;
	return node->rb_parent;
}

/* Where the tree points to @node, let it point to @by. */
static inline void rb_replace_(struct rb_node *node, struct rb_node *by, struct rb_root *root)
{
	struct rb_node *parent = node->rb_parent;
	struct rb_node **link = !parent ? &root->rb_node :
				parent->rb_left == node ? &parent->rb_left : &parent->rb_right;

	if (*link != node)
		kernel_bug("rb_erase: not in the tree");
	*link = by;
	if (by)
		by->rb_parent = parent;
}

static inline void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *next = rb_leftmost_(node->rb_right);

	if (!next) {
		rb_replace_(node, node->rb_left, root);
		return;
	}
	if (next != node->rb_right) {
		rb_replace_(next, next->rb_right, root);
		next->rb_right = node->rb_right;
		next->rb_right->rb_parent = next;
	}
	next->rb_left = node->rb_left;
	if (next->rb_left)
		next->rb_left->rb_parent = next;
	rb_replace_(node, next, root);
}

#endif /* UNIT_LINUX_RBTREE_H */
