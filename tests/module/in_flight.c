// SPDX-License-Identifier: GPL-2.0-only
/*
 * A producer leaves while KVM is mapping or unmapping its host IRQ (H45): before the gate is asked,
 * between the gate and the irqchip, and while the guest's DISCARD unmaps it. And its number is
 * given to another device meanwhile (H48). A module that is for this test only makes that take long
 * (tests/lab/run --helpers).
 */
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include "harness.h"

#define SLOW			"vlpi_test_slow"
#define PRODUCER		"vlpi_test_producer"
#define WORK_CPUS		"/sys/devices/virtual/workqueue/vlpi_broker/cpumask"

/* A thread that has been given a CPU so often waits in a loop. */
#define MANY_TURNS		100

/* As the module has them. */
enum { AT_FORWARD, AT_MAP, AT_UNMAP };

FIXTURE(in_flight) {
	struct sharers sh;
	cpu_set_t cpus;
	uint64_t refusals;
};

FIXTURE_VARIANT(in_flight) {
	bool irqfd;	/* it is the irqfd that leaves, and not the producer */
};

FIXTURE_VARIANT_ADD(in_flight, producer) {
	.irqfd = false,
};

FIXTURE_VARIANT_ADD(in_flight, irqfd) {
	.irqfd = true,
};

/* What is made to take long may spin on CPU 1: this thread, and those that it makes, go on. */
FIXTURE_SETUP(in_flight)
{
	struct vlpi_broker_info info;

	if (!helper_built(SLOW) || host_cpus() < 2)
		return;	/* The tests say so. */
	if (sched_getaffinity(0, sizeof(self->cpus), &self->cpus))
		die("sched_getaffinity: %m");
	sharers_prepare(&self->sh, "in flight", 0, 3);
	write_file(WORK_CPUS, "2");
	run_on_cpu(self->sh.vm->vcpu[0].thread, 1);
	run_on_cpu(pthread_self(), 0);
	broker_info(&info);
	self->refusals = info.gate_refusals;
}

FIXTURE_TEARDOWN(in_flight)
{
	if (!self->sh.vm)
		return;
	sched_setaffinity(0, sizeof(self->cpus), &self->cpus);
	write_file(WORK_CPUS, "3");
	sharers_free(&self->sh);
}

#define SKIP_WITHOUT_SLOW()						\
	do {								\
		if (!helper_built(SLOW))				\
			SKIP(return, NO_HELPER(SLOW));			\
		if (host_cpus() < 2)					\
			SKIP(return, "one CPU waits for itself");	\
	} while (0)

static void make_slow(unsigned int at, int host_irq)
{
	char params[48];
	int ret;

	/* Of a test that has died. */
	if (!access("/sys/module/" SLOW, F_OK))
		helper_unload(SLOW);
	snprintf(params, sizeof(params), "at=%u host_irq=%d", at, host_irq);
	ret = helper_load(SLOW, params);
	if (ret)
		die("loading %s: %s", SLOW, strerror(-ret));
}

static void await_reached(void)
{
	wait_for(helper_number(SLOW, "reached"), "what is slow is under way");
	if (helper_number(SLOW, "passed"))
		die("what is slow has not waited for us");
}

static void let_go(void)
{
	write_file("/sys/module/" SLOW "/parameters/go", "1");
	wait_for(helper_number(SLOW, "passed"), "what is slow goes on");
}

/* The host IRQ stays, without a handler. */
static int producer_leaves(void *arg)
{
	return try_source_trigger(arg, false);
}

static int irqfd_leaves(void *arg)
{
	source_deassign(arg);
	return 0;
}

/* In a call of its own. */
static void begin_to_leave(struct call *c, struct source *s, bool irqfd)
{
	call_begin(c, "leave", irqfd ? irqfd_leaves : producer_leaves, s);
}

/* How often it has been given a CPU. */
static unsigned long turns(struct call *c)
{
	pid_t tid = __atomic_load_n(&c->tid, __ATOMIC_ACQUIRE);
	unsigned long long ran, waited;
	unsigned long n = 0;
	char line[96];

	if (!tid)
		return 0;
	task_line(tid, "schedstat", line, sizeof(line));
	return sscanf(line, "%llu %llu %lu", &ran, &waited, &n) == 3 ? n : 0;
}

/*
 * What leaves is over, or waits: for a producer in the call, which looks again and again, or up to
 * 6.12 sleeps until its_lock is free; for an irqfd in KVM's worker, for which the call sleeps.
 */
static void await_waiting(struct call *c, bool irqfd)
{
	if (irqfd)
		call_await_sleep(c);
	else
		wait_for(call_is_over(c) || turns(c) >= MANY_TURNS || call_sleeps(c),
			 "it is over, or waits");
}

static void come_back(struct sharers *sh, bool irqfd)
{
	if (irqfd)
		sharers_assign(sh, 0);
	else
		source_vectors(sh->src[0], true);
	await_effects();
}

static uint64_t gate_refusals(void)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return info.gate_refusals;
}

/* It does not wait for the grant, and that does not get past the gate any more. */
VM_TEST_F(in_flight, before_the_gate, "H45 P4")
{
	struct sharers *sh = &self->sh;
	struct call c;

	SKIP_WITHOUT_SLOW();
	make_slow(AT_FORWARD, source_host_irq(sh->src[0]));
	/* Returns all the same. */
	sharers_assign(sh, 0);
	await_reached();
	begin_to_leave(&c, sh->src[0], variant->irqfd);
	calls_end(&c, 1);
	EXPECT_EQ(0, helper_number(SLOW, "passed")) {
		TH_LOG("leaving took until the grant went on");
	}
	sharers_assign(sh, 1);
	let_go();
	EXPECT_PLACED("it has left");
	EXPECT_EQ(self->refusals + 1, gate_refusals());
	await_effects();
	EXPECT_SOURCES("it has left");
	come_back(sh, variant->irqfd);
	EXPECT_SOURCES("it is back");
	helper_unload(SLOW);
}

/* It waits until the irqchip has mapped it, and takes that back. */
VM_TEST_F(in_flight, past_the_gate, "H45 P4")
{
	struct sharers *sh = &self->sh;
	struct call c;

	SKIP_WITHOUT_SLOW();
	make_slow(AT_MAP, source_host_irq(sh->src[0]));
	sharers_assign(sh, 0);
	await_reached();
	begin_to_leave(&c, sh->src[0], variant->irqfd);
	await_waiting(&c, variant->irqfd);
	EXPECT_FALSE(call_is_over(&c)) {
		TH_LOG("it has left while it was being mapped");
	}
	let_go();
	calls_end(&c, 1);
	await_effects();
	EXPECT_SOURCES("it has left");
	sharers_assign(sh, 1);
	await_effects();
	EXPECT_SOURCES("another one has come");
	come_back(sh, variant->irqfd);
	EXPECT_SOURCES("it is back");
	helper_unload(SLOW);
}

static int discard(void *arg)
{
	guest_discard(arg, SHARED_DEVID, SHARED_EVENT);
	return 0;
}

/* It waits until the irqchip has unmapped it for KVM. */
VM_TEST_F(in_flight, while_the_guest_discards_it, "H45 H36 P4")
{
	struct sharers *sh = &self->sh;
	struct call discards, leaves;

	SKIP_WITHOUT_SLOW();
	sharers_assign(sh, 0);
	await_effects();
	EXPECT_SOURCES("it holds the vLPI");
	make_slow(AT_UNMAP, source_host_irq(sh->src[0]));
	call_begin(&discards, "DISCARD", discard, sh->vm);
	await_reached();
	begin_to_leave(&leaves, sh->src[0], variant->irqfd);
	await_waiting(&leaves, variant->irqfd);
	EXPECT_FALSE(call_is_over(&leaves)) {
		TH_LOG("it has left while it was being unmapped");
	}
	let_go();
	calls_end(&leaves, 1);
	calls_end(&discards, 1);
	sharers_map(sh);
	sharers_assign(sh, 1);
	await_effects();
	EXPECT_SOURCES("it has left, and the event is back");
	come_back(sh, variant->irqfd);
	EXPECT_SOURCES("it is back, too");
	helper_unload(SLOW);
}

/* ---- the number is given away ---------------------------------------------------------------- */

FIXTURE(given_away) {
	struct sharers sh;
};

FIXTURE_SETUP(given_away)
{
	if (helper_built(SLOW))
		sharers_prepare(&self->sh, "given away", 0, 3);
}

FIXTURE_TEARDOWN(given_away)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
}

/*
 * Its driver frees the host IRQ while the grant is before the gate, and another device gets the
 * number. The interrupts of that one are none of this VM's.
 */
VM_TEST_F(given_away, number_is_used_again, "H48 H45")
{
	struct sharers *sh = &self->sh;
	struct source *first, *second;
	struct vlpi_broker_client c;
	int eventfd, number;
	char params[48];

	if (!helper_built(SLOW))
		SKIP(return, NO_HELPER(SLOW));
	eventfd = eventfd_new();
	first = source_open(sh->nr);
	number = source_host_irq(first);
	vm_irqfd(sh->vm, eventfd, SHARED_GSI, 0);
	make_slow(AT_FORWARD, number);
	snprintf(params, sizeof(params), "fd=%d host_irq=%d", eventfd, number);
	ASSERT_EQ(0, helper_load(PRODUCER, params));
	await_reached();
	source_vectors(first, false);
	second = source_open(sh->nr + 1);
	ASSERT_EQ(number, source_host_irq(second));
	let_go();
	wait_for(broker_client_of_irq(number, &c) && c.state == VLPI_BROKER_UNMAPPABLE,
		 "the number's first owner is turned down");
	EXPECT_EQ(ESTALE, c.error);
	EXPECT_EQ(0, c.flags & VLPI_BROKER_CLIENT_FORWARDED);
	EXPECT_VERDICT(second, HOST);
	helper_unload(SLOW);
	helper_unload(PRODUCER);
	vm_irqfd(sh->vm, eventfd, SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(eventfd);
	source_close(second);
	source_close(first);
}

TEST_MAIN
