// SPDX-License-Identifier: GPL-2.0-only
/* P1: the gate, which every mapping has to pass, and the book of host IRQs behind it. */
#include <linux/lockdep.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* Two VMs, each with events 0 and 1 mapped to its first two LPIs. */
static void begin(void)
{
	fake_begin();
	guest_maps(b, 1, LPI + 1);
}

/* A mapping that KVM asks for by itself, as it may at any time; nothing is mapped by it. */
static int asks(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = &host.irq[host_irq];
	struct vb_client *client;
	int ret;

	ret = broker_gate(vm->book ? &vm->book->book : NULL, &irq, host_irq, vintid, vm->target,
			  irq->forwarded && irq->vm == vm && irq->vintid == vintid ?
			  VB_ASK_MOVE : VB_ASK_MAP, &client);
	/* A client is named for a grant only. */
	EXPECT(!client);
	broker_gate_done(client, ret);
	return ret;
}

TEST(gate_lets_the_holder_through)
{
	struct fake_irqfd *x;

	begin();
	x = source(a, 0, 1);
	EXPECT_DID("");
	settle();
	EXPECT_DID("map 1 A8192, raise A8192");
	HOLDS(x);
	EXPECT_EQ(info().gate_refusals, 0);
	fake_end();
}

TEST(gate_refuses_a_second_host_irq)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	EXPECT_EQ(asks(2, a, LPI), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 1);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	WAITS(y);
	fake_end();
}

TEST(gate_refuses_to_map_the_holder_to_another_vlpi)
{
	begin();
	source(a, 0, 1);
	settle();
	EXPECT_EQ(asks(1, a, LPI + 1), -EBUSY);
	EXPECT_EQ(asks(1, a, LPI + 7), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 2);
	fake_end();
}

TEST(gate_refuses_to_map_the_holder_to_another_vm)
{
	begin();
	source(a, 0, 1);
	assign(b, 0);
	settle();
	EXPECT_EQ(asks(1, b, LPI), -EBUSY);
	/* Nor one of which there is no record. */
	EXPECT_EQ(asks(1, &host.vm[2], LPI), -EBUSY);
	fake_end();
}

TEST(gate_lets_the_holder_move_to_another_vpe)
{
	struct fake_irqfd *x;

	begin();
	x = source(a, 0, 1);
	settle();
	fake_did();
	guest_moves(a, LPI);
	settle();
	EXPECT_DID("move 1");
	EXPECT_EQ(info().gate_refusals, 0);
	EXPECT_EQ(info().grants, 1);
	/* The wake-up looks at the vCPU that it is for now; the fake compares. */
	EXPECT(broker_raise(&x->client));
	guest_moves(a, LPI);
	settle();
	EXPECT(broker_raise(&x->client));
	fake_end();
}

TEST(gate_refuses_what_the_arbiter_does_not_grant)
{
	begin();
	source(a, 0, 1);
	settle();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	EXPECT_EQ(asks(1, a, LPI), -EBUSY);
	settle();
	EXPECT_EQ(asks(1, a, LPI), 0);
	fake_end();
}

TEST(gate_refuses_a_producer_whose_route_leads_nowhere)
{
	begin();
	source(a, 2, 1);
	EXPECT_EQ(asks(1, a, LPI), -EBUSY);
	settle();
	EXPECT_EQ(asks(1, a, LPI), -EBUSY);
	fake_end();
}

static u32 asked_for;

static void another_task_asks(void)
{
	EXPECT_EQ(asks(asked_for, a, LPI), -EBUSY);
}

/* What is granted passes for the task that does so, and for that host IRQ. */
TEST(gate_refuses_others_while_one_is_granted)
{
	static const enum moment moments[] = { BEFORE_GRANT, BEFORE_ADD, AFTER_GRANT };
	struct fake_irqfd *x;
	u32 i;

	begin();
	x = source(a, 0, 1);
	source(a, 0, 2);
	for (i = 0; i < ARRAY_SIZE(moments) * 2; i++) {
		asked_for = i % 2 ? 1 : 2;
		/* By then it has it. */
		if (moments[i / 2] == AFTER_GRANT && asked_for == 1)
			asked_for = 9;
		host.at[moments[i / 2]] = another_task_asks;
		settle();
		EXPECT(!host.at[moments[i / 2]]);
		HOLDS(x);
		guest_discards(a, 0);
		guest_maps(a, 0, LPI);
	}
	settle();
	EXPECT_EQ(info().gate_refusals, ARRAY_SIZE(moments) * 2);
	fake_end();
}

TEST(gate_refuses_a_stranger_once_it_is_live)
{
	struct fake_irqfd *idle;

	begin();
	/* A VM of which there is no record. */
	broker_set_live(false);
	EXPECT_EQ(asks(9, a, LPI), 0);
	broker_set_live(true);
	EXPECT_EQ(asks(9, a, LPI), -EBUSY);
	/* One that is not taken over yet, whatever other VMs are. */
	idle = assign(a, 0);
	idle->book->book.live = false;
	EXPECT_EQ(asks(9, a, LPI), 0);
	idle->book->book.live = true;
	EXPECT_EQ(asks(9, a, LPI), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 2);
	fake_end();
}

/* It is mapped to this very LPI already: a move to another vPE, of what was there at the load. */
TEST(gate_lets_a_stray_move)
{
	begin();
	host.irq[9] = (struct fake_irq){
		.forwarded = true, .stray = true, .vm = a, .vintid = LPI + 7
	};
	EXPECT_EQ(asks(9, a, LPI + 7), 0);
	assign(a, 0);
	EXPECT_EQ(asks(9, a, LPI + 7), 0);
	EXPECT_EQ(asks(9, a, LPI + 6), -EBUSY);
	fake_end();
}

/* In a VM that is not taken over, what a client has may not be mapped past the arbiter. */
TEST(gate_refuses_what_is_booked_before_the_vm_is_taken_over)
{
	struct fake_irqfd *x;

	begin();
	x = source(a, 0, 1);
	settle();
	guest_discards(a, 0);
	x->book->book.live = false;
	EXPECT_EQ(asks(1, a, LPI), -EBUSY);
	x->book->book.live = true;
	fake_end();
}

static void guest_maps_it_elsewhere(void)
{
	guest_discards(a, 0);
	guest_maps(a, 0, LPI + 3);
}

TEST(gate_says_again_where_the_guest_has_been_quicker)
{
	struct fake_irqfd *x;

	begin();
	x = source(a, 0, 1);
	host.at[BEFORE_ADD] = guest_maps_it_elsewhere;
	look();
	/* It was looked at again. */
	HOLDS(x);
	EXPECT_DID("map 1 A8195, raise A8195");
	EXPECT_EQ(info().gate_refusals, 1);
	EXPECT_EQ(info().grant_failures, 0);
	fake_end();
}

TEST(promotion_passes_over_who_is_routed_elsewhere_by_now)
{
	struct fake_irqfd *x, *y, *z;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	fake_did();
	route(y, 1);
	deassign(x);
	settle();
	HOLDS(y);
	HOLDS(z);
	EXPECT_DID("unmap 1, map 3 A8192, map 2 A8193, raise A8192, raise A8193");
	fake_end();
}

static struct fake_irqfd *moving;

static void it_is_routed_elsewhere(void)
{
	route(moving, 1);
}

TEST(grant_of_one_that_is_routed_elsewhere_meanwhile)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	moving = x;
	host.at[BEFORE_GRANT] = it_is_routed_elsewhere;
	settle();
	HOLDS(x);
	EXPECT_EQ(dump_of(x).vintid, LPI + 1);
	HOLDS(y);
	EXPECT_DID("map 2 A8192, map 1 A8193, raise A8192, raise A8193");
	fake_end();
}

/* KVM has the route as it was when the grant began: it is mapped, and taken back. */
TEST(grant_of_one_that_is_routed_elsewhere_in_the_middle)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	moving = x;
	host.at[BEFORE_ADD] = it_is_routed_elsewhere;
	settle();
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(dump_of(x).vintid, LPI + 1);
	fake_end();
}

TEST(gate_forgets_what_the_irqchip_turns_down)
{
	struct fake_irqfd *x, *y;

	begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_DID("");
	y = source(a, 0, 2);
	settle();
	HOLDS(y);
	EXPECT_DID("map 2 A8192, raise A8192");
	fake_end();
}

/* It passed, and the irqchip turned the VMOVI down: the mapping stays. */
TEST(a_move_that_is_turned_down_changes_nothing)
{
	struct fake_irqfd *x, *y;
	struct vb_client *client;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	EXPECT_EQ(broker_gate(&a->book->book, &x, 1, LPI, a->target, VB_ASK_MOVE, &client), 0);
	broker_gate_done(client, -ENOMEM);
	HOLDS(x);
	EXPECT_EQ(asks(2, a, LPI), -EBUSY);
	WAITS(y);
	fake_end();
}

TEST(two_vms_with_the_same_vintid_have_two_slots)
{
	struct fake_irqfd *x, *y, *z;

	begin();
	x = source(a, 0, 1);
	y = source(b, 0, 2);
	z = source(b, 0, 3);
	settle();
	EXPECT_DID("map 1 A8192, raise A8192, map 2 B8192, raise B8192");
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(info().nr_vms, 2);
	EXPECT_EQ(info().nr_slots, 2);
	EXPECT_EQ(info().nr_held, 2);
	deassign(x);
	settle();
	EXPECT_DID("unmap 1, raise A8192");
	WAITS(z);
	deassign(y);
	settle();
	EXPECT_DID("unmap 2, map 3 B8192, raise B8192");
	fake_end();
}

TEST(slots_are_found_whatever_the_order)
{
	static const u32 order[NR_LPIS] = { 3, 6, 1, 7, 0, 5, 2, 4 };
	struct fake_irqfd *first[NR_LPIS], *second[NR_LPIS];
	u32 i;

	begin();
	for (i = 0; i < NR_LPIS; i++)
		guest_maps(a, i, LPI + i);
	for (i = 0; i < NR_LPIS; i++)
		first[order[i]] = source(a, order[i], 1 + order[i]);
	settle();
	for (i = 0; i < NR_LPIS; i++)
		second[i] = source(a, i, 1 + NR_LPIS + i);
	settle();
	EXPECT_EQ(info().nr_slots, NR_LPIS);
	EXPECT_EQ(info().nr_held, NR_LPIS);
	for (i = 0; i < NR_LPIS; i++) {
		HOLDS(first[order[i]]);
		WAITS(second[order[i]]);
		deassign(first[order[i]]);
		settle();
		HOLDS(second[order[i]]);
		deassign(second[order[i]]);
		EXPECT_EQ(info().nr_slots, NR_LPIS - 1 - i);
	}
	fake_end();
}

/* --- one number, two clients ----------------------------------------------------------------- */

TEST(host_irq_booked_twice_is_unmappable)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	settle();
	fake_did();
	y = source(a, 1, 1);
	settle();
	EXPECT_STATE(y, UNMAPPABLE, EEXIST);
	EXPECT_DID("");
	HOLDS(x);
	/* When y leaves, x keeps the host IRQ. */
	deassign(y);
	settle();
	EXPECT_DID("");
	HOLDS(x);
	EXPECT(broker_is_booked(1, NULL));
	deassign(x);
	EXPECT_DID("unmap 1");
	EXPECT(!broker_is_booked(1, NULL));
	settle();
	EXPECT_DID("raise A8192");
	fake_end();
}

TEST(host_irq_booked_twice_is_the_seconds_when_the_first_leaves)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	settle();
	y = source(a, 1, 1);
	settle();
	EXPECT_STATE(y, UNMAPPABLE, EEXIST);
	EXPECT(!is_served(y));
	deassign(x);
	settle();
	HOLDS(y);
	EXPECT(is_served(y));
	deassign(y);
	EXPECT(!broker_is_booked(1, NULL));
	/* The number is free for the next. */
	x = source(b, 0, 1);
	settle();
	HOLDS(x);
	fake_end();
}

/* They are clients of two VMs, and three want it. */
TEST(host_irq_booked_twice_is_told_of_in_the_other_vm)
{
	struct fake_irqfd *x, *y, *z;

	begin();
	x = source(a, 0, 1);
	settle();
	y = source(b, 0, 1);
	z = source(b, 1, 1);
	settle();
	EXPECT_STATE(y, UNMAPPABLE, EEXIST);
	EXPECT_STATE(z, UNMAPPABLE, EEXIST);
	del_producer(x);
	settle();
	/* One of them, and then the other. */
	EXPECT_EQ(info().nr_held, 1);
	EXPECT_EQ(dump_of(y).state + dump_of(z).state,
		  VLPI_BROKER_HOLDER + VLPI_BROKER_UNMAPPABLE);
	deassign(dump_of(y).state == VLPI_BROKER_HOLDER ? y : z);
	settle();
	EXPECT_EQ(info().nr_held, 1);
	fake_end();
}

static void it_leaves_meanwhile(void)
{
	del_producer(moving);
}

/* Between the look at the book and the note that it is waited for. */
TEST(host_irq_booked_twice_is_released_just_then)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	settle();
	y = source(b, 0, 1);
	moving = x;
	before_lock_of_class = "refused_lock";
	before_lock = it_leaves_meanwhile;
	settle();
	EXPECT(!before_lock);
	HOLDS(y);
	fake_end();
}

TEST(stray_of_a_dead_vm_is_not_touched)
{
	struct fake_irqfd *x, *y;

	begin();
	host.irq[1] = (struct fake_irq){
		.forwarded = true, .stray = true, .vm = b, .vintid = LPI + 7
	};
	x = source(a, 0, 1);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EUCLEAN);
	y = source(a, 0, 2);
	settle();
	HOLDS(y);
	EXPECT_DID("map 2 A8192, raise A8192");
	deassign(x);
	settle();
	EXPECT_DID("");
	EXPECT(host.irq[1].forwarded);
	fake_end();
}

/* --- that the checks can fail ---------------------------------------------------------------- */

TEST_BUG(fake_sees_two_host_irqs_on_one_vlpi)
{
	struct fake_irqfd *x;

	begin();
	source(a, 0, 1);
	x = source(a, 0, 2);
	settle();
	host.irq[2] = host.irq[1];
	EXPECT(x);
	fake_check();
}

TEST_BUG(fake_sees_what_is_forwarded_and_not_booked)
{
	begin();
	source(a, 0, 1);
	settle();
	host.irq[2] = (struct fake_irq){ .forwarded = true, .vm = a, .vintid = LPI + 1 };
	fake_check();
}

TEST_BUG(fake_sees_hands_change_without_a_raise)
{
	begin();
	source(a, 0, 1);
	settle();
	a->lpi[0].raise_due = true;
	fake_check();
}

TEST_BUG(fake_sees_an_edge_that_is_lost)
{
	begin();
	source(a, 0, 1);
	settle();
	fires(1);
	a->lpi[0].direct = false;
	a->lpi[0].soft = false;
	fake_check();
}

TEST_BUG(fake_sees_a_slot_without_a_holder)
{
	begin();
	source(a, 0, 1);
	settle();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	a->book->queued = false;
	atomic_set(&a->book->book.changed, 0);
	fake_check_settled();
}
