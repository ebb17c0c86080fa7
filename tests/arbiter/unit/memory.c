// SPDX-License-Identifier: GPL-2.0-only
/* P5 and lifetimes: allocations that fail, slots that a reader still looks at, locks. */
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <errno.h>
#include <stdlib.h>

#include "fake_host.h"
#include "its_shim.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- no memory ------------------------------------------------------------------------------- */

/* Any allocation in this may fail. */
static void a_life(void)
{
	struct fake_irqfd *x[5];
	u32 i;

	guest_maps(a, 0, LPI);
	guest_maps(b, 0, LPI);
	for (i = 0; i < 5; i++) {
		x[i] = assign(i < 3 ? a : b, 0);
		if (!x[i])
			return;
		add_producer(x[i], 1 + i);
	}
	guest_maps(a, 1, LPI + 1);
	route_late(x[0], 1);
	settle();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	del_producer(x[1]);
	add_producer(x[1], 1 + 1);
	route_late(x[2], 1);
	settle();
	deassign(x[0]);
	deassign(x[3]);
	guest_maps(b, 1, LPI + 1);
	route_late(x[4], 1);
	settle();
}

TEST(each_allocation_fails_once)
{
	unsigned int n;

	broker_set_live(true);
	for (n = 1; ; n++) {
		u32 i;

		fail_allocation = n;
		a_life();
		if (fail_allocation)
			break;
		/* There is memory again, and something changes in each VM. */
		for (i = 0; i < 2; i++)
			broker_vm_changed(&host.vm[i]);
		settle();
		fake_check_settled();
		fake_end();
		for (i = 0; i < 2; i++)
			host.vm[i] = (struct fake_vm){ .letter = 'A' + i };
	}
	/* Records of VMs, slots, and what the irqchip allocates to map. */
	if (n < 12)
		FAIL("only %u allocations were made", n - 1);
	fake_end();
}

TEST(no_memory_for_a_slot)
{
	struct fake_irqfd *x, *y;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	x = assign(a, 3);
	x->event = 0;
	fail_allocation = 1;
	add_producer(x, 1);
	EXPECT_STATE(x, UNRESOLVED, ENOMEM);
	EXPECT(!broker_is_served(&x->client));
	/* The next one has memory, and gets the slot. */
	y = source(a, 0, 2);
	HOLDS(y);
	broker_vm_changed(a);
	settle();
	WAITS(x);
	EXPECT_DID("map 2 A8192, raise A8192");
	fake_end();
}

TEST(no_memory_for_the_slot_that_a_route_leads_to)
{
	struct fake_irqfd *x, *y;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	guest_maps(a, 1, LPI + 1);
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	route_late(x, 1);
	/* The first is that of the promotion. */
	fail_allocation = 2;
	look();
	EXPECT_STATE(x, UNRESOLVED, ENOMEM);
	EXPECT(broker_is_unsettled());
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	HOLDS(y);
	look();
	HOLDS(x);
	EXPECT_DID("map 1 A8193, raise A8193");
	EXPECT(!broker_is_unsettled());
	fake_end();
}

TEST(no_memory_for_the_irqchips_book)
{
	struct fake_irqfd *x, *y;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	x = assign(a, 0);
	y = assign(a, 0);
	fail_allocation = 1;
	add_producer(x, 1);
	EXPECT_STATE(x, UNMAPPABLE, ENOMEM);
	add_producer(y, 2);
	/* One of them holds it, and either may. */
	EXPECT_EQ(info().nr_held, 1);
	fake_check_settled();
	fake_end();
}

TEST(no_memory_for_a_vm)
{
	fail_allocation = 1;
	EXPECT(!assign(a, 0));
	EXPECT_EQ(info().nr_vms, 0);
	broker_vm_free(NULL);
	fake_end();
}

/* --- lifetimes ------------------------------------------------------------------------------- */

static struct fake_irqfd *going;

static void it_is_routed_away(void)
{
	route_late(going, NOT_MSI);
	settle();
}

/* A slot that is gone is not freed while a wake-up looks at it. */
TEST(slot_goes_while_a_wake_up_looks_at_it)
{
	broker_set_live(true);
	guest_maps(a, 0, LPI);
	going = source(a, 0, 1);
	EXPECT(broker_is_served(&going->client));
	while_reader_looks = it_is_routed_away;
	EXPECT(!broker_is_served(&going->client));
	EXPECT_EQ(info().nr_slots, 0);
	fake_check();
	fake_end();
}

TEST(slot_goes_while_the_fallback_finds_it)
{
	broker_set_live(true);
	guest_maps(a, 0, LPI);
	going = source(a, 0, 1);
	while_reader_looks = it_is_routed_away;
	EXPECT(!broker_lock_slot(&going->client));
	fake_check();
	broker_unlock_slot(NULL);
	fake_end();
}

static void it_is_gone_before_the_lock_is_had(void)
{
	going->event = NOT_MSI;
	broker_vm_changed(a);
	/* The fallback that waits has a reference. */
	host.objects_elsewhere = 1;
	settle();
}

TEST(slot_goes_while_the_fallback_waits_for_it)
{
	struct vb_slot *slot;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	going = source(a, 0, 1);
	while_waiting = it_is_gone_before_the_lock_is_had;
	slot = broker_lock_slot(&going->client);
	EXPECT(slot);
	shim_raise(&going->client);
	EXPECT_EQ(nr_allocated, 2);
	broker_unlock_slot(slot);
	EXPECT_EQ(nr_allocated, 1);
	host.objects_elsewhere = 0;
	fake_check();
	fake_end();
}

TEST(fallback_that_locks_a_slot_leaves_it_as_it_was)
{
	struct fake_irqfd *x;
	struct vb_slot *slot;
	u32 i;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	x = source(a, 0, 1);
	for (i = 0; i < 3; i++) {
		slot = broker_lock_slot(&x->client);
		EXPECT(slot);
		EXPECT(lock_class_is_held("&slot->lock"));
		broker_unlock_slot(slot);
	}
	HOLDS(x);
	deassign(x);
	EXPECT_EQ(nr_allocated, 0);
	fake_end();
}

TEST(irqfd_that_leads_nowhere_has_no_slot_to_lock)
{
	struct fake_irqfd *x = source(a, 0, 1);

	EXPECT(!broker_lock_slot(&x->client));
	fake_end();
}

TEST(slot_goes_with_its_last_client)
{
	struct fake_irqfd *x, *y, *idle;

	broker_set_live(true);
	guest_maps(a, 0, LPI);
	idle = assign(a, 0);
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	EXPECT_EQ(info().nr_slots, 1);
	deassign(x);
	deassign(y);
	EXPECT_EQ(info().nr_slots, 1);
	EXPECT_EQ(nr_allocated, 2);
	deassign(idle);
	EXPECT_EQ(nr_allocated, 0);
	fake_end();
}

TEST(records_of_vms_are_kept_as_long_as_there_are_irqfds)
{
	struct fake_irqfd *x, *y;

	x = assign(a, 0);
	y = assign(a, 0);
	EXPECT_EQ(nr_allocated, 1);
	EXPECT(x->client.vm == y->client.vm);
	deassign(x);
	EXPECT_EQ(nr_allocated, 1);
	deassign(y);
	EXPECT_EQ(nr_allocated, 0);
	fake_end();
}

/* --- that the fake kernel sees what is wrong -------------------------------------------------- */

static DEFINE_MUTEX(arbiter);
static DEFINE_MUTEX(irqbypass);
static DEFINE_RAW_SPINLOCK(ledger);
static DEFINE_RAW_SPINLOCK(irq_lock);
static unsigned long flags;

TEST_BUG(shim_sees_locks_in_the_wrong_order)
{
	mutex_lock(&arbiter);
	mutex_lock(&irqbypass);
}

TEST_BUG(shim_sees_raw_locks_in_the_wrong_order)
{
	local_irq_save(flags);
	raw_spin_lock(&ledger);
	raw_spin_lock(&irq_lock);
}

TEST_BUG(shim_sees_a_lock_taken_twice)
{
	mutex_lock(&arbiter);
	mutex_lock(&arbiter);
}

TEST_BUG(shim_sees_a_mutex_under_a_raw_lock)
{
	local_irq_save(flags);
	raw_spin_lock(&irq_lock);
	mutex_lock(&arbiter);
}

TEST_BUG(shim_sees_an_allocation_under_a_raw_lock)
{
	local_irq_save(flags);
	raw_spin_lock(&ledger);
	kfree(kzalloc(1, GFP_KERNEL));
}

TEST_BUG(shim_sees_a_mutex_in_an_rcu_reader)
{
	rcu_read_lock();
	mutex_lock(&arbiter);
}

TEST_BUG(shim_sees_a_raw_lock_with_interrupts_on)
{
	raw_spin_lock(&ledger);
}

TEST_BUG(shim_sees_a_lock_that_stays_held)
{
	mutex_lock(&arbiter);
	fake_check();
}

struct with_lock {
	char before[8];
	struct mutex lock;
};

TEST_BUG(shim_sees_a_held_lock_freed)
{
	struct with_lock *slot = kzalloc(sizeof(*slot), GFP_KERNEL);

	mutex_init(&slot->lock);
	mutex_lock(&slot->lock);
	kfree(slot);
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
TEST(shims_tree_keeps_its_order)
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
