/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_SPINLOCK_H
#define UNIT_LINUX_SPINLOCK_H

#include <linux/lockdep.h>

typedef struct {
	struct lock lock;
} raw_spinlock_t;

#define DEFINE_RAW_SPINLOCK(name)	raw_spinlock_t name = { .lock = { .class = #name } }
#define raw_spin_lock_init(l)		lock_init_(&(l)->lock, #l)

/*
 * Called once, by the next that takes a raw lock of this class, or by one after it: another CPU is
 * quicker.
 */
extern const char *before_lock_of_class;
extern unsigned int before_lock_skips;
extern void (*before_lock)(void);

/* Returns the state before, for irqs_restore_(). */
unsigned long irqs_save_(void);
void irqs_restore_(unsigned long flags);
void raw_take_(struct lock *lock);
void raw_drop_(struct lock *lock);

#define local_irq_save(flags)		((flags) = irqs_save_())
#define local_irq_restore(flags)	irqs_restore_(flags)

#define raw_spin_lock(l)		raw_take_(&(l)->lock)
#define raw_spin_unlock(l)		raw_drop_(&(l)->lock)

#define raw_spin_lock_irqsave(l, flags) \
	do { (flags) = irqs_save_(); raw_take_(&(l)->lock); } while (0)
#define raw_spin_unlock_irqrestore(l, flags) \
	do { raw_drop_(&(l)->lock); irqs_restore_(flags); } while (0)

#endif /* UNIT_LINUX_SPINLOCK_H */
