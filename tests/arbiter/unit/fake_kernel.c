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

/* From the outermost lock inwards. The first, fourth and fifth are the fake host's. */
static const char *const lock_order[] = {
	"irqbypass",
	"arbiter",
	"&slot->lock",
	"its_lock",
	"irq_lock",
	"ledger",
	"&slot->raise_lock",
};

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

/* --- locks ----------------------------------------------------------------------------------- */

static struct lock *held[8];
static unsigned int nr_held, nr_raw;
static bool irqs_off;
static unsigned int nr_readers;

bool interrupt_next_wait;

static unsigned int rank_of(const char *class)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lock_order); i++)
		if (!strcmp(lock_order[i], class))
			return i;
	kernel_bug("no place in the order of locks for \"%s\": see lock_order", class);
}

void lock_init_(struct lock *lock, const char *class)
{
	rank_of(class);
	lock->class = class;
}

void lock_take_(struct lock *lock)
{
	if (!lock->class)
		kernel_bug("a lock is taken that was not initialised");
	if (nr_held && rank_of(held[nr_held - 1]->class) >= rank_of(lock->class))
		kernel_bug("%s is taken while %s is held", lock->class, held[nr_held - 1]->class);
	held[nr_held++] = lock;
}

void lock_drop_(struct lock *lock)
{
	if (!nr_held || held[nr_held - 1] != lock)
		kernel_bug("%s is dropped, but was not the last one taken",
			   lock->class ? lock->class : "a lock");
	nr_held--;
}

bool lock_is_held_(const struct lock *lock)
{
	unsigned int i;

	for (i = 0; i < nr_held; i++)
		if (held[i] == lock)
			return true;
	return false;
}

bool lock_class_is_held(const char *class)
{
	unsigned int i;

	for (i = 0; i < nr_held; i++)
		if (!strcmp(held[i]->class, class))
			return true;
	return false;
}

void might_sleep_(const char *what)
{
	if (nr_raw || irqs_off || nr_readers)
		kernel_bug("%s sleeps, %s", what,
			   nr_raw ? "with a raw lock held" :
			   irqs_off ? "with interrupts off" : "in an RCU reader");
}

unsigned long irqs_save_(void)
{
	bool was = irqs_off;

	irqs_off = true;
	return was;
}

void irqs_restore_(unsigned long flags)
{
	if (!irqs_off)
		kernel_bug("interrupts are restored, but were not off");
	irqs_off = flags;
}

void raw_take_(struct lock *lock)
{
	if (!irqs_off)
		kernel_bug("%s is taken with interrupts on, by whom they may interrupt",
			   lock->class);
	lock_take_(lock);
	nr_raw++;
}

void raw_drop_(struct lock *lock)
{
	lock_drop_(lock);
	nr_raw--;
}

/* --- memory ---------------------------------------------------------------------------------- */

unsigned int fail_allocation;
bool (*allocation_fails)(void);
unsigned int nr_allocated;

void *kzalloc(size_t size, gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		might_sleep_("an allocation");
	if (fail_allocation && !--fail_allocation)
		return NULL;
	if (allocation_fails && allocation_fails())
		return NULL;
	nr_allocated++;
	return calloc(1, size);
}

static void check_no_lock_in(const void *object)
{
	size_t size = malloc_usable_size((void *)object);
	unsigned int i;

	for (i = 0; i < nr_held; i++)
		if ((uintptr_t)held[i] - (uintptr_t)object < size)
			kernel_bug("%s is freed while it is held", held[i]->class);
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
bool reader_elsewhere;

void (*while_reader_looks)(void);
void (*while_waiting)(void);

static void free_unseen(void)
{
	struct rcu_head *head;

	while (!nr_readers && !reader_elsewhere && to_free) {
		head = to_free;
		to_free = head->next;
		kfree(head->object);
	}
}

void rcu_read_lock(void)
{
	nr_readers++;
}

void rcu_read_unlock(void)
{
	if (!nr_readers--)
		kernel_bug("rcu_read_unlock() without rcu_read_lock()");
	free_unseen();
}

void rcu_check_reader_(void)
{
	if (!nr_readers)
		kernel_bug("rcu_dereference() without rcu_read_lock()");
}

void rcu_free_(struct rcu_head *head, void *object)
{
	struct rcu_head *other;

	for (other = to_free; other; other = other->next)
		if (other == head)
			kernel_bug("kfree_rcu() twice");
	head->object = object;
	head->next = to_free;
	to_free = head;
	free_unseen();
}

/* The other CPU has interrupts and readers of its own. What this CPU reads is not freed. */
void meanwhile_(void (**what)(void))
{
	void (*other_cpu)(void) = *what;
	unsigned int readers = nr_readers;
	bool irqs = irqs_off;

	if (!other_cpu)
		return;
	*what = NULL;
	if (nr_held)
		kernel_bug("one that holds %s meanwhile is more than the fake kernel can do",
			   held[0]->class);
	irqs_off = false;
	nr_readers = 0;
	reader_elsewhere = readers;
	other_cpu();
	reader_elsewhere = false;
	irqs_off = irqs;
	nr_readers = readers;
}

void kernel_is_quiet(void)
{
	if (nr_held)
		kernel_bug("%s is still held", held[0]->class);
	if (irqs_off)
		kernel_bug("interrupts are still off");
	if (nr_readers)
		kernel_bug("rcu_read_lock() without rcu_read_unlock()");
}
