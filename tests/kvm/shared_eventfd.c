// SPDX-License-Identifier: GPL-2.0-only
/*
 * One eventfd in two places (H14, H54): two irqfds of a VM or of two VMs that want it, two devices,
 * or two queues of one, that signal it, and an eventfd whose last file is closed under its irqfd.
 * And a VMM that hands its devices to its successor, which has their eventfds while the old VM
 * still has them (H38).
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

#define PRODUCER		"vlpi_test_producer"

/*
 * A second producer of the holder's eventfd is refused, and leaves all the same, as vhost-vdpa's do
 * where a VMM gives one eventfd to two queues. Up to 6.12 irqbypass then names it to the consumer,
 * which never had it: what is unmapped is the host IRQ that was mapped.
 */
VM_TEST_F(twice, by_a_producer_that_was_refused, "H54 P1 P4")
{
	struct sharers *sh = &self->sh;
	struct source *alien;
	char params[64];
	int holder;

	if (!broker_loaded())
		SKIP(return, "up to 6.12 the stock kernel warns, and leaks");
	if (!helper_built(PRODUCER))
		SKIP(return, NO_HELPER(PRODUCER));
	alien = source_open(sh->nr);
	for (unsigned int n = 0; n < 2; n++) {
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder);
		snprintf(params, sizeof(params), "fd=%d host_irq=%d careless=1",
			 sh->src[holder]->eventfd, source_host_irq(alien));
		ASSERT_EQ(0, helper_load(PRODUCER, params));
		EXPECT_EQ(-EBUSY, helper_number(PRODUCER, "result"));
		EXPECT_SOURCES("a second one was refused, %u", n);
		helper_unload(PRODUCER);
		await_effects();
		/* To irqbypass it is connected no more where the other was named in its place. */
		EXPECT_EQ(0, broker_bad_slots(true));
		EXPECT_VERDICT(alien, HOST);
		EXPECT_VERDICT(sh->src[holder], DELIVERED);
		source_vectors(sh->src[holder], false);
		EXPECT_SOURCES("the first one has left, %u", n);
		source_vectors(sh->src[holder], true);
		await_effects();
		EXPECT_SOURCES("it is back, %u", n);
	}
	source_close(alien);
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

/* ---- by two queues of one device ------------------------------------------------------------- */

#define NR_QUEUES		3

FIXTURE(queues) {
	struct sharers sh;
};

FIXTURE_SETUP(queues)
{
	struct sharers *sh = &self->sh;

	if (!igb_available())
		return;	/* The test says so. */
	sh->vm = vm_new("queues", 1);
	guest_boot(sh->vm);
	sharers_map(sh);
	sh->nr = NR_QUEUES;
	igb_open(sh->src, NR_QUEUES);
	sharers_route_all(sh);
}

FIXTURE_TEARDOWN(queues)
{
	struct sharers *sh = &self->sh;

	if (!sh->vm)
		return;
	igb_close(sh->src, NR_QUEUES);
	vm_free(sh->vm);
}

/* irqbypass takes the first, and both are heard. */
VM_TEST_F(queues, signal_one_eventfd, "H54")
{
	struct sharers *sh = &self->sh;
	struct source *a = sh->src[0], *b = sh->src[1];
	int own;

	if (!igb_available())
		SKIP(return, "no igb: tests/lab/run --igb");
	own = b->eventfd;
	source_vectors(b, false);
	b->eventfd = a->eventfd;
	source_vectors(b, true);
	sharers_assign(sh, 0);
	await_effects();
	/* It has no irqfd of its own; where its interrupts go is said by the other's. */
	b->vm = sh->vm;
	b->gsi = a->gsi;
	EXPECT_VERDICT(a, DIRECT);
	EXPECT_VERDICT(b, SOFTWARE);
	sharers_assign(sh, 2);
	await_effects();
	EXPECT_VERDICT(sh->src[2], SOFTWARE);

	source_vectors(a, false);
	EXPECT_VERDICT(b, SOFTWARE);
	if (broker_loaded())
		EXPECT_VERDICT(sh->src[2], DIRECT);
	source_vectors(b, false);
	source_vectors(b, true);
	EXPECT_VERDICT(b, DELIVERED);
	source_vectors(a, true);
	EXPECT_VERDICT(a, SOFTWARE);
	source_deassign(sh->src[2]);
	EXPECT_VERDICT(b, broker_loaded() ? DIRECT : DELIVERED);
	EXPECT_VERDICT(a, SOFTWARE);

	source_deassign(a);
	b->vm = NULL;
	source_vectors(b, false);
	b->eventfd = own;
	source_vectors(b, true);
	source_vectors(a, false);
	source_vectors(a, true);
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("one each again");
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
VM_TEST_F(two_vms, get_the_answers_of_stock, "H14 H54")
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
VM_TEST_F(two_vms, share_while_it_lasts, "H14 H54")
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
VM_TEST_F(two_vms, and_the_second_ends, "H14 H54")
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

/* ---- handed over ----------------------------------------------------------------------------- */

/* The old VM, and two that want its sources after it. */
#define SUCCESSORS		2

FIXTURE(handed_over) {
	struct sharers sh;
	struct vm *next[SUCCESSORS];
	bool refused;
};

/* 6.18 and later: KVM itself refuses the irqfd. */
static bool assign_to_successor(struct sharers *sh, struct vm *vm)
{
	for (unsigned int i = 0; i < sh->nr; i++) {
		int ret = try_irqfd(vm, sh->src[i]->eventfd, SHARED_GSI + i, 0);

		if (ret == -EBUSY)
			return false;
		if (ret)
			die("an irqfd of VM %s: %s", vm->name, strerror(-ret));
	}
	return true;
}

FIXTURE_SETUP(handed_over)
{
	static const char * const names[SUCCESSORS] = { "successor", "its successor" };
	struct sharers *sh = &self->sh;

	sharers_new(sh, "old", 0, 2);
	for (unsigned int n = 0; n < SUCCESSORS; n++) {
		self->next[n] = vm_new(names[n], 1);
		guest_boot(self->next[n]);
		guest_map(self->next[n], SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
		vm_route_batch(self->next[n], true);
		for (unsigned int i = 0; i < sh->nr; i++)
			vm_route_msi(self->next[n], SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
		vm_route_batch(self->next[n], false);
		self->refused |= !assign_to_successor(sh, self->next[n]);
	}
}

FIXTURE_TEARDOWN(handed_over)
{
	sharers_free(&self->sh);
	for (unsigned int n = 0; n < SUCCESSORS; n++)
		if (self->next[n])
			vm_free(self->next[n]);
}

/* How many clients the dump shows without their eventfds. */
static unsigned int shut_out(void)
{
	unsigned int nr, found = 0;
	struct vlpi_broker_client *all = broker_dump(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		bool out = all[i].flags & VLPI_BROKER_CLIENT_SHUT_OUT;

		found += out && all[i].state == VLPI_BROKER_IDLE && !all[i].host_irq;
	}
	free(all);
	return found;
}

static void hand_over(struct sharers *sh, struct vm *from, struct vm *to)
{
	for (unsigned int i = 0; i < sh->nr; i++) {
		vm_irqfd(from, sh->src[i]->eventfd, SHARED_GSI + i, KVM_IRQFD_FLAG_DEASSIGN);
		pretend(sh->src[i], to, SHARED_GSI + i);
	}
}

/* Refused before anything of ours is asked, and taken when it is free. */
static void assign_when_free(struct sharers *sh, struct vm *from, struct vm *to)
{
	hand_over(sh, from, to);
	if (!assign_to_successor(sh, to))
		die("VM %s is refused an eventfd that is free", to->name);
	await_effects();
}

FAILS_ON_STOCK("handed_over.from_one_to_the_next", "6.1");
VM_TEST_F(handed_over, from_one_to_the_next, "H38 P3 P6")
{
	struct sharers *sh = &self->sh;
	struct vm *vm = sh->vm;

	if (!self->refused && broker_loaded())
		EXPECT_EQ(SUCCESSORS * sh->nr, shut_out());
	for (unsigned int n = 0; n < SUCCESSORS; n++) {
		if (self->refused)
			assign_when_free(sh, vm, self->next[n]);
		else
			hand_over(sh, vm, self->next[n]);
		vm = self->next[n];
		EXPECT_PLACED("handed over to the %s", vm->name);
		if (!self->refused && broker_loaded())
			EXPECT_EQ((SUCCESSORS - 1 - n) * sh->nr, shut_out());
		await_effects();
		/* On 5.10 all irqfds of an eventfd hear its signals. */
		if (n + 1 == SUCCESSORS || !kernel_before(6, 1))
			EXPECT_SOURCES("handed over to the %s", vm->name);
	}
	sources_deassign(vm);
	EXPECT_SOURCES("all have left");
}

/* The one whose turn would have been next gives it up. */
VM_TEST_F(handed_over, past_one_that_has_left, "H38 P3 P6")
{
	struct sharers *sh = &self->sh;

	if (self->refused)
		SKIP(return, "this KVM refuses the irqfd");
	if (!broker_loaded())
		SKIP(return, "nobody's turn comes without the module");
	for (unsigned int i = 0; i < sh->nr; i++)
		vm_irqfd(self->next[i], sh->src[i]->eventfd, SHARED_GSI + i,
			 KVM_IRQFD_FLAG_DEASSIGN);
	EXPECT_EQ((SUCCESSORS - 1) * sh->nr, shut_out());
	for (unsigned int i = 0; i < sh->nr; i++) {
		vm_irqfd(sh->vm, sh->src[i]->eventfd, SHARED_GSI + i, KVM_IRQFD_FLAG_DEASSIGN);
		pretend(sh->src[i], self->next[!i], SHARED_GSI + i);
	}
	EXPECT_PLACED("one for each");
	EXPECT_EQ(0, shut_out());
	await_effects();
	EXPECT_SOURCES("one for each");
}

/* The old VM ends with its irqfds in place. */
VM_TEST_F(handed_over, by_one_that_ends, "H38 P3 P4")
{
	struct sharers *sh = &self->sh;

	if (self->refused)
		SKIP(return, "this KVM refuses the irqfd");
	if (!broker_loaded())
		SKIP(return, "nobody's turn comes without the module");
	for (unsigned int i = 0; i < sh->nr; i++)
		sh->src[i]->vm = NULL;
	vm_free(sh->vm);
	sh->vm = NULL;
	/* Their turn may have come by now, or not. */
	for (unsigned int i = 0; i < sh->nr; i++) {
		pretend(sh->src[i], self->next[0], SHARED_GSI + i);
		vm_irqfd(self->next[1], sh->src[i]->eventfd, SHARED_GSI + i,
			 KVM_IRQFD_FLAG_DEASSIGN);
	}
	EXPECT_PLACED("to the one that is left");
	await_effects();
	EXPECT_SOURCES("to the one that is left");
}

TEST_MAIN
