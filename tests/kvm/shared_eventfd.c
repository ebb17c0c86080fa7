// SPDX-License-Identifier: GPL-2.0-only
/*
 * One eventfd in two places (H14): two irqfds of a VM or of two VMs that want it, two devices
 * that signal it, and an eventfd whose last file is closed under its irqfd.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define EXTRA_GSI		(SHARED_GSI + MAX_SHARERS)

/* ---- in one VM ------------------------------------------------------------------------------- */

FIXTURE(twice) {
	struct sharers sh;
};

FIXTURE_SETUP(twice)
{
	sharers_new(&self->sh, "twice", 0, 3);
	EXPECT_SOURCES("three assigned");
}

FIXTURE_TEARDOWN(twice)
{
	sharers_free(&self->sh);
}

VM_TEST_F(twice, in_one_vm, "H14")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info before = { 0 }, after = { 0 };

	vm_route_msi(sh->vm, EXTRA_GSI, SHARED_DEVID, SHARED_EVENT);
	if (broker_loaded())
		broker_info(&before);
	for (unsigned int i = 0; i < sh->nr; i++) {
		EXPECT_EQ(-EBUSY, try_irqfd(sh->vm, sh->src[i]->eventfd, EXTRA_GSI, 0));
		EXPECT_EQ(-EBUSY, try_irqfd(sh->vm, sh->src[i]->eventfd, sh->src[i]->gsi, 0));
		/* It has taken nothing along. */
		EXPECT_EQ(0, try_irqfd(sh->vm, sh->src[i]->eventfd, EXTRA_GSI,
				       KVM_IRQFD_FLAG_DEASSIGN));
		EXPECT_SOURCES("eventfd %u used twice", i + 1);
	}
	if (broker_loaded())
		broker_info(&after);
	EXPECT_EQ(before.nr_clients, after.nr_clients);
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all left");
}

/* Two devices signal one eventfd: irqbypass takes the first, and VFIO only logs that. */
FAILS_ON_STOCK("twice.by_two_sources", "7.3");
VM_TEST_F(twice, by_two_sources, "H14")
{
	struct sharers *sh = &self->sh;
	struct source *a = sh->src[0], *b = sh->src[1];
	int own = b->eventfd;

	source_vectors(b, false);
	b->eventfd = a->eventfd;
	source_vectors(b, true);
	EXPECT_VERDICT(a, DIRECT);
	EXPECT_VERDICT(b, SOFTWARE);
	EXPECT_VERDICT(sh->src[2], SOFTWARE);

	/* The first goes from the eventfd: the second was forgotten, and signals it still. */
	source_vectors(a, false);
	EXPECT_VERDICT(b, SOFTWARE);
	EXPECT_VERDICT(sh->src[2], DIRECT);

	/* It comes anew, and is the eventfd's producer now. */
	source_vectors(b, false);
	source_vectors(b, true);
	EXPECT_VERDICT(b, SOFTWARE);
	source_deassign(sh->src[2]);
	EXPECT_VERDICT(b, DIRECT);

	source_vectors(b, false);
	b->eventfd = own;
	source_vectors(b, true);
	source_vectors(a, true);
	source_drain(sh->src[2]);
	sharers_assign(sh, 2);
	EXPECT_SOURCES("one each again");
}

/* The last file of an eventfd is closed: KVM shuts the irqfd down, VFIO still signals it. */
VM_TEST_F(twice, after_it_was_closed, "H14")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client c;
	struct source *s;
	uint32_t gsi;

	for (unsigned int n = 1; n <= 4; n++) {
		int holder = sharers_holder(sh);

		ASSERT_LE(0, holder);
		s = sh->src[n % 2 ? holder : (holder + 1) % sh->nr];
		gsi = s->gsi;
		close(s->eventfd);
		s->vm = NULL;
		if (broker_loaded())
			wait_for(!broker_client(s, &c), "the irqfd is shut down");
		await_effects();
		EXPECT_SOURCES("eventfd of the %s closed", n % 2 ? "holder" : "waiter");

		source_vectors(s, false);
		s->eventfd = eventfd_new();
		EXPECT_EQ(-ENOENT, try_irqfd(sh->vm, s->eventfd, gsi, KVM_IRQFD_FLAG_DEASSIGN) ? :
			  -ENOENT);
		source_vectors(s, true);
		source_assign(s, sh->vm, gsi);
		EXPECT_SOURCES("with a new eventfd");
	}
}

/* ---- of two VMs ------------------------------------------------------------------------------ */

/* The second VM has a vLPI of its own, which is held, and an irqfd on a first VM's eventfd. */
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)

FIXTURE(two_vms) {
	struct sharers sh;
	struct vm *other;
	struct source *own;
	bool was_loaded;
};

FIXTURE_VARIANT(two_vms) {
	bool waiter;
};

FIXTURE_VARIANT_ADD(two_vms, holder) {
	.waiter = false,
};

FIXTURE_VARIANT_ADD(two_vms, waiter) {
	.waiter = true,
};

FIXTURE_SETUP(two_vms)
{
	self->was_loaded = broker_loaded();
	sharers_prepare(&self->sh, "one", 0, 3);
	self->other = vm_new("other", 1);
	guest_boot(self->other);
	guest_map(self->other, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	vm_route_msi(self->other, SHARED_GSI, SHARED_DEVID, OTHER_EVENT);
	vm_route_msi(self->other, EXTRA_GSI, SHARED_DEVID, OTHER_EVENT);
	self->own = source_open(3);
}

FIXTURE_TEARDOWN(two_vms)
{
	source_close(self->own);
	sharers_free(&self->sh);
	if (self->other)
		vm_free(self->other);
	broker_want(self->was_loaded);
}

struct answers {
	int assign;
	int assign_again;
	int deassign;
	int deassign_again;
};

static struct answers use_twice(struct vm *vm, int eventfd)
{
	struct answers a;

	a.assign = try_irqfd(vm, eventfd, EXTRA_GSI, 0);
	a.assign_again = try_irqfd(vm, eventfd, EXTRA_GSI, 0);
	a.deassign = try_irqfd(vm, eventfd, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	a.deassign_again = try_irqfd(vm, eventfd, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	return a;
}

static struct source *pick(FIXTURE_DATA(two_vms) *self, bool waiter)
{
	int holder = sharers_holder(&self->sh);

	if (holder < 0)
		die("no source holds the vLPI");
	return self->sh.src[(holder + waiter) % self->sh.nr];
}

static void assign_both(FIXTURE_DATA(two_vms) *self)
{
	sharers_assign_all(&self->sh);
	source_assign(self->own, self->other, SHARED_GSI);
}

static void deassign_both(FIXTURE_DATA(two_vms) *self)
{
	sharers_deassign_all(&self->sh);
	source_deassign(self->own);
}

/* What this kernel answers without the module is what it has to answer with it. */
VM_TEST_F(two_vms, get_the_answers_of_stock, "H14")
{
	struct answers stock, ours;

	/* They are irqfds, and would keep the module loaded. */
	vm_sentinel(self->sh.vm, false);
	vm_sentinel(self->other, false);
	broker_want(false);
	/* One alone: sharing is what stock kernels warn of. */
	sharers_assign(&self->sh, 0);
	source_assign(self->own, self->other, SHARED_GSI);
	stock = use_twice(self->other, self->sh.src[0]->eventfd);
	note("stock answers %d %d %d %d", stock.assign, stock.assign_again, stock.deassign,
	     stock.deassign_again);
	deassign_both(self);
	if (!self->was_loaded)
		return;
	broker_want(true);
	assign_both(self);
	EXPECT_SOURCES("both assigned");
	for (unsigned int n = 0; n < 3; n++) {
		ours = use_twice(self->other, pick(self, variant->waiter)->eventfd);
		EXPECT_EQ(0, memcmp(&stock, &ours, sizeof(stock))) {
			TH_LOG("stock answers %d %d %d %d, we %d %d %d %d", stock.assign,
			       stock.assign_again, stock.deassign, stock.deassign_again,
			       ours.assign, ours.assign_again, ours.deassign,
			       ours.deassign_again);
		}
		EXPECT_SOURCES("used twice, %u", n + 1);
	}
	deassign_both(self);
	EXPECT_SOURCES("all left");
}

/* As if @s were assigned to @vm: where its interrupts go while two irqfds have its eventfd. */
static void pretend(struct source *s, struct vm *vm, uint32_t gsi)
{
	s->vm = vm;
	s->gsi = gsi;
}

/* Where it is allowed, the first to come has the hardware, and hears of signals at any rate. */
VM_TEST_F(two_vms, share_while_it_lasts, "H14")
{
	struct sharers *sh = &self->sh;
	struct source *s;
	uint32_t gsi;
	int ret;

	assign_both(self);
	EXPECT_SOURCES("both assigned");
	s = pick(self, variant->waiter);
	gsi = s->gsi;
	ret = try_irqfd(self->other, s->eventfd, EXTRA_GSI, 0);
	if (ret) {
		EXPECT_EQ(-EBUSY, ret);
		EXPECT_SOURCES("refused");
		return;
	}
	if (variant->waiter) {
		uint64_t before = sharers_count(sh);

		source_fire(s);
		EXPECT_TRUE(sharers_takes(sh, before));
	} else {
		EXPECT_VERDICT(s, DIRECT);
	}
	EXPECT_VERDICT(self->own, DIRECT);

	/* The first VM's goes: only signals are left. */
	source_deassign(s);
	pretend(s, self->other, EXTRA_GSI);
	EXPECT_VERDICT(s, SOFTWARE);
	EXPECT_VERDICT(self->own, DIRECT);
	if (broker_loaded())
		EXPECT_EQ(0, broker_bad_slots(true));

	/* It comes back, and the other's goes. */
	s->vm = NULL;
	source_drain(s);
	source_assign(s, sh->vm, gsi);
	vm_irqfd(self->other, s->eventfd, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	EXPECT_SOURCES("one each again");
	deassign_both(self);
	EXPECT_SOURCES("all left");
}

/* The VM that came second ends with its irqfd in place. */
VM_TEST_F(two_vms, and_the_second_ends, "H14")
{
	struct source *s;

	assign_both(self);
	EXPECT_SOURCES("both assigned");
	s = pick(self, variant->waiter);
	(void)try_irqfd(self->other, s->eventfd, EXTRA_GSI, 0);
	source_deassign(self->own);
	vm_free(self->other);
	self->other = NULL;
	/* The irqfds of a VM that is gone are shut down by a worker. */
	if (broker_loaded())
		wait_for(!broker_bad_slots(true), "the vLPI is held");
	await_effects();
	EXPECT_SOURCES("the second VM has ended");
	sharers_deassign_all(&self->sh);
	EXPECT_SOURCES("all left");
}

TEST_MAIN
