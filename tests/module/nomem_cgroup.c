// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM makes the broker allocate is its VMM's: it is charged to the VMM's memory cgroup (H44).
 * And where that may have no more (H50), KVM_IRQFD, a change of routes and a device that comes end
 * well or with ENOMEM; whatever they say, no interrupt is lost, everything is in its place with
 * memory, and a VMM in another group notices nothing.
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
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP		"/vlpi_vmm"
#define GROUP_FILE(name)	"/sys/fs/cgroup" VMM_GROUP "/" name

static unsigned long long number_in(const char *path)
{
	unsigned long long n;
	FILE *f = fopen(path, "r");

	if (!f || fscanf(f, "%llu", &n) != 1)
		die("%s: no number", path);
	fclose(f);
	return n;
}

static void join_group(void)
{
	cgroup_set("", "cgroup.subtree_control", "+memory");
	cgroup_make(VMM_GROUP);
	cgroup_join(VMM_GROUP, getpid());
}

static void leave_group(void)
{
	cgroup_join("", getpid());
	try_cgroup_remove(VMM_GROUP);
}

/* ---- what is charged ------------------------------------------------------------------------- */

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
	join_group();
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
	leave_group();
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
	n = number_in(GROUP_FILE("memory.current"));
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

/* ---- nothing more may be charged ------------------------------------------------------------- */

#define PAGE			4096
#define NR_SHARERS		3
#define NEIGHBOURS_SOURCE	NR_SHARERS
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)
/* Small objects, of about 200 bytes, that eat of the page that is left. */
#define NR_CRUMBS		20

/* The kernel tells of each failure at length, which is slow to print. */
#define DUMP_TASKS		"/proc/sys/vm/oom_dump_tasks"
#define CONSOLE_LEVEL		"/proc/sys/kernel/printk"
#define WHATEVER_LEVEL		"/sys/module/printk/parameters/ignore_loglevel"

/* Between this process and the neighbour, which is in no group. */
struct shared {
	unsigned int rounds;
	bool stop;
	unsigned int wrong;
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
	unsigned int unbrokered;
};

FIXTURE_VARIANT(limit) {
	const char *file;
	/* How many crumbs more of the page are eaten each time. */
	unsigned int crumbs;
	/* What is charged beyond the limit fails. */
	bool fails;
};

FIXTURE_VARIANT_ADD(limit, max) {
	.file = GROUP_FILE("memory.max"), .crumbs = 2, .fails = true,
};

/* Who is above it is slowed down, by seconds. */
FIXTURE_VARIANT_ADD(limit, high) {
	.file = GROUP_FILE("memory.high"), .crumbs = NR_CRUMBS,
};

static void neighbour(void *arg)
{
	struct shared *shared = arg;
	struct sharers sh = { 0 };

	sharers_new(&sh, "neighbour", NEIGHBOURS_SOURCE, 1);
	child_ready();
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		source_deassign(sh.src[0]);
		sharers_assign(&sh, 0);
		__atomic_add_fetch(&shared->rounds, 1, __ATOMIC_RELEASE);
	}
	shared->wrong = sources_wrong("the neighbour");
	sharers_free(&sh);
	child_ready();
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
	join_group();
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
	leave_group();
}

static void begin_limit(FIXTURE_DATA(limit) *self, unsigned int pages, unsigned int crumbs)
{
	struct epoll_event event = { .events = EPOLLIN };
	char text[32];

	/* What each CPU keeps for the group is given back first. */
	set_limit(self->high, "0");
	snprintf(text, sizeof(text), "%llu", charged(self) + pages * PAGE);
	set_limit(self->high, "max");
	set_limit(self->limit, text);
	for (self->eaten = 0; self->eaten < crumbs; self->eaten++)
		if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->crumb[self->eaten], &event))
			break;
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
		     const struct step *step, unsigned int pages, unsigned int crumbs)
{
	struct sharers *sh = &self->sh;
	int ret;

	step->before(sh);
	begin_limit(self, pages, crumbs);
	ret = step->act(sh);
	end_limit(self);
	EXPECT_TRUE(!ret || ret == -ENOMEM) {
		TH_LOG("%s: %s", step->what, strerror(-ret));
	}
	if (ret) {
		self->failed++;
		ASSERT_EQ(0, step->act(sh));
	} else {
		self->done++;
	}
	EXPECT_PLACED("%s, %u pages, %u crumbs", step->what, pages, crumbs);
	if (step->after) {
		step->after(sh);
		EXPECT_PLACED("%s: afterwards", step->what);
	}
}

VM_TEST_F_TIMEOUT(limit, is_reached, 600, "H50 P2 P3 P7")
{
	unsigned int before;

	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		self->failed = 0;
		self->done = 0;
		before = __atomic_load_n(&self->shared->rounds, __ATOMIC_ACQUIRE);
		one_step(_metadata, self, &steps[i], 0, 0);
		for (unsigned int n = 0; n <= NR_CRUMBS; n += variant->crumbs)
			one_step(_metadata, self, &steps[i], 1, n);
		self->unbrokered = klog_count(self->klog, "no memory for an irqfd");
		note("%s: %u times done, %u of them without a proxy at first; failed %u times",
		     steps[i].what, self->done, self->unbrokered, self->failed);
		if (variant->fails && steps[i].charged)
			EXPECT_LT(0, self->failed);
		if (!variant->fails)
			EXPECT_EQ(0, self->failed);
		EXPECT_SOURCES("%s: all is in its place", steps[i].what);
		EXPECT_LT(before, __atomic_load_n(&self->shared->rounds, __ATOMIC_ACQUIRE));
	}
	__atomic_store_n(&self->shared->stop, true, __ATOMIC_RELEASE);
	child_wait_ready(&self->neighbour);
	EXPECT_EQ(0, self->shared->wrong);
}

TEST_MAIN
