// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of an interrupt: a vCPU that sleeps in WFI and is woken by its doorbell (H19);
 * host CPUs that go offline under the host IRQs that are aimed at them (H20); and a host IRQ that
 * the irqchip can't map, because its device's other events are another VM's (H26).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include "harness.h"

static uint64_t taken(struct sharers *sh)
{
	return guest_count(sh->vm, SHARED_INTID);
}

static bool takes(struct sharers *sh, uint64_t before)
{
	return guest_takes(sh->vm, SHARED_INTID, before);
}

/* ---- H19 --------------------------------------------------------- */

/* What KVM calls the interrupts of vPEs that are not resident: a line a vCPU, and there is one. */
#define DOORBELL		"vcpu"

#define MANY			100
#define MAX_CPUS		64

FIXTURE(blocked) {
	struct sharers sh;
	struct child busy[MAX_CPUS];
	unsigned int nr_busy;
};

/* On the host CPU where it finds itself; it takes no time from anybody. */
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
	FIXTURE_DATA(blocked) *self = arg;
	struct child *c = &self->busy[self->nr_busy++];
	int cpu = sched_getcpu();

	child_start(c, be_busy, &cpu);
	child_wait_ready(c);
}

/*
 * A vCPU that is alone on its host CPU, and has a vLPI, sleeps in the guest: KVM does not trap its
 * WFI. So it is not alone.
 */
FIXTURE_SETUP(blocked)
{
	visit_host_cpus(this_cpu_busy, self);
	sharers_new(&self->sh, "blocked", 0, 3);
	EXPECT_SOURCES("three attached");
}

FIXTURE_TEARDOWN(blocked)
{
	sharers_free(&self->sh);
	while (self->nr_busy)
		child_kill(&self->busy[--self->nr_busy]);
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
static bool vcpus_blocked(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	bool all = true;
	int tid;

	if (!dir)
		die("/proc/self/task: %m");
	while ((d = readdir(dir))) {
		tid = strtol(d->d_name, NULL, 10);
		if (tid > 0 && tid != gettid())
			all &= task_sleeps(tid);
	}
	closedir(dir);
	return all;
}

/*
 * Nothing but the interrupt itself wakes the guest here: settle(), and whatever else speaks to the
 * guest, rings it.
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
		before = taken(sh);
		bells = host_irq_count(DOORBELL);
		handled = host_irq_count(s->irq_name);
		source_fire(s);
		ASSERT_TRUE(takes(sh, before)) {
			TH_LOG("interrupt %u, of %s, wakes nobody", n + 1, s->bdf);
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
		before = taken(sh);
		source_fire(s);
		ASSERT_TRUE(takes(sh, before)) {
			TH_LOG("interrupt %u, of %s, wakes nobody", n + 1, s->bdf);
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
		before = taken(sh);
		if (n % 4 < 3)
			eventfd_kick(sh->src[n % 4]->eventfd);
		else
			(void)try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT);
		ASSERT_TRUE(takes(sh, before)) {
			TH_LOG("signal %u wakes nobody", n + 1);
		}
	}
	EXPECT_SOURCES("afterwards");
}

/* Hands change while it sleeps; what is raised for that may wake it, and nothing else has to. */
VM_TEST_F(blocked, is_woken_by_who_comes_next, "H19")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 20; n++) {
		unsigned int leaves = n % sh->nr;
		uint64_t before;

		wait_for(vcpus_blocked(), "the guest sleeps");
		detach(sh->src[leaves]);
		for (unsigned int i = 1; i < sh->nr; i++) {
			wait_for(vcpus_blocked(), "the guest sleeps");
			before = taken(sh);
			source_fire(sh->src[(leaves + i) % sh->nr]);
			ASSERT_TRUE(takes(sh, before)) {
				TH_LOG("round %u: %u left, and number %u wakes nobody", n + 1,
				       leaves + 1, (leaves + i) % sh->nr + 1);
			}
		}
		sharers_attach(sh, leaves);
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
	settle();
	bells = host_irq_count(DOORBELL);
	for (unsigned int n = 0; n < MANY; n++) {
		before = taken(sh);
		source_fire(sh->src[n % sh->nr]);
		ASSERT_TRUE(takes(sh, before));
	}
	EXPECT_EQ(bells, host_irq_count(DOORBELL));
	guest_idle(sh->vm, 0, GUEST_IDLE_WFI);
	EXPECT_SOURCES("afterwards");
}

/* ---- H20 --------------------------------------------------------- */

#define VICTIM			1
/* Its host IRQ is to go to this host CPU; one that is forwarded takes no such order. */
static void aim(struct source *s, unsigned int cpu)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", source_host_irq(s));
	snprintf(text, sizeof(text), "%u", cpu);
	write_file(path, text);
}

FIXTURE(offline) {
	struct sharers sh;
	int klog;
};

FIXTURE_SETUP(offline)
{
	struct sharers *sh = &self->sh;

	/* A test that died has left it off. */
	second_cpu(true);
	if (host_cpus() < 2)
		SKIP(return, "one host CPU");
	self->klog = klog_open();
	sharers_prepare(sh, "offline", 0, 4);
	for (unsigned int i = 0; i < sh->nr; i++) {
		aim(sh->src[i], VICTIM);
		EXPECT_VERDICT(sh->src[i], HOST);
		source_drain(sh->src[i]);
	}
	sharers_attach_all(sh);
	EXPECT_SOURCES("aimed at the CPU and attached");
}

FIXTURE_TEARDOWN(offline)
{
	second_cpu(true);
	sharers_free(&self->sh);
}

VM_TEST_F(offline, while_all_fire, "H20")
{
	struct sharers *sh = &self->sh;
	struct firing f;
	uint64_t before;

	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		second_cpu(false);
		before = taken(sh);
		EXPECT_TRUE(takes(sh, before));
		firing_stop(&f);
		EXPECT_SOURCES("CPU offline, %u", n);
		firing_start(&f, sh->src, sh->nr);
		second_cpu(true);
		before = taken(sh);
		EXPECT_TRUE(takes(sh, before));
		firing_stop(&f);
		EXPECT_SOURCES("CPU online again, %u", n);
	}
	sharers_detach_all(sh);
	EXPECT_SOURCES("all left");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* Who is no longer forwarded is aimed at a CPU that is on. */
FAILS_ON_STOCK("offline.then_each_leaves", "7.3");
VM_TEST_F(offline, then_each_leaves, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		EXPECT_SOURCES("offline, and %u left", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online, and all left");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_holder_comes_back, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		sharers_attach(sh, i);
		EXPECT_SOURCES("offline, and %u is back", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_vectors_off_and_on, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_vectors(sh->src[i], false);
		EXPECT_SOURCES("offline, and vector %u off", i + 1);
		source_vectors(sh->src[i], true);
		EXPECT_SOURCES("offline, and vector %u on", i + 1);
	}
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* KVM unmaps the holder by itself. */
VM_TEST_F(offline, then_discard, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	sharers_map(sh);
	if (broker_loaded())
		wait_for(!broker_bad_slots(true), "the vLPI is held again");
	EXPECT_SOURCES("mapped again");
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_vm_ends, "H20")
{
	struct sharers *sh = &self->sh;

	second_cpu(false);
	vm_free(sh->vm);
	sh->vm = NULL;
	EXPECT_SOURCES("offline, and the VM has ended");
	second_cpu(true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* ---- H26 --------------------------------------------------------- */

#define OWN_GSI			SHARED_GSI
#define EDU_GSI			(SHARED_GSI + 1)

FIXTURE(unmappable) {
	struct vm *first;
	struct vm *second;
	struct source *igb[2];
	struct source *edu;
	bool open;
};

/* One vector of the function is the first VM's, so the other can't be mapped for the second. */
FIXTURE_SETUP(unmappable)
{
	if (!igb_available())
		SKIP(return, "no igb: tests/lab/run --igb");
	self->first = vm_new("first", 1);
	self->second = vm_new("second", 1);
	guest_boot(self->first);
	guest_boot(self->second);
	guest_map(self->first, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	guest_map(self->second, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(self->first, OWN_GSI, SHARED_DEVID, SHARED_EVENT);
	vm_route_msi(self->second, OWN_GSI, SHARED_DEVID, SHARED_EVENT);
	vm_route_msi(self->second, EDU_GSI, SHARED_DEVID, SHARED_EVENT);
	igb_open(self->igb, 2);
	self->edu = source_open(0);
	self->open = true;
	EXPECT_SOURCES("attached to nothing");
	attach(self->igb[0], self->first, OWN_GSI);
	EXPECT_VERDICT(self->igb[0], DIRECT);
	attach(self->igb[1], self->second, OWN_GSI);
}

FIXTURE_TEARDOWN(unmappable)
{
	if (!self->open)
		return;
	source_close(self->edu);
	igb_close(self->igb, 2);
	if (self->first)
		vm_free(self->first);
	if (self->second)
		vm_free(self->second);
}

static bool is_unmappable(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_UNMAPPABLE && c.error == EINVAL &&
	       !(c.flags & VLPI_BROKER_CLIENT_FORWARDED);
}

static bool is_holder(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_HOLDER;
}

static void expect_unmappable(struct __test_metadata *_metadata, struct source *s)
{
	EXPECT_VERDICT(s, SOFTWARE);
	if (broker_loaded())
		EXPECT_TRUE(is_unmappable(s));
}

/* The cause has gone: no interrupt is needed for it, and it takes no other event. */
static void expect_holds_soon(struct __test_metadata *_metadata, struct source *s)
{
	if (broker_loaded())
		wait_for(is_holder(s), "%s can be mapped now, and holds its vLPI", s->irq_name);
	EXPECT_VERDICT(s, DIRECT);
}

VM_TEST_F(unmappable, next_one_holds, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	attach(self->edu, self->second, EDU_GSI);
	for (unsigned int n = 0; n < 3; n++) {
		EXPECT_VERDICT(self->edu, DIRECT);
		expect_unmappable(_metadata, self->igb[1]);
		EXPECT_VERDICT(self->igb[0], DIRECT);
	}
	/* Its going and coming changes nothing for the holder. */
	detach(self->igb[1]);
	EXPECT_VERDICT(self->edu, DIRECT);
	EXPECT_VERDICT(self->igb[1], HOST);
	source_drain(self->igb[1]);
	attach(self->igb[1], self->second, OWN_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
	EXPECT_VERDICT(self->igb[1], SOFTWARE);
	/* There is nobody to promote, and then there is. */
	detach(self->edu);
	expect_unmappable(_metadata, self->igb[1]);
	EXPECT_VERDICT(self->edu, HOST);
	source_drain(self->edu);
	attach(self->edu, self->second, EDU_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
}

FAILS_ON_STOCK("unmappable.until_the_other_event_leaves", "6.1 7.3");
VM_TEST_F(unmappable, until_the_other_event_leaves, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	detach(self->igb[0]);
	expect_holds_soon(_metadata, self->igb[1]);
	/* And now it is the other way round. */
	source_drain(self->igb[0]);
	attach(self->igb[0], self->first, OWN_GSI);
	expect_unmappable(_metadata, self->igb[0]);
	detach(self->igb[1]);
	expect_holds_soon(_metadata, self->igb[0]);
}

VM_TEST_F(unmappable, until_the_other_event_is_discarded, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	guest_discard(self->first, SHARED_DEVID, SHARED_EVENT);
	expect_holds_soon(_metadata, self->igb[1]);
}

VM_TEST_F(unmappable, until_the_other_vm_ends, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	vm_free(self->first);
	self->first = NULL;
	expect_holds_soon(_metadata, self->igb[1]);
}

/* At the latest when the slot is free, or after the next interrupt. */
VM_TEST_F(unmappable, and_is_promoted_once_it_can_be, "H26")
{
	expect_unmappable(_metadata, self->igb[1]);
	attach(self->edu, self->second, EDU_GSI);
	EXPECT_VERDICT(self->edu, DIRECT);
	detach(self->igb[0]);
	detach(self->edu);
	EXPECT_VERDICT(self->igb[1], DELIVERED);
	expect_holds_soon(_metadata, self->igb[1]);
	EXPECT_SOURCES("one is left");
}

TEST_MAIN
