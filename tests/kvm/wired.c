// SPDX-License-Identifier: GPL-2.0-only
/*
 * Irqfds that are no MSI: an edge and a resampled level, beside MSIs that share a vLPI (H15).
 * They are delivered as on stock, and the broker has nothing to do with them.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

#define HUNDRED			100

/* Above those that the guest and the test VMM have uses for. */
#define EDGE_SPI		48
#define LEVEL_SPI		49
#define EDGE_GSI		(SHARED_GSI + MAX_SHARERS)
#define LEVEL_GSI		(SHARED_GSI + MAX_SHARERS + 1)

#define GICD_ISENABLER1		0x0104
#define GICD_ICFGR3		0x0c0c

FIXTURE(wired) {
	struct sharers sh;
	struct source *edge;
	struct source *level;
	/* Irqfds without a producer, to these two interrupts too. */
	int edge_by_hand;
	int level_by_hand;
	/* What KVM signals when the guest has ended the level interrupt: of the source, by hand. */
	int resample[2];
};

static void assign_resample(struct vm *vm, int eventfd, uint32_t gsi, int resample)
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
	self->edge_by_hand = eventfd_new();
	self->level_by_hand = eventfd_new();
	self->resample[0] = eventfd_new();
	self->resample[1] = eventfd_new();

	source_assign(self->edge, sh->vm, EDGE_GSI);
	vm_irqfd(sh->vm, self->edge_by_hand, EDGE_GSI, 0);
	assign_resample(sh->vm, self->level->eventfd, LEVEL_GSI, self->resample[0]);
	self->level->vm = sh->vm;
	self->level->gsi = LEVEL_GSI;
	assign_resample(sh->vm, self->level_by_hand, LEVEL_GSI, self->resample[1]);
}

FIXTURE_TEARDOWN(wired)
{
	source_close(self->edge);
	source_close(self->level);
	vm_irqfd(self->sh.vm, self->edge_by_hand, EDGE_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	vm_irqfd(self->sh.vm, self->level_by_hand, LEVEL_GSI, KVM_IRQFD_FLAG_DEASSIGN);
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
	source_deassign(self->edge);
	source_deassign(self->level);
	EXPECT_SOURCES("the wired ones left");
}

static bool level_is_quiet(FIXTURE_DATA(wired) *self)
{
	uint64_t before = guest_count(self->sh.vm, LEVEL_SPI);

	await_effects();
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
	await_effects();
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
		source_deassign(self->edge);
		source_deassign(self->level);
		sharers_deassign_all(sh);
		EXPECT_SOURCES("all left, %u", n);
		source_drain(self->edge);
		source_drain(self->level);
		for (unsigned int i = 0; i < sh->nr; i++)
			source_drain(sh->src[i]);
		source_assign(self->edge, sh->vm, EDGE_GSI);
		assign_resample(sh->vm, self->level->eventfd, LEVEL_GSI, self->resample[0]);
		self->level->vm = sh->vm;
		self->level->gsi = LEVEL_GSI;
		sharers_assign_all(sh);
		EXPECT_SOURCES("all are back, %u", n);
	}
}

TEST_MAIN
