// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest maps two events, of one device or of two, to one LPI, and discards either first (H6):
 * the sources of both share one vLPI, with one holder.
 */
#define _GNU_SOURCE
#include "harness.h"

#define OTHER_DEVID		(SHARED_DEVID + 1)
#define OTHER_EVENT		(SHARED_EVENT + 1)

#define ROUNDS			20

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
	unsigned int first;	/* the event that is mapped, and its sources assigned, first */
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
 * does not tell the guest; but an MSI by this event is then turned down, and it is not mapped in
 * our books.
 */
static bool map_event(struct vm *vm, unsigned int of, unsigned int n)
{
	uint32_t devid = events[of][n].devid, eventid = events[of][n].eventid;
	struct its_event *e;

	guest_map(vm, devid, eventid, SHARED_INTID, 0);
	if (try_signal_msi(vm, devid, eventid) > 0)
		return true;
	e = vm_its_event(vm, devid, eventid);
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
	await_effects();
	for (unsigned int n = 0; n < EVENTS; n++) {
		unsigned int e = n ? !variant->first : variant->first;

		for (unsigned int i = e * BY_EVENT; i < (e + 1) * BY_EVENT; i++) {
			vm_route_msi(sh->vm, SHARED_GSI + i, events[variant->of][e].devid,
				     events[variant->of][e].eventid);
			sharers_assign(sh, i);
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

/* Where KVM refuses the second one, its sources reach no vLPI, nor disturb those of the first. */
FAILS_ON_STOCK_LAST("aliases.of_a_device.share_one_holder", "6.1");
VM_TEST_F(aliases, share_one_holder, "H6")
{
	struct sharers *sh = &self->sh;

	note("the second event is %s", self->refused ? "refused" : "mapped");
	ASSERT_SOURCES("assigned");
	sharers_deassign_all(sh);
	ASSERT_SOURCES("all left");
}

/* One event is discarded while the other leads to the LPI, and mapped again. */
VM_TEST_F(aliases, first_discarded, "H6")
{
	struct sharers *sh = &self->sh;

	SKIP_WHERE_REFUSED();
	ASSERT_SOURCES("assigned");
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
	ASSERT_SOURCES("assigned");
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

	ASSERT_SOURCES("assigned");
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

		if (vm_its_event(sh->vm, events[variant->of][n].devid,
				 events[variant->of][n].eventid))
			discard_event(sh->vm, variant->of, n);
		else
			map_event(sh->vm, variant->of, n);
	}
	firing_stop(&f);
	ASSERT_SOURCES("afterwards");
}

TEST_MAIN
