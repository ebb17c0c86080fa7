// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sharers, and VMs, come and go without end (H49). Two devices of one vLPI that are assigned and
 * deassigned in a loop get on, beside what they do without the module; and VMs that are made and
 * ended leave nothing behind: no thread, no memory, no host IRQ, no reference to the module.
 *
 * Up to 6.12 a stock kernel can't share a vLPI without a warning and a leak. There the two have a
 * vLPI each.
 *
 * The times are those of the host's clock. They are compared only where the lab counts instructions
 * (tests/lab/run --icount); elsewhere they are for the eye.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

/* ---- two sharers ----------------------------------------------------------------------------- */

#define ROUNDS			60
/*
 * Of the stock kernel's rounds, in percent. 80 is wanted; docs/design.md says where the code falls
 * short of it. This is the bound of what is accepted meanwhile.
 */
#define LEAST			30

FIXTURE(two) {
	struct vm *vm;
	struct source *src[2];
	bool was_loaded;
};

static void map_nth(struct vm *vm, unsigned int n)
{
	guest_map(vm, SHARED_DEVID, SHARED_EVENT + n, SHARED_INTID + n, 0);
	vm_route_msi(vm, SHARED_GSI + n, SHARED_DEVID, SHARED_EVENT + n);
}

FIXTURE_SETUP(two)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	self->vm = vm_new("two", 1);
	vm_sentinel(self->vm, false);
	guest_boot(self->vm);
	map_nth(self->vm, 0);
	map_nth(self->vm, 1);
	for (unsigned int i = 0; i < 2; i++)
		self->src[i] = source_open(i);
}

FIXTURE_TEARDOWN(two)
{
	for (unsigned int i = 0; i < 2; i++)
		source_close(self->src[i]);
	vm_free(self->vm);
	broker_want(self->was_loaded);
}

/* How long @rounds take, in us each. */
static uint64_t rounds(FIXTURE_DATA(two) *self, bool share, unsigned int rounds)
{
	uint64_t begin = now_ns();

	for (unsigned int n = 0; n < rounds; n++) {
		for (unsigned int i = 0; i < 2; i++)
			source_assign(self->src[i], self->vm, SHARED_GSI + (share ? 0 : i));
		for (unsigned int i = 0; i < 2; i++)
			source_deassign(self->src[i]);
	}
	return (now_ns() - begin) / 1000 / rounds;
}

VM_TEST_F(two, in_a_loop, "H49 P7")
{
	bool stock_shares = !kernel_before(6, 18);
	uint64_t apart[2], shared[2] = { 0 };

	/* The first round makes what stays for good. */
	for (unsigned int with = 0; with < 2; with++) {
		broker_want(with);
		rounds(self, false, 1);
		apart[with] = rounds(self, false, ROUNDS);
		if (!with && !stock_shares)
			continue;
		rounds(self, true, 1);
		shared[with] = rounds(self, true, ROUNDS);
	}
	note("a round of two, in us: a vLPI each %llu on stock, %llu with the broker; sharing %llu, %llu",
	     (unsigned long long)apart[0], (unsigned long long)apart[1],
	     (unsigned long long)shared[0], (unsigned long long)shared[1]);
	if (getenv("VLPI_ICOUNT"))
		EXPECT_LE(LEAST, apart[0] * 100 / apart[1]);
	tried(ROUNDS, "times two sharers assigned and deassigned");
	EXPECT_SOURCES("after the last round");
	for (unsigned int i = 0; i < 2; i++)
		source_assign(self->src[i], self->vm, SHARED_GSI);
	EXPECT_SOURCES("assigned once more");
}

/* ---- VMs ------------------------------------------------------------------------------------- */

#define VMM_GROUP		"/vlpi_vmm"
#define NR_VMS			24
#define FIRST_VMS		6
#define NR_SHARERS		3
/* What a VM with three sharers has of the broker's memory, at the least, in bytes. */
#define LEAST_OF_A_VM		2048

FIXTURE(vms) {
	struct source *src[NR_SHARERS];
};

FIXTURE_SETUP(vms)
{
	broker_want(true);
	cgroup_set("", "cgroup.subtree_control", "+memory");
	cgroup_make(VMM_GROUP);
	for (unsigned int i = 0; i < NR_SHARERS; i++)
		self->src[i] = source_open(i);
}

FIXTURE_TEARDOWN(vms)
{
	for (unsigned int i = 0; i < NR_SHARERS; i++)
		source_close(self->src[i]);
	try_cgroup_remove(VMM_GROUP);
}

struct left {
	unsigned int threads;		/* of the kernel */
	unsigned int references;	/* to the module */
	unsigned long long memory;	/* charged to the group, in bytes */
};

/* Without the workers of work queues, which come and go with any work. */
static unsigned int kernel_threads(void)
{
	DIR *proc = opendir("/proc");
	char line[256], comm[32];
	unsigned int n = 0;
	struct dirent *d;
	const char *p;
	int ppid;

	if (!proc)
		die("/proc: %m");
	while ((d = readdir(proc))) {
		if (!atoi(d->d_name))
			continue;
		task_line(atoi(d->d_name), "stat", line, sizeof(line));
		task_line(atoi(d->d_name), "comm", comm, sizeof(comm));
		p = strrchr(line, ')');
		/* All are children of kthreadd. */
		n += p && sscanf(p, ") %*c %d", &ppid) == 1 && ppid == 2 &&
		     strncmp(comm, "kworker/", 8);
	}
	closedir(proc);
	return n;
}

/* A group that is above its limit gives back what each CPU keeps for it, and all that is cached. */
static unsigned long long charged_for_good(void)
{
	unsigned long long n;

	cgroup_set(VMM_GROUP, "memory.high", "0");
	n = read_number("/sys/fs/cgroup" VMM_GROUP "/memory.current");
	cgroup_set(VMM_GROUP, "memory.high", "max");
	return n;
}

static struct left what_is_left(void)
{
	return (struct left) {
		.threads = kernel_threads(),
		.references = read_number("/sys/module/vlpi_broker/refcnt"),
		.memory = charged_for_good(),
	};
}

static bool no_more_than(const struct left *before)
{
	struct left now = what_is_left();

	return now.threads <= before->threads && now.references <= before->references &&
	       now.memory <= before->memory + (NR_VMS - FIRST_VMS) * LEAST_OF_A_VM / 2;
}

struct job {
	struct source **src;
	unsigned int n;
};

/* Three sharers, waiters that have fired; then it is killed, ends as it is, or in good order. */
static void short_life(void *arg)
{
	struct job *job = arg;
	struct vm *vm;

	cgroup_join(VMM_GROUP, getpid());
	vm = vm_new("short-lived", 1);
	guest_boot(vm);
	map_nth(vm, 0);
	for (unsigned int i = 0; i < NR_SHARERS; i++)
		source_assign(job->src[i], vm, SHARED_GSI);
	for (unsigned int i = 0; i < NR_SHARERS; i++)
		eventfd_kick(job->src[i]->eventfd);
	switch (job->n % 3) {
	case 0:
		break;
	case 1:
		child_ready();
		_exit(0);
	case 2:
		vm_free(vm);
		break;
	}
	child_ready();
	for (;;)
		pause();
}

VM_TEST_F(vms, leave_nothing, "H49 H44 P4 P7")
{
	struct left before = { 0 }, after;
	struct child c;
	struct wait w;

	lab_mark_mapped(1, 0);
	for (unsigned int n = 0; n < NR_VMS; n++) {
		struct job job = { .src = self->src, .n = n };

		/* The first ones make what stays for good. */
		if (n == FIRST_VMS)
			before = what_is_left();
		child_start(&c, short_life, &job);
		child_wait_ready(&c);
		child_kill(&c);
		for (unsigned int i = 0; i < NR_SHARERS; i++)
			source_drain(self->src[i]);
	}
	tried(NR_VMS, "VMs made and ended");
	wait_begin(&w);
	while (!no_more_than(&before) && wait_more(&w))
		;
	after = what_is_left();
	note("left of %u VMs, and of %u: threads %u, %u; references %u, %u; bytes %llu, %llu",
	     FIRST_VMS, NR_VMS, before.threads, after.threads, before.references,
	     after.references, before.memory, after.memory);
	EXPECT_TRUE(no_more_than(&before));
	for (unsigned int i = 0; i < NR_SHARERS; i++)
		EXPECT_VERDICT(self->src[i], HOST);
	lab_mark_mapped(2, 0);
}

TEST_MAIN
