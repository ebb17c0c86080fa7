// SPDX-License-Identifier: GPL-2.0-only
/*
 * P3: a vLPI with a producer that can be mapped is not idle for more than 100 ms, whatever made it
 * mappable, with no interrupt; and nothing looks, or waits, for work where there is none.
 *
 * The time is that of the host's clock. It says something about the kernel only where the lab
 * counts instructions (tests/lab/run --icount); elsewhere it is for the eye, and only that the
 * slot is filled at all is checked.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define BOUND_MS		100
/* Of what the broker is told of at once. */
#define TOLD_MS			8

static bool counts_instructions(void)
{
	return getenv("VLPI_ICOUNT") != NULL;
}

/* The number of sources that hold their slot now. */
static unsigned int holders(struct sharers *sh)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < sh->nr; i++)
		n += broker_holds(sh->src[i]);
	return n;
}

FIXTURE(idle) {
	struct sharers sh;
};

FIXTURE_SETUP(idle)
{
	broker_want(true);
	sharers_new(&self->sh, "idle", 0, 3);
}

FIXTURE_TEARDOWN(idle)
{
	sharers_free(&self->sh);
}

/* Within @bound_ms, where the clock counts instructions. */
static void expect_within(struct __test_metadata *_metadata, struct sharers *sh, uint64_t since,
			  unsigned int bound_ms, const char *after)
{
	uint64_t us;

	wait_for(holders(sh) == 1, "%s: somebody holds the slot", after);
	us = (now_ns() - since) / 1000;
	note("%s: held after %llu.%03llu ms", after, (unsigned long long)us / 1000,
	     (unsigned long long)us % 1000);
	if (counts_instructions()) {
		EXPECT_GE(bound_ms * 1000, us) {
			TH_LOG("%s: the slot was idle for more than %u ms", after, bound_ms);
		}
	}
}

static void expect_soon(struct __test_metadata *_metadata, struct sharers *sh, uint64_t since,
			const char *after)
{
	expect_within(_metadata, sh, since, BOUND_MS, after);
}

VM_TEST_F(idle, after_the_holder_leaves, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since = now_ns();

	source_deassign(sh->src[0]);
	expect_soon(_metadata, sh, since, "the holder has left");
}

VM_TEST_F(idle, after_discard_and_map, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	wait_for(!holders(sh), "the event is gone");
	since = now_ns();
	sharers_map(sh);
	expect_soon(_metadata, sh, since, "the event is mapped again");
}

/* KVM says when an LPI has come, so the broker need not find it by looking, 80 ms apart by then. */
VM_TEST_F(idle, after_map_is_told_of, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	for (unsigned int n = 0; n < 3; n++) {
		guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
		wait_for(!holders(sh), "the event is gone");
		usleep((500 + 20 * n) * 1000);
		since = now_ns();
		sharers_map(sh);
		expect_within(_metadata, sh, since, TOLD_MS, "the event is mapped, late");
	}
}

/* The LPI is there all the time, for another event: nothing in KVM says that this one has come. */
VM_TEST_F(idle, after_map_to_an_lpi_that_lives, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT + 1, SHARED_INTID, 0);
	if (try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT + 1) <= 0)
		SKIP(return, "this KVM refuses a second event for one LPI");
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	wait_for(!holders(sh), "the event is gone");
	since = now_ns();
	sharers_map(sh);
	expect_soon(_metadata, sh, since, "the event is mapped again");
}

/* They come while the ITS is off. */
VM_TEST_F(idle, after_the_its_is_switched_on, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	sharers_deassign_all(sh);
	guest_its(sh->vm, false);
	sharers_assign_all(sh);
	EXPECT_EQ(0, holders(sh));
	/* As late as the back-off makes it. */
	usleep(500 * 1000);
	EXPECT_EQ(0, holders(sh));
	since = now_ns();
	guest_its(sh->vm, true);
	expect_soon(_metadata, sh, since, "the ITS is on");
}

VM_TEST_F(idle, after_the_collection_is_mapped, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	sharers_deassign_all(sh);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	guest_mapc(sh->vm, 0, false);
	sharers_map(sh);
	sharers_assign_all(sh);
	EXPECT_EQ(0, holders(sh));
	usleep(500 * 1000);
	since = now_ns();
	guest_mapc(sh->vm, 0, true);
	expect_soon(_metadata, sh, since, "the collection is mapped");
}

VM_TEST_F(idle, after_a_change_of_route, "P3")
{
	struct sharers *sh = &self->sh;
	uint64_t since;

	for (unsigned int i = 0; i < sh->nr; i++)
		vm_route_none(sh->vm, SHARED_GSI + i);
	EXPECT_EQ(0, holders(sh));
	since = now_ns();
	for (unsigned int i = 0; i < sh->nr; i++)
		vm_route_msi(sh->vm, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
	expect_soon(_metadata, sh, since, "the routes are back");
}

/* KVM_IRQFD waits for a VM to be settled. One that has no irqfd any more is. */
VM_TEST_F(idle, nobody_waits_for_the_last_to_be_settled, "P7")
{
	struct sharers *sh = &self->sh;
	uint64_t since, us;

	vm_sentinel(sh->vm, false);
	source_deassign(sh->src[0]);
	source_deassign(sh->src[1]);
	since = now_ns();
	source_deassign(sh->src[2]);
	us = (now_ns() - since) / 1000;
	note("the last irqfd is deassigned in %llu us", (unsigned long long)us);
	if (counts_instructions()) {
		EXPECT_GE(TOLD_MS * 1000, us) {
			TH_LOG("it took more than %u ms", TOLD_MS);
		}
	}
	vm_sentinel(sh->vm, true);
}

/* ---- nothing to do ----------------------------------------------- */

/* How often the kernel has begun a work of the broker's since tracing began. */
static unsigned int looks(void)
{
	FILE *trace = fopen(TRACING "trace", "r");
	unsigned int n = 0;
	char line[512];

	if (!trace)
		die(TRACING "trace: %m");
	while (fgets(line, sizeof(line), trace))
		n += strstr(line, "workqueue_execute_start") && strstr(line, "[vlpi_broker]");
	fclose(trace);
	return n;
}

/* A timer of the broker's ends in a work of the broker's: where there is none, no timer runs. */
static unsigned int looks_in_a_second(struct vm *switches_its)
{
	unsigned int n;

	write_tracing("trace", "");
	write_tracing("events/workqueue/workqueue_execute_start/enable", "1");
	if (switches_its)
		guest_its(switches_its, true);
	sleep(1);
	write_tracing("events/workqueue/workqueue_execute_start/enable", "0");
	n = looks();
	note("%u looks in a second", n);
	return n;
}

/* The broker is told of what changes, and looks at nothing else, also where nothing is mapped. */
VM_TEST_F(idle, nobody_looks_for_work_where_there_is_none, "P3")
{
	struct sharers *sh = &self->sh;

	EXPECT_SOURCES("all assigned");
	wait_for(!looks_in_a_second(NULL), "all is settled, and the broker looks no more");
	EXPECT_EQ(0, looks_in_a_second(NULL));
	guest_its(sh->vm, false);
	sharers_deassign_all(sh);
	sharers_assign_all(sh);
	wait_for(!looks_in_a_second(NULL), "nothing can be mapped, and the broker looks no more");
	/* And the instrument sees a look where there is one. */
	EXPECT_LT(0, looks_in_a_second(sh->vm));
	wait_for(holders(sh) == 1, "somebody holds the slot");
	wait_for(!looks_in_a_second(NULL), "all is settled again");
}

/* An interrupt is a reason to look: the one after it is direct. */
VM_TEST_F(idle, an_interrupt_is_a_reason_to_look, "P3")
{
	struct sharers *sh = &self->sh;

	guest_its(sh->vm, false);
	sharers_deassign_all(sh);
	sharers_assign_all(sh);
	usleep(500 * 1000);
	guest_its(sh->vm, true);
	source_fire(sh->src[1]);
	wait_for(holders(sh) == 1, "somebody holds the slot after an interrupt");
	EXPECT_SOURCES("after an interrupt");
}

TEST_MAIN
