// SPDX-License-Identifier: GPL-2.0-only
/* P1: the gate, which every mapping has to pass, and the ledger behind it. */
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

/* A mapping that KVM asks for by itself, as it may at any time. */
static int gate(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = &host.irq[host_irq];

	return broker_gate(host_irq, vm, vintid,
			   irq->forwarded && irq->vm == vm && irq->vintid == vintid);
}

TEST(gate_lets_the_holder_through)
{
	struct fake_irqfd *x;

	begin();
	x = source(a, 0, 1);
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
	fake_did();
	EXPECT_EQ(gate(2, a, LPI), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 1);
	EXPECT_DID("");
	HOLDS(x);
	WAITS(y);
	fake_end();
}

TEST(gate_refuses_to_map_the_holder_to_another_vlpi)
{
	begin();
	source(a, 0, 1);
	EXPECT_EQ(gate(1, a, LPI + 1), -EBUSY);
	EXPECT_EQ(gate(1, a, LPI + 7), -EBUSY);
	EXPECT_EQ(info().gate_refusals, 2);
	fake_end();
}

TEST(gate_refuses_to_map_the_holder_to_another_vm)
{
	begin();
	source(a, 0, 1);
	EXPECT_EQ(gate(1, b, LPI), -EBUSY);
	fake_end();
}

TEST(gate_lets_the_holder_move_to_another_vpe)
{
	begin();
	source(a, 0, 1);
	fake_did();
	guest_moves(a, LPI);
	EXPECT_DID("move 1");
	EXPECT_EQ(info().gate_refusals, 0);
	EXPECT_EQ(info().grants, 1);
	fake_end();
}

TEST(gate_refuses_what_the_arbiter_does_not_grant)
{
	begin();
	source(a, 0, 1);
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	EXPECT_EQ(gate(1, a, LPI), -EBUSY);
	settle();
	EXPECT_EQ(gate(1, a, LPI), 0);
	fake_end();
}

TEST(gate_refuses_a_producer_whose_route_leads_nowhere)
{
	begin();
	source(a, 2, 1);
	EXPECT_EQ(gate(1, a, LPI), -EBUSY);
	fake_end();
}

TEST(gate_refuses_a_stranger_once_it_is_live)
{
	begin();
	broker_set_live(false);
	EXPECT_EQ(broker_gate(9, a, LPI, false), 0);
	broker_set_live(true);
	EXPECT_EQ(broker_gate(9, a, LPI, false), -EBUSY);
	/* Mapped to this very LPI already: a move to another vPE, which passes. */
	EXPECT_EQ(broker_gate(9, a, LPI, true), 0);
	EXPECT_EQ(info().gate_refusals, 1);
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
	x = assign(a, 0);
	host.before_map = guest_maps_it_elsewhere;
	add_producer(x, 1);
	/* Nothing was mapped, also not to the LPI that the event leads to now. */
	EXPECT_DID("");
	EXPECT_EQ(info().gate_refusals, 1);
	EXPECT_EQ(info().grant_failures, 0);
	EXPECT_STATE(x, WAITER, 0);
	EXPECT(broker_is_unsettled());
	settle();
	HOLDS(x);
	EXPECT_DID("map 1 A8195, raise A8195");
	fake_end();
}

TEST(promotion_passes_over_who_is_routed_elsewhere_by_now)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	/* The arbiter has not looked yet when it promotes. */
	route_late(y, 1);
	deassign(x);
	WAITS(y);
	EXPECT_DID("unmap 1, raise A8192");
	settle();
	HOLDS(y);
	EXPECT_DID("map 2 A8193, raise A8193");
	fake_end();
}

/* Where the holder is not unmapped, no second host IRQ is mapped. */
TEST(gate_refuses_the_next_while_the_last_is_mapped)
{
	struct fake_irqfd *x, *y;

	begin();
	/* So that the fake KVM maps what passes the gate. */
	host.maps_again = true;
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	fake_did();
	host.revoke_does_nothing = true;
	host.force_does_nothing = true;
	del_producer(x);
	EXPECT_STATE(y, UNMAPPABLE, EBUSY);
	EXPECT(info().gate_refusals);
	EXPECT_DID("force");
}

TEST(gate_forgets_what_the_irqchip_turns_down)
{
	struct fake_irqfd *x, *y;

	begin();
	host.irq[1].refuse = EINVAL;
	x = source(a, 0, 1);
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_DID("");
	y = source(a, 0, 2);
	HOLDS(y);
	EXPECT_DID("map 2 A8192, raise A8192");
	fake_end();
}

TEST(gate_failed_does_not_touch_a_move)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	/* It passed, and the irqchip turned the VMOVI down: the mapping stays. */
	EXPECT_EQ(gate(1, a, LPI), 0);
	broker_gate_failed(1);
	HOLDS(x);
	EXPECT_EQ(gate(2, a, LPI), -EBUSY);
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
	EXPECT_DID("map 1 A8192, raise A8192, map 2 B8192, raise B8192");
	HOLDS(x);
	HOLDS(y);
	EXPECT_EQ(info().nr_vms, 2);
	EXPECT_EQ(info().nr_slots, 2);
	EXPECT_EQ(info().nr_held, 2);
	deassign(x);
	EXPECT_DID("unmap 1, raise A8192");
	WAITS(z);
	deassign(y);
	EXPECT_DID("unmap 2, map 3 B8192, raise B8192");
	fake_end();
}

TEST(slots_are_found_whatever_the_order)
{
	static const u32 order[NR_LPIS] = { 3, 6, 1, 7, 0, 5, 2, 4 };
	struct fake_irqfd *first[NR_LPIS], *second[NR_LPIS];
	u32 i;

	for (i = 0; i < NR_LPIS; i++)
		guest_maps(a, i, LPI + i);
	for (i = 0; i < NR_LPIS; i++)
		first[order[i]] = source(a, order[i], 1 + order[i]);
	for (i = 0; i < NR_LPIS; i++)
		second[i] = source(a, i, 1 + NR_LPIS + i);
	EXPECT_EQ(info().nr_slots, NR_LPIS);
	EXPECT_EQ(info().nr_held, NR_LPIS);
	for (i = 0; i < NR_LPIS; i++) {
		HOLDS(first[order[i]]);
		WAITS(second[order[i]]);
		deassign(first[order[i]]);
		HOLDS(second[order[i]]);
		deassign(second[order[i]]);
		EXPECT_EQ(info().nr_slots, NR_LPIS - 1 - i);
	}
	fake_end();
}

TEST(host_irq_booked_twice_is_unmappable)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	fake_did();
	y = source(a, 1, 1);
	EXPECT_STATE(y, UNMAPPABLE, EEXIST);
	EXPECT_DID("");
	HOLDS(x);
	/* When y leaves, x keeps the host IRQ. */
	deassign(y);
	EXPECT_DID("");
	HOLDS(x);
	EXPECT(broker_is_booked(1));
	deassign(x);
	EXPECT_DID("unmap 1, raise A8192");
	EXPECT(!broker_is_booked(1));
	fake_end();
}

TEST(host_irq_booked_twice_outlives_the_first)
{
	struct fake_irqfd *x, *y;

	begin();
	x = source(a, 0, 1);
	y = source(a, 1, 1);
	deassign(x);
	EXPECT_EQ(dump_of(y).state, VLPI_BROKER_UNMAPPABLE);
	deassign(y);
	EXPECT(!broker_is_booked(1));
	/* The number is free for the next. */
	x = source(b, 0, 1);
	HOLDS(x);
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
	EXPECT_STATE(x, UNMAPPABLE, EUCLEAN);
	y = source(a, 0, 2);
	HOLDS(y);
	EXPECT_DID("map 2 A8192, raise A8192");
	deassign(x);
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
	x = assign(a, 0);
	add_producer(x, 2);
	host.irq[2] = host.irq[1];
	fake_check();
}

TEST_BUG(fake_sees_what_is_forwarded_and_not_booked)
{
	begin();
	source(a, 0, 1);
	host.irq[2] = (struct fake_irq){ .forwarded = true, .vm = a, .vintid = LPI + 1 };
	fake_check();
}

TEST_BUG(fake_sees_hands_change_without_a_raise)
{
	begin();
	source(a, 0, 1);
	a->lpi[0].raise = RAISE_MUST_COME;
	fake_check();
}

TEST_BUG(fake_sees_a_slot_without_a_holder)
{
	begin();
	source(a, 0, 1);
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	fake_check_settled();
}
