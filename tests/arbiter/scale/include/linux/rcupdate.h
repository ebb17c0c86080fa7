/* SPDX-License-Identifier: GPL-2.0-only */
/* RCU without readers that last: there is one thread. */
#ifndef SCALE_LINUX_RCUPDATE_H
#define SCALE_LINUX_RCUPDATE_H

#include <linux/lockdep.h>
#include <linux/slab.h>

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

#define rcu_read_lock()			((void)0)
#define rcu_read_unlock()		((void)0)
#define rcu_dereference(p)		READ_ONCE(p)
#define rcu_dereference_protected(p, c)	((void)(c), (p))
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define call_rcu(head, func)		func(head)

#endif /* SCALE_LINUX_RCUPDATE_H */
