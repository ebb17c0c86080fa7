// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest whose vCPU is a task that no ordinary one gets past, in a cpuset of one CPU, as real-time
 * and DPDK guests are run (H49). What serves the signals of its waiters must not have to run where
 * the vCPU does, and takes no longer than twice the stock kernel's time: with the vLPI held, and
 * while hands change.
 *
 * The groups are as libvirt makes them: the vCPU's threads and all others of the VMM are in cpusets
 * of their own below that of the VMM. The thread that makes the VM is in the first, as if the
 * others had been moved out afterwards. Host CPU 1 is the vCPU's, and it leaves nothing of it to
 * others: no throttling of real-time tasks, no server for fair ones, as on a host that is tuned for
 * it. Host interrupts go to CPU 0.
 *
 * The stock kernel's time is that of an irqfd without a producer, whose LPI is its own, before the
 * module is loaded: every kernel serves that in software. All signals are given by hand, so that
 * they begin alike. Times are compared where the lab counts instructions (tests/lab/run --icount);
 * elsewhere they are for the eye, and only that the interrupts arrive is checked.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP		"/vlpi_vmm"
#define VCPU_GROUP		VMM_GROUP "/vcpus"
#define OTHERS_GROUP		VMM_GROUP "/others"

#define RT_RUNTIME		"/proc/sys/kernel/sched_rt_runtime_us"
/* Kernels from 6.12 on keep this much of each second for ordinary tasks, whatever is above them. */
#define FAIR_RUNTIME		"/sys/kernel/debug/sched/fair_server/cpu1/runtime"

#define NR_SOURCES		3
#define ROUNDS			20
/* Of the stock kernel's worst. */
#define AT_MOST			2

#define PLAIN_EVENT		(SHARED_EVENT + 1)
#define PLAIN_INTID		(SHARED_INTID + 1)
#define PLAIN_GSI		(SHARED_GSI + MAX_SHARERS)

/* struct sched_attr of the first size; C libraries differ in whether they have one. */
struct attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

struct latency {
	unsigned int n;
	uint64_t sum;
	uint64_t worst;
};

FIXTURE(realtime) {
	struct sharers sh;
	pid_t vcpu;
	int plain;
	bool was_loaded;
	char rt_runtime[32];
	char fair_runtime[32];
	struct latency stock;
};

FIXTURE_VARIANT(realtime) {
	struct attributes attributes;
};

FIXTURE_VARIANT_ADD(realtime, fifo) {
	.attributes = { .policy = SCHED_FIFO, .priority = 1 },
};

/* The whole of the CPU. */
FIXTURE_VARIANT_ADD(realtime, deadline) {
	.attributes = {
		.policy = SCHED_DEADLINE,
		.runtime = 100000000, .deadline = 100000000, .period = 100000000,
	},
};

static void read_setting(const char *path, char *value, size_t size)
{
	FILE *f = fopen(path, "r");

	if (!f || !fgets(value, size, f))
		value[0] = 0;
	if (f)
		fclose(f);
}

static void set_policy(pid_t task, struct attributes a)
{
	a.size = sizeof(a);
	if (syscall(SYS_sched_setattr, task, &a, 0))
		die("scheduling policy %u of task %d: %m", a.policy, task);
}

static void make_groups(void)
{
	cgroup_set("", "cgroup.subtree_control", "+cpuset");
	cgroup_make(VMM_GROUP);
	cgroup_make(VCPU_GROUP);
	cgroup_make(OTHERS_GROUP);
	cgroup_set(VCPU_GROUP, "cgroup.type", "threaded");
	cgroup_set(OTHERS_GROUP, "cgroup.type", "threaded");
	cgroup_set(VMM_GROUP, "cgroup.subtree_control", "+cpuset");
	cgroup_set(VCPU_GROUP, "cpuset.cpus", "1");
	cgroup_set(OTHERS_GROUP, "cpuset.cpus", "0");
}

/* Where the host serves an interrupt that is not forwarded. */
static void aim_at_cpu_0(struct source *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", source_host_irq(s));
	write_file(path, "1");
}

/* The VM has one vCPU, and this process no thread but that and itself. */
static pid_t vcpu_thread(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	pid_t found = 0;

	while (dir && (d = readdir(dir)))
		if (atoi(d->d_name) && atoi(d->d_name) != gettid())
			found = atoi(d->d_name);
	if (dir)
		closedir(dir);
	if (!found)
		die("no thread of a vCPU");
	return found;
}

/* From here on nothing gets past the vCPU, or things are as they were. */
static void vcpu_is_above_all(FIXTURE_DATA(realtime) *self, const struct attributes *attributes)
{
	static const struct attributes ordinary = { .policy = SCHED_OTHER };

	/* First of all, or what waits for a task on CPU 1 would wait for ever. */
	if (!attributes)
		set_policy(self->vcpu, ordinary);
	write_file(RT_RUNTIME, attributes ? "-1" : self->rt_runtime);
	if (self->fair_runtime[0])
		write_file(FAIR_RUNTIME, attributes ? "0" : self->fair_runtime);
	if (attributes)
		set_policy(self->vcpu, *attributes);
}

static void tell(const struct latency *l, const char *what)
{
	note("%s: %u, %llu us on average, %llu us at worst", what, l->n,
	     (unsigned long long)(l->n ? l->sum / l->n / 1000 : 0),
	     (unsigned long long)(l->worst / 1000));
}

static void count(struct latency *l, uint64_t ns)
{
	l->n++;
	l->sum += ns;
	if (ns > l->worst)
		l->worst = ns;
}

/* Waits for an interrupt that was raised at @begin; false where it is not taken at the bound. */
static bool arrives(struct vm *vm, uint32_t intid, uint64_t before, uint64_t begin,
		    struct latency *l)
{
	uint64_t end = begin + wait_bound() * 1000000000ULL;

	while (guest_count(vm, intid) == before && now_ns() < end)
		sched_yield();
	count(l, now_ns() - begin);
	return guest_count(vm, intid) != before;
}

static bool signal_arrives(struct vm *vm, int eventfd, uint32_t intid, struct latency *l)
{
	uint64_t before = guest_count(vm, intid), begin = now_ns();

	eventfd_kick(eventfd);
	return arrives(vm, intid, before, begin, l);
}

FIXTURE_SETUP(realtime)
{
	struct sharers *sh = &self->sh;
	struct latency warm_up = { 0 };
	bool all = true;

	ASSERT_LE(2, host_cpus());
	self->was_loaded = broker_loaded();
	broker_want(false);
	read_setting(RT_RUNTIME, self->rt_runtime, sizeof(self->rt_runtime));
	read_setting(FAIR_RUNTIME, self->fair_runtime, sizeof(self->fair_runtime));
	make_groups();
	cgroup_join(VMM_GROUP, getpid());
	cgroup_join_thread(VCPU_GROUP, gettid());
	sharers_prepare(sh, "realtime", 0, NR_SOURCES);
	self->vcpu = vcpu_thread();
	cgroup_join_thread(OTHERS_GROUP, gettid());
	for (unsigned int i = 0; i < sh->nr; i++)
		aim_at_cpu_0(sh->src[i]);
	guest_map(sh->vm, SHARED_DEVID, PLAIN_EVENT, PLAIN_INTID, 0);
	vm_route_msi(sh->vm, PLAIN_GSI, SHARED_DEVID, PLAIN_EVENT);
	self->plain = eventfd_new();
	vm_irqfd(sh->vm, self->plain, PLAIN_GSI, 0);
	guest_idle(sh->vm, 0, GUEST_IDLE_SPIN);
	signal_arrives(sh->vm, self->plain, PLAIN_INTID, &warm_up);

	vcpu_is_above_all(self, &variant->attributes);
	for (unsigned int n = 0; all && n < NR_SOURCES * ROUNDS; n++)
		all = signal_arrives(sh->vm, self->plain, PLAIN_INTID, &self->stock);
	vcpu_is_above_all(self, NULL);
	ASSERT_TRUE(all);
	tell(&self->stock, "on stock");

	/* To load a module is to wait for every task once. */
	broker_want(true);
	sharers_assign_all(sh);
	await_effects();
	vcpu_is_above_all(self, &variant->attributes);
}

FIXTURE_TEARDOWN(realtime)
{
	struct sharers *sh = &self->sh;

	vcpu_is_above_all(self, NULL);
	vm_irqfd(sh->vm, self->plain, PLAIN_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	close(self->plain);
	sharers_free(sh);
	cgroup_join("", getpid());
	/* That they can be removed is for another test to say. */
	try_cgroup_remove(VCPU_GROUP);
	try_cgroup_remove(OTHERS_GROUP);
	try_cgroup_remove(VMM_GROUP);
	broker_want(self->was_loaded);
}

static void expect_as_soon_as_stock(struct __test_metadata *_metadata, FIXTURE_DATA(realtime) *self,
				    const struct latency *l, const char *what)
{
	tell(l, what);
	if (getenv("VLPI_ICOUNT"))
		EXPECT_GE(AT_MOST * self->stock.worst, l->worst);
}

/* After an ASSERT_TRUE() nothing would set the host right again. The first holds the vLPI. */
VM_TEST_F(realtime, of_waiters, "H49 P7")
{
	struct sharers *sh = &self->sh;
	struct latency waiters = { 0 };

	for (unsigned int n = 0; n < ROUNDS; n++) {
		for (unsigned int i = 1; i < sh->nr; i++) {
			EXPECT_TRUE(signal_arrives(sh->vm, sh->src[i]->eventfd, SHARED_INTID,
						   &waiters)) {
				TH_LOG("interrupt %u of source %u does not arrive", n + 1, i + 1);
				return;
			}
		}
	}
	expect_as_soon_as_stock(_metadata, self, &waiters, "the waiters' interrupts");
	EXPECT_PLACED("afterwards");
}

/* They leave and come back in turn: each time the holder goes. */
VM_TEST_F(realtime, while_hands_change, "H49 P7")
{
	struct sharers *sh = &self->sh;
	struct latency left = { 0 }, back = { 0 };

	for (unsigned int n = 0; n < ROUNDS; n++) {
		unsigned int holder = n % sh->nr, last = (n + 2) % sh->nr;

		source_deassign(sh->src[holder]);
		EXPECT_TRUE(signal_arrives(sh->vm, sh->src[last]->eventfd, SHARED_INTID, &left)) {
			TH_LOG("round %u: the holder has left: a signal does not arrive", n + 1);
			return;
		}
		sharers_assign(sh, holder);
		EXPECT_TRUE(signal_arrives(sh->vm, sh->src[holder]->eventfd, SHARED_INTID, &back)) {
			TH_LOG("round %u: it has come back: a signal does not arrive", n + 1);
			return;
		}
	}
	expect_as_soon_as_stock(_metadata, self, &left, "when the holder has left");
	expect_as_soon_as_stock(_metadata, self, &back, "when it has come back");
	EXPECT_PLACED("afterwards");
}

TEST_MAIN
