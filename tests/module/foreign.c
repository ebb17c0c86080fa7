// SPDX-License-Identifier: GPL-2.0-only
/*
 * Foreign mappings (H33): a vendor's kernel has KVM forward host IRQs of its own, with no irqfd and
 * no irqbypass. They were there before the module, or come later; each vLPI has one host IRQ all
 * the same, and what KVM has left behind of irqfds is told from them. A module that is for this
 * test only stands for that kernel (tests/lab/run --helpers).
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define HELPER			"vlpi_test_foreign"
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)

enum op { FORWARD, TAKE_BACK, RAISE };

FIXTURE(foreign) {
	struct sharers sh;
	/* Its host IRQ is what somebody else has: its eventfd is no irqfd's. */
	struct source *alien;
	/* An irqfd that no device signals, as a vendor's kernel has one for each of its own. */
	int by_hand;
	bool was_loaded;
};

FIXTURE_SETUP(foreign)
{
	self->by_hand = -1;
	if (!helper_built(HELPER))
		SKIP(return, NO_HELPER(HELPER));
	self->was_loaded = broker_loaded();
	broker_want(false);
	sharers_prepare(&self->sh, "foreign", 0, 3);
	guest_map(self->sh.vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	self->alien = source_open(3);
}

FIXTURE_TEARDOWN(foreign)
{
	if (!self->sh.vm)
		return;
	/* Where it is mapped still, KVM unmaps it with the VM. */
	if (self->by_hand >= 0)
		close(self->by_hand);
	sharers_free(&self->sh);
	source_close(self->alien);
	broker_want(self->was_loaded);
}

/* Returns what KVM or the irqchip said. */
static int somebody(FIXTURE_DATA(foreign) *self, enum op op, uint32_t event)
{
	char params[160];
	int ret;

	snprintf(params, sizeof(params), "op=%d host_irq=%d vm=%d devid=%u event=%u doorbell=%lu",
		 op, source_host_irq(self->alien), self->sh.vm->fd, SHARED_DEVID, event,
		 (unsigned long)GUEST_GITS_TRANSLATER);
	ret = helper_load(HELPER, params);
	if (ret)
		die("%s: %s", HELPER, strerror(-ret));
	ret = helper_number(HELPER, "result");
	helper_unload(HELPER);
	return ret;
}

/* Raised by somebody else, its interrupt goes straight into the guest; or to the host alone. */
static enum verdict somebody_raises(FIXTURE_DATA(foreign) *self, uint32_t intid)
{
	long long handled, ran;
	uint64_t taken, took;

	await_effects();
	handled = host_irq_count(self->alien->irq_name);
	taken = guest_count(self->sh.vm, intid);
	if (somebody(self, RAISE, 0))
		return LOST;
	wait_for(guest_count(self->sh.vm, intid) != taken ||
		 host_irq_count(self->alien->irq_name) != handled, "what somebody else has raised");
	await_effects();
	took = guest_count(self->sh.vm, intid) - taken;
	ran = host_irq_count(self->alien->irq_name) - handled;
	if (took > 1 || ran > 1)
		return STRAY;
	return took ? ran ? SOFTWARE : DIRECT : HOST;
}

#define EXPECT_FOREIGN(want, intid)					\
	do {								\
		enum verdict __got = somebody_raises(self, intid);	\
									\
		EXPECT_EQ((want), __got) {				\
			TH_LOG("a foreign interrupt is %s, not %s", verdict_name(__got), \
			       verdict_name(want));			\
		}							\
	} while (0)

static void assign_by_hand(FIXTURE_DATA(foreign) *self)
{
	self->by_hand = eventfd_new();
	vm_irqfd(self->sh.vm, self->by_hand, SHARED_GSI, 0);
}

static void deassign_by_hand(FIXTURE_DATA(foreign) *self)
{
	vm_irqfd(self->sh.vm, self->by_hand, SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->by_hand);
	self->by_hand = -1;
}

/* How many clients the module says to have one at their vLPI; @nr: vLPIs, by its totals. */
static unsigned int shown(unsigned int *nr)
{
	struct vlpi_broker_client *all;
	struct vlpi_broker_info info;
	unsigned int clients, n = 0;

	broker_info(&info);
	*nr = info.nr_foreign;
	all = broker_dump(&clients);
	for (unsigned int i = 0; i < clients; i++)
		n += !!(all[i].flags & VLPI_BROKER_CLIENT_FOREIGN);
	free(all);
	return n;
}

static bool is_shown(unsigned int vlpis, unsigned int clients)
{
	unsigned int nr;

	return shown(&nr) == clients && nr == vlpis;
}

static unsigned int holders(struct sharers *sh)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < sh->nr; i++)
		n += sh->src[i]->vm && broker_holds(sh->src[i]);
	return n;
}

/* Waits, behind the foreign one, and is served in software; no edge is lost. */
static void expect_waiting(struct __test_metadata *_metadata, struct sharers *sh, unsigned int i)
{
	struct vlpi_broker_client c = { 0 };
	uint64_t before;

	wait_for(broker_client(sh->src[i], &c) && !(c.flags & VLPI_BROKER_CLIENT_UNSETTLED),
		 "it is settled");
	EXPECT_EQ(VLPI_BROKER_WAITER, c.state) {
		TH_LOG("behind a foreign mapping it is %s", broker_state_name(c.state));
	}
	EXPECT_TRUE(c.flags & VLPI_BROKER_CLIENT_FOREIGN);
	EXPECT_FALSE(c.flags & VLPI_BROKER_CLIENT_FORWARDED);
	EXPECT_VERDICT(sh->src[i], SOFTWARE);
	guest_enable(sh->vm, SHARED_INTID, false);
	await_effects();
	before = sharers_count(sh);
	source_fire(sh->src[i]);
	source_ack(sh->src[i]);
	await_effects();
	EXPECT_EQ(before, sharers_count(sh));
	guest_enable(sh->vm, SHARED_INTID, true);
	EXPECT_TRUE(sharers_takes(sh, before));
}

VM_TEST_F(foreign, lives_on, "H33 H25 P6")
{
	struct vm *vm = self->sh.vm;
	uint64_t before;

	ASSERT_EQ(0, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	assign_by_hand(self);
	broker_want(true);
	lab_mark_mapped(1, 1);
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	EXPECT_TRUE(is_shown(1, 1));
	before = guest_count(vm, SHARED_INTID);
	eventfd_kick(self->by_hand);
	EXPECT_TRUE(guest_takes(vm, SHARED_INTID, before));
	deassign_by_hand(self);
	EXPECT_TRUE(is_shown(0, 0));
	vm_sentinel(vm, false);
	broker_want(false);
	lab_mark_mapped(2, 1);
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	/* And a second load, of a VM that has no irqfd. */
	broker_want(true);
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	somebody(self, TAKE_BACK, SHARED_EVENT);
	lab_mark_mapped(3, 0);
	EXPECT_FOREIGN(HOST, SHARED_INTID);
	vm_sentinel(vm, true);
}

VM_TEST_F(foreign, comes_later, "H33 P6")
{
	struct vm *vm = self->sh.vm;

	broker_want(true);
	ASSERT_EQ(0, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	assign_by_hand(self);
	EXPECT_TRUE(is_shown(1, 1));
	somebody(self, TAKE_BACK, SHARED_EVENT);
	EXPECT_FOREIGN(HOST, SHARED_INTID);
	EXPECT_TRUE(is_shown(0, 0));
	/* To a vLPI that has an irqfd by then. */
	ASSERT_EQ(0, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	EXPECT_TRUE(is_shown(1, 1));
	/* The guest takes the event away; KVM unmaps. */
	guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
	lab_mark_mapped(4, 0);
	EXPECT_FOREIGN(HOST, SHARED_INTID);
	sharers_map(&self->sh);
	EXPECT_TRUE(is_shown(0, 0));
	/* And of a VM that the module does not know. */
	deassign_by_hand(self);
	vm_sentinel(vm, false);
	ASSERT_EQ(0, somebody(self, FORWARD, OTHER_EVENT));
	EXPECT_FOREIGN(DIRECT, OTHER_INTID);
	vm_sentinel(vm, true);
	EXPECT_FOREIGN(DIRECT, OTHER_INTID);
}

VM_TEST_F(foreign, irqfds_wait_behind_it, "H33 P1 P2 P3")
{
	struct sharers *sh = &self->sh;

	ASSERT_EQ(0, somebody(self, FORWARD, SHARED_EVENT));
	broker_want(true);
	sharers_assign(sh, 0);
	sharers_assign(sh, 1);
	await_effects();
	lab_mark_mapped(5, 1);
	EXPECT_TRUE(is_shown(1, 2));
	expect_waiting(_metadata, sh, 0);
	expect_waiting(_metadata, sh, 1);
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	/* One that waits leaves, and comes back. */
	source_deassign(sh->src[0]);
	sharers_assign(sh, 0);
	await_effects();
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	expect_waiting(_metadata, sh, 0);
	lab_mark_mapped(6, 1);
	/* When it goes, they have the vLPI. */
	somebody(self, TAKE_BACK, SHARED_EVENT);
	wait_for(holders(sh) == 1, "one of the waiters holds the vLPI");
	await_effects();
	lab_mark_mapped(7, 1);
	EXPECT_TRUE(is_shown(0, 0));
	EXPECT_SOURCES("the foreign one has gone");
}

/* From 6.12 on KVM itself does not ask, and says nothing. */
VM_TEST_F(foreign, irqfds_keep_what_they_have, "H33 P1 P3")
{
	int refused = kernel_before(6, 12) ? -EBUSY : 0;
	struct sharers *sh = &self->sh;

	broker_want(true);
	sharers_assign(sh, 0);
	sharers_assign(sh, 1);
	await_effects();
	EXPECT_EQ(refused, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_TRUE(is_shown(0, 0));
	EXPECT_SOURCES("one comes to a vLPI that is held");
	/* The next holder is an irqfd's, too. */
	source_deassign(sh->src[sharers_holder(sh)]);
	EXPECT_SOURCES("the holder has left");
	EXPECT_EQ(refused, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_SOURCES("it comes again");
	sharers_deassign_all(sh);
	await_effects();
	EXPECT_EQ(0, somebody(self, FORWARD, SHARED_EVENT));
	EXPECT_FOREIGN(DIRECT, SHARED_INTID);
	sharers_assign(sh, 2);
	await_effects();
	lab_mark_mapped(8, 1);
	expect_waiting(_metadata, sh, 2);
	somebody(self, TAKE_BACK, SHARED_EVENT);
	wait_for(holders(sh) == 1, "the waiter holds the vLPI");
	await_effects();
	EXPECT_SOURCES("the foreign one has gone");
}

/* Has KVM leave host IRQs mapped: up to 6.1 all three, on 6.16 and later one. */
static void leave_behind(struct sharers *sh)
{
	if (kernel_before(6, 12)) {
		guest_its(sh->vm, false);
		sharers_deassign_all(sh);
		guest_its(sh->vm, true);
		return;
	}
	for (unsigned int i = 0; i < sh->nr; i++)
		vm_route_none(sh->vm, SHARED_GSI + i);
	sharers_deassign_all(sh);
	sharers_route_all(sh);
}

/* Of those KVM knows one. The others are cured at the load, and that when its producer is back. */
VM_TEST_F(foreign, leftovers_are_told_from_it, "H33 H25 P1 P3 P4")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info info;

	ASSERT_EQ(0, somebody(self, FORWARD, OTHER_EVENT));
	sharers_assign_all(sh);
	await_effects();
	leave_behind(sh);
	broker_want(true);
	broker_info(&info);
	EXPECT_EQ(kernel_before(6, 12) ? 2 : 0, info.forced_unmaps);
	EXPECT_FOREIGN(DIRECT, OTHER_INTID);
	sharers_assign_all(sh);
	EXPECT_PLACED("they are back");
	EXPECT_TRUE(is_shown(0, 0));
	lab_mark_mapped(9, 2);
	EXPECT_FOREIGN(DIRECT, OTHER_INTID);
	somebody(self, TAKE_BACK, OTHER_EVENT);
	EXPECT_SOURCES("they are back, and the foreign one has gone");
	sharers_deassign_all(sh);
	await_effects();
	lab_mark_mapped(10, 0);
}

TEST_MAIN
