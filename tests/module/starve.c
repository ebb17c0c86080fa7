// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm of interrupts to one VM does not starve a task of the host, where the operator has said
 * so: the work queue that raises them has its CPUs and its nice value in sysfs.
 *
 * The eventfds of waiters are signalled from outside their VMM, on host CPU 1, as VFIO's handlers
 * do it, but as fast as this process can: an emulated device is too slow for a storm. A task of the
 * host counts on host CPU 0, alone and then under the storm. All that is measured is how far it
 * gets in CPU time that the scheduler of the emulated host has given, so how fast or busy the
 * emulator is does not matter.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define QUEUE		"/sys/devices/virtual/workqueue/vlpi_broker/"

#define NR_SOURCES	6
#define WINDOW_MS	3000
/* Of the CPU time of the window, in percent. What interrupts of the host take is not the broker's. */
#define LEAST		75

/* CPU time of a process, in ns. */
static uint64_t runtime(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	return read_number(path);
}

static struct source *src[NR_SOURCES];

static void vmm(void *arg)
{
	struct vm *vm;

	(void)arg;
	run_on_cpu(pthread_self(), 1);
	vm = vm_new("storm", 1);
	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_assign(src[i], vm, SHARED_GSI);
	guest_idle(vm, 0, GUEST_IDLE_WFI);
	child_ready();
	for (;;)
		pause();
}

static void host_task(void *arg)
{
	volatile uint64_t n = 0;

	(void)arg;
	run_on_cpu(pthread_self(), 0);
	child_ready();
	for (;;)
		n++;
}

static uint64_t injections(void)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return info.injections;
}

/* How much of the window the host's task ran, in percent. The first source holds the vLPI. */
static unsigned int share_of(pid_t host, bool storm)
{
	uint64_t begin = now_ns(), before = runtime(host), signals = 0;
	unsigned int share;

	while (now_ns() - begin < WINDOW_MS * 1000000ULL) {
		for (unsigned int i = 1; storm && i < NR_SOURCES; i++, signals++)
			eventfd_kick(src[i]->eventfd);
		if (!storm)
			usleep(10000);
	}
	share = (runtime(host) - before) * 100 / (now_ns() - begin);
	note("%s: the host's task ran %u %% of the time; %llu signals",
	     storm ? "under the storm" : "alone", share, (unsigned long long)signals);
	return share;
}

FIXTURE(starve) {
	struct child vmm;
	struct child host;
};

FIXTURE_VARIANT(starve) {
	const char *cpus;
	const char *nice;
};

FIXTURE_VARIANT_ADD(starve, work_has_another_cpu) {
	.cpus = "2",
	.nice = "0",
};

FIXTURE_VARIANT_ADD(starve, work_is_nice) {
	.cpus = "1",
	.nice = "19",
};

FIXTURE_SETUP(starve)
{
	broker_want(true);
	ASSERT_LE(2, host_cpus());
	write_file(QUEUE "cpumask", variant->cpus);
	write_file(QUEUE "nice", variant->nice);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		src[i] = source_open(i);
	child_start(&self->vmm, vmm, NULL);
	child_wait_ready(&self->vmm);
	child_start(&self->host, host_task, NULL);
	child_wait_ready(&self->host);
	run_on_cpu(pthread_self(), 1);
}

FIXTURE_TEARDOWN(starve)
{
	child_kill(&self->host);
	child_kill(&self->vmm);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(src[i]);
	write_file(QUEUE "nice", "0");
	write_file(QUEUE "cpumask", "3");
}

VM_TEST_F(starve, host_task, "P5 P7")
{
	unsigned int alone, storm;
	uint64_t before;

	alone = share_of(self->host.pid, false);
	before = injections();
	storm = share_of(self->host.pid, true);
	EXPECT_LT(50, alone);
	EXPECT_LE(LEAST * alone / 100, storm);
	/* Or there was no storm. */
	EXPECT_LT(0, injections() - before);
}

TEST_MAIN
