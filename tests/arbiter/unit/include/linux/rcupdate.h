/* SPDX-License-Identifier: GPL-2.0-only */
/* RCU with the shortest grace periods there can be: what no reader can see is freed at once. */
#ifndef UNIT_LINUX_RCUPDATE_H
#define UNIT_LINUX_RCUPDATE_H

#include <linux/lockdep.h>
#include <linux/slab.h>

struct rcu_head {
	struct rcu_head *next;
	void *object;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void rcu_free_(struct rcu_head *head, void *object);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_check_reader_(void);

/*
 * Each is called once, on another CPU: at the next rcu_dereference(), and when a reader goes on
 * from one object of a list to the next.
 */
extern void (*while_reader_looks)(void);
extern void (*while_reader_walks)(void);

#define rcu_dereference(p) \
	({ typeof(p) p_ = READ_ONCE(p); rcu_check_reader_(); meanwhile_(&while_reader_looks); p_; })
#define rcu_dereference_protected(p, cond) \
	({ if (!(cond)) \
		kernel_bug("suspicious rcu_dereference_protected(%s, %s)", #p, #cond); \
	   READ_ONCE(p); })
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define rcu_access_pointer(p)		READ_ONCE(p)
#define kfree_rcu(p, member)		rcu_free_(&(p)->member, p)

#endif /* UNIT_LINUX_RCUPDATE_H */
