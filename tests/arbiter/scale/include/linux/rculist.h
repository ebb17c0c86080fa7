/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_RCULIST_H
#define SCALE_LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

static inline void hlist_add_head_rcu(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	if (head->first)
		head->first->pprev = &node->next;
	head->first = node;
	node->pprev = &head->first;
}

static inline void hlist_del_rcu(struct hlist_node *node)
{
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
}

#define hlist_entry_safe_(ptr, type, member) \
	({ struct hlist_node *p_ = READ_ONCE(ptr); p_ ? container_of(p_, type, member) : NULL; })

#define hlist_for_each_entry_rcu(pos, head, member) \
	for (pos = hlist_entry_safe_((head)->first, typeof(*pos), member); pos; \
	     pos = hlist_entry_safe_(pos->member.next, typeof(*pos), member))

#endif /* SCALE_LINUX_RCULIST_H */
