/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_HASHTABLE_H
#define UNIT_LINUX_HASHTABLE_H

#include <linux/rculist.h>

#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
/* Few buckets are used, so that chains are long. */
#define hash_bucket_(table, key)	(&(table)[(key) % min(ARRAY_SIZE(table), 3UL)])

#define hash_add_rcu(table, node, key)	hlist_add_head_rcu(node, hash_bucket_(table, key))
#define hash_del_rcu(node)		hlist_del_rcu(node)
#define hash_for_each_possible_rcu(table, obj, member, key) \
	hlist_for_each_entry_rcu(obj, hash_bucket_(table, key), member)

#endif /* UNIT_LINUX_HASHTABLE_H */
