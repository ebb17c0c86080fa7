// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that sleeps in WFI is woken by every interrupt: by the doorbell of a direct one, by KVM
 * for one in software (H19).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include "harness.h"

/* What KVM calls the interrupts of vPEs that are not resident: a line a vCPU, and there is one. */
#define DOORBELL		"vcpu"

#define MANY			100
#define MAX_CPUS		64

/*
 * A vCPU that is alone on its host CPU, and has a vLPI, sleeps in the guest: KVM does not trap its
 * WFI. So none is alone.
 */
struct company {
	struct child busy[MAX_CPUS];
	unsigned int nr;
};

/* On the host CPU where it finds itself; it takes no time from any other task. */
static void be_busy(void *arg)
{
	struct sched_param param = { 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(*(int *)arg, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || sched_setscheduler(0, SCHED_IDLE, &param))
		die("SCHED_IDLE on CPU %d: %m", *(int *)arg);
	child_ready();
	for (;;)
		;
}

static void this_cpu_busy(void *arg)
{
	struct company *company = arg;
	struct child *c = &company->busy[company->nr++];
	int cpu = sched_getcpu();

	child_start(c, be_busy, &cpu);
	child_wait_ready(c);
}

static void company_leaves(struct company *company)
{
	while (company->nr)
		child_kill(&company->busy[--company->nr]);
}

FIXTURE(blocked) {
	struct sharers sh;
	struct company company;
};

FIXTURE_SETUP(blocked)
{
	visit_host_cpus(this_cpu_busy, &self->company);
	sharers_new(&self->sh, "blocked", 0, 3);
	EXPECT_SOURCES("three assigned");
}

FIXTURE_TEARDOWN(blocked)
{
	sharers_free(&self->sh);
	company_leaves(&self->company);
}

static bool task_sleeps(int tid)
{
	char path[48], line[256] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return true;	/* it has ended */
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return p && p[1] == ' ' && p[2] == 'S';
}

/* All threads but this one are vCPUs. One that sleeps is blocked by KVM: its guest is in WFI. */
static unsigned int vcpus_awake(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int awake = 0;
	struct dirent *d;
	int tid;

	if (!dir)
		die("/proc/self/task: %m");
	while ((d = readdir(dir))) {
		tid = strtol(d->d_name, NULL, 10);
		if (tid > 0 && tid != gettid())
			awake += !task_sleeps(tid);
	}
	closedir(dir);
	return awake;
}

static bool vcpus_blocked(void)
{
	return !vcpus_awake();
}

/*
 * Nothing but the interrupt itself wakes the guest here: await_effects() would ring it, as would
 * any command.
 */
FAILS_ON_STOCK("blocked.is_woken_by_each", "7.3");
VM_TEST_F(blocked, is_woken_by_each, "H19")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < MANY; n++) {
		struct source *s = sh->src[n % sh->nr];
		long long bells, handled;
		uint64_t before;

		wait_for(vcpus_blocked(), "the guest sleeps");
		before = sharers_count(sh);
		bells = host_irq_count(DOORBELL);
		handled = host_irq_count(s->irq_name);
		source_fire(s);
		ASSERT_TRUE(sharers_takes(sh, before)) {
			TH_LOG("interrupt %u, of %s, does not wake the guest", n + 1, s->bdf);
		}
		EXPECT_LT(bells, host_irq_count(DOORBELL)) {
			TH_LOG("interrupt %u, of %s: woken, and not by the doorbell", n + 1,
			       s->bdf);
		}
		EXPECT_EQ(handled + (s->last != DIRECT), host_irq_count(s->irq_name));
	}
	EXPECT_SOURCES("afterwards");
}

/* It is on its way into, or out of, its sleep. */
VM_TEST_F(blocked, is_woken_as_it_falls_asleep, "H19")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 3 * MANY; n++) {
		struct source *s = sh->src[n % sh->nr];
		uint64_t before;

		/* A different moment each time. */
		for (unsigned int i = n % 16; i; i--)
			sched_yield();
		before = sharers_count(sh);
		source_fire(s);
		ASSERT_TRUE(sharers_takes(sh, before)) {
			TH_LOG("interrupt %u, of %s, does not wake the guest", n + 1, s->bdf);
		}
	}
	EXPECT_SOURCES("afterwards");
}

VM_TEST_F(blocked, is_woken_by_hand, "H19")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	for (unsigned int n = 0; n < MANY; n++) {
		wait_for(vcpus_blocked(), "the guest sleeps");
		before = sharers_count(sh);
		if (n % 4 < 3)
			eventfd_kick(sh->src[n % 4]->eventfd);
		else
			(void)try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT);
		ASSERT_TRUE(sharers_takes(sh, before)) {
			TH_LOG("signal %u does not wake the guest", n + 1);
		}
	}
	EXPECT_SOURCES("afterwards");
}

/*
 * The holder changes while it sleeps; what is raised for that may wake it, and nothing else has
 * to.
 */
VM_TEST_F(blocked, is_woken_by_who_comes_next, "H19")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 20; n++) {
		unsigned int leaves = n % sh->nr;
		uint64_t before;

		wait_for(vcpus_blocked(), "the guest sleeps");
		source_deassign(sh->src[leaves]);
		for (unsigned int i = 1; i < sh->nr; i++) {
			wait_for(vcpus_blocked(), "the guest sleeps");
			before = sharers_count(sh);
			source_fire(sh->src[(leaves + i) % sh->nr]);
			ASSERT_TRUE(sharers_takes(sh, before)) {
				TH_LOG("round %u: %u left, and number %u does not wake it", n + 1,
				       leaves + 1, (leaves + i) % sh->nr + 1);
			}
		}
		sharers_assign(sh, leaves);
	}
	EXPECT_SOURCES("afterwards");
}

/* A guest that never sleeps needs no doorbell. */
VM_TEST_F(blocked, never, "H19")
{
	struct sharers *sh = &self->sh;
	long long bells;
	uint64_t before;

	guest_idle(sh->vm, 0, GUEST_IDLE_SPIN);
	await_effects();
	bells = host_irq_count(DOORBELL);
	for (unsigned int n = 0; n < MANY; n++) {
		before = sharers_count(sh);
		source_fire(sh->src[n % sh->nr]);
		ASSERT_TRUE(sharers_takes(sh, before));
	}
	EXPECT_EQ(bells, host_irq_count(DOORBELL));
	guest_idle(sh->vm, 0, GUEST_IDLE_WFI);
	EXPECT_SOURCES("afterwards");
}

#define GICD_CTLR		(GUEST_GICD + 0)
#define GICD_CTLR_OFF		0x10	/* affinity routing alone */
#define GICD_CTLR_ON		0x12	/* and group 1 */

FIXTURE(disabled) {
	struct sharers sh;
	struct company company;
};

FIXTURE_SETUP(disabled)
{
	visit_host_cpus(this_cpu_busy, &self->company);
	sharers_new_two_vcpus(&self->sh, "disabled", 1);
	EXPECT_SOURCES("one assigned");
}

FIXTURE_TEARDOWN(disabled)
{
	sharers_free(&self->sh);
	company_leaves(&self->company);
}

/* It comes out of KVM, and goes on where it was. */
static void interrupt_guest(struct vm *vm)
{
	vm_pause(vm);
	vm_resume(vm);
}

/* What it has slept through is there when something else wakes it. */
static bool takes_when_awake(struct sharers *sh, uint64_t before)
{
	interrupt_guest(sh->vm);
	return sharers_takes(sh, before);
}

/*
 * It falls asleep with its distributor off, which another vCPU then switches on. On GICv4.1 KVM has
 * asked for a doorbell of the groups that were on when the vCPU was last loaded: none. So there a
 * direct interrupt waits until something else wakes it, on the stock kernel as with the module.
 */
VM_TEST_F(disabled, is_woken_after_the_group_is_enabled, "H19")
{
	bool rings = !host_has_gicv4_1();
	struct sharers *sh = &self->sh;
	uint64_t before;

	for (unsigned int n = 0; n < (rings ? 10 : 1); n++) {
		guest_idle(sh->vm, 1, GUEST_IDLE_SPIN);
		guest_do(sh->vm, 1, GUEST_WRITE, GICD_CTLR, 4, GICD_CTLR_OFF, 0, 0);
		interrupt_guest(sh->vm);
		wait_for(vcpus_awake() == 1, "vCPU 0 sleeps");
		guest_do(sh->vm, 1, GUEST_WRITE, GICD_CTLR, 4, GICD_CTLR_ON, 0, 0);
		before = sharers_count(sh);
		source_fire(sh->src[0]);
		if (!sharers_takes(sh, before)) {
			ASSERT_FALSE(rings) {
				TH_LOG("round %u: a direct interrupt does not wake it", n + 1);
			}
			note("GICv4.1: a direct interrupt does not wake it");
			ASSERT_TRUE(takes_when_awake(sh, before)) {
				TH_LOG("it is awake, and the interrupt is lost");
			}
		}
		guest_idle(sh->vm, 1, GUEST_IDLE_WFI);
	}
}

#define SLEEPERS		4

FIXTURE(many) {
	struct sharers sh[SLEEPERS];
	struct company company;
};

FIXTURE_SETUP(many)
{
	visit_host_cpus(this_cpu_busy, &self->company);
	for (unsigned int i = 0; i < SLEEPERS; i++)
		sharers_new(&self->sh[i], "sleeper", i, 1);
	EXPECT_SOURCES("a source each");
}

FIXTURE_TEARDOWN(many)
{
	for (unsigned int i = SLEEPERS; i--; )
		sharers_free(&self->sh[i]);
	company_leaves(&self->company);
}

/* All at once; the handlers of what rings have run then. */
static void ring_all(struct sharers *sh, uint64_t *before)
{
	for (unsigned int i = 0; i < SLEEPERS; i++)
		before[i] = sharers_count(&sh[i]);
	for (unsigned int i = 0; i < SLEEPERS; i++)
		source_fire(sh[i].src[0]);
	visit_host_cpus(NULL, NULL);
}

static bool all_take(struct sharers *sh, const uint64_t *before)
{
	unsigned int i = 0;

	while (i < SLEEPERS && sharers_count(&sh[i]) != before[i])
		i++;
	return i == SLEEPERS;
}

/*
 * Several sleep, and the doorbells of all ring at once. To change a doorbell, the irqchip of
 * GICv4.0 has a device of its own with one event a possible CPU; an event that is needed for
 * another vPE is discarded, and with it a doorbell that rang and was not taken yet. So where there
 * are more vPEs than possible CPUs some are not woken, on the stock kernel as with the module, and
 * what they slept through they take when something else wakes them.
 */
VM_TEST_F(many, are_woken_at_once, "H19")
{
	bool all_ring = host_has_gicv4_1() || possible_host_cpus() >= SLEEPERS;
	unsigned int slept_on = 0;
	uint64_t before[SLEEPERS];
	struct wait w;

	for (unsigned int n = 0; n < MANY / SLEEPERS; n++) {
		wait_for(vcpus_blocked(), "the guests sleep");
		ring_all(self->sh, before);
		wait_begin(&w);
		/* What sleeps on, all of it sleeps: there is nothing left to wait for. */
		while (!all_take(self->sh, before) && (all_ring || !vcpus_blocked()) &&
		       wait_more(&w))
			;
		for (unsigned int i = 0; i < SLEEPERS; i++) {
			struct sharers *sh = &self->sh[i];

			if (sharers_count(sh) != before[i])
				continue;
			ASSERT_FALSE(all_ring) {
				TH_LOG("round %u: number %u of %u is not woken", n + 1, i + 1,
				       SLEEPERS);
			}
			slept_on++;
			ASSERT_TRUE(takes_when_awake(sh, before[i])) {
				TH_LOG("it is awake, and the interrupt is lost");
			}
		}
	}
	if (slept_on)
		note("%u vPEs, %u possible CPUs: %u of %u direct interrupts woke nobody", SLEEPERS,
		     possible_host_cpus(), slept_on, MANY);
}

TEST_MAIN
