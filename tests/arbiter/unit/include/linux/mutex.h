/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MUTEX_H
#define UNIT_LINUX_MUTEX_H

#include <linux/lockdep.h>

struct mutex {
	struct lock lock;
};

#define DEFINE_MUTEX(name)	struct mutex name = { .lock = { .class = #name } }
#define mutex_init(m)		lock_init_(&(m)->lock, #m)

static inline void mutex_lock(struct mutex *m)
{
	might_sleep_(m->lock.class);
	lock_take_(&m->lock);
}

static inline bool __must_check mutex_trylock(struct mutex *m)
{
	if (m->lock.held_by)
		return false;
	lock_take_(&m->lock);
	return true;
}

static inline void mutex_unlock(struct mutex *m)
{
	lock_drop_(&m->lock);
}

#endif /* UNIT_LINUX_MUTEX_H */
