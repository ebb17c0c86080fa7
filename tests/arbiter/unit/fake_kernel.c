// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake kernel behind the headers in include/linux: allocation that can be made to fail, RCU,
 * and locks that know their order. There is one thread, and a misuse ends the test at once.
 */
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* From the outermost lock inwards. The first three are the fake host's, the last three leaves. */
static const char *const lock_order[] = {
	"irqbypass",
	"&vm->its_lock",
	"&vm->irq_lock",
	"&vm->lock",
	"&slot->raise_lock",
	"irqs_lock",
	"refused_lock",
};

#define FIRST_LEAF	4U

/* What a CPU is in the middle of. Those after it have begun since, and are not done yet. */
struct cpu {
	struct lock *held[8];
	unsigned int nr_held, nr_raw;
	unsigned int nr_readers;
	bool irqs_off;
	bool is_booking;
};

static struct cpu cpus[6], *cpu = cpus;

unsigned int nr_walked;
void (*before_the_end)(void);

void kernel_bug(const char *fmt, ...)
{
	va_list args;

	printf("# BUG: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	if (before_the_end)
		before_the_end();
	fflush(stdout);
	/* STATUS_BUG of unit.c; abort() would leave a core dump. */
	_exit(66);
}

/* --- CPUs ------------------------------------------------------------------------------------ */

static void free_unseen(void);

const void *this_cpu(void)
{
	return cpu;
}

bool is_first_cpu(void)
{
	return cpu == cpus;
}

void on_another_cpu(void (*what)(void))
{
	if (cpu == cpus + ARRAY_SIZE(cpus) - 1)
		kernel_bug("more happens at one moment than the fake kernel can do");
	*++cpu = (struct cpu){};
	what();
	kernel_is_quiet();
	cpu--;
	free_unseen();
}

void meanwhile_(void (**what)(void))
{
	void (*now)(void) = *what;

	*what = NULL;
	if (now)
		on_another_cpu(now);
}

/* --- locks ----------------------------------------------------------------------------------- */

const char *before_lock_of_class;
unsigned int before_lock_skips;
void (*before_lock)(void);

static unsigned int rank_of(const char *class)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lock_order); i++)
		if (!strcmp(lock_order[i], class))
			return i < FIRST_LEAF ? i : FIRST_LEAF;
	kernel_bug("no place in the order of locks for \"%s\": see lock_order", class);
}

void lock_init_(struct lock *lock, const char *class)
{
	rank_of(class);
	lock->class = class;
	lock->held_by = NULL;
}

void lock_take_(struct lock *lock)
{
	const struct lock *last = cpu->nr_held ? cpu->held[cpu->nr_held - 1] : NULL;

	if (!lock->class)
		kernel_bug("a lock is taken that was not initialised");
	if (lock->held_by && lock->held_by != cpu)
		kernel_bug("another CPU has %s, for which the fake kernel can't wait (%s is held)",
			   lock->class, last ? last->class : "nothing");
	if (last && rank_of(last->class) >= rank_of(lock->class))
		kernel_bug("%s is taken while %s is held", lock->class, last->class);
	lock->held_by = cpu;
	cpu->held[cpu->nr_held++] = lock;
}

void lock_drop_(struct lock *lock)
{
	if (!cpu->nr_held || cpu->held[cpu->nr_held - 1] != lock)
		kernel_bug("%s is dropped, but was not the last one taken",
			   lock->class ? lock->class : "a lock");
	lock->held_by = NULL;
	cpu->nr_held--;
}

bool lock_is_held_(const struct lock *lock)
{
	return lock->held_by == cpu;
}

static bool holds_class(const struct cpu *which, const char *class)
{
	unsigned int i;

	for (i = 0; i < which->nr_held; i++)
		if (!strcmp(which->held[i]->class, class))
			return true;
	return false;
}

bool lock_class_is_held(const char *class)
{
	return holds_class(cpu, class);
}

bool lock_class_is_held_anywhere(const char *class)
{
	const struct cpu *other;

	for (other = cpus; other <= cpu; other++)
		if (holds_class(other, class))
			return true;
	return false;
}

void might_sleep_(const char *what)
{
	if (cpu->nr_raw || cpu->irqs_off || cpu->nr_readers)
		kernel_bug("%s sleeps, %s", what,
			   cpu->nr_raw ? "with a raw lock held" :
			   cpu->irqs_off ? "with interrupts off" : "in an RCU reader");
}

unsigned long irqs_save_(void)
{
	bool was = cpu->irqs_off;

	cpu->irqs_off = true;
	return was;
}

void irqs_restore_(unsigned long flags)
{
	if (!cpu->irqs_off)
		kernel_bug("interrupts are restored, but were not off");
	cpu->irqs_off = flags;
}

void begin_booking(void)
{
	irqs_save_();
	cpu->is_booking = true;
}

void end_booking(void)
{
	cpu->is_booking = false;
	irqs_restore_(false);
}

void raw_take_(struct lock *lock)
{
	if (!cpu->irqs_off)
		kernel_bug("%s is taken with interrupts on, by whom they may interrupt",
			   lock->class);
	if (before_lock && lock->class && !strcmp(before_lock_of_class, lock->class) &&
	    !before_lock_skips--) {
		before_lock_skips = 0;
		meanwhile_(&before_lock);
	}
	lock_take_(lock);
	cpu->nr_raw++;
}

void raw_drop_(struct lock *lock)
{
	lock_drop_(lock);
	cpu->nr_raw--;
}

/* --- memory ---------------------------------------------------------------------------------- */

unsigned int fail_allocation;
bool (*allocation_fails)(void);
unsigned int nr_allocated, nr_allocations;

void *kzalloc(size_t size, gfp_t gfp)
{
	if (cpu->is_booking)
		kernel_bug("memory is allocated where something is only booked");
	if (gfp & GFP_KERNEL)
		might_sleep_("an allocation");
	if (fail_allocation && !--fail_allocation)
		return NULL;
	if (allocation_fails && allocation_fails())
		return NULL;
	nr_allocated++;
	nr_allocations++;
	return calloc(1, size);
}

static void check_no_lock_in(const void *object)
{
	size_t size = malloc_usable_size((void *)object);
	const struct cpu *other;
	unsigned int i;

	for (other = cpus; other <= cpu; other++)
		for (i = 0; i < other->nr_held; i++)
			if ((uintptr_t)other->held[i] - (uintptr_t)object < size)
				kernel_bug("%s is freed while it is held", other->held[i]->class);
}

void kfree(const void *object)
{
	if (!object)
		return;
	check_no_lock_in(object);
	nr_allocated--;
	free((void *)object);
}

ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size);

	if (length == size) {
		memcpy(to, from, size - 1);
		to[size - 1] = '\0';
		return -7 /* E2BIG */;
	}
	memcpy(to, from, length + 1);
	return length;
}

/* --- RCU ------------------------------------------------------------------------------------- */

static struct rcu_head *to_free;

void (*while_reader_looks)(void);
void (*while_reader_walks)(void);

static bool is_a_reader_anywhere(void)
{
	const struct cpu *other;

	for (other = cpus; other <= cpu; other++)
		if (other->nr_readers)
			return true;
	return false;
}

static void free_unseen(void)
{
	struct rcu_head *head;

	while (to_free && !is_a_reader_anywhere()) {
		head = to_free;
		to_free = head->next;
		if (head->func)
			head->func(head);
		else
			kfree(head->object);
	}
}

void rcu_read_lock(void)
{
	cpu->nr_readers++;
}

void rcu_read_unlock(void)
{
	if (!cpu->nr_readers--)
		kernel_bug("rcu_read_unlock() without rcu_read_lock()");
	free_unseen();
}

void rcu_check_reader_(void)
{
	if (!cpu->nr_readers)
		kernel_bug("rcu_dereference() without rcu_read_lock()");
}

static void free_later(struct rcu_head *head)
{
	struct rcu_head *other;

	for (other = to_free; other; other = other->next)
		if (other == head)
			kernel_bug("an object is freed twice");
	head->next = to_free;
	to_free = head;
	free_unseen();
}

void rcu_free_(struct rcu_head *head, void *object)
{
	head->func = NULL;
	head->object = object;
	free_later(head);
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	free_later(head);
}

void kernel_is_quiet(void)
{
	if (cpu->nr_held)
		kernel_bug("%s is still held", cpu->held[0]->class);
	if (cpu->irqs_off)
		kernel_bug("interrupts are still off");
	if (cpu->nr_readers)
		kernel_bug("rcu_read_lock() without rcu_read_unlock()");
}
