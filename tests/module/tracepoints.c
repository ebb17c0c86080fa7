// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints vlpi_broker:*: each is there when its thing happens, with the right numbers. */
#define _GNU_SOURCE
#include "harness.h"

struct event_line {
	char name[32];
	char why[32];
	unsigned long long vm;
	unsigned int vintid;
	unsigned int host_irq;
	int error;
};

/* The next of the broker's events in the trace; false at its end. */
static bool next_event(FILE *trace, struct event_line *e)
{
	static const char * const names[] = {
		"connect", "grant", "wait", "promote", "demote", "fallback_signal",
		"fallback_inject", "unmap", "forced_unmap", "gate_refuse", "resolve_fail",
	};
	char line[512], word[40], *fields;

	while (fgets(line, sizeof(line), trace)) {
		fields = strstr(line, ": vm=");
		if (!fields)
			continue;
		for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(word, sizeof(word), " %s: vm=", names[i]);
			if (!strstr(line, word))
				continue;
			strcpy(e->name, names[i]);
			if (sscanf(fields, ": vm=%llu vintid=%u host_irq=%u why=%31s error=%d",
				   &e->vm, &e->vintid, &e->host_irq, e->why, &e->error) != 5)
				die("an event that cannot be read: %s", line);
			return true;
		}
	}
	return false;
}

/* How many there are with this name, why, host IRQ and vINTID (0: of any number). */
static unsigned int events(const char *name, const char *why, int host_irq, unsigned int vintid)
{
	FILE *trace = fopen(TRACING "trace", "r");
	struct event_line e;
	unsigned int n = 0;

	if (!trace)
		die(TRACING "trace: %m");
	while (next_event(trace, &e))
		n += !strcmp(e.name, name) && !strcmp(e.why, why) &&
		     (!host_irq || e.host_irq == (unsigned int)host_irq) &&
		     (!vintid || e.vintid == vintid) && e.vm;
	fclose(trace);
	return n;
}

#define EXPECT_EVENTS(n, name, why, host_irq, vintid)			\
	EXPECT_EQ(n, events(name, why, host_irq, vintid)) {		\
		TH_LOG("%s, why=%s, host_irq=%d, vintid=%u", name, why, host_irq, vintid); \
	}

FIXTURE(trace) {
	struct sharers sh;
	int irq[3];
};

FIXTURE_SETUP(trace)
{
	broker_want(true);
	write_tracing("trace", "");
	write_tracing("events/vlpi_broker/enable", "1");
	sharers_prepare(&self->sh, "trace", 0, 3);
	for (unsigned int i = 0; i < 3; i++)
		self->irq[i] = source_host_irq(self->sh.src[i]);
	sharers_assign_all(&self->sh);
	await_effects();
}

FIXTURE_TEARDOWN(trace)
{
	sharers_free(&self->sh);
	write_tracing("events/vlpi_broker/enable", "0");
}

VM_TEST_F(trace, first_gets_it_others_wait, "P6")
{
	int *irq = self->irq;

	EXPECT_EVENTS(1, "connect", "connected", irq[0], 0);
	EXPECT_EVENTS(3, "connect", "connected", 0, 0);
	EXPECT_EVENTS(1, "grant", "vacant", irq[0], SHARED_INTID);
	EXPECT_EVENTS(1, "grant", "vacant", 0, 0);
	EXPECT_EVENTS(1, "wait", "held", irq[1], SHARED_INTID);
	EXPECT_EVENTS(1, "wait", "held", irq[2], SHARED_INTID);
}

VM_TEST_F(trace, holder_leaves, "P6")
{
	struct sharers *sh = &self->sh;
	int *irq = self->irq;

	source_deassign(sh->src[0]);
	EXPECT_EVENTS(1, "demote", "left", irq[0], SHARED_INTID);
	EXPECT_EVENTS(1, "unmap", "revoked", irq[0], SHARED_INTID);
	EXPECT_EVENTS(1, "grant", "left", irq[1], SHARED_INTID);
	EXPECT_EVENTS(1, "promote", "left", irq[1], SHARED_INTID);
}

VM_TEST_F(trace, route_changes, "P6")
{
	struct sharers *sh = &self->sh;
	int *irq = self->irq;

	vm_route_none(sh->vm, SHARED_GSI);
	EXPECT_EVENTS(1, "demote", "rerouted", irq[0], SHARED_INTID);
	EXPECT_EVENTS(1, "promote", "rerouted", irq[1], SHARED_INTID);
}

VM_TEST_F(trace, waiter_fires, "P6")
{
	struct sharers *sh = &self->sh;
	uint64_t before = guest_count(sh->vm, SHARED_INTID);
	char mode[16] = "";
	FILE *f;

	f = fopen("/sys/module/vlpi_broker/parameters/fallback", "r");
	ASSERT_TRUE(f && fscanf(f, "%15s", mode) == 1);
	fclose(f);
	source_fire(sh->src[2]);
	guest_wait_irq(sh->vm, SHARED_INTID, before, "a waiter has fired");
	await_effects();
	EXPECT_EVENTS(1, "fallback_signal", "held", self->irq[2], SHARED_INTID);
	EXPECT_EVENTS(1, "fallback_inject", mode, self->irq[2], SHARED_INTID);
}

VM_TEST_F(trace, guest_discards, "P6")
{
	struct sharers *sh = &self->sh;
	int *irq = self->irq;

	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	EXPECT_EVENTS(1, "unmap", "kvm", irq[0], SHARED_INTID);
	wait_for(events("resolve_fail", "no-lpi", 0, 0) == 3, "each route leads nowhere");
	EXPECT_EQ(1, events("demote", "kvm", irq[0], SHARED_INTID) +
		     events("demote", "rerouted", irq[0], SHARED_INTID));
	sharers_map(sh);
	wait_for(events("grant", "vacant", 0, SHARED_INTID) == 2, "it is mapped and held again");
}

/* KVM up to 6.12 unmaps nothing while the guest has its ITS off; the broker does. */
VM_TEST_F(trace, its_off_and_detached, "P6")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_info before, after;

	broker_info(&before);
	guest_its(sh->vm, false);
	source_deassign(sh->src[0]);
	broker_info(&after);
	EXPECT_EVENTS(after.forced_unmaps - before.forced_unmaps, "forced_unmap", "leaked",
		      self->irq[0], SHARED_INTID);
	EXPECT_EVENTS(1, "unmap", "revoked", self->irq[0], SHARED_INTID);
}

/* What perf, trace-cmd and bpftrace read. */
VM_TEST_F(trace, formats_are_told, "P6")
{
	static const char * const fields[] = { "vm;", "vintid;", "host_irq;", "why;", "error;" };
	char path[128], line[512];

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		bool found = false;
		FILE *f;

		snprintf(path, sizeof(path), TRACING "events/vlpi_broker/gate_refuse/format");
		f = fopen(path, "r");
		ASSERT_TRUE(f);
		while (fgets(line, sizeof(line), f))
			found |= strstr(line, fields[i]) != NULL;
		fclose(f);
		EXPECT_TRUE(found) {
			TH_LOG("no field %s", fields[i]);
		}
	}
}

TEST_MAIN
