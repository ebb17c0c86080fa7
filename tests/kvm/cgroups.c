// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM's control group is the VMM's alone, whatever its guest's interrupts make the host do (H49):
 * it freezes, it empties when the VMM has moved or died, it is killed, and it can be removed then.
 * And a quota on one VMM's CPU time does not hold up another's calls.
 *
 * The VMM is a process of its own in a group of its own. The devices are opened before it is made,
 * so this process can raise their interrupts whatever becomes of the VMM. On a stock kernel up to
 * 6.12 a VMM that goes leaves them mapped, and this file can take the host down.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP		"/vlpi_vmm"
#define OTHER_GROUP		"/vlpi_other"

#define NR_SOURCES		6

/* What the VMM and this process tell each other. */
struct shared {
	uint64_t taken;		/* interrupts, by the guest */
	bool detached;		/* the VMM has deassigned its waiters */
	bool stop;		/* whoever signals eventfds is to pause */
	pid_t second;
};

static struct shared *shared;
static struct source *src[NR_SOURCES];

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("no memory");
}

static uint64_t taken(void)
{
	return __atomic_load_n(&shared->taken, __ATOMIC_ACQUIRE);
}

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static struct vm *new_vm(const char *name)
{
	struct vm *vm = vm_new(name, 1);

	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	return vm;
}

static struct vm *vmm_boots(void)
{
	struct vm *vm;

	cgroup_join(VMM_GROUP, getpid());
	vm = new_vm("grouped");
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_assign(src[i], vm, SHARED_GSI);
	await_effects();
	return vm;
}

/* Goes on until it is killed. */
static void vmm_runs(struct vm *vm)
{
	for (;;) {
		__atomic_store_n(&shared->taken, guest_count(vm, SHARED_INTID), __ATOMIC_RELEASE);
		usleep(1000);
	}
}

static void vmm(void *arg)
{
	struct vm *vm = vmm_boots();

	(void)arg;
	child_ready();
	vmm_runs(vm);
}

/* Another process, in a group of its own, has all files of the VM, too. */
static void vmm_and_second(void *arg)
{
	struct vm *vm = vmm_boots();
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid) {
		shared->second = getpid();
		cgroup_join(OTHER_GROUP, getpid());
		child_ready();
		for (;;)
			pause();
	}
	vmm_runs(vm);
}

/* One interrupt of each; nobody asks here whether it arrives. */
static void all_fire(void)
{
	for (unsigned int i = 0; i < NR_SOURCES; i++) {
		source_fire(src[i]);
		source_ack(src[i]);
	}
}

/* What cgroup.events says comes true within the bound. */
static bool becomes(const char *group, const char *event, bool value)
{
	uint64_t begin = now_ms();
	struct wait w;

	wait_begin(&w);
	while (cgroup_event(group, event) != value) {
		if (!wait_more(&w)) {
			cgroup_show(group);
			return false;
		}
	}
	note("%s: %s %d after %llu ms", group, event, value,
	     (unsigned long long)(now_ms() - begin));
	return true;
}

static bool is_removed(const char *group)
{
	int ret = try_cgroup_remove(group);

	if (ret)
		note("%s cannot be removed: %s", group, strerror(-ret));
	return !ret;
}

FIXTURE(group) {
	struct child vmm;
};

FIXTURE_SETUP(group)
{
	share();
	cgroup_make(VMM_GROUP);
	cgroup_make(OTHER_GROUP);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		src[i] = source_open(i);
}

static void vmm_dies(struct child *vmm)
{
	if (vmm->pid)
		child_kill(vmm);
	vmm->pid = 0;
}

FIXTURE_TEARDOWN(group)
{
	if (cgroup_has(VMM_GROUP, "cgroup.freeze"))
		cgroup_set(VMM_GROUP, "cgroup.freeze", "0");
	vmm_dies(&self->vmm);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(src[i]);
	try_cgroup_remove(VMM_GROUP);
	try_cgroup_remove(OTHER_GROUP);
}

static void vmm_starts(struct child *child, void (*fn)(void *arg))
{
	child_start(child, fn, NULL);
	child_wait_ready(child);
	all_fire();
}

/* What fires while the VMM is frozen reaches its guest afterwards. */
VM_TEST_F(group, freezes, "H49 P7")
{
	uint64_t before;

	vmm_starts(&self->vmm, vmm);
	for (unsigned int n = 0; n < 3; n++) {
		all_fire();
		cgroup_set(VMM_GROUP, "cgroup.freeze", "1");
		EXPECT_TRUE(becomes(VMM_GROUP, "frozen", true)) {
			return;
		}
		before = taken();
		all_fire();
		EXPECT_TRUE(becomes(VMM_GROUP, "frozen", true));
		cgroup_set(VMM_GROUP, "cgroup.freeze", "0");
		EXPECT_TRUE(becomes(VMM_GROUP, "frozen", false));
		wait_for(taken() > before, "an interrupt from when the VMM was frozen");
	}
}

VM_TEST_F(group, is_left, "H49 P7")
{
	uint64_t before;

	vmm_starts(&self->vmm, vmm);
	cgroup_join(OTHER_GROUP, self->vmm.pid);
	EXPECT_TRUE(becomes(VMM_GROUP, "populated", false));
	EXPECT_TRUE(is_removed(VMM_GROUP));
	/* From its new group it works as before. */
	for (unsigned int i = 0; i < NR_SOURCES; i++) {
		before = taken();
		source_fire(src[i]);
		source_ack(src[i]);
		wait_for(taken() > before, "the interrupt of source %u", i + 1);
	}
	vmm_dies(&self->vmm);
	EXPECT_TRUE(becomes(OTHER_GROUP, "populated", false));
	EXPECT_TRUE(is_removed(OTHER_GROUP));
}

VM_TEST_F(group, of_a_vmm_that_dies, "H49 P7")
{
	struct firing f;

	vmm_starts(&self->vmm, vmm);
	firing_start(&f, src, NR_SOURCES);
	vmm_dies(&self->vmm);
	EXPECT_TRUE(becomes(VMM_GROUP, "populated", false));
	firing_stop(&f);
	EXPECT_TRUE(is_removed(VMM_GROUP));
}

/* The VM lives on for as long as a process in another group has its files. */
VM_TEST_F(group, of_a_vmm_whose_vm_stays, "H49 P7")
{
	struct firing f;

	vmm_starts(&self->vmm, vmm_and_second);
	firing_start(&f, src, NR_SOURCES);
	vmm_dies(&self->vmm);
	EXPECT_TRUE(becomes(VMM_GROUP, "populated", false));
	EXPECT_TRUE(is_removed(VMM_GROUP));
	kill(shared->second, SIGKILL);
	EXPECT_TRUE(becomes(OTHER_GROUP, "populated", false));
	firing_stop(&f);
	EXPECT_TRUE(is_removed(OTHER_GROUP));
}

VM_TEST_F(group, is_killed, "H49 P7")
{
	struct firing f;

	if (!cgroup_has(VMM_GROUP, "cgroup.kill"))
		SKIP(return, "this kernel has no cgroup.kill");
	vmm_starts(&self->vmm, vmm);
	firing_start(&f, src, NR_SOURCES);
	cgroup_set(VMM_GROUP, "cgroup.kill", "1");
	EXPECT_TRUE(becomes(VMM_GROUP, "populated", false));
	firing_stop(&f);
	EXPECT_TRUE(is_removed(VMM_GROUP));
	vmm_dies(&self->vmm);
}

/* ---- a quota of CPU time --------------------------------------------------------------------- */

/* The least that there is: 1 ms in a second. */
#define QUOTA			"1000 1000000"

/*
 * Stock kernels up to 6.12 stop a task that has used up its quota wherever it is, with a lock held
 * or inside an SRCU section too, until the next second. A neighbour waits for that, now and then
 * twice. More than that is our doing.
 */
#define LIMIT_MS		(wait_bound() * 400ULL)

#define UNHINDERED_MS		1500
#define WITH_QUOTA_MS		3000
#define LEAVING_MS		10000

FIXTURE(quota) {
	struct child vmm;
	struct child kicker;
	int tell[2];		/* a pipe */
	struct vm *neighbour;
	struct source *visitor;
	struct pulse pulse;
};

/* Told by the pipe whose reading end is @arg. The holder stays to the end. */
static void vmm_that_detaches(void *arg)
{
	struct vm *vm = vmm_boots();
	char byte;

	/* Its vCPU would use up the quota, or not, as chance has it. */
	vm_pause(vm);
	child_ready();
	if (read(*(int *)arg, &byte, 1) != 1)
		die("waiting to be told: %m");
	for (unsigned int i = 1; i < NR_SOURCES; i++)
		source_deassign(src[i]);
	set_flag(&shared->detached);
	for (;;)
		pause();
}

/* In place of devices: what host interrupts cost is no task's CPU time. */
static void kick_on(void *arg)
{
	(void)arg;
	child_ready();
	while (!is_set(&shared->stop)) {
		for (unsigned int i = 0; i < NR_SOURCES; i++)
			eventfd_kick(src[i]->eventfd);
		usleep(500);
	}
	for (;;)
		pause();
}

FIXTURE_SETUP(quota)
{
	share();
	cgroup_set("", "cgroup.subtree_control", "+cpu");
	cgroup_make(VMM_GROUP);
	cgroup_set(VMM_GROUP, "cpu.max", "max 1000000");
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		src[i] = source_open(i);
	ASSERT_EQ(0, pipe(self->tell));
	child_start(&self->vmm, vmm_that_detaches, &self->tell[0]);
	child_wait_ready(&self->vmm);
	child_start(&self->kicker, kick_on, NULL);
	child_wait_ready(&self->kicker);
	self->visitor = source_open(NR_SOURCES);
	self->neighbour = new_vm("neighbour");
	pulse_start(&self->pulse);
}

FIXTURE_TEARDOWN(quota)
{
	pulse_stop(&self->pulse);
	set_flag(&shared->stop);
	cgroup_set(VMM_GROUP, "cpu.max", "max 1000000");
	child_kill(&self->kicker);
	vmm_dies(&self->vmm);
	source_close(self->visitor);
	vm_free(self->neighbour);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(src[i]);
	try_cgroup_remove(VMM_GROUP);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct calls {
	unsigned int n;
	uint64_t assign;	/* the longest, in ns */
	uint64_t deassign;
};

/* The neighbour's own device comes and goes, until @ms have passed or the VMM has detached. */
static struct calls neighbour_calls(FIXTURE_DATA(quota) *self, unsigned int ms, const char *when)
{
	uint64_t begin = now_ms(), then;
	struct calls c = { 0 };

	while (now_ms() - begin < ms && !is_set(&shared->detached)) {
		then = pulse_now(&self->pulse);
		source_assign(self->visitor, self->neighbour, SHARED_GSI);
		c.assign = longer(c.assign, pulse_since(&self->pulse, then));
		then = pulse_now(&self->pulse);
		source_deassign(self->visitor);
		c.deassign = longer(c.deassign, pulse_since(&self->pulse, then));
		c.n++;
		usleep(5000);
	}
	note("%s, %llu ms: %u times, assign %llu us at worst, deassign %llu us at worst", when,
	     (unsigned long long)(now_ms() - begin), c.n, (unsigned long long)c.assign / 1000,
	     (unsigned long long)c.deassign / 1000);
	return c;
}

static bool within_limit(const struct calls *c)
{
	return c->assign <= LIMIT_MS * 1000000 && c->deassign <= LIMIT_MS * 1000000;
}

VM_TEST_F(quota, does_not_hold_up_others, "H49 P7")
{
	struct calls c;

	neighbour_calls(self, UNHINDERED_MS, "without a quota");
	cgroup_set(VMM_GROUP, "cpu.max", QUOTA);
	c = neighbour_calls(self, WITH_QUOTA_MS, "with it");
	EXPECT_TRUE(within_limit(&c));
	ASSERT_EQ(1, write(self->tell[1], "", 1));
	c = neighbour_calls(self, LEAVING_MS, "the waiters leave");
	EXPECT_TRUE(within_limit(&c));
}

TEST_MAIN
