// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM makes the broker allocate is its VMM's: it is charged to the VMM's memory cgroup (H44).
 * The VMM is this process.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP		"/vlpi_vmm"
#define GROUP_FILE(name)	"/sys/fs/cgroup" VMM_GROUP "/" name

#define NR_IRQFDS		1000
/* What the broker needs for an irqfd, at least and at most; and what may be charged to nobody. */
#define LEAST			256
#define MOST			2048
#define UNCHARGED		256

FIXTURE(irqfds) {
	struct vm *vm;
	int eventfd[NR_IRQFDS];
	bool was_loaded;
};

FIXTURE_SETUP(irqfds)
{
	struct rlimit files = { .rlim_cur = NR_IRQFDS + 1000, .rlim_max = NR_IRQFDS + 1000 };

	self->was_loaded = broker_loaded();
	broker_want(false);
	cgroup_enter(VMM_GROUP, "+memory");
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->vm = vm_new("many irqfds", 1);
	vm_sentinel(self->vm, false);
	guest_boot(self->vm);
	guest_map(self->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(self->vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < NR_IRQFDS; i++)
		self->eventfd[i] = eventfd_new();
}

FIXTURE_TEARDOWN(irqfds)
{
	for (unsigned int i = 0; i < NR_IRQFDS; i++)
		close(self->eventfd[i]);
	vm_free(self->vm);
	broker_want(self->was_loaded);
	cgroup_leave(VMM_GROUP);
}

static unsigned long long slabs_of_the_host(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kb = 0;
	char line[128];

	if (!f)
		die("/proc/meminfo: %m");
	while (!kb && fgets(line, sizeof(line), f))
		sscanf(line, "SUnreclaim: %llu", &kb);
	fclose(f);
	return kb * 1024;
}

struct memory {
	long long charged;
	long long all;
};

/* A group that is above its limit gives back what each CPU keeps for it. */
static unsigned long long charged_to_group(void)
{
	unsigned long long n;

	cgroup_set(VMM_GROUP, "memory.high", "0");
	n = read_number(GROUP_FILE("memory.current"));
	cgroup_set(VMM_GROUP, "memory.high", "max");
	return n;
}

/* What all irqfds need, in bytes an irqfd. */
static struct memory memory_of_all(FIXTURE_DATA(irqfds) *self, const char *when)
{
	struct memory m;

	m.charged = charged_to_group();
	m.all = slabs_of_the_host();
	for (unsigned int i = 0; i < NR_IRQFDS; i++)
		vm_irqfd(self->vm, self->eventfd[i], SHARED_GSI, 0);
	m.charged = ((long long)charged_to_group() - m.charged) / NR_IRQFDS;
	m.all = ((long long)slabs_of_the_host() - m.all) / NR_IRQFDS;
	note("%s: %lld bytes an irqfd are charged, of %lld", when, m.charged, m.all);
	for (unsigned int i = 0; i < NR_IRQFDS; i++)
		vm_irqfd(self->vm, self->eventfd[i], SHARED_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	return m;
}

VM_TEST_F(irqfds, are_charged, "H44 P7")
{
	struct memory stock, broker;

	stock = memory_of_all(self, "stock");
	broker_want(true);
	broker = memory_of_all(self, "broker");
	EXPECT_LE(LEAST, broker.charged - stock.charged);
	EXPECT_GE(MOST, broker.charged - stock.charged);
	EXPECT_GE(UNCHARGED, (broker.all - broker.charged) - (stock.all - stock.charged));
}

TEST_MAIN
