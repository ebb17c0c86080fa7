/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_HASHTABLE_H
#define UNIT_LINUX_HASHTABLE_H

#include <linux/list.h>

#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
#define DECLARE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
/* Few buckets are used, so that chains are long. */
#define hash_bucket_(table, key)	(&(table)[(key) % min(ARRAY_SIZE(table), 3UL)])

#define hash_add(table, node, key)	hlist_add_head(node, hash_bucket_(table, key))
#define hash_del(node)			hlist_del(node)
#define hash_for_each_possible(table, obj, member, key) \
	hlist_for_each_entry(obj, hash_bucket_(table, key), member)

#endif /* UNIT_LINUX_HASHTABLE_H */
