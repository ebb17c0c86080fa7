// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of an interrupt: a vCPU that sleeps in WFI and is woken by its doorbell (H19), and
 * host CPUs that go offline under the host IRQs that are aimed at them (H20).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
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

/* What KVM calls the interrupts of vPEs that are not resident: one line a vCPU, and there is one. */
#define DOORBELL		"vcpu"

#define MANY			100

FIXTURE(blocked) {
	struct sharers sh;
	int holder;
};

FIXTURE_SETUP(blocked)
{
	sharers_new(&self->sh, "blocked", 0, 3);
	EXPECT_SOURCES("three attached");
	self->holder = sharers_holder(&self->sh);
	ASSERT_LE(0, self->holder);
}

FIXTURE_TEARDOWN(blocked)
{
	sharers_free(&self->sh);
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

/* All threads but this one are vCPUs, and a vCPU sleeps where KVM blocks it: its guest is in WFI. */
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
VM_TEST_F(blocked, is_woken_by_each)
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
VM_TEST_F(blocked, is_woken_as_it_falls_asleep)
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

VM_TEST_F(blocked, is_woken_by_hand)
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	for (unsigned int n = 0; n < MANY; n++) {
		wait_for(vcpus_blocked(), "the guest sleeps");
		before = taken(sh);
		if (n % 4 == 3)
			ASSERT_LT(0, try_signal_msi(sh->vm, SHARED_DEVID, SHARED_EVENT));
		else
			eventfd_kick(sh->src[n % 4]->eventfd);
		ASSERT_TRUE(takes(sh, before)) {
			TH_LOG("signal %u wakes nobody", n + 1);
		}
	}
	EXPECT_SOURCES("afterwards");
}

/* Hands change while it sleeps; what is raised for that may wake it, and nothing else has to. */
VM_TEST_F(blocked, is_woken_by_who_comes_next)
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
VM_TEST_F(blocked, never)
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

static void cpu_online(unsigned int cpu, bool on)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	if (write(fd, on ? "1" : "0", 1) != 1)
		die("CPU %u %s: %m", cpu, on ? "on" : "off");
	close(fd);
}

/* Its host IRQ is to go to this host CPU; one that is forwarded takes no such order. */
static void aim(struct source *s, unsigned int cpu)
{
	char path[64], text[16];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", source_host_irq(s));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	n = snprintf(text, sizeof(text), "%u", cpu);
	if (write(fd, text, n) != n)
		die("aiming %s at CPU %u: %m", s->bdf, cpu);
	close(fd);
}

FIXTURE(offline) {
	struct sharers sh;
	bool off;
	int klog;
};

FIXTURE_SETUP(offline)
{
	struct sharers *sh = &self->sh;

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
	if (self->off)
		cpu_online(VICTIM, true);
	sharers_free(&self->sh);
}

static void victim(FIXTURE_DATA(offline) *self, bool on)
{
	cpu_online(VICTIM, on);
	self->off = !on;
}

VM_TEST_F(offline, while_all_fire)
{
	struct sharers *sh = &self->sh;
	struct firing f;
	uint64_t before;

	for (unsigned int n = 1; n <= 3; n++) {
		firing_start(&f, sh->src, sh->nr);
		victim(self, false);
		before = taken(sh);
		EXPECT_TRUE(takes(sh, before));
		firing_stop(&f);
		EXPECT_SOURCES("CPU offline, %u", n);
		firing_start(&f, sh->src, sh->nr);
		victim(self, true);
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
VM_TEST_F(offline, then_each_leaves)
{
	struct sharers *sh = &self->sh;

	victim(self, false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		EXPECT_SOURCES("offline, and %u left", i + 1);
	}
	victim(self, true);
	EXPECT_SOURCES("online, and all left");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_holder_comes_back)
{
	struct sharers *sh = &self->sh;

	victim(self, false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		detach(sh->src[i]);
		sharers_attach(sh, i);
		EXPECT_SOURCES("offline, and %u is back", i + 1);
	}
	victim(self, true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_vectors_off_and_on)
{
	struct sharers *sh = &self->sh;

	victim(self, false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_vectors(sh->src[i], false);
		EXPECT_SOURCES("offline, and vector %u off", i + 1);
		source_vectors(sh->src[i], true);
		EXPECT_SOURCES("offline, and vector %u on", i + 1);
	}
	victim(self, true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* KVM unmaps the holder by itself. */
VM_TEST_F(offline, then_discard)
{
	struct sharers *sh = &self->sh;

	victim(self, false);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < sh->nr; i++)
		EXPECT_VERDICT(sh->src[i], HOST);
	sharers_map(sh);
	if (broker_loaded())
		wait_for(!broker_bad_slots(true), "the vLPI is held again");
	EXPECT_SOURCES("mapped again");
	victim(self, true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(offline, then_the_vm_ends)
{
	struct sharers *sh = &self->sh;

	victim(self, false);
	vm_free(sh->vm);
	sh->vm = NULL;
	EXPECT_SOURCES("offline, and the VM has ended");
	victim(self, true);
	EXPECT_SOURCES("online again");
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

TEST_HARNESS_MAIN
