// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest changes where an event leads, with the irqfds attached: it takes the mapping away in
 * every way there is and maps it again (H5), maps two events to one LPI (H6), maps late (H7), moves
 * an LPI to another vCPU (H10). The vLPI has its holder again by itself, nothing reaches the guest
 * by an event that is not mapped, and no edge that is raised once it is mapped is lost.
 */
#define _GNU_SOURCE
#include "harness.h"

#define OTHER_DEVID		9
#define OTHER_EVENT		2
#define OTHER_INTID		8201
#define GITS_BASER_DEVICES	0x0100

#define ROUNDS			20
/* The bound is for one edge; a kernel that loses many would take a test's whole time. */
#define ENOUGH_LOST		3

static void open_sources(struct sharers *sh, unsigned int nr)
{
	sh->nr = nr;
	for (unsigned int i = 0; i < nr; i++) {
		sh->src[i] = source_open(i);
		vm_route_msi(sh->vm, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
	}
}

/* As sharers_new(), with two vCPUs; the event goes to the first. */
static void two_vcpus(struct sharers *sh, const char *name, unsigned int nr)
{
	sh->vm = vm_new(name, 2);
	guest_boot(sh->vm);
	sharers_map(sh);
	open_sources(sh, nr);
	sharers_attach_all(sh);
}

/* ---- H5: unmapped, and mapped again ------------------------------ */

enum how {
	DISCARD,
	MAPD,			/* not valid */
	MAPD_AGAIN,		/* valid: drops what the device had */
	TABLE,			/* the guest takes the device table away, with the ITS off */
	RESET,			/* by the VMM */
};

FIXTURE(unmapped) {
	struct sharers sh;
};

FIXTURE_VARIANT(unmapped) {
	enum how how;
	unsigned int nr;
};

#define UNMAPPED(name, h, n)					\
	FIXTURE_VARIANT_ADD(unmapped, name) {			\
		.how = h, .nr = n,				\
	}

UNMAPPED(by_discard_one, DISCARD, 1);
UNMAPPED(by_discard_three, DISCARD, 3);
UNMAPPED(by_mapd_three, MAPD, 3);
UNMAPPED(by_mapd_again_three, MAPD_AGAIN, 3);
UNMAPPED(by_device_table_three, TABLE, 3);
UNMAPPED(by_its_reset_one, RESET, 1);
UNMAPPED(by_its_reset_three, RESET, 3);

FIXTURE_SETUP(unmapped)
{
	two_vcpus(&self->sh, "unmapped", variant->nr);
}

FIXTURE_TEARDOWN(unmapped)
{
	sharers_free(&self->sh);
}

static void take_away(struct vm *vm, enum how how)
{
	switch (how) {
	case DISCARD:
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		break;
	case MAPD:
		guest_mapd(vm, SHARED_DEVID, false);
		break;
	case MAPD_AGAIN:
		guest_mapd(vm, SHARED_DEVID, true);
		break;
	case TABLE:
		guest_its(vm, false);
		guest_do(vm, 0, GUEST_WRITE, GUEST_GITS + GITS_BASER_DEVICES, 8, 0, 0, 0);
		vm->nr_events = 0;
		vm->nr_devices = 0;
		break;
	case RESET:
		vm_reset_its_alone(vm);
		break;
	}
}

static void give_back(struct vm *vm, enum how how, uint32_t intid, unsigned int vcpu)
{
	if (how == TABLE || how == RESET)
		guest_init_its(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, intid, vcpu);
}

/* As it was, to another INTID, to another vCPU, both, and as it was. */
static const struct {
	uint32_t intid;
	unsigned int vcpu;
} places[] = {
	{ SHARED_INTID, 0 }, { OTHER_INTID, 0 }, { OTHER_INTID, 1 }, { SHARED_INTID, 0 },
};

FAILS_ON_STOCK("unmapped.by_discard_one.and_mapped_again", "6.1");
VM_TEST_F(unmapped, and_mapped_again, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		take_away(sh->vm, variant->how);
		ASSERT_SOURCES("%u: unmapped", i);
		give_back(sh->vm, variant->how, places[i].intid, places[i].vcpu);
		ASSERT_SOURCES("%u: mapped to INTID %u, vCPU %u", i, places[i].intid,
			       places[i].vcpu);
	}
	take_away(sh->vm, variant->how);
	sharers_detach_all(sh);
	ASSERT_SOURCES("unmapped, and all left");
}

/* The first edge after the MAPTI has no time to wait for anybody. */
VM_TEST_F(unmapped, mapped_again_and_fired_at_once, "H5")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 0; round < ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int place = round % ARRAY_SIZE(places);
		uint32_t intid = places[place].intid;
		uint64_t before;

		settle();
		take_away(sh->vm, variant->how);
		if (round % 2)
			settle();
		give_back(sh->vm, variant->how, intid, places[place].vcpu);
		before = guest_count(sh->vm, intid);
		source_fire(sh->src[round % sh->nr]);
		if (!guest_takes(sh->vm, intid, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round);
	}
	ASSERT_SOURCES("afterwards");
}

/* The same with interrupts masked: the edge is pending while the vLPI gets its holder. */
VM_TEST_F(unmapped, mapped_again_with_an_edge_pending, "H5")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	for (unsigned int i = 0; i < sh->nr; i++) {
		guest_mask(sh->vm, 0, true);
		/* Pending when it is unmapped, and gone with it. */
		source_fire(sh->src[i]);
		settle();
		take_away(sh->vm, variant->how);
		settle();
		give_back(sh->vm, variant->how, SHARED_INTID, 0);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[i]);
		EXPECT_PLACED("mapped again, with an edge of source %u pending", i);
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		guest_mask(sh->vm, 0, false);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("an edge of source %u was pending: lost", i);
		}
		ASSERT_SOURCES("source %u", i);
	}
}

VM_TEST_F(unmapped, under_fire, "H5")
{
	struct sharers *sh = &self->sh;
	uint64_t before, rounds;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < 8; round++) {
		unsigned int place = round % ARRAY_SIZE(places);
		uint32_t intid = places[place].intid;

		take_away(sh->vm, variant->how);
		settle();
		before = guest_lpi_count(sh->vm);
		rounds = __atomic_load_n(&f.rounds, __ATOMIC_ACQUIRE);
		wait_for(__atomic_load_n(&f.rounds, __ATOMIC_ACQUIRE) > rounds + 20, "all fire");
		settle();
		EXPECT_EQ(before, guest_lpi_count(sh->vm)) {
			TH_LOG("round %u: taken, with nothing mapped", round);
		}
		give_back(sh->vm, variant->how, intid, places[place].vcpu);
		EXPECT_TRUE(guest_takes(sh->vm, intid, guest_count(sh->vm, intid))) {
			TH_LOG("round %u: nothing arrives any more", round);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Too fast for anybody who looks later. */
VM_TEST_F(unmapped, again_and_again, "H5")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < 2 * ROUNDS; round++) {
		unsigned int place = round % ARRAY_SIZE(places);

		take_away(sh->vm, variant->how);
		give_back(sh->vm, variant->how, places[place].intid, places[place].vcpu);
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Two vLPIs of one device, two sources each: what happens to one of them, and to both. */

FIXTURE(neighbours) {
	struct sharers sh;
};

FIXTURE_SETUP(neighbours)
{
	struct sharers *sh = &self->sh;

	sharers_prepare(sh, "neighbours", 0, 4);
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	for (unsigned int i = 2; i < sh->nr; i++)
		vm_route_msi(sh->vm, SHARED_GSI + i, SHARED_DEVID, OTHER_EVENT);
	sharers_attach_all(sh);
}

FIXTURE_TEARDOWN(neighbours)
{
	sharers_free(&self->sh);
}

VM_TEST_F(neighbours, are_not_disturbed, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	guest_discard(sh->vm, SHARED_DEVID, OTHER_EVENT);
	ASSERT_SOURCES("one discarded");
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	ASSERT_SOURCES("and mapped again");
	guest_mapd(sh->vm, SHARED_DEVID, false);
	ASSERT_SOURCES("the device unmapped");
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	ASSERT_SOURCES("one mapped again");
	sharers_map(sh);
	ASSERT_SOURCES("both mapped again");
}

/* In the time of a few ITS commands, so that nobody sees the event lead nowhere. */
VM_TEST_F(neighbours, change_places, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	for (unsigned int n = 0; n < 6; n++) {
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		guest_discard(sh->vm, SHARED_DEVID, OTHER_EVENT);
		guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT, n % 2 ? SHARED_INTID : OTHER_INTID,
			  0);
		guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, n % 2 ? OTHER_INTID : SHARED_INTID,
			  0);
		ASSERT_SOURCES("%u", n);
	}
}

/* ---- H5: the ITS, or the LPIs of the vCPU, off and on ------------ */

FIXTURE(off) {
	struct sharers sh;
};

FIXTURE_VARIANT(off) {
	bool lpis;
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(off, its_of_one) {
	.nr = 1,
};

FIXTURE_VARIANT_ADD(off, its_of_three) {
	.nr = 3,
};

FIXTURE_VARIANT_ADD(off, lpis_of_three) {
	.lpis = true, .nr = 3,
};

FIXTURE_SETUP(off)
{
	two_vcpus(&self->sh, "off", variant->nr);
}

FIXTURE_TEARDOWN(off)
{
	sharers_free(&self->sh);
}

static void turn(struct vm *vm, bool lpis, bool on)
{
	if (lpis)
		guest_lpis(vm, 0, on);
	else
		guest_its(vm, on);
}

VM_TEST_F(off, and_on, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	for (unsigned int n = 1; n <= 2; n++) {
		turn(sh->vm, variant->lpis, false);
		settle();
		turn(sh->vm, variant->lpis, true);
		ASSERT_SOURCES("on again, %u", n);
	}
}

/* Somebody looks at the routes while they lead nowhere, and nobody changes them afterwards. */
VM_TEST_F(off, and_on_with_routes_looked_at, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	turn(sh->vm, variant->lpis, false);
	vm_route_msi(sh->vm, SHARED_GSI + MAX_SHARERS, SHARED_DEVID, OTHER_EVENT);
	settle();
	turn(sh->vm, variant->lpis, true);
	ASSERT_SOURCES("on again");
}

/* The holder leaves meanwhile, and comes back. */
VM_TEST_F(off, and_on_with_the_holder_replaced, "H5")
{
	struct sharers *sh = &self->sh;
	int holder;

	for (unsigned int n = 1; n <= 2; n++) {
		ASSERT_SOURCES("attached, %u", n);
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder);
		turn(sh->vm, variant->lpis, false);
		detach(sh->src[holder]);
		EXPECT_VERDICT(sh->src[holder], HOST);
		source_drain(sh->src[holder]);
		if (n == 2)
			sharers_attach(sh, holder);
		turn(sh->vm, variant->lpis, true);
		if (n == 1)
			sharers_attach(sh, holder);
		ASSERT_SOURCES("on again, %u", n);
	}
}

VM_TEST_F(off, and_on_under_fire, "H5")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		turn(sh->vm, variant->lpis, false);
		if (round % 2)
			settle();
		turn(sh->vm, variant->lpis, true);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID))) {
			TH_LOG("round %u: nothing arrives any more", round);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Mappings survive it: the guest need not map anything again, but may. */
VM_TEST_F(off, and_set_up_anew, "H5")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	turn(sh->vm, variant->lpis, false);
	settle();
	if (variant->lpis)
		guest_lpis(sh->vm, 0, true);
	guest_init_its(sh->vm);
	ASSERT_SOURCES("set up anew");
	guest_mapd(sh->vm, SHARED_DEVID, true);
	sharers_map(sh);
	ASSERT_SOURCES("and mapped anew");
}

/* ---- H6: two events, one LPI ------------------------------------- */

/* Sources 1 and 2 by the first event, 3 and 4 by the second. */
#define EVENTS			2
#define BY_EVENT		2

static const struct {
	uint32_t devid;
	uint32_t eventid;
} events[][EVENTS] = {
	{ { SHARED_DEVID, SHARED_EVENT }, { SHARED_DEVID, OTHER_EVENT } },
	{ { SHARED_DEVID, SHARED_EVENT }, { OTHER_DEVID, SHARED_EVENT } },
};

FIXTURE(aliases) {
	struct sharers sh;
	bool refused;
};

FIXTURE_VARIANT(aliases) {
	unsigned int of;
	unsigned int first;	/* the event that is mapped, and its sources attached, first */
};

FIXTURE_VARIANT_ADD(aliases, of_a_device) {
	.of = 0, .first = 0,
};

FIXTURE_VARIANT_ADD(aliases, of_a_device_reversed) {
	.of = 0, .first = 1,
};

FIXTURE_VARIANT_ADD(aliases, of_two_devices) {
	.of = 1, .first = 0,
};

/*
 * Maps it to the shared LPI. KVM 7.3.4 refuses that for an LPI that another event leads to, and
 * tells nobody; but an MSI by this event is then turned down, and it is not mapped in our books.
 */
static bool map_event(struct vm *vm, unsigned int of, unsigned int n)
{
	uint32_t devid = events[of][n].devid, eventid = events[of][n].eventid;
	struct event *e;

	guest_map(vm, devid, eventid, SHARED_INTID, 0);
	if (try_signal_msi(vm, devid, eventid) > 0)
		return true;
	e = vm_event(vm, devid, eventid);
	*e = vm->events[--vm->nr_events];
	return false;
}

static void discard_event(struct vm *vm, unsigned int of, unsigned int n)
{
	guest_discard(vm, events[of][n].devid, events[of][n].eventid);
}

FIXTURE_SETUP(aliases)
{
	struct sharers *sh = &self->sh;

	sharers_prepare(sh, "aliases", 0, EVENTS * BY_EVENT);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	ASSERT_TRUE(map_event(sh->vm, variant->of, variant->first));
	self->refused = !map_event(sh->vm, variant->of, !variant->first);
	settle();
	for (unsigned int n = 0; n < EVENTS; n++) {
		unsigned int e = n ? !variant->first : variant->first;

		for (unsigned int i = e * BY_EVENT; i < (e + 1) * BY_EVENT; i++) {
			vm_route_msi(sh->vm, SHARED_GSI + i, events[variant->of][e].devid,
				     events[variant->of][e].eventid);
			sharers_attach(sh, i);
		}
	}
}

FIXTURE_TEARDOWN(aliases)
{
	sharers_free(&self->sh);
}

#define SKIP_WHERE_REFUSED()						\
	do {								\
		if (self->refused)					\
			SKIP(return, "this KVM refuses a second event on an LPI"); \
	} while (0)

/* Where KVM refuses the second one, its sources reach nobody, nor disturb those of the first. */
FAILS_ON_STOCK_LAST("aliases.of_a_device.share_one_holder", "6.1");
VM_TEST_F(aliases, share_one_holder, "H6")
{
	struct sharers *sh = &self->sh;

	note("the second event is %s", self->refused ? "refused" : "mapped");
	ASSERT_SOURCES("attached");
	sharers_detach_all(sh);
	ASSERT_SOURCES("all left");
}

/* One event is discarded while the other leads to the LPI, and mapped again. */
VM_TEST_F(aliases, first_discarded, "H6")
{
	struct sharers *sh = &self->sh;

	SKIP_WHERE_REFUSED();
	ASSERT_SOURCES("attached");
	for (unsigned int n = 1; n <= 2; n++) {
		discard_event(sh->vm, variant->of, 0);
		ASSERT_SOURCES("the first event is discarded, %u", n);
		ASSERT_TRUE(map_event(sh->vm, variant->of, 0));
		ASSERT_SOURCES("the first event is mapped again, %u", n);
	}
}

VM_TEST_F(aliases, second_discarded, "H6")
{
	struct sharers *sh = &self->sh;

	SKIP_WHERE_REFUSED();
	ASSERT_SOURCES("attached");
	for (unsigned int n = 1; n <= 2; n++) {
		discard_event(sh->vm, variant->of, 1);
		ASSERT_SOURCES("the second event is discarded, %u", n);
		ASSERT_TRUE(map_event(sh->vm, variant->of, 1));
		ASSERT_SOURCES("the second event is mapped again, %u", n);
	}
}

/* The order in which they go and come; what KVM refuses is not mapped in our books. */
VM_TEST_F(aliases, both_discarded, "H6")
{
	static const struct {
		unsigned int gone, back;
	} orders[] = {
		{ 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 },
	};
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		discard_event(sh->vm, variant->of, orders[i].gone);
		ASSERT_SOURCES("%u: one discarded", i);
		discard_event(sh->vm, variant->of, !orders[i].gone);
		ASSERT_SOURCES("%u: both discarded", i);
		ASSERT_TRUE(map_event(sh->vm, variant->of, orders[i].back));
		ASSERT_SOURCES("%u: one mapped again", i);
		ASSERT_EQ(self->refused, !map_event(sh->vm, variant->of, !orders[i].back));
		ASSERT_SOURCES("%u: both mapped again", i);
	}
}

/* Never both: the LPI goes from event to event. */
VM_TEST_F(aliases, take_turns, "H6")
{
	struct sharers *sh = &self->sh;

	discard_event(sh->vm, variant->of, !variant->first);
	ASSERT_SOURCES("the first of them");
	for (unsigned int n = 0; n < 4; n++) {
		unsigned int to = n % 2 ? variant->first : !variant->first;

		discard_event(sh->vm, variant->of, !to);
		ASSERT_TRUE(map_event(sh->vm, variant->of, to));
		ASSERT_SOURCES("turn %u", n);
	}
}

VM_TEST_F(aliases, under_fire, "H6")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	struct rng rng;

	rng_seed(&rng, 6);
	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 0; round < 2 * ROUNDS; round++) {
		unsigned int n = rng_below(&rng, EVENTS);

		if (vm_event(sh->vm, events[variant->of][n].devid, events[variant->of][n].eventid))
			discard_event(sh->vm, variant->of, n);
		else
			map_event(sh->vm, variant->of, n);
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* ---- H7: attached before it is mapped ---------------------------- */

/* The last step that the guest takes until its event leads to its LPI; all attach before it. */
enum last {
	MAPTI,
	MAPD_TOO,
	ENABLE,			/* the property byte */
	LPIS,
	ITS_ON,
	MAPC,
	BOOT,			/* everything */
	NEW_ITS,		/* the VM has none yet */
};

FIXTURE(early) {
	struct sharers sh;
};

FIXTURE_VARIANT(early) {
	enum last last;
};

#define EARLY(name, l)						\
	FIXTURE_VARIANT_ADD(early, name) {			\
		.last = l,					\
	}

EARLY(before_mapti, MAPTI);
EARLY(before_mapd, MAPD_TOO);
EARLY(before_lpi_enabled, ENABLE);
EARLY(before_lpis_on, LPIS);
EARLY(before_its_on, ITS_ON);
EARLY(before_mapc, MAPC);
EARLY(before_boot, BOOT);
EARLY(before_its_exists, NEW_ITS);

static void boot_until(struct vm *vm, enum last last)
{
	if (last == BOOT)
		return;
	guest_init_gic(vm);
	if (last == NEW_ITS)
		return;
	/* Without the table that this sets, KVM takes no MAPTI. */
	guest_lpis(vm, 0, true);
	if (last == LPIS)
		guest_lpis(vm, 0, false);
	if (last == MAPC)
		guest_do(vm, 0, GUEST_ITS_INIT, 0, 0, 0, 0, 0);
	else
		guest_init_its(vm);
	if (last == MAPD_TOO)
		return;
	guest_mapd(vm, SHARED_DEVID, true);
	if (last == MAPTI)
		return;
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	if (last == ENABLE)
		guest_enable(vm, SHARED_INTID, false);
	if (last == ITS_ON)
		guest_its(vm, false);
}

static void boot_on(struct vm *vm, enum last last)
{
	switch (last) {
	case ENABLE:
		guest_enable(vm, SHARED_INTID, true);
		return;
	case LPIS:
		guest_lpis(vm, 0, true);
		return;
	case ITS_ON:
		guest_its(vm, true);
		return;
	case MAPC:
		guest_map_collection(vm, 0, 0);
		return;
	case NEW_ITS:
		vm_add_its(vm);
		guest_lpis(vm, 0, true);
		guest_init_its(vm);
		break;
	case BOOT:
		guest_boot(vm);
		break;
	default:
		break;
	}
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
}

FIXTURE_SETUP(early)
{
	struct sharers *sh = &self->sh;

	if (variant->last == NEW_ITS)
		sh->vm = vm_new_without_its("early", 1);
	else
		sh->vm = vm_new("early", 1);
	boot_until(sh->vm, variant->last);
	open_sources(sh, 3);
	sharers_attach_all(sh);
}

FIXTURE_TEARDOWN(early)
{
	sharers_free(&self->sh);
}

VM_TEST_F(early, is_direct_once_mapped, "H7")
{
	struct sharers *sh = &self->sh;

	/* An LPI that is mapped and not enabled keeps what is raised. */
	for (unsigned int i = 0; i < sh->nr && variant->last != ENABLE; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	boot_on(sh->vm, variant->last);
	ASSERT_SOURCES("mapped");
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		ASSERT_SOURCES("%u left", i + 1);
	}
}

/* With no interrupt raised at all until it is in its place. */
FAILS_ON_STOCK("early.before_mapti.needs_no_interrupt", "6.1");
VM_TEST_F(early, needs_no_interrupt, "H7")
{
	struct sharers *sh = &self->sh;

	boot_on(sh->vm, variant->last);
	ASSERT_SOURCES("mapped");
}

VM_TEST_F(early, loses_no_edge_once_mapped, "H7")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	settle();
	boot_on(sh->vm, variant->last);
	before = guest_count(sh->vm, SHARED_INTID);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_fire(sh->src[i]);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("source %u: raised once mapped: lost", i);
		}
		settle();
		before = guest_count(sh->vm, SHARED_INTID);
	}
	ASSERT_SOURCES("afterwards");
}

VM_TEST_F(early, under_fire, "H7")
{
	struct sharers *sh = &self->sh;
	uint64_t before = guest_lpi_count(sh->vm);
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	settle();
	EXPECT_EQ(before, guest_lpi_count(sh->vm));
	boot_on(sh->vm, variant->last);
	EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, guest_count(sh->vm, SHARED_INTID)));
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* ---- H10: moved to another vCPU ---------------------------------- */

enum move {
	BY_MOVI,
	BY_MOVALL,
	BY_MAPC,		/* of the event's collection */
};

FIXTURE(moved) {
	struct sharers sh;
};

FIXTURE_VARIANT(moved) {
	enum move by;
	unsigned int nr;
};

#define MOVED(name, b, n)					\
	FIXTURE_VARIANT_ADD(moved, name) {			\
		.by = b, .nr = n,				\
	}

MOVED(by_movi_one, BY_MOVI, 1);
MOVED(by_movi_three, BY_MOVI, 3);
MOVED(by_movall_three, BY_MOVALL, 3);
MOVED(by_mapc_three, BY_MAPC, 3);

FIXTURE_SETUP(moved)
{
	two_vcpus(&self->sh, "moved", variant->nr);
}

FIXTURE_TEARDOWN(moved)
{
	sharers_free(&self->sh);
}

static void move_to(struct vm *vm, enum move by, unsigned int vcpu)
{
	switch (by) {
	case BY_MOVI:
		guest_move(vm, SHARED_DEVID, SHARED_EVENT, vcpu);
		break;
	case BY_MOVALL:
		guest_move_all(vm, !vcpu, vcpu);
		break;
	case BY_MAPC:
		guest_map_collection(vm, 0, vcpu);
		break;
	}
}

VM_TEST_F(moved, all_follow, "H10")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	for (unsigned int n = 1; n <= 4; n++) {
		move_to(sh->vm, variant->by, n % 2);
		ASSERT_SOURCES("%u: on vCPU %u", n, n % 2);
	}
}

VM_TEST_F(moved, next_holders_too, "H10")
{
	struct sharers *sh = &self->sh;
	int holder;

	ASSERT_SOURCES("attached");
	move_to(sh->vm, variant->by, 1);
	for (unsigned int n = 1; n <= sh->nr; n++) {
		ASSERT_SOURCES("%u there", sh->nr - n + 1);
		holder = sharers_holder(sh);
		ASSERT_LE(0, holder);
		detach(sh->src[holder]);
		sh->src[holder]->last = HOST;
		source_drain(sh->src[holder]);
	}
	ASSERT_SOURCES("all left");
	sharers_attach_all(sh);
	ASSERT_SOURCES("all are back");
	sharers_detach_all(sh);
	move_to(sh->vm, variant->by, 0);
	for (unsigned int i = 0; i < sh->nr; i++)
		source_drain(sh->src[i]);
	sharers_attach_all(sh);
	ASSERT_SOURCES("moved with nobody there");
}

/* Where the event leads when it is mapped again is the collection's vCPU. */
VM_TEST_F(moved, and_mapped_again, "H10")
{
	struct sharers *sh = &self->sh;

	ASSERT_SOURCES("attached");
	move_to(sh->vm, variant->by, 1);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	sharers_map(sh);
	ASSERT_SOURCES("mapped again");
}

static bool takes_on(struct vm *vm, unsigned int vcpu, uint64_t before)
{
	struct wait w;

	wait_begin(&w);
	while (guest_count_on(vm, vcpu, SHARED_INTID) == before) {
		vm_check(vm);
		if (!wait_more(&w))
			return false;
	}
	return true;
}

VM_TEST_F(moved, under_fire, "H10")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		unsigned int to = round % 2;

		move_to(sh->vm, variant->by, to);
		ASSERT_TRUE(takes_on(sh->vm, to, guest_count_on(sh->vm, to, SHARED_INTID))) {
			TH_LOG("round %u: nothing arrives on vCPU %u", round, to);
		}
		if (round % 3 == 0) {
			detach(sh->src[round % sh->nr]);
			sharers_attach(sh, round % sh->nr);
		}
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

/* Pending on a vCPU that has interrupts masked, or both have: it goes along, or stays; not away. */
VM_TEST_F(moved, with_an_edge_pending, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int at = 0;
	uint64_t before;

	ASSERT_SOURCES("attached");
	for (unsigned int n = 0; n < 2 * sh->nr; n++) {
		bool both = n >= sh->nr;

		guest_mask(sh->vm, at, true);
		if (both)
			guest_mask(sh->vm, !at, true);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[n % sh->nr]);
		settle();
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		move_to(sh->vm, variant->by, !at);
		settle();
		guest_mask(sh->vm, at, false);
		if (both)
			guest_mask(sh->vm, !at, false);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("%u: the edge that was pending on vCPU %u is lost", n, at);
		}
		at = !at;
		ASSERT_SOURCES("%u: on vCPU %u", n, at);
	}
}

/*
 * The LPI is disabled; what is pending has to be there when it is enabled on the other vCPU. That
 * one sleeps in WFI, and an INV by another rings no doorbell: it takes it when it next runs.
 */
VM_TEST_F(moved, with_an_edge_pending_disabled, "H10")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	ASSERT_SOURCES("attached");
	for (unsigned int n = 0; n < 2 * sh->nr; n++) {
		guest_enable(sh->vm, SHARED_INTID, false);
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[n % sh->nr]);
		settle();
		move_to(sh->vm, variant->by, !(n % 2));
		settle();
		EXPECT_EQ(before, guest_count(sh->vm, SHARED_INTID));
		guest_enable(sh->vm, SHARED_INTID, true);
		guest_round_trip(sh->vm);
		EXPECT_TRUE(guest_takes(sh->vm, SHARED_INTID, before)) {
			TH_LOG("%u: the edge that was pending, disabled, is lost", n);
		}
		ASSERT_SOURCES("%u", n);
	}
}

VM_TEST_F(moved, at_once_after_an_edge, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 1; round <= ROUNDS && lost < ENOUGH_LOST; round++) {
		uint64_t before;

		settle();
		before = guest_count(sh->vm, SHARED_INTID);
		source_fire(sh->src[round % sh->nr]);
		move_to(sh->vm, variant->by, round % 2);
		if (!guest_takes(sh->vm, SHARED_INTID, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round - 1);
	}
	ASSERT_SOURCES("afterwards");
}

FAILS_ON_STOCK_LAST("moved.by_movi_three.at_once_before_an_edge", "6.1");
VM_TEST_F(moved, at_once_before_an_edge, "H10")
{
	struct sharers *sh = &self->sh;
	unsigned int lost = 0, round;

	for (round = 1; round <= ROUNDS && lost < ENOUGH_LOST; round++) {
		unsigned int to = round % 2;
		uint64_t before;

		settle();
		move_to(sh->vm, variant->by, to);
		before = guest_count_on(sh->vm, to, SHARED_INTID);
		source_fire(sh->src[round % sh->nr]);
		if (!takes_on(sh->vm, to, before))
			lost++;
	}
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u edges lost", lost, round - 1);
	}
	ASSERT_SOURCES("afterwards");
}

TEST_MAIN
