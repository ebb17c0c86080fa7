/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MUTEX_H
#define UNIT_LINUX_MUTEX_H

#include <linux/lockdep.h>

struct mutex {
	struct lock lock;
};

#define DEFINE_MUTEX(name)	struct mutex name = { { #name } }
#define mutex_init(m)		lock_init_(&(m)->lock, #m)

/* Called once, by the next mutex_lock(): what its holder does until it drops it. */
extern void (*while_waiting)(void);
/* A signal comes while the next mutex_lock_interruptible() waits. */
extern bool interrupt_next_wait;

static inline void mutex_lock(struct mutex *m)
{
	might_sleep_(m->lock.class);
	meanwhile_(&while_waiting);
	lock_take_(&m->lock);
}

static inline int __must_check mutex_lock_interruptible(struct mutex *m)
{
	if (interrupt_next_wait) {
		interrupt_next_wait = false;
		return -4 /* EINTR */;
	}
	mutex_lock(m);
	return 0;
}

static inline void mutex_unlock(struct mutex *m)
{
	lock_drop_(&m->lock);
}

#endif /* UNIT_LINUX_MUTEX_H */
