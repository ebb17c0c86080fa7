// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often a running vCPU leaves its guest for an interrupt of a device whose host interrupt
 * another host CPU takes. Not for a holder's; nor for a waiter's with fallback=inline: the ITS
 * sends it to where the vCPU is. The stock kernel has to get the vCPU out for each interrupt that
 * it injects in software.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define FIRES			100
#define NR_SOURCES		2

FIXTURE(exits) {
	struct vm *vm;
	struct source *src[NR_SOURCES];
	bool was_loaded;
};

/* This process and the host's interrupts are on CPU 0, the vCPU is on CPU 1. */
FIXTURE_SETUP(exits)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	ASSERT_EQ(2, host_cpus());
	self->vm = vm_new("exits", 1);
	/* With no irqfd, the module can come and go. */
	vm_sentinel(self->vm, false);
	run_on_cpu(pthread_self(), 0);
	run_on_cpu(self->vm->vcpu[0].thread, 1);
	guest_boot(self->vm);
	guest_idle(self->vm, 0, GUEST_IDLE_SPIN);
	vm_route_msi(self->vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < NR_SOURCES; i++) {
		char path[64];

		self->src[i] = source_open(i);
		snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity",
			 source_host_irq(self->src[i]));
		write_file(path, "1");
	}
}

FIXTURE_TEARDOWN(exits)
{
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(self->src[i]);
	vm_free(self->vm);
	broker_want(self->was_loaded);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* For half of the interrupts, no more than that: a tick of the host comes in between some. */
static uint64_t exits_of(FIXTURE_DATA(exits) *self, unsigned int i, const char *what)
{
	uint64_t n[FIRES], before, count;

	await_effects();
	for (unsigned int k = 0; k < FIRES; k++) {
		count = guest_count(self->vm, SHARED_INTID);
		before = vm_exits(self->vm);
		source_fire(self->src[i]);
		guest_wait_irq(self->vm, SHARED_INTID, count, what);
		n[k] = vm_exits(self->vm) - before;
		source_ack(self->src[i]);
	}
	qsort(n, FIRES, sizeof(*n), compare);
	note("exits: %s: median %llu, at most %llu", what, (unsigned long long)n[FIRES / 2],
	     (unsigned long long)n[FIRES - 1]);
	return n[FIRES / 2];
}

static void assign_all(FIXTURE_DATA(exits) *self)
{
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_assign(self->src[i], self->vm, SHARED_GSI);
}

static void with_fallback(FIXTURE_DATA(exits) *self, const char *mode)
{
	write_file("/sys/module/vlpi_broker/parameters/fallback", mode);
	assign_all(self);
	wait_for(broker_holds(self->src[0]), "the first one holds the vLPI");
}

VM_TEST_F(exits, of_a_running_vcpu, "P7")
{
	/* Its LPI comes after the irqfd: no stock kernel maps it then. */
	source_assign(self->src[0], self->vm, SHARED_GSI);
	guest_map(self->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	EXPECT_LE(1, exits_of(self, 0, "stock, in software"));
	source_deassign(self->src[0]);

	broker_want(true);
	with_fallback(self, "inline");
	EXPECT_EQ(0, exits_of(self, 0, "holder"));
	EXPECT_EQ(0, exits_of(self, 1, "waiter, inline"));
	sources_deassign(self->vm);
	with_fallback(self, "thread");
	exits_of(self, 1, "waiter, thread");
	sources_deassign(self->vm);
	broker_want(false);
}

TEST_MAIN
