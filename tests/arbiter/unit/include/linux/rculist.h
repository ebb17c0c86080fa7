/* SPDX-License-Identifier: GPL-2.0-only */
/* Hash chains under RCU. A node that was deleted still leads on, for who is just looking at it. */
#ifndef UNIT_LINUX_RCULIST_H
#define UNIT_LINUX_RCULIST_H

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
	if (!node->pprev || *node->pprev != node)
		kernel_bug("hlist_del corruption");
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
	node->pprev = NULL;
}

#define hlist_entry_safe_(ptr, type, member) \
	({ struct hlist_node *p_ = (ptr); p_ ? container_of(p_, type, member) : NULL; })

#define hlist_for_each_entry_rcu(pos, head, member) \
	for (rcu_check_reader_(), \
	     pos = hlist_entry_safe_((head)->first, typeof(*pos), member); pos; \
	     meanwhile_(&while_reader_walks), \
	     pos = hlist_entry_safe_(pos->member.next, typeof(*pos), member))

#endif /* UNIT_LINUX_RCULIST_H */
