// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts that reach a vLPI by software, or an irqfd by hand: KVM_SIGNAL_MSI and eventfds that
 * user space signals while the vLPI is held (H9), one eventfd in two places (H14), and irqfds that
 * are no MSI at all (H15).
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

#define EXTRA_GSI		(SHARED_GSI + MAX_SHARERS)
#define HUNDRED			100

static uint64_t taken(struct sharers *sh)
{
	return guest_count(sh->vm, SHARED_INTID);
}

static bool takes(struct sharers *sh, uint64_t before)
{
	return guest_takes(sh->vm, SHARED_INTID, before);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd: %m");
	return fd;
}

static void want_irqfd(struct vm *vm, int eventfd, uint32_t gsi, uint32_t flags)
{
	int ret = try_irqfd(vm, eventfd, gsi, flags);

	if (ret)
		die("irqfd of GSI %u, flags %u: %s", gsi, flags, strerror(-ret));
}

/* ---- H9 ---------------------------------------------------------- */

enum way {
	BY_MSI,		/* KVM_SIGNAL_MSI */
	BY_HOLDER,	/* its eventfd */
	BY_WAITER,
	BY_EXTRA,	/* an irqfd that has no producer */
};

FIXTURE(signal) {
	struct sharers sh;
	int extra;
	int holder;
};

FIXTURE_VARIANT(signal) {
	enum way way;
};

FIXTURE_VARIANT_ADD(signal, msi) {
	.way = BY_MSI,
};

FIXTURE_VARIANT_ADD(signal, holder) {
	.way = BY_HOLDER,
};

FIXTURE_VARIANT_ADD(signal, waiter) {
	.way = BY_WAITER,
};

FIXTURE_VARIANT_ADD(signal, without_producer) {
	.way = BY_EXTRA,
};

/* KVM has the translation of the MSI cached before anybody holds the vLPI. */
FIXTURE_SETUP(signal)
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	sharers_prepare(sh, "signal", 0, 3);
	before = taken(sh);
	ASSERT_LT(0, try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT));
	ASSERT_TRUE(takes(sh, before));
	self->extra = new_eventfd();
	vm_route_msi(sh->vm, EXTRA_GSI, SHARED_DEVID, SHARED_EVENT);
	want_irqfd(sh->vm, self->extra, EXTRA_GSI, 0);
	sharers_attach_all(sh);
	EXPECT_SOURCES("before");
	self->holder = sharers_holder(sh);
	ASSERT_LE(0, self->holder);
}

FIXTURE_TEARDOWN(signal)
{
	want_irqfd(self->sh.vm, self->extra, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->extra);
	sharers_free(&self->sh);
}

static void send(FIXTURE_DATA(signal) *self, enum way way)
{
	struct sharers *sh = &self->sh;

	switch (way) {
	case BY_MSI:
		/* Its answer says whether the guest had the interrupt on; here that is counted. */
		(void)try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT);
		break;
	case BY_HOLDER:
		eventfd_kick(sh->src[self->holder]->eventfd);
		break;
	case BY_WAITER:
		eventfd_kick(sh->src[(self->holder + 1) % sh->nr]->eventfd);
		break;
	case BY_EXTRA:
		eventfd_kick(self->extra);
		break;
	}
}

/* One each: hands do not change here, so nothing is raised but what was sent. */
VM_TEST_F(signal, a_hundred_times, "H9")
{
	uint64_t first = taken(&self->sh), before;
	unsigned int n;

	for (n = 1; n <= HUNDRED; n++) {
		before = taken(&self->sh);
		send(self, variant->way);
		if (!takes(&self->sh, before))
			break;
	}
	EXPECT_LT(HUNDRED, n) {
		TH_LOG("signal %u of %u is lost", n, HUNDRED);
	}
	settle();
	EXPECT_EQ(first + HUNDRED, taken(&self->sh));
	EXPECT_SOURCES("a hundred signals later");
}

/* As fast as they can be sent: they merge, and the last one is not lost. */
VM_TEST_F(signal, a_hundred_at_once, "H9")
{
	uint64_t before = taken(&self->sh);

	for (unsigned int n = 0; n < HUNDRED; n++)
		send(self, variant->way);
	EXPECT_TRUE(takes(&self->sh, before));
	settle();
	EXPECT_LE(taken(&self->sh), before + HUNDRED);
	EXPECT_SOURCES("a hundred signals later");
}

FAILS_ON_STOCK("signal.msi.lpi_disabled", "7.3");
VM_TEST_F(signal, lpi_disabled, "H9")
{
	uint64_t before = taken(&self->sh);

	guest_enable(self->sh.vm, SHARED_INTID, false);
	send(self, variant->way);
	settle();
	EXPECT_EQ(before, taken(&self->sh));
	guest_enable(self->sh.vm, SHARED_INTID, true);
	EXPECT_TRUE(takes(&self->sh, before)) {
		TH_LOG("sent while the LPI was disabled: lost");
	}
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(signal, interrupts_masked, "H9")
{
	uint64_t before;

	guest_mask(self->sh.vm, 0, true);
	before = taken(&self->sh);
	for (unsigned int n = 0; n < HUNDRED; n++)
		send(self, variant->way);
	settle();
	EXPECT_EQ(before, taken(&self->sh));
	guest_mask(self->sh.vm, 0, false);
	EXPECT_TRUE(takes(&self->sh, before)) {
		TH_LOG("sent while interrupts were masked: lost");
	}
	EXPECT_SOURCES("afterwards");
}

/* Raised through the holder it would arrive: the hardware does not look at the guest's enables. */
VM_TEST_F(signal, lpis_off, "H9")
{
	uint64_t before = guest_lpi_count(self->sh.vm);

	guest_lpis(self->sh.vm, 0, false);
	send(self, variant->way);
	settle();
	EXPECT_EQ(before, guest_lpi_count(self->sh.vm)) {
		TH_LOG("an LPI was taken while they are off");
	}
	guest_lpis(self->sh.vm, 0, true);
	settle();
	before = taken(&self->sh);
	send(self, variant->way);
	EXPECT_TRUE(takes(&self->sh, before));
	EXPECT_SOURCES("LPIs are on again");
}

VM_TEST_F(signal, its_off, "H9")
{
	uint64_t before = taken(&self->sh);

	guest_its(self->sh.vm, false);
	send(self, variant->way);
	settle();
	EXPECT_EQ(before, taken(&self->sh)) {
		TH_LOG("an LPI was taken while the ITS is off");
	}
	guest_its(self->sh.vm, true);
	settle();
	before = taken(&self->sh);
	send(self, variant->way);
	EXPECT_TRUE(takes(&self->sh, before));
	EXPECT_SOURCES("the ITS is on again");
}

/* ---- H14 --------------------------------------------------------- */

FIXTURE(twice) {
	struct sharers sh;
	bool was_loaded;
};

FIXTURE_SETUP(twice)
{
	self->was_loaded = broker_loaded();
	sharers_new(&self->sh, "twice", 0, 3);
	EXPECT_SOURCES("three attached");
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
	sharers_detach_all(sh);
	EXPECT_SOURCES("all left");
}

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
		die("nobody holds the vLPI");
	return self->sh.src[(holder + waiter) % self->sh.nr];
}

static void attach_both(FIXTURE_DATA(two_vms) *self)
{
	sharers_attach_all(&self->sh);
	attach(self->own, self->other, SHARED_GSI);
}

static void detach_both(FIXTURE_DATA(two_vms) *self)
{
	sharers_detach_all(&self->sh);
	detach(self->own);
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
	sharers_attach(&self->sh, 0);
	attach(self->own, self->other, SHARED_GSI);
	stock = use_twice(self->other, self->sh.src[0]->eventfd);
	note("stock answers %d %d %d %d", stock.assign, stock.assign_again, stock.deassign,
	     stock.deassign_again);
	detach_both(self);
	if (!self->was_loaded)
		return;
	broker_want(true);
	attach_both(self);
	EXPECT_SOURCES("both attached");
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
	detach_both(self);
	EXPECT_SOURCES("all left");
}

/* As if @s were attached to @vm: where its interrupts go while two irqfds have its eventfd. */
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

	attach_both(self);
	EXPECT_SOURCES("both attached");
	s = pick(self, variant->waiter);
	gsi = s->gsi;
	ret = try_irqfd(self->other, s->eventfd, EXTRA_GSI, 0);
	if (ret) {
		EXPECT_EQ(-EBUSY, ret);
		EXPECT_SOURCES("refused");
		return;
	}
	if (variant->waiter) {
		uint64_t before = taken(sh);

		source_fire(s);
		EXPECT_TRUE(takes(sh, before));
	} else {
		EXPECT_VERDICT(s, DIRECT);
	}
	EXPECT_VERDICT(self->own, DIRECT);

	/* The first VM's goes: only signals are left. */
	detach(s);
	pretend(s, self->other, EXTRA_GSI);
	EXPECT_VERDICT(s, SOFTWARE);
	EXPECT_VERDICT(self->own, DIRECT);
	if (broker_loaded())
		EXPECT_EQ(0, broker_bad_slots(true));

	/* It comes back, and the other's goes. */
	s->vm = NULL;
	source_drain(s);
	attach(s, sh->vm, gsi);
	want_irqfd(self->other, s->eventfd, EXTRA_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	EXPECT_SOURCES("one each again");
	detach_both(self);
	EXPECT_SOURCES("all left");
}

/* The VM that came second ends with its irqfd in place. */
VM_TEST_F(two_vms, and_the_second_ends, "H14")
{
	struct source *s;

	attach_both(self);
	EXPECT_SOURCES("both attached");
	s = pick(self, variant->waiter);
	(void)try_irqfd(self->other, s->eventfd, EXTRA_GSI, 0);
	detach(self->own);
	vm_free(self->other);
	self->other = NULL;
	/* The irqfds of a VM that is gone are shut down by a worker. */
	if (broker_loaded())
		wait_for(!broker_bad_slots(true), "the vLPI is held");
	settle();
	EXPECT_SOURCES("the second VM has ended");
	sharers_detach_all(&self->sh);
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
	detach(sh->src[2]);
	EXPECT_VERDICT(b, DIRECT);

	source_vectors(b, false);
	b->eventfd = own;
	source_vectors(b, true);
	source_vectors(a, true);
	source_drain(sh->src[2]);
	sharers_attach(sh, 2);
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
		settle();
		EXPECT_SOURCES("eventfd of the %s closed", n % 2 ? "holder" : "waiter");

		source_vectors(s, false);
		s->eventfd = new_eventfd();
		EXPECT_EQ(-ENOENT, try_irqfd(sh->vm, s->eventfd, gsi, KVM_IRQFD_FLAG_DEASSIGN) ? :
			  -ENOENT);
		source_vectors(s, true);
		attach(s, sh->vm, gsi);
		EXPECT_SOURCES("with a new eventfd");
	}
}

/* ---- H15 --------------------------------------------------------- */

/* Above those that the guest and the test VMM have uses for. */
#define EDGE_SPI		48
#define LEVEL_SPI		49
#define EDGE_GSI		(EXTRA_GSI + 1)
#define LEVEL_GSI		(EXTRA_GSI + 2)

#define GICD_ISENABLER1		0x0104
#define GICD_ICFGR3		0x0c0c

FIXTURE(wired) {
	struct sharers sh;
	struct source *edge;
	struct source *level;
	/* Irqfds without a producer, to the same two interrupts. */
	int edge_by_hand;
	int level_by_hand;
	/* What KVM signals when the guest has ended the level interrupt: of the source, by hand. */
	int resample[2];
};

static void attach_resample(struct vm *vm, int eventfd, uint32_t gsi, int resample)
{
	struct kvm_irqfd i = {
		.fd = eventfd,
		.gsi = gsi,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = resample,
	};

	if (ioctl(vm->fd, KVM_IRQFD, &i))
		die("resample irqfd of GSI %u: %m", gsi);
}

static void guest_enable_spis(struct vm *vm)
{
	uint32_t config = 0xaaaaaaaa & ~(3U << 2 * (LEVEL_SPI - 48));

	guest_do(vm, 0, GUEST_WRITE, GUEST_GICD + GICD_ICFGR3, 4, config, 0, 0);
	guest_do(vm, 0, GUEST_WRITE, GUEST_GICD + GICD_ISENABLER1, 4,
		 1U << (EDGE_SPI - 32) | 1U << (LEVEL_SPI - 32), 0, 0);
}

FIXTURE_SETUP(wired)
{
	struct sharers *sh = &self->sh;

	sharers_new(sh, "wired", 0, 3);
	guest_enable_spis(sh->vm);
	vm_route_pin(sh->vm, EDGE_GSI, EDGE_SPI - 32);
	vm_route_pin(sh->vm, LEVEL_GSI, LEVEL_SPI - 32);
	self->edge = source_open(3);
	self->level = source_open(4);
	self->edge_by_hand = new_eventfd();
	self->level_by_hand = new_eventfd();
	self->resample[0] = new_eventfd();
	self->resample[1] = new_eventfd();

	attach(self->edge, sh->vm, EDGE_GSI);
	want_irqfd(sh->vm, self->edge_by_hand, EDGE_GSI, 0);
	attach_resample(sh->vm, self->level->eventfd, LEVEL_GSI, self->resample[0]);
	self->level->vm = sh->vm;
	self->level->gsi = LEVEL_GSI;
	attach_resample(sh->vm, self->level_by_hand, LEVEL_GSI, self->resample[1]);
}

FIXTURE_TEARDOWN(wired)
{
	source_close(self->edge);
	source_close(self->level);
	want_irqfd(self->sh.vm, self->edge_by_hand, EDGE_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	want_irqfd(self->sh.vm, self->level_by_hand, LEVEL_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->edge_by_hand);
	close(self->level_by_hand);
	close(self->resample[0]);
	close(self->resample[1]);
	sharers_free(&self->sh);
}

/* Both resamplers of the GSI are told of each end of the interrupt; taken out here. */
static bool resampled(FIXTURE_DATA(wired) *self)
{
	struct wait w;
	uint64_t n;
	bool all = true;

	for (unsigned int i = 0; i < 2; i++) {
		bool one = false;

		wait_begin(&w);
		do {
			one = read(self->resample[i], &n, sizeof(n)) == sizeof(n);
		} while (!one && wait_more(&w));
		all &= one;
	}
	return all;
}

static bool is_not_msi(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_NOT_MSI && !c.vintid &&
	       !(c.flags & VLPI_BROKER_CLIENT_FORWARDED);
}

VM_TEST_F(wired, beside_shared_msis, "H15")
{
	for (unsigned int n = 0; n < 3; n++) {
		EXPECT_SOURCES("edge, level and three MSIs, %u", n + 1);
		EXPECT_VERDICT(self->edge, SOFTWARE);
		EXPECT_VERDICT(self->level, SOFTWARE);
		EXPECT_TRUE(resampled(self));
		if (!broker_loaded())
			continue;
		EXPECT_TRUE(is_not_msi(self->edge));
		EXPECT_TRUE(is_not_msi(self->level));
	}
	detach(self->edge);
	detach(self->level);
	EXPECT_SOURCES("the wired ones left");
}

static bool level_is_quiet(FIXTURE_DATA(wired) *self)
{
	uint64_t before = guest_count(self->sh.vm, LEVEL_SPI);

	settle();
	return guest_count(self->sh.vm, LEVEL_SPI) == before;
}

/*
 * KVM lowers the level at the interrupt's end, and says so. The guest may take it again until then:
 * 7.3 sees an end only if it saw the interrupt active, between two exits of the guest.
 */
VM_TEST_F(wired, level_a_hundred_times, "H15")
{
	uint64_t before;

	for (unsigned int n = 1; n <= HUNDRED; n++) {
		before = guest_count(self->sh.vm, LEVEL_SPI);
		if (n % 2)
			eventfd_kick(self->level_by_hand);
		else
			source_fire(self->level);
		ASSERT_TRUE(guest_takes(self->sh.vm, LEVEL_SPI, before)) {
			TH_LOG("level %u of %u is lost", n, HUNDRED);
		}
		ASSERT_TRUE(resampled(self)) {
			TH_LOG("end %u of %u is not told", n, HUNDRED);
		}
		if (n % 10 == 0)
			wait_for(level_is_quiet(self), "the level is low");
	}
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(wired, edge_a_hundred_times, "H15")
{
	uint64_t first = guest_count(self->sh.vm, EDGE_SPI), before;

	for (unsigned int n = 1; n <= HUNDRED; n++) {
		before = guest_count(self->sh.vm, EDGE_SPI);
		if (n % 2)
			eventfd_kick(self->edge_by_hand);
		else
			source_fire(self->edge);
		ASSERT_TRUE(guest_takes(self->sh.vm, EDGE_SPI, before)) {
			TH_LOG("edge %u of %u is lost", n, HUNDRED);
		}
	}
	settle();
	EXPECT_EQ(first + HUNDRED, guest_count(self->sh.vm, EDGE_SPI));
	EXPECT_SOURCES("afterwards");
}

/* They come and go under the fire of all, the vectors of their sources too. */
VM_TEST_F(wired, come_and_go, "H15")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 1; n <= 3; n++) {
		source_vectors(self->edge, false);
		source_vectors(self->level, false);
		EXPECT_SOURCES("vectors of the wired ones off, %u", n);
		source_vectors(self->edge, true);
		source_vectors(self->level, true);
		EXPECT_SOURCES("vectors of the wired ones on, %u", n);
		detach(self->edge);
		detach(self->level);
		sharers_detach_all(sh);
		EXPECT_SOURCES("all left, %u", n);
		source_drain(self->edge);
		source_drain(self->level);
		for (unsigned int i = 0; i < sh->nr; i++)
			source_drain(sh->src[i]);
		attach(self->edge, sh->vm, EDGE_GSI);
		attach_resample(sh->vm, self->level->eventfd, LEVEL_GSI, self->resample[0]);
		self->level->vm = sh->vm;
		self->level->gsi = LEVEL_GSI;
		sharers_attach_all(sh);
		EXPECT_SOURCES("all are back, %u", n);
	}
}

TEST_MAIN
