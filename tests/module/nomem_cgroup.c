// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM's memory cgroup may have no more (H50). KVM_IRQFD, a change of routes and a device that
 * comes end well or with ENOMEM; whatever they say, no interrupt is lost, everything is in its place with
 * memory, and a VMM in another group goes on.
 *
 * The VMM is this process. Nothing of it is to be reclaimed or killed, so that what is charged
 * fails: its pages are locked, and the kernel has nobody to kill in its group. That is told in the
 * kernel log with a backtrace each time; tests/lab/run passes over it for a program of this name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP		"/vlpi_vmm"
#define GROUP_FILE(name)	"/sys/fs/cgroup" VMM_GROUP "/" name

#define PAGE			4096
#define NR_SHARERS		3
#define NEIGHBOURS_SOURCE	NR_SHARERS
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)
/* Small objects, of 128 bytes or more: as many as fill what was charged ahead, and a page. */
#define NR_CRUMBS		128
/* Of them, those of the last page: it is full then, or nearly. */
#define CRUMBS_OF_A_PAGE	20

/* The kernel tells of each failure at length, which is slow to print. */
#define DUMP_TASKS		"/proc/sys/vm/oom_dump_tasks"
#define CONSOLE_LEVEL		"/proc/sys/kernel/printk"
#define WHATEVER_LEVEL		"/sys/module/printk/parameters/ignore_loglevel"

/* Between this process and the neighbour, which is in no group. */
struct shared {
	unsigned int rounds;
	bool goes;
	bool rests;
};

FIXTURE(limit) {
	struct sharers sh;
	struct child neighbour;
	struct shared *shared;
	int klog;
	/* Files of the limit and of what is charged: opened while that can be done. */
	int limit;
	int high;
	int current;
	int epoll;
	int crumb[NR_CRUMBS];
	unsigned int eaten;
	unsigned int failed;
	unsigned int done;
};

FIXTURE_VARIANT(limit) {
	const char *file;
	/* What is charged beyond the limit fails. */
	bool fails;
};

FIXTURE_VARIANT_ADD(limit, max) {
	.file = GROUP_FILE("memory.max"), .fails = true,
};

/* Who is above it is slowed down, by seconds. */
FIXTURE_VARIANT_ADD(limit, high) {
	.file = GROUP_FILE("memory.high"),
};

/* It comes and goes; while it rests, all of it is there. */
static void neighbour(void *arg)
{
	struct shared *shared = arg;
	struct sharers sh = { 0 };

	sharers_new(&sh, "neighbour", NEIGHBOURS_SOURCE, 1);
	child_ready();
	for (;;) {
		if (!__atomic_load_n(&shared->goes, __ATOMIC_ACQUIRE)) {
			__atomic_store_n(&shared->rests, true, __ATOMIC_RELEASE);
			usleep(100);
			continue;
		}
		__atomic_store_n(&shared->rests, false, __ATOMIC_RELEASE);
		source_deassign(sh.src[0]);
		sharers_assign(&sh, 0);
		__atomic_add_fetch(&shared->rounds, 1, __ATOMIC_RELEASE);
	}
}

static void neighbour_goes(struct shared *shared)
{
	unsigned int rounds = __atomic_load_n(&shared->rounds, __ATOMIC_ACQUIRE);

	__atomic_store_n(&shared->goes, true, __ATOMIC_RELEASE);
	wait_for(__atomic_load_n(&shared->rounds, __ATOMIC_ACQUIRE) != rounds,
		 "the neighbour gets on");
}

static void neighbour_rests(struct shared *shared)
{
	__atomic_store_n(&shared->goes, false, __ATOMIC_RELEASE);
	wait_for(__atomic_load_n(&shared->rests, __ATOMIC_ACQUIRE),
		 "the neighbour comes to rest");
}

static unsigned long long charged(FIXTURE_DATA(limit) *self)
{
	char text[32] = "";

	if (pread(self->current, text, sizeof(text) - 1, 0) <= 0)
		die("memory.current: %m");
	return strtoull(text, NULL, 10);
}

FIXTURE_SETUP(limit)
{
	struct epoll_event event = { .events = EPOLLIN };

	broker_want(true);
	self->klog = klog_open();
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
	child_start(&self->neighbour, neighbour, self->shared);
	child_wait_ready(&self->neighbour);
	/* What it keeps for the group is of one CPU. */
	run_on_cpu(pthread_self(), 0);
	cgroup_enter(VMM_GROUP, "+memory");
	write_file("/proc/self/oom_score_adj", "-1000");
	write_file(DUMP_TASKS, "0");
	write_file(CONSOLE_LEVEL, "1");
	write_file(WHATEVER_LEVEL, "N");
	self->limit = open(variant->file, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->limit);
	self->high = open(GROUP_FILE("memory.high"), O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->high);
	self->current = open(GROUP_FILE("memory.current"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->current);
	charged(self);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < NR_CRUMBS; i++) {
		self->crumb[i] = eventfd_new();
		ASSERT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->crumb[i], &event));
		ASSERT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_DEL, self->crumb[i], NULL));
	}
	sharers_new(&self->sh, "limited", 0, NR_SHARERS);
	guest_map(self->sh.vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_SOURCES("in its group");
}

static void set_limit(int limit, const char *text)
{
	if (pwrite(limit, text, strlen(text), 0) != (ssize_t)strlen(text))
		die("setting a limit to %s: %m", text);
}

FIXTURE_TEARDOWN(limit)
{
	set_limit(self->limit, "max");
	write_file(WHATEVER_LEVEL, "Y");
	write_file(CONSOLE_LEVEL, "7");
	write_file(DUMP_TASKS, "1");
	child_kill(&self->neighbour);
	sharers_free(&self->sh);
	for (unsigned int i = 0; i < NR_CRUMBS; i++)
		close(self->crumb[i]);
	close(self->epoll);
	close(self->limit);
	close(self->high);
	close(self->current);
	cgroup_leave(VMM_GROUP);
}

static bool eat_crumb(FIXTURE_DATA(limit) *self)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (self->eaten == NR_CRUMBS)
		die("%u crumbs, and there is still memory", self->eaten);
	if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->crumb[self->eaten], &event))
		return false;
	self->eaten++;
	return true;
}

/*
 * What may still be charged is nothing, or a page less so many crumbs; where what is above the limit
 * is slowed down, as little as there is.
 */
static void begin_limit(FIXTURE_DATA(limit) *self, bool fails, int crumbs)
{
	char text[32];

	/* What each CPU keeps for the group is given back first. */
	set_limit(self->high, "0");
	snprintf(text, sizeof(text), "%llu", charged(self));
	set_limit(self->high, "max");
	set_limit(self->limit, text);
	if (!fails)
		return;
	while (eat_crumb(self))
		;
	if (crumbs < 0)
		return;
	snprintf(text, sizeof(text), "%llu", charged(self) + PAGE);
	set_limit(self->limit, text);
	while (crumbs-- && eat_crumb(self))
		;
}

static void end_limit(FIXTURE_DATA(limit) *self)
{
	set_limit(self->limit, "max");
	while (self->eaten)
		epoll_ctl(self->epoll, EPOLL_CTL_DEL, self->crumb[--self->eaten], NULL);
}

static void third_left(struct sharers *sh)
{
	source_deassign(sh->src[2]);
	source_drain(sh->src[2]);
}

static int third_comes(struct sharers *sh)
{
	return try_source_assign(sh->src[2], sh->vm, SHARED_GSI + 2);
}

/* The broker does not know the VM. */
static void all_left(struct sharers *sh)
{
	vm_sentinel(sh->vm, false);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		source_drain(sh->src[i]);
	}
}

static int first_comes(struct sharers *sh)
{
	return try_source_assign(sh->src[0], sh->vm, SHARED_GSI);
}

static void others_come(struct sharers *sh)
{
	vm_sentinel(sh->vm, true);
	sharers_assign(sh, 1);
	sharers_assign(sh, 2);
}

static void holder_is_to_move(struct sharers *sh)
{
	vm_route_batch(sh->vm, true);
	vm_route_msi(sh->vm, SHARED_GSI, SHARED_DEVID, OTHER_EVENT);
}

static int routes_change(struct sharers *sh)
{
	return ioctl(sh->vm->fd, KVM_SET_GSI_ROUTING, sh->vm->routing) ? -errno : 0;
}

static void holder_moves_back(struct sharers *sh)
{
	vm_route_batch(sh->vm, false);
	vm_route_msi(sh->vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
}

static void third_has_no_trigger(struct sharers *sh)
{
	if (try_source_trigger(sh->src[2], false))
		die("%s: its trigger cannot be taken away", sh->src[2]->bdf);
}

static int producer_comes(struct sharers *sh)
{
	return try_source_trigger(sh->src[2], true);
}

static const struct step {
	const char *what;
	void (*before)(struct sharers *sh);
	int (*act)(struct sharers *sh);
	void (*after)(struct sharers *sh);
	/* KVM charges something for it. */
	bool charged;
} steps[] = {
	{ "a waiter is assigned", third_left, third_comes, NULL, true },
	{ "the first of a VM is assigned", all_left, first_comes, others_come, true },
	{ "routes change", holder_is_to_move, routes_change, holder_moves_back, true },
	{ "a producer comes", third_has_no_trigger, producer_comes, NULL, false },
};

/* One step with so much memory. It may fail, with ENOMEM; with memory it does not. */
static void one_step(struct __test_metadata *_metadata, FIXTURE_DATA(limit) *self,
		     const struct step *step, bool fails, int crumbs)
{
	struct sharers *sh = &self->sh;
	int ret;

	step->before(sh);
	neighbour_goes(self->shared);
	begin_limit(self, fails, crumbs);
	ret = step->act(sh);
	end_limit(self);
	neighbour_rests(self->shared);
	EXPECT_TRUE(!ret || ret == -ENOMEM) {
		TH_LOG("%s: %s", step->what, strerror(-ret));
	}
	if (ret) {
		self->failed++;
		ASSERT_EQ(0, step->act(sh));
	} else {
		self->done++;
	}
	EXPECT_PLACED("%s, %d crumbs", step->what, crumbs);
	if (step->after) {
		step->after(sh);
		EXPECT_PLACED("%s: afterwards", step->what);
	}
}

VM_TEST_F_TIMEOUT(limit, is_reached, 600, "H50 P2 P3 P7")
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		self->failed = 0;
		self->done = 0;
		for (int n = -1; n <= (variant->fails ? CRUMBS_OF_A_PAGE : -1); n++)
			one_step(_metadata, self, &steps[i], variant->fails, n);
		note("%s: %u times done, %u of them without a proxy at first; failed %u times",
		     steps[i].what, self->done,
		     klog_count(self->klog, "no memory for an irqfd"), self->failed);
		tried(self->done + self->failed, steps[i].what);
		if (variant->fails && steps[i].charged)
			EXPECT_LT(0, self->failed);
		if (!variant->fails)
			EXPECT_EQ(0, self->failed);
		EXPECT_SOURCES("%s: all is in its place", steps[i].what);
	}
}

TEST_MAIN
