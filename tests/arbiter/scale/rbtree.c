// SPDX-License-Identifier: GPL-2.0-only
/* Red-black trees: see any book of algorithms. */
#include <linux/rbtree.h>

static bool is_black(const struct rb_node *node)
{
	return !node || node->parent_and_black & 1;
}

static void set_black(struct rb_node *node, bool black)
{
	node->parent_and_black = (node->parent_and_black & ~1UL) | black;
}

static void set_parent(struct rb_node *node, struct rb_node *parent)
{
	node->parent_and_black = (uintptr_t)parent | (node->parent_and_black & 1);
}

/* What led to @node leads to @by. */
static void replace(struct rb_node *node, struct rb_node *by, struct rb_root *root)
{
	struct rb_node *parent = rb_parent(node);

	if (!parent)
		root->rb_node = by;
	else if (parent->rb_left == node)
		parent->rb_left = by;
	else
		parent->rb_right = by;
	if (by)
		set_parent(by, parent);
}

/* The child of @top on the other side comes up, and @top goes down to this one. */
static void rotate(struct rb_node *top, bool left, struct rb_root *root,
		   const struct rb_augment_callbacks *augment)
{
	struct rb_node *child = left ? top->rb_right : top->rb_left;
	struct rb_node *inner = left ? child->rb_left : child->rb_right;

	replace(top, child, root);
	if (left) {
		top->rb_right = inner;
		child->rb_left = top;
	} else {
		top->rb_left = inner;
		child->rb_right = top;
	}
	if (inner)
		set_parent(inner, top);
	set_parent(top, child);
	if (augment)
		augment->rotate(top, child);
}

void rb_insert_(struct rb_node *node, struct rb_root *root,
		const struct rb_augment_callbacks *augment)
{
	struct rb_node *parent, *grand, *uncle;
	bool left;

	while ((parent = rb_parent(node)) && !is_black(parent)) {
		grand = rb_parent(parent);
		left = grand->rb_left == parent;
		uncle = left ? grand->rb_right : grand->rb_left;
		if (!is_black(uncle)) {
			set_black(parent, true);
			set_black(uncle, true);
			set_black(grand, false);
			node = grand;
			continue;
		}
		if (node == (left ? parent->rb_right : parent->rb_left)) {
			rotate(parent, left, root, augment);
			parent = node;
		}
		set_black(parent, true);
		set_black(grand, false);
		rotate(grand, !left, root, augment);
		break;
	}
	set_black(root->rb_node, true);
}

/* The way down to @node, a child of @parent or NULL, has one black node less than the others. */
static void mend(struct rb_node *node, struct rb_node *parent, struct rb_root *root,
		 const struct rb_augment_callbacks *augment)
{
	struct rb_node *other, *near, *far;
	bool left;

	while (parent && is_black(node)) {
		left = parent->rb_left == node;
		other = left ? parent->rb_right : parent->rb_left;
		if (!is_black(other)) {
			set_black(other, true);
			set_black(parent, false);
			rotate(parent, left, root, augment);
			other = left ? parent->rb_right : parent->rb_left;
		}
		near = left ? other->rb_left : other->rb_right;
		far = left ? other->rb_right : other->rb_left;
		if (is_black(near) && is_black(far)) {
			set_black(other, false);
			node = parent;
			parent = rb_parent(node);
			continue;
		}
		if (is_black(far)) {
			set_black(near, true);
			set_black(other, false);
			rotate(other, !left, root, augment);
			far = other;
			other = near;
		}
		set_black(other, is_black(parent));
		set_black(parent, true);
		set_black(far, true);
		rotate(parent, left, root, augment);
		return;
	}
	if (node)
		set_black(node, true);
}

void rb_erase_(struct rb_node *node, struct rb_root *root,
	       const struct rb_augment_callbacks *augment)
{
	struct rb_node *child, *parent, *next;
	bool black = is_black(node);

	if (!node->rb_left || !node->rb_right) {
		child = node->rb_left ?: node->rb_right;
		parent = rb_parent(node);
		replace(node, child, root);
	} else {
		for (next = node->rb_right; next->rb_left; next = next->rb_left)
			;
		black = is_black(next);
		child = next->rb_right;
		parent = rb_parent(next);
		if (parent == node) {
			parent = next;
		} else {
			replace(next, child, root);
			next->rb_right = node->rb_right;
			set_parent(next->rb_right, next);
		}
		replace(node, next, root);
		next->rb_left = node->rb_left;
		set_parent(next->rb_left, next);
		set_black(next, is_black(node));
		if (augment)
			augment->copy(node, next);
	}
	if (augment)
		augment->propagate(parent, NULL);
	if (black)
		mend(child, parent, root, augment);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->rb_right) {
		for (node = node->rb_right; node->rb_left; node = node->rb_left)
			;
		return (struct rb_node *)node;
	}
	while ((parent = rb_parent(node)) && node == parent->rb_right)
		node = parent;
	return parent;
}
