/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks that cost nothing: there is one thread. In the program that looks for long stretches with
 * interrupts off, they say when those begin and end.
 */
#ifndef SCALE_LINUX_SPINLOCK_H
#define SCALE_LINUX_SPINLOCK_H

#include <linux/kernel.h>

typedef struct {
	u32 lock;
} raw_spinlock_t;

#define DEFINE_RAW_SPINLOCK(name)	raw_spinlock_t name __maybe_unused
#define raw_spin_lock_init(l)		((void)(l))
#define raw_spin_lock(l)		((void)(l))
#define raw_spin_unlock(l)		((void)(l))

#ifdef COUNT_STRETCHES
/* Returns the state before, for irqs_restore(). */
unsigned long irqs_save(void);
void irqs_restore(unsigned long flags);

#define raw_spin_lock_irqsave(l, flags)		((void)(l), (flags) = irqs_save())
#define raw_spin_unlock_irqrestore(l, flags)	((void)(l), irqs_restore(flags))
#else
#define raw_spin_lock_irqsave(l, flags)		((void)(l), (flags) = 0)
#define raw_spin_unlock_irqrestore(l, flags)	((void)(l), (void)(flags))
#endif

#endif /* SCALE_LINUX_SPINLOCK_H */
