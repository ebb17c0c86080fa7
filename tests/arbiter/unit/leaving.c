// SPDX-License-Identifier: GPL-2.0-only
/* P4: producers and irqfds that go at any moment, also in the middle of a step for them (H45). */
#include <linux/lockdep.h>
#include <linux/rcupdate.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

static struct fake_irqfd *going;
static u32 comes_back_as;

static void look_at_a(void)
{
	look_at(a);
}

TEST(producer_that_leaves_twice_leaves_once)
{
	struct fake_irqfd *x;
	bool mapped = true;

	fake_begin();
	x = assign(a, 0);
	settle();
	/* It has none yet. */
	EXPECT(!broker_del_begin(&x->client, x, &mapped));
	EXPECT(!mapped);
	add_producer(x, 1);
	settle();
	fake_did();
	del_begins(x);
	EXPECT(!broker_del_begin(&x->client, x, &mapped));
	EXPECT(!mapped);
	del_ends();
	EXPECT(!broker_del_begin(&x->client, x, &mapped));
	EXPECT(!mapped);
	settle();
	EXPECT_DID("unmap 1, raise A8192");
	fake_end();
}

/* While it leaves, it is neither raised through nor followed by another. */
TEST(nothing_happens_at_the_slot_while_its_holder_leaves)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	del_begins(x);
	/* As the last signal that its driver's handler sends. */
	signal_eventfd(x);
	signal_eventfd(y);
	on_another_cpu(look_at_a);
	EXPECT_DID("");
	EXPECT(!broker_raise(&y->client));
	WAITS(y);
	del_ends();
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192, raise A8192");
	HOLDS(y);
	fake_end();
}

static void it_begins_to_leave(void)
{
	del_begins(going);
}

static void it_leaves(void)
{
	del_begins(going);
	if (del_can_end())
		del_ends();
}

static void it_is_deassigned(void)
{
	deassign(going);
	going = NULL;
}

static void it_comes_back(void)
{
	it_leaves();
	if (!host.deleting)
		add_producer(going, comes_back_as);
}

static void its_event_goes_too(void)
{
	guest_discards(a, 0);
}

static void its_route_goes_too(void)
{
	route(going, 1);
}

/* Before the gate nothing is mapped for it any more; past it what was mapped is taken back. */
TEST(producer_leaves_while_it_is_granted)
{
	static const enum moment moments[] = {
		BEFORE_GRANT, BEFORE_ADD, BEFORE_GATE, PAST_GATE, MAPPED, AFTER_GRANT
	};
	u32 i, maps = 0;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments) * 2; i++) {
		struct fake_irqfd *y;

		host.unset_by_route = i % 2;
		going = source(a, 0, 1);
		y = source(a, 0, 2);
		host.at[moments[i / 2]] = it_leaves;
		fake_did();
		settle();
		EXPECT(!host.at[moments[i / 2]]);
		maps += moments[i / 2] >= PAST_GATE || moments[i / 2] == AFTER_GRANT;
		EXPECT_STATE(going, IDLE, 0);
		HOLDS(y);
		EXPECT(!host.irq[1].forwarded);
		deassign(y);
		deassign(going);
		settle();
	}
	EXPECT_EQ(info().gate_refusals, 2 * 2 + 2);
	EXPECT_EQ(info().revokes, maps + ARRAY_SIZE(moments) * 2);
	fake_end();
}

/* It leaves, and what it was granted is gone by the guest's doing and it leads elsewhere, too. */
TEST(producer_leaves_while_it_is_granted_and_leads_elsewhere)
{
	static void (*const what[])(void) = { its_event_goes_too, its_route_goes_too };
	static const enum moment moments[] = { BEFORE_ADD, PAST_GATE, MAPPED };
	struct fake_irqfd *y;
	u32 i, j;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		for (j = 0; j < ARRAY_SIZE(what); j++) {
			going = source(a, 0, 1);
			/* Once alone there, and once not. */
			y = i % 2 ? source(a, 0, 2) : NULL;
			host.at[moments[i]] = it_begins_to_leave;
			host.at[AFTER_GRANT] = what[j];
			look();
			settle();
			EXPECT_EQ(going->host_irq, 0);
			deassign(going);
			if (y)
				deassign(y);
			guest_maps(a, 0, LPI);
			settle();
		}
	}
	fake_end();
}

static void it_is_routed_away_and_looked_at(void)
{
	route(going, 1);
	look_at(a);
}

/* It is unmapped, and has not left yet. */
TEST(look_just_before_a_producer_has_left)
{
	static void (*const what[])(void) = { look_at_a, it_is_routed_away_and_looked_at };
	struct fake_irqfd *y;
	u32 i;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(what) * 4; i++) {
		going = source(a, 0, 1);
		y = source(a, 0, 2);
		if (i & 1)
			settle();
		if (i & 2)
			host.at[PAST_GATE] = it_begins_to_leave;
		host.at[DELETED] = what[i / 4];
		look();
		if (!(i & 2))
			del_producer(going);
		EXPECT(!host.at[DELETED] || i == 3 || i == 7);
		host.at[PAST_GATE] = NULL;
		host.at[DELETED] = NULL;
		settle();
		deassign(going);
		deassign(y);
		settle();
	}
	fake_end();
}

/* The settler takes it back because of its route, and its producer leaves: both unmap it. */
TEST(producer_leaves_while_it_is_revoked)
{
	static const enum moment moments[] = { BEFORE_REVOKE, WATCHED, UNMAPPED, AFTER_REVOKE };
	struct fake_irqfd *y;
	u32 i, j;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments) * 2; i++) {
		for (j = 0; j < 2; j++) {
			host.unset_by_route = i % 2;
			going = source(a, 0, 1);
			y = j ? source(a, 0, 2) : assign(a, 0);
			settle();
			fires(1);
			route(going, 1);
			host.at[moments[i / 2]] = it_leaves;
			settle();
			EXPECT(!host.at[moments[i / 2]]);
			EXPECT_STATE(going, IDLE, 0);
			EXPECT_EQ(dump_of(going).vintid, LPI + 1);
			if (j)
				HOLDS(y);
			deassign(going);
			deassign(y);
			settle();
			guest_takes(a, LPI);
		}
	}
	EXPECT_EQ(info().revokes, ARRAY_SIZE(moments) * 2 * 3);
	fake_end();
}

/* The settler begins to take it back when its producer is leaving already. */
TEST(holder_is_routed_away_while_its_producer_leaves)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	fake_did();
	del_begins(x);
	route(x, 1);
	on_another_cpu(look_at_a);
	EXPECT_DID("");
	del_ends();
	settle();
	EXPECT_DID("unmap 1, map 2 A8192, raise A8192");
	HOLDS(y);
	EXPECT_EQ(dump_of(x).vintid, LPI + 1);
	EXPECT_EQ(info().revokes, 1);
	fake_end();
}

/* It leaves at each moment of a life of a VM, in each way. fake_check() says what is wrong then. */
TEST(all_go_at_each_moment)
{
	static void (*const how[])(void) = {
		it_begins_to_leave, it_leaves, it_is_deassigned, it_comes_back
	};
	enum moment moment;
	u32 i, kind, which;

	fake_begin();
	for (moment = 0; moment < DELETED; moment++) {
		for (i = 0; i < ARRAY_SIZE(how) * 2 * 2; i++) {
			struct fake_irqfd *x, *y, *z;

			kind = i / ARRAY_SIZE(how) % 2;
			which = i / ARRAY_SIZE(how) / 2;
			host.unset_by_route = kind;
			x = source(a, 0, 1);
			y = source(a, 0, 2);
			z = source(a, 0, 3);
			going = which ? y : x;
			comes_back_as = 4 + i % 2;
			if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE ||
			    moment == BEFORE_AIM || moment == AFTER_AIM || moment >= WATCHED)
				settle();
			fires(1);
			host.at[moment] = how[i % ARRAY_SIZE(how)];
			signal_eventfd(z);
			look();
			if (host.at[moment]) {
				if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE) {
					route(x, 1);
				} else {
					guest_discards(a, 0);
					guest_maps(a, 0, LPI);
				}
				settle();
			}
			if (host.at[moment])
				FAIL("nothing happened at moment %u", moment);
			settle();
			while (next_irqfd(NULL))
				deassign(next_irqfd(NULL));
			settle();
			guest_takes(a, LPI);
		}
	}
	fake_end();
}

/* The host IRQ is another's by the time that the gate is asked. */
static void its_number_goes_to_another(void)
{
	struct fake_irqfd *other;

	del_producer(going);
	other = next_irqfd(going);
	add_producer(other, 1);
}

TEST(number_is_anothers_before_the_gate)
{
	static const enum moment moments[] = { BEFORE_GRANT, BEFORE_ADD, BEFORE_GATE };
	struct fake_irqfd *other;
	u32 i;

	fake_begin();
	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		going = assign(a, 0);
		other = assign(a, 1);
		settle();
		add_producer(going, 1);
		host.at[moments[i]] = its_number_goes_to_another;
		settle();
		EXPECT(!host.at[moments[i]]);
		EXPECT_STATE(going, IDLE, 0);
		HOLDS(other);
		EXPECT_EQ(dump_of(other).vintid, LPI + 1);
		deassign(going);
		deassign(other);
		settle();
	}
	fake_end();
}

/* A VMM is killed while one of its irqfds is being granted. */
static void all_of_it_go(void)
{
	struct fake_irqfd *irqfd, *next;

	for_each_irqfd(irqfd)
		leave(irqfd);
	for (irqfd = next_irqfd(NULL); irqfd; irqfd = next) {
		next = next_irqfd(irqfd);
		deassign(irqfd);
	}
}

TEST(vmm_is_killed_at_each_moment)
{
	enum moment moment;
	u32 i;

	fake_begin();
	for (moment = 0; moment <= AFTER_RAISE; moment++) {
		for (i = 0; i < 3; i++)
			source(a, 0, 1 + i);
		source(a, 1, 5);
		if (moment % (BEFORE_RAISE + 1) == BEFORE_REVOKE ||
		    moment % (BEFORE_RAISE + 1) == BEFORE_AIM) {
			settle();
			route(next_irqfd(NULL), 1);
			guest_discards(a, 1);
		}
		host.at[moment] = all_of_it_go;
		settle();
		if (host.at[moment])
			FAIL("nothing happened at moment %u", moment);
		EXPECT(!a->book);
		EXPECT_EQ(a->pins, 0);
		guest_maps(a, 1, LPI + 1);
	}
	fake_end();
}

/* A reader of the table of host IRQs is at one that moves to another place in it just then. */
static void it_gets_another_number(void)
{
	del_producer(going);
	add_producer(going, comes_back_as);
}

TEST(unmap_is_seen_while_another_number_moves)
{
	struct fake_irqfd *x;

	fake_begin();
	/* Numbers with one remainder are in one chain of the fake's table, the last one first. */
	x = source(a, 0, 3);
	settle();
	going = source(b, 0, 6);
	settle();
	comes_back_as = 7;
	while_reader_walks = it_gets_another_number;
	guest_discards(a, 0);
	EXPECT_EQ(going->host_irq, 7);
	EXPECT_EQ(info().unmaps_behind, 1);
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	fake_end();
}

TEST(gate_finds_a_number_while_another_moves)
{
	struct vb_client *client;
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 3);
	settle();
	going = source(b, 0, 6);
	settle();
	comes_back_as = 7;
	while_reader_walks = it_gets_another_number;
	/* Not taken over yet, so that only what is booked is refused. */
	x->book->book.live = false;
	EXPECT_EQ(broker_gate(&a->book->book, &x, 3, LPI + 1, a->target, VB_ASK_MAP, &client), -EBUSY);
	x->book->book.live = true;
	EXPECT_EQ(going->host_irq, 7);
	fake_end();
}

static void look_at_b(void)
{
	look_at(b);
}

static void the_next_reader_meets_it(void)
{
	while_reader_walks = look_at_b;
}

/* Two wait for a device, and the first of them is turned down again just when it was told. */
TEST(release_is_told_to_all)
{
	struct fake_vm *const c = &host.vm[2];
	struct fake_irqfd *x, *y;

	fake_begin();
	guest_maps(c, 0, LPI);
	host.irqs_per_device = 4;
	source(c, 0, 1);
	settle();
	x = source(a, 0, 2);
	settle();
	/* The last one is the first in its chain. */
	host.irq[3].refuse = EINVAL;
	y = source(b, 0, 3);
	settle();
	EXPECT_STATE(x, UNMAPPABLE, EINVAL);
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	host.at[AFTER_AIM] = the_next_reader_meets_it;
	guest_discards(c, 0);
	settle();
	EXPECT(!while_reader_walks);
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	HOLDS(x);
	fake_end();
}
