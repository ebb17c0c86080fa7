// SPDX-License-Identifier: GPL-2.0-only
/*
 * P7: what happens is booked, and no more: in any context, in a time that does not grow with the
 * VM, and for that VM alone. That nothing is allocated and nothing sleeps, the fake host sees each
 * time.
 */
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* --- how long it takes ----------------------------------------------------------------------- */

static struct fake_irqfd *one, *waiter;

static void connects(void)
{
	add_producer(waiter, 20);
}

static void disconnects(void)
{
	del_producer(waiter);
}

static void is_rerouted(void)
{
	route(one, 1);
}

static void tables_change(void)
{
	broker_changed(&a->book->book, VB_WALK_ALL);
}

static void is_signalled(void)
{
	broker_signal(&waiter->client);
}

static void is_raised(void)
{
	broker_raise(&waiter->client);
}

static void is_refused(void)
{
	struct vb_client *client;

	EXPECT_EQ(broker_gate(&a->book->book, &one, 20, LPI, a->target, VB_ASK_MAP, &client),
		  -EBUSY);
}

static void moves(void)
{
	guest_moves(a, LPI);
}

static void is_unmapped(void)
{
	guest_discards(a, 0);
}

static void ends(void)
{
	deassign(waiter);
}

/* Objects that were passed on the way through all of something. The host's checks do not count. */
static unsigned int walked_by(void (*what)(void), bool with_producer, u32 others)
{
	unsigned int walked;
	u32 i;

	fake_begin();
	one = source(a, 0, 1);
	waiter = assign(a, 0);
	if (with_producer)
		add_producer(waiter, 20);
	for (i = 0; i < others; i++)
		source(i % 3 ? a : b, 0, 2 + i);
	settle();
	walked = nr_walked;
	what();
	walked = nr_walked - walked;
	fake_end();
	return walked;
}

#define EXPECT_NO_WALK(what, with_producer) \
	EXPECT_EQ(walked_by(what, with_producer, 2), walked_by(what, with_producer, 16))

TEST(connecting_walks_through_nothing)
{
	EXPECT_NO_WALK(connects, false);
}

TEST(disconnecting_walks_through_nothing)
{
	EXPECT_NO_WALK(disconnects, true);
}

TEST(changing_walks_through_nothing)
{
	EXPECT_NO_WALK(is_rerouted, true);
	EXPECT_NO_WALK(tables_change, true);
}

TEST(signalling_walks_through_nothing)
{
	EXPECT_NO_WALK(is_signalled, true);
	EXPECT_NO_WALK(is_raised, true);
}

TEST(gate_walks_through_nothing)
{
	EXPECT_NO_WALK(is_refused, true);
	EXPECT_NO_WALK(moves, true);
}

TEST(watch_walks_through_nothing)
{
	EXPECT_NO_WALK(is_unmapped, true);
}

TEST(ending_walks_through_nothing)
{
	EXPECT_NO_WALK(ends, false);
}

/*
 * What is done next is asked with interrupts off. The fake work item looks how far each call of
 * broker_next() goes: the tests here give it much to go through.
 */
TEST(slots_that_need_nothing_are_passed_one_by_one)
{
	int event;

	fake_begin();
	for (event = 0; event < NR_EVENTS; event++) {
		if (!a->event[event])
			guest_maps(a, event, LPI + event);
		assign(a, event);
	}
	settle();
	its_on(a, false);
	settle();
	its_on(a, true);
	settle();
	EXPECT_EQ(info().nr_slots, NR_EVENTS);
	fake_end();
}

/* The holder's host IRQ is being unmapped, which takes its time. */
TEST(signals_that_have_to_wait_are_passed_one_by_one)
{
	struct fake_irqfd *x, *waiting[12];
	u32 i;

	fake_begin();
	host.unset_by_route = true;
	x = source(a, 0, 1);
	for (i = 0; i < ARRAY_SIZE(waiting); i++)
		waiting[i] = source(a, 0, 2 + i);
	settle();
	get_stuck(a, true);
	del_producer(x);
	EXPECT(host.deleting == x);
	for (i = 0; i < ARRAY_SIZE(waiting); i++)
		signal_eventfd(waiting[i]);
	fake_did();
	look();
	EXPECT_DID("");
	get_stuck(a, false);
	settle();
	HOLDS(waiting[0]);
	EXPECT_EQ(info().injections, ARRAY_SIZE(waiting));
	fake_end();
}

TEST(irqfds_that_are_going_are_passed_one_by_one)
{
	struct fake_irqfd *x, *going[12];
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	for (i = 0; i < ARRAY_SIZE(going); i++)
		going[i] = source(a, 0, 2 + i);
	settle();
	for (i = 0; i + 1 < ARRAY_SIZE(going); i++)
		leave(going[i]);
	deassign(x);
	settle();
	HOLDS(going[i]);
	fake_end();
}

/* --- who is told ----------------------------------------------------------------------------- */

static void the_watch_has_told(void)
{
	EXPECT(a->book->queued);
}

TEST(what_is_booked_is_told)
{
	struct fake_irqfd *x, *y;
	u32 i;

	fake_begin();
	x = source(a, 0, 1);
	y = assign(a, 0);
	settle();
	for (i = 0; i < 2; i++) {
		u64 booked = a->book->book.booked;

		host.kicks = 0;
		add_producer(y, 2);
		EXPECT(a->book->queued);
		EXPECT(a->book->book.booked > booked);
		EXPECT(a->book->book.settled < a->book->book.booked);
		settle();
		EXPECT_EQ(a->book->book.settled, a->book->book.booked);
		route(y, 1);
		EXPECT(a->book->queued);
		settle();
		route(y, 0);
		settle();
		signal_eventfd(y);
		EXPECT(a->book->queued);
		settle();
		del_producer(y);
		EXPECT(a->book->queued);
		settle();
		guest_discards(a, 0);
		EXPECT(a->book->queued);
		settle();
		guest_maps(a, 0, LPI);
		EXPECT(a->book->queued);
		settle();
		HOLDS(x);
	}
	/* The watch tells by itself, whatever else does. */
	EXPECT(!a->book->queued);
	host.at[WATCHED] = the_watch_has_told;
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	deassign(y);
	EXPECT(a->book->queued);
	fake_end();
}

TEST(what_says_nothing_new_tells_nobody)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	settle();
	host.kicks = 0;
	guest_moves(a, LPI);
	settle();
	host.kicks = 0;
	/* Raised at once. */
	EXPECT(broker_raise(&y->client));
	/* Merged with the first. */
	EXPECT(broker_signal(&y->client));
	EXPECT_EQ(host.kicks, 1);
	EXPECT(broker_signal(&y->client));
	EXPECT_EQ(host.kicks, 1);
	EXPECT_EQ(dump_of(x).state, VLPI_BROKER_HOLDER);
	EXPECT_EQ(host.kicks, 1);
	fake_end();
}

/* --- settled --------------------------------------------------------------------------------- */

/* What is booked while a work item runs is settled by it, or is not said to be settled. */
static u64 settled_before;

static void something_is_booked(void)
{
	settled_before = a->book->book.settled;
	vm_is_told(a);
	broker_changed(&a->book->book, VB_WALK_ROUTES);
	EXPECT(a->book->book.settled < a->book->book.booked);
}

TEST(settled_is_said_when_all_is)
{
	enum moment moment;

	fake_begin();
	source(a, 0, 1);
	source(a, 0, 2);
	for (moment = BEFORE_LOOK; moment <= AFTER_RAISE; moment++) {
		if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE || moment == BEFORE_AIM ||
		    moment == AFTER_AIM)
			continue;
		guest_discards(a, 0);
		guest_maps(a, 0, LPI);
		host.at[moment] = something_is_booked;
		settle();
		EXPECT(!host.at[moment]);
		EXPECT_EQ(a->book->book.settled, a->book->book.booked);
		EXPECT(a->book->book.settled > settled_before);
	}
	fake_end();
}

TEST(stuck_vm_is_not_settled)
{
	struct fake_irqfd *x;
	u64 booked;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	get_stuck(a, true);
	route(x, 1);
	booked = a->book->book.booked;
	settle();
	EXPECT(a->book->book.settled < booked);
	EXPECT(dump_of(x).flags & VLPI_BROKER_CLIENT_UNSETTLED);
	get_stuck(a, false);
	settle();
	EXPECT(a->book->book.settled >= booked);
	EXPECT(!(dump_of(x).flags & VLPI_BROKER_CLIENT_UNSETTLED));
	fake_end();
}

/* --- two VMs --------------------------------------------------------------------------------- */

static struct fake_book before;

static void remember(struct fake_vm *vm)
{
	before = *vm->book;
}

static bool is_untouched(struct fake_vm *vm)
{
	return !memcmp(&before, vm->book, sizeof(before));
}

/* A life of one VM, with all that can happen; the other one's book is not written to. */
TEST(two_vms_never_touch_each_other)
{
	struct fake_irqfd *x, *y, *z, *theirs;
	struct vlpi_broker_client is, was;

	fake_begin();
	theirs = source(b, 0, 10);
	source(b, 0, 11);
	settle();
	remember(b);
	was = dump_of(theirs);
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	EXPECT(is_untouched(b));
	route(x, 1);
	settle();
	signal_eventfd(z);
	guest_moves(a, LPI);
	settle();
	guest_discards(a, 0);
	settle();
	guest_maps(a, 0, LPI);
	settle();
	EXPECT(is_untouched(b));
	its_on(a, false);
	settle();
	its_on(a, true);
	get_stuck(a, true);
	settle();
	get_stuck(a, false);
	settle();
	host.irq[3].refuse = ENOMEM;
	deassign(y);
	deassign(x);
	settle();
	deassign(z);
	settle();
	EXPECT(is_untouched(b));
	is = dump_of(theirs);
	EXPECT(!memcmp(&is, &was, sizeof(is)));
	EXPECT_EQ(b->halts, 1);
	fake_end();
}

static void look_at_b(void)
{
	look_at(b);
}

/* And one is settled while the other is in the middle of anything. */
TEST(one_vm_is_settled_while_the_other_is)
{
	enum moment moment;

	fake_begin();
	for (moment = 0; moment < DELETED; moment++) {
		struct fake_irqfd *x, *y, *theirs;

		x = source(a, 0, 1);
		y = source(a, 0, 2);
		if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE || moment == BEFORE_AIM ||
		    moment == AFTER_AIM || moment >= WATCHED) {
			settle();
			if (moment == BEFORE_REVOKE || moment == AFTER_REVOKE) {
				route(x, 1);
			} else {
				guest_discards(a, 0);
				guest_maps(a, 0, LPI);
			}
		}
		theirs = source(b, 0, 10);
		host.at[moment] = look_at_b;
		look_at(a);
		if (moment >= WATCHED && host.at[moment])
			guest_discards(a, 0);
		if (host.at[moment])
			FAIL("nothing happened at moment %u", moment);
		HOLDS(theirs);
		deassign(x);
		deassign(y);
		deassign(theirs);
		guest_maps(a, 0, LPI);
		settle();
	}
	fake_end();
}
