/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks for one thread, which plays several CPUs: one begins when another is in the middle of
 * something, and ends before that goes on. So none can wait for another: taking a lock that is held
 * is a deadlock, or a test asks for more than there is. Each lock is of a class, named as it is
 * declared; fake_kernel.c has the order of the classes.
 */
#ifndef UNIT_LINUX_LOCKDEP_H
#define UNIT_LINUX_LOCKDEP_H

#include <linux/kernel.h>

struct lock {
	const char *class;
	const void *held_by;		/* a CPU */
};

void lock_init_(struct lock *lock, const char *class);
void lock_take_(struct lock *lock);
void lock_drop_(struct lock *lock);
bool lock_is_held_(const struct lock *lock);

/* A lock of this class is held, by this CPU or by any. */
bool lock_class_is_held(const char *class);
bool lock_class_is_held_anywhere(const char *class);
/* No lock is held, interrupts are on, no RCU reader is under way; or it is a bug. */
void kernel_is_quiet(void);
/* Have another CPU do this; and once. */
void on_another_cpu(void (*what)(void));
void meanwhile_(void (**what)(void));
/* Identity of the CPU, which stands for the task on it; is this the first one? */
const void *this_cpu(void);
bool is_first_cpu(void);
/* What may be done in any context: interrupts are off, and no memory is allocated. */
void begin_booking(void);
void end_booking(void);
/* Something that may sleep: with a raw lock, interrupts off or in an RCU reader it must not. */
void might_sleep_(const char *what);
#define might_sleep()			might_sleep_("might_sleep()")

#define lockdep_is_held(l)		lock_is_held_(&(l)->lock)
#define lockdep_assert_held(l) \
	(lockdep_is_held(l) ? (void)0 : kernel_bug("%s: %s is not held", __func__, #l))
#define lockdep_assert_not_held(l) \
	(lockdep_is_held(l) ? kernel_bug("%s: %s is held", __func__, #l) : (void)0)

#endif /* UNIT_LINUX_LOCKDEP_H */
