// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest with two ITSes, whose LPIs are the same: an event of either leads to one LPI (H36). The
 * sources of both share it, with one holder, whichever ITS the guest changes.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

/* Above the redistributors. */
#define GITS2			0x081c0000UL
#define GITS2_TRANSLATER	(GITS2 + 0x10040)
#define GITS_CTLR		0x0000
#define GITS_CBASER		0x0080
#define GITS_CWRITER		0x0088
#define GITS_CREADR		0x0090
#define GITS_BASER		0x0100
#define BASE_VALID		(1UL << 63)
#define BASE_ATTRS		((7UL << 59) | (1UL << 10))

/* Between the tables of the first ITS and its devices. */
#define TABLE_SIZE		0x10000UL
#define DEVICE_TABLE2		GUEST_TABLES_END
#define COLLECTION_TABLE2	(DEVICE_TABLE2 + TABLE_SIZE)
#define CMD_QUEUE2		(COLLECTION_TABLE2 + TABLE_SIZE)
#define ITT2			(CMD_QUEUE2 + TABLE_SIZE)

#define ITS_MAPD		0x08
#define ITS_MAPC		0x09
#define ITS_MAPTI		0x0a
#define ITS_DISCARD		0x0f
#define ITS_VALID		(1ULL << 63)
#define EVENTID_BITS		4

/* That of the second ITS: the books of the test VMM know no more of an event than its number. */
#define SECOND_EVENT		(SHARED_EVENT + 1)
#define BY_ITS			2
#define ROUNDS			10

FIXTURE(two_itses) {
	struct sharers sh;
	int its2;
	uint64_t queued;	/* bytes in the command queue of the second */
};

/* ---- the second ITS -------------------------------------------------------------------------- */

static void write_its2(struct vm *vm, uint32_t reg, unsigned int bytes, uint64_t value)
{
	guest_do(vm, 0, GUEST_WRITE, GITS2 + reg, bytes, value, 0, 0);
}

static uint64_t read_its2(struct vm *vm, uint32_t reg)
{
	return guest_do(vm, 0, GUEST_READ, GITS2 + reg, 8, 0, 0, 0);
}

/* KVM obeys it before the write to GITS_CWRITER is over. */
static void its2_cmd(FIXTURE_DATA(two_itses) *self, uint64_t d0, uint64_t d1, uint64_t d2)
{
	struct vm *vm = self->sh.vm;
	uint64_t *slot = (uint64_t *)((char *)vm->ram + CMD_QUEUE2 - GUEST_RAM + self->queued);

	slot[0] = d0;
	slot[1] = d1;
	slot[2] = d2;
	slot[3] = 0;
	self->queued = (self->queued + 32) % TABLE_SIZE;
	write_its2(vm, GITS_CWRITER, 8, self->queued);
	if (read_its2(vm, GITS_CREADR) != self->queued)
		die("the second ITS does not take a command");
}

static void init_its2(FIXTURE_DATA(two_itses) *self)
{
	static const uint64_t tables[] = { [1] = DEVICE_TABLE2, [4] = COLLECTION_TABLE2 };
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	struct vm *vm = self->sh.vm;
	uint64_t address = GITS2;

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &d))
		die("creating a second ITS: %m");
	self->its2 = d.fd;
	/* KVM forgets the LPIs' configuration table when an ITS is made. */
	guest_lpis(vm, 0, false);
	guest_lpis(vm, 0, true);
	device_attr(d.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &address,
		    "address of the second ITS");
	device_attr(d.fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
		    "initialising the second ITS");
	for (unsigned int n = 0; n < 8; n++) {
		uint64_t type = read_its2(vm, GITS_BASER + 8 * n) >> 56 & 7;

		if (type < ARRAY_SIZE(tables) && tables[type])
			write_its2(vm, GITS_BASER + 8 * n, 8, BASE_VALID | BASE_ATTRS |
				   type << 56 | tables[type] | 2UL << 8);
	}
	write_its2(vm, GITS_CBASER, 8, BASE_VALID | BASE_ATTRS | CMD_QUEUE2 |
		   (TABLE_SIZE / 4096 - 1));
	write_its2(vm, GITS_CWRITER, 8, 0);
	write_its2(vm, GITS_CTLR, 4, 1);
	its2_cmd(self, ITS_MAPC, 0, ITS_VALID);
	its2_cmd(self, ITS_MAPD | (uint64_t)SHARED_DEVID << 32, EVENTID_BITS - 1, ITS_VALID | ITT2);
}

static void forget_second(struct vm *vm)
{
	struct its_event *e = vm_its_event(vm, SHARED_DEVID, SECOND_EVENT);

	if (e)
		*e = vm->events[--vm->nr_events];
}

/* Maps it, and says what KVM_SIGNAL_MSI does. */
static int map_second_to(FIXTURE_DATA(two_itses) *self, uint32_t intid)
{
	struct kvm_msi msi = {
		.address_lo = GITS2_TRANSLATER,
		.data = SECOND_EVENT,
		.devid = SHARED_DEVID,
		.flags = KVM_MSI_VALID_DEVID,
	};

	int ret;

	its2_cmd(self, ITS_MAPTI | (uint64_t)SHARED_DEVID << 32,
		 SECOND_EVENT | (uint64_t)intid << 32, 0);
	ret = ioctl(self->sh.vm->fd, KVM_SIGNAL_MSI, &msi);
	ret = ret < 0 ? -errno : ret;
	await_effects();
	return ret;
}

/*
 * KVM 7.3.4 refuses to map an LPI that another event leads to, and does not tell the guest. Then it
 * is not mapped in our books.
 */
static bool map_second(FIXTURE_DATA(two_itses) *self)
{
	struct vm *vm = self->sh.vm;

	forget_second(vm);
	if (map_second_to(self, SHARED_INTID) <= 0)
		return false;
	vm->events[vm->nr_events++] = (struct its_event){
		.devid = SHARED_DEVID,
		.eventid = SECOND_EVENT,
		.intid = SHARED_INTID,
	};
	return true;
}

static void discard_second(FIXTURE_DATA(two_itses) *self)
{
	its2_cmd(self, ITS_DISCARD | (uint64_t)SHARED_DEVID << 32, SECOND_EVENT, 0);
	forget_second(self->sh.vm);
}

static void route_to_second(struct vm *vm, uint32_t gsi)
{
	vm_route_batch(vm, true);
	vm_route_msi(vm, gsi, SHARED_DEVID, SECOND_EVENT);
	for (unsigned int i = 0; i < vm->routing->nr; i++)
		if (vm->routing->entries[i].gsi == gsi)
			vm->routing->entries[i].u.msi.address_lo = GITS2_TRANSLATER;
	vm_route_batch(vm, false);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* The first two sources by the first ITS, the others by the second, which maps nothing yet. */
FIXTURE_SETUP(two_itses)
{
	struct sharers *sh = &self->sh;
	int ret;

	sharers_prepare(sh, "two ITSes", 0, 2 * BY_ITS);
	init_its2(self);
	ret = map_second_to(self, SHARED_INTID + 1);
	if (ret <= 0)
		die("an MSI by the second ITS: %d", ret);
	discard_second(self);
	for (unsigned int i = BY_ITS; i < 2 * BY_ITS; i++)
		route_to_second(sh->vm, SHARED_GSI + i);
	sharers_assign_all(sh);
	await_effects();
}

FIXTURE_TEARDOWN(two_itses)
{
	close(self->its2);
	sharers_free(&self->sh);
}

FAILS_ON_STOCK("two_itses.share_an_lpi", "6.1");
VM_TEST_F(two_itses, share_an_lpi, "H36 P1 P3 P4")
{
	struct sharers *sh = &self->sh;

	EXPECT_SOURCES("mapped by the first alone");
	if (!map_second(self))
		SKIP(return, "this kernel maps an LPI once");
	ASSERT_SOURCES("mapped by both");
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		EXPECT_SOURCES("%u have left", i + 1);
	}
	for (unsigned int i = sh->nr; i--;) {
		sharers_assign(sh, i);
		await_effects();
		EXPECT_SOURCES("number %u is back", i + 1);
	}
	for (unsigned int i = sh->nr; i--;) {
		source_deassign(sh->src[i]);
		EXPECT_SOURCES("number %u has left", i + 1);
	}
}

/* Whichever ITS forgets it, and whoever holds it, the sources of the other go on. */
FAILS_ON_STOCK("two_itses.either_forgets_it", "6.1");
VM_TEST_F(two_itses, either_forgets_it, "H36 P3")
{
	struct sharers *sh = &self->sh;

	if (!map_second(self))
		SKIP(return, "this kernel maps an LPI once");
	ASSERT_SOURCES("mapped by both");
	for (unsigned int n = 0; n < 2; n++) {
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		await_effects();
		ASSERT_SOURCES("the first has forgotten it, %u", n);
		sharers_map(sh);
		await_effects();
		ASSERT_SOURCES("it is mapped by both again, %u", n);
		discard_second(self);
		await_effects();
		ASSERT_SOURCES("the second has forgotten it, %u", n);
		ASSERT_TRUE(map_second(self));
		ASSERT_SOURCES("it is mapped by both once more, %u", n);
	}
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	discard_second(self);
	await_effects();
	EXPECT_SOURCES("both have forgotten it");
}

/* It leads through one ITS, then through the other: the holder is always one of that. */
FAILS_ON_STOCK("two_itses.it_moves_between_them", "6.1 7.3");
VM_TEST_F(two_itses, it_moves_between_them, "H36 P1 P3")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 3; n++) {
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		ASSERT_TRUE(map_second(self));
		ASSERT_SOURCES("by the second, %u", n);
		discard_second(self);
		sharers_map(sh);
		await_effects();
		ASSERT_SOURCES("by the first, %u", n);
	}
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all have left");
}

static int detach(void *arg)
{
	source_deassign(arg);
	return 0;
}

/*
 * The holder is of one ITS, and is detached while the guest discards the LPI's event of the other:
 * KVM unmaps its host IRQ for that under a lock that the first one's detach does not take.
 */
FAILS_ON_STOCK("two_itses.one_discards_while_the_holder_of_the_other_leaves", "6.1");
VM_TEST_F(two_itses, one_discards_while_the_holder_of_the_other_leaves, "H36 P4")
{
	struct sharers *sh = &self->sh;
	struct call c;
	int holder;

	if (!map_second(self))
		SKIP(return, "this kernel maps an LPI once");
	for (unsigned int n = 0; n < ROUNDS; n++) {
		holder = 0;
		while (holder < BY_ITS && broker_loaded() && !broker_holds(sh->src[holder]))
			holder++;
		ASSERT_GT(BY_ITS, holder);
		call_begin(&c, "detach", detach, sh->src[holder]);
		discard_second(self);
		calls_end(&c, 1);
		ASSERT_TRUE(map_second(self));
		EXPECT_SOURCES("the holder has left, %u", n);
		/* One of the first ITS is to hold it again. */
		for (unsigned int i = BY_ITS; i < sh->nr; i++)
			source_deassign(sh->src[i]);
		sharers_assign(sh, holder);
		sharers_assign_all(sh);
		await_effects();
	}
	EXPECT_SOURCES("at the end");
}

TEST_MAIN
