// SPDX-License-Identifier: GPL-2.0-only
/*
 * P5 and lifetimes: an irqfd without memory, slots that come with the irqfds and are used again
 * while a reader still looks at them, clients that are owed something; and that the fake kernel
 * sees what is wrong.
 */
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <errno.h>
#include <stdlib.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- no memory ------------------------------------------------------------------------------- */

/* What an irqfd needs is allocated before anything is booked: its VM's record, itself, a slot. */
TEST(no_memory_for_an_irqfd)
{
	struct fake_irqfd *x;
	unsigned int n;

	for (n = 1; n <= 3; n++) {
		fake_begin();
		fail_allocation = n;
		EXPECT(!assign(a, 0));
		EXPECT_EQ(info().nr_vms, 0);
		EXPECT(!a->book);
		fail_allocation = 0;
		x = source(a, 0, 1);
		settle();
		HOLDS(x);
		fake_end();
	}
}

TEST(no_memory_for_the_second_irqfd)
{
	struct fake_irqfd *x;
	unsigned int n;

	for (n = 1; n <= 2; n++) {
		fake_begin();
		x = source(a, 0, 1);
		fail_allocation = n;
		EXPECT(!assign(a, 0));
		EXPECT_EQ(info().nr_clients, 1);
		settle();
		HOLDS(x);
		fake_end();
	}
}

/* A life in which no allocation succeeds once the irqfds are there. */
TEST(nothing_needs_memory_later)
{
	struct fake_irqfd *x[6];
	unsigned int before;
	u32 i;

	fake_begin();
	for (i = 0; i < 6; i++)
		x[i] = assign(i < 4 ? a : b, 0);
	before = nr_allocations;
	for (i = 0; i < 6; i++) {
		add_producer(x[i], 1 + i);
		settle();
	}
	route(x[0], 1);
	route(x[1], 2);
	guest_maps(a, 2, LPI + 2);
	settle();
	guest_discards(a, 0);
	settle();
	guest_maps(a, 0, LPI + 3);
	for (i = 0; i < 6; i++)
		signal_eventfd(x[i]);
	settle();
	/* Each of the four at an LPI of its own: as many slots as clients. */
	route(x[2], 0);
	route(x[3], 3);
	guest_maps(a, 3, LPI + 4);
	settle();
	EXPECT_EQ(info().nr_slots, 5);
	for (i = 0; i < 6; i++)
		del_producer(x[i]);
	settle();
	EXPECT_EQ(nr_allocations, before);
	fake_end();
}

/* --- slots ----------------------------------------------------------------------------------- */

TEST(slots_come_and_go_with_irqfds)
{
	struct fake_irqfd *x, *y, *idle;

	fake_begin();
	idle = assign(a, 0);
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	EXPECT_EQ(info().nr_slots, 1);
	/* The VM, three irqfds, three slots. */
	EXPECT_EQ(nr_allocated, 7);
	deassign(x);
	deassign(y);
	settle();
	EXPECT_EQ(info().nr_slots, 1);
	EXPECT_EQ(nr_allocated, 3);
	deassign(idle);
	EXPECT_EQ(info().nr_slots, 0);
	settle();
	EXPECT_EQ(nr_allocated, 0);
	fake_end();
}

/* Whoever goes first: those that stay have a slot each, also where all are in use. */
TEST(slots_are_enough_whoever_goes_first)
{
	struct fake_irqfd *x[4];
	u32 order, i;

	fake_begin();
	guest_maps(a, 2, LPI + 2);
	guest_maps(a, 3, LPI + 3);
	for (order = 0; order < 16; order++) {
		for (i = 0; i < 4; i++)
			x[i] = source(a, i % (1 + order % 4), 1 + i);
		settle();
		EXPECT_EQ(info().nr_slots, 1 + order % 4);
		for (i = 0; i < 4; i++) {
			deassign(x[(i + order / 4) % 4]);
			if (i == 1) {
				struct fake_irqfd *irqfd;

				for_each_irqfd(irqfd)
					route(irqfd, irqfd->event ? 0 : 1);
			}
			settle();
		}
	}
	fake_end();
}

static struct fake_irqfd *going, *coming;

static void it_is_routed_away_and_another_goes(void)
{
	route(going, NOT_MSI);
	look_at(a);
	/* It takes the slot along that was given up last. */
	deassign(coming);
}

/* A slot that nobody needs any more is not freed while a wake-up looks at it. */
TEST(slot_is_freed_when_no_wake_up_looks_at_it)
{
	fake_begin();
	going = source(a, 0, 1);
	coming = assign(a, NOT_MSI);
	settle();
	while_reader_looks = it_is_routed_away_and_another_goes;
	EXPECT(!broker_raise(&going->client));
	EXPECT(!while_reader_looks);
	EXPECT_EQ(info().nr_slots, 0);
	fake_end();
}

static void its_slot_is_used_for_another_vlpi(void)
{
	route(going, NOT_MSI);
	look_at(a);
	/* The slot that was given up last is used first. */
	route(coming, 1);
	look_at(a);
	HOLDS(coming);
}

/* The wake-up has found the slot, and it is another vLPI's when it has the raise lock. */
TEST(slot_is_used_again_while_a_wake_up_looks_at_it)
{
	u32 i;

	fake_begin();
	for (i = 0; i < 3; i++) {
		going = i ? source(a, 0, 1) : assign(a, 0);
		coming = source(a, 5, 2);
		settle();
		fake_did();
		while_reader_looks = its_slot_is_used_for_another_vlpi;
		if (i < 2)
			EXPECT(!broker_raise(&going->client));
		else
			broker_signal(&going->client);
		EXPECT(!while_reader_looks);
		EXPECT_DID(i ? "unmap 1, raise A8192, map 2 A8193, raise A8193" :
			       "map 2 A8193, raise A8193");
		settle();
		HOLDS(coming);
		deassign(going);
		deassign(coming);
		settle();
	}
	fake_end();
}

static void its_slot_is_used_for_another_vlpi_and_it_is_there(void)
{
	its_slot_is_used_for_another_vlpi();
	route(going, 1);
	look_at(a);
}

/* And it leads there by now: what is raised is right then. */
TEST(slot_is_used_again_and_found_again)
{
	fake_begin();
	going = source(a, 0, 1);
	coming = source(a, 5, 2);
	settle();
	while_reader_looks = its_slot_is_used_for_another_vlpi_and_it_is_there;
	fake_did();
	EXPECT(broker_raise(&going->client));
	EXPECT_DID("unmap 1, raise A8192, map 2 A8193, raise A8193, raise A8193");
	WAITS(going);
	fake_end();
}

/* --- clients --------------------------------------------------------------------------------- */

TEST(client_lives_while_it_is_owed_something)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	assign(a, 0);
	settle();
	deassign(x);
	/* Its vLPI was dropped, and the route of its grant is the one to raise it by. */
	EXPECT_EQ(host.nr_proxies, 2);
	settle();
	EXPECT_EQ(host.nr_proxies, 1);
	EXPECT_DID("map 1 A8192, raise A8192, unmap 1, raise A8192");
	fake_end();
}

static void it_is_deassigned(void)
{
	deassign(going);
}

TEST(client_lives_while_a_step_is_about_it)
{
	enum moment moment;

	fake_begin();
	for (moment = BEFORE_LOOK; moment <= AFTER_RAISE; moment++) {
		going = source(a, 0, 1);
		if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE) {
			settle();
			route(going, 1);
		}
		if (moment == BEFORE_AIM || moment == AFTER_AIM) {
			settle();
			guest_discards(a, 0);
		}
		host.at[moment] = it_is_deassigned;
		settle();
		EXPECT(!host.at[moment]);
		EXPECT_EQ(host.nr_proxies, 0);
		guest_maps(a, 0, LPI);
	}
	fake_end();
}

TEST(record_of_a_vm_is_kept_as_long_as_it_has_irqfds)
{
	struct fake_irqfd *x, *y;
	u64 id;

	fake_begin();
	x = assign(a, 0);
	y = assign(a, 0);
	EXPECT(x->book == y->book);
	id = a->book->book.id;
	settle();
	deassign(x);
	settle();
	EXPECT_EQ(a->book->book.id, id);
	deassign(y);
	settle();
	EXPECT(!a->book);
	/* The same VM has another one when it comes back. */
	assign(a, 0);
	EXPECT(a->book->book.id != id);
	fake_end();
}

/* An irqfd comes when the last one has gone, and the work item of that has not run yet. */
TEST(record_of_a_vm_is_used_again)
{
	struct fake_irqfd *x;
	u64 id;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	id = a->book->book.id;
	deassign(x);
	x = source(a, 0, 2);
	EXPECT_EQ(a->book->book.id, id);
	settle();
	HOLDS(x);
	fake_end();
}

/* --- that the fake kernel sees what is wrong -------------------------------------------------- */

static DEFINE_MUTEX(irqbypass);
static DEFINE_RAW_SPINLOCK(irqs_lock);
static DEFINE_RAW_SPINLOCK(refused_lock);
static unsigned long flags;

TEST_BUG(fake_sees_locks_in_the_wrong_order)
{
	fake_begin();
	mutex_lock(&a->its_lock);
	mutex_lock(&irqbypass);
}

TEST_BUG(fake_sees_raw_locks_in_the_wrong_order)
{
	fake_begin();
	assign(a, 0);
	local_irq_save(flags);
	raw_spin_lock(&irqs_lock);
	raw_spin_lock(&a->book->book.lock);
}

TEST_BUG(fake_sees_a_leaf_below_a_leaf)
{
	local_irq_save(flags);
	raw_spin_lock(&irqs_lock);
	raw_spin_lock(&refused_lock);
}

TEST_BUG(fake_sees_the_locks_of_two_vms)
{
	fake_begin();
	assign(a, 0);
	assign(b, 0);
	local_irq_save(flags);
	raw_spin_lock(&a->book->book.lock);
	raw_spin_lock(&b->book->book.lock);
}

TEST_BUG(fake_sees_a_lock_taken_twice)
{
	mutex_lock(&irqbypass);
	mutex_lock(&irqbypass);
}

static void take_it(void)
{
	mutex_lock(&irqbypass);
}

TEST_BUG(fake_sees_a_lock_that_another_cpu_has)
{
	mutex_lock(&irqbypass);
	on_another_cpu(take_it);
}

TEST_BUG(fake_sees_a_mutex_under_a_raw_lock)
{
	local_irq_save(flags);
	raw_spin_lock(&irqs_lock);
	mutex_lock(&irqbypass);
}

TEST_BUG(fake_sees_an_allocation_under_a_raw_lock)
{
	local_irq_save(flags);
	raw_spin_lock(&irqs_lock);
	kfree(kzalloc(1, GFP_KERNEL));
}

TEST_BUG(fake_sees_a_mutex_in_an_rcu_reader)
{
	rcu_read_lock();
	mutex_lock(&irqbypass);
}

TEST_BUG(fake_sees_a_raw_lock_with_interrupts_on)
{
	raw_spin_lock(&irqs_lock);
}

TEST_BUG(fake_sees_a_lock_that_stays_held)
{
	mutex_lock(&irqbypass);
	fake_check();
}

struct with_lock {
	char before[8];
	struct mutex lock;
};

TEST_BUG(fake_sees_a_held_lock_freed)
{
	struct with_lock *vm = kzalloc(sizeof(*vm), GFP_KERNEL);

	lock_init_(&vm->lock.lock, "irqbypass");
	mutex_lock(&vm->lock);
	kfree(vm);
}

TEST_BUG(fake_sees_a_vm_that_is_held_for_nothing)
{
	fake_begin();
	a->pins = 1;
	settle();
}

struct number {
	struct rb_node node;
	u32 value;
};

static void tree_insert(struct rb_root *root, struct number *new)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = rb_entry(parent, struct number, node)->value < new->value ?
		       &parent->rb_right : &parent->rb_left;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, root);
}

static u32 tree_count(struct rb_root *root)
{
	struct rb_node *node;
	u32 n = 0, last = 0;

	for (node = rb_first(root); node; node = rb_next(node), n++) {
		EXPECT(rb_entry(node, struct number, node)->value >= last);
		last = rb_entry(node, struct number, node)->value;
	}
	return n;
}

/* The fake kernel has a red-black tree of its own, so that is tested here too. */
TEST(fakes_tree_keeps_its_order)
{
	struct number numbers[40];
	struct rb_root root = RB_ROOT;
	u32 i, n = 0, step;
	bool in[40] = {};

	srandom(1);
	for (step = 0; step < 5000; step++) {
		i = random() % 40;
		if (in[i]) {
			rb_erase(&numbers[i].node, &root);
			memset(&numbers[i], 0xa5, sizeof(numbers[i]));
		} else {
			numbers[i].value = random() % 20;
			tree_insert(&root, &numbers[i]);
		}
		in[i] = !in[i];
		n += in[i] ? 1 : -1;
		EXPECT_EQ(tree_count(&root), n);
	}
}
