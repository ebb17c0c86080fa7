/* SPDX-License-Identifier: GPL-2.0-only */
/* Hash tables of the size that is asked for, by the kernel's hash. */
#ifndef SCALE_LINUX_HASHTABLE_H
#define SCALE_LINUX_HASHTABLE_H

#include <linux/rculist.h>

#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]

static inline u32 hash_(u64 key, size_t size, unsigned int bits)
{
	return size <= 4 ? (u32)key * 0x61c88647U >> (32 - bits) :
			   key * 0x61c8864680b583ebULL >> (64 - bits);
}

#define hash_bucket_(table, key) \
	(&(table)[hash_(key, sizeof(key), __builtin_ctzl(ARRAY_SIZE(table)))])

#define hash_add_rcu(table, node, key)	hlist_add_head_rcu(node, hash_bucket_(table, key))
#define hash_del_rcu(node)		hlist_del_rcu(node)
#define hash_for_each_possible_rcu(table, obj, member, key) \
	hlist_for_each_entry_rcu(obj, hash_bucket_(table, key), member)

#endif /* SCALE_LINUX_HASHTABLE_H */
