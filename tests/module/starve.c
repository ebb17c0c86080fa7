// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm of interrupts to one VM does not starve a task of the host: what the fallback thread uses
 * is the VMM's, by its cgroup.
 *
 * The VMM is a process in a cgroup that is entitled to a tenth of a CPU: by its weight, or by a
 * quota. The eventfds of its waiters are signalled from outside it, on host CPU 1, as VFIO's
 * handlers do it, but as fast as this process can: an emulated device is too slow for a storm. A
 * task of the host counts on host CPU 0, alone and then under the storm, and the whole VMM and its
 * fallback thread are kept there with it: the thread has nowhere else to go. Everything measured is
 * CPU time that the scheduler of the emulated host has given, so how fast or busy the emulator is
 * does not matter.
 *
 * Where the kernel leaves kernel threads out of cgroups of version 2 (vhost's too), the groups are
 * of version 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "harness.h"

#define VMM_GROUP	"/vlpi_vmm"
#define HOST_GROUP	"/vlpi_host"

#define NR_SOURCES	6
#define WINDOW_MS	4000

/*
 * What the VMM's cgroup is entitled to on host CPU 0, in percent of it: by a quota, or by its
 * weight against that of the host's task, which is the usual one.
 */
#define SHARE		10
/* What accounting by ticks and slices of quota may add. */
#define SLACK		10
/*
 * Of what it gets alone, the host's task gets this much where the whole share is used against it,
 * and others on its CPU (interrupts of a blocked vCPU among them) take what they take now and then.
 */
#define LEAST_PROGRESS	75

/* What a version of cgroups calls the CPU's share of a group; share_by_... are SHARE percent. */
static const struct hierarchy {
	bool version_1;
	const char *path;
	const char *weight, *usual_weight, *share_by_weight;
	const char *quota, *no_quota, *share_by_quota;
	const char *usage;
} versions[] = {
	{
		.version_1 = true, .path = "/tmp/vlpi_cpu",
		.weight = "cpu.shares", .usual_weight = "1024", .share_by_weight = "112",
		.quota = "cpu.cfs_quota_us", .no_quota = "-1", .share_by_quota = "10000",
		.usage = "cpuacct.usage",
	}, {
		.path = "/sys/fs/cgroup",
		.weight = "cpu.weight", .usual_weight = "100", .share_by_weight = "11",
		.quota = "cpu.max", .no_quota = "max", .share_by_quota = "10000 100000",
		.usage = "cpu.stat",
	},
}, *cgroups;

/* 5.10's cgroup_attach_task_all() passes over version 2, that of 6.1 does not. */
static bool kthreads_join_version_2(void)
{
	unsigned int major, minor;
	struct utsname u;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		die("Linux %s: no version", u.release);
	return major > 6 || (major == 6 && minor >= 1);
}

static void set(const char *group, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s/%s", cgroups->path, group, file);
	write_file(path, value);
}

static void join(const char *group)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	set(group, "cgroup.procs", pid);
}

static void make_group(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", cgroups->path, group);
	if (mkdir(path, 0755) && errno != EEXIST)
		die("%s: %m", path);
}

static void remove_group(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", cgroups->path, group);
	rmdir(path);
}

static void make_groups(void)
{
	cgroups = &versions[kthreads_join_version_2()];
	if (cgroups->version_1) {
		if (mkdir(cgroups->path, 0755) && errno != EEXIST)
			die("%s: %m", cgroups->path);
		if (mount("cgroup", cgroups->path, "cgroup", 0, "cpu,cpuacct"))
			die("cgroups of version 1 at %s: %m", cgroups->path);
	} else {
		set("", "cgroup.subtree_control", "+cpu");
	}
	make_group(VMM_GROUP);
	make_group(HOST_GROUP);
}

static void remove_groups(void)
{
	remove_group(HOST_GROUP);
	remove_group(VMM_GROUP);
	if (cgroups->version_1)
		umount(cgroups->path);
}

/* CPU time of a task, in ns. */
static uint64_t runtime(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		die("%s: %m", path);
	fclose(f);
	return ns;
}

/* Of a cgroup, in ns. */
static uint64_t group_runtime(const char *group)
{
	unsigned long long usage;
	int got = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s/%s", cgroups->path, group, cgroups->usage);
	f = fopen(path, "r");
	if (f)
		got = fscanf(f, cgroups->version_1 ? "%llu" : "usage_usec %llu", &usage);
	if (got != 1)
		die("%s: %m", path);
	fclose(f);
	return cgroups->version_1 ? usage : usage * 1000;
}

/* The one fallback thread there is; 0 if there is none. */
static pid_t fallback_thread(void)
{
	struct dirent *d;
	pid_t found = 0;
	char comm[32];
	DIR *proc = opendir("/proc");

	while (proc && (d = readdir(proc))) {
		pid_t pid = atoi(d->d_name);

		if (!pid)
			continue;
		task_line(pid, "comm", comm, sizeof(comm));
		if (!strncmp(comm, "vlpi-vm", 7))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

static void pin(pid_t pid, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		die("process %d, host CPU %u: %m", pid, cpu);
}

/*
 * Newer kernels stop a task whose cgroup has used up its quota when it returns to user space, which
 * a kernel thread never does. They know by a member of task_struct when to.
 */
static bool quota_is_for_user_tasks(void)
{
	static const char member[] = "sched_throttle_work";
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t got;
	char *btf;
	bool is;

	if (fd < 0 || fstat(fd, &st))
		die("/sys/kernel/btf/vmlinux: %m");
	btf = malloc(st.st_size);
	if (!btf)
		die("no memory for the kernel's types");
	for (off_t n = 0; n < st.st_size; n += got) {
		got = read(fd, btf + n, st.st_size - n);
		if (got <= 0)
			die("reading /sys/kernel/btf/vmlinux: %m");
	}
	is = memmem(btf, st.st_size, member, sizeof(member));
	free(btf);
	close(fd);
	return is;
}

static struct source *src[NR_SOURCES];

static void vmm(void *arg)
{
	struct vm *vm;

	(void)arg;
	join(VMM_GROUP);
	pin(0, 0);
	vm = vm_new("storm", 1);
	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_assign(src[i], vm, SHARED_GSI);
	/* What it uses from now on, it uses for interrupts. */
	guest_idle(vm, 0, GUEST_IDLE_WFI);
	child_ready();
	for (;;)
		pause();
}

static volatile uint64_t *units;

static void host_task(void *arg)
{
	(void)arg;
	join(HOST_GROUP);
	pin(0, 0);
	child_ready();
	for (;;)
		++*units;
}

/* What was used within a window, in percent of its length. */
struct usage {
	unsigned int host;
	unsigned int thread;
	unsigned int vmm;
	uint64_t units;
	uint64_t signals;
	uint64_t injections;
};

static unsigned int percent(uint64_t part, uint64_t whole)
{
	return part * 100 / whole;
}

static uint64_t injections(void)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return info.injections;
}

/* The window itself is what is measured. The first source holds the vLPI. */
static struct usage measure(pid_t host, pid_t thread, bool storm)
{
	uint64_t begin, length, host0, thread0, vmm0;
	struct usage u;

	u.units = *units;
	u.signals = 0;
	u.injections = injections();
	begin = now_ns();
	host0 = runtime(host);
	thread0 = runtime(thread);
	vmm0 = group_runtime(VMM_GROUP);
	while (now_ns() - begin < WINDOW_MS * 1000000ULL) {
		for (unsigned int i = 1; storm && i < NR_SOURCES; i++, u.signals++)
			eventfd_kick(src[i]->eventfd);
		if (!storm)
			usleep(10000);
	}
	length = now_ns() - begin;
	u.host = percent(runtime(host) - host0, length);
	u.thread = percent(runtime(thread) - thread0, length);
	u.vmm = percent(group_runtime(VMM_GROUP) - vmm0, length);
	u.units = *units - u.units;
	u.injections = injections() - u.injections;
	note("%s: the host's task %u %% of its CPU, the fallback thread %u %%, the VMM %u %%; "
	     "%llu units, %llu signals, %llu injections",
	     storm ? "under the storm" : "alone", u.host, u.thread, u.vmm,
	     (unsigned long long)u.units, (unsigned long long)u.signals,
	     (unsigned long long)u.injections);
	return u;
}

FIXTURE(starve) {
	struct child vmm;
	struct child host;
};

FIXTURE_VARIANT(starve) {
	bool quota;
};

FIXTURE_VARIANT_ADD(starve, weight) {
	.quota = false,
};

FIXTURE_VARIANT_ADD(starve, quota) {
	.quota = true,
};

static bool is_inline(void)
{
	char mode[16] = "";
	FILE *f = fopen("/sys/module/vlpi_broker/parameters/fallback", "r");

	if (f && !fgets(mode, sizeof(mode), f))
		mode[0] = 0;
	if (f)
		fclose(f);
	return !strncmp(mode, "inline", 6);
}

/* Why this is not for this kernel as it is now; NULL where it is. */
static const char *inapplicable(bool quota)
{
	if (!broker_loaded())
		return "there is no fallback thread without the module";
	if (is_inline())
		return "there is no fallback thread with fallback=inline";
	if (quota && quota_is_for_user_tasks())
		return "this kernel does not stop kernel threads whose cgroup's quota is used up";
	return NULL;
}

FIXTURE_SETUP(starve)
{
	/* The test says so. */
	if (inapplicable(variant->quota))
		return;
	ASSERT_LE(2, host_cpus());
	units = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)units);
	make_groups();
	/* It boots unhindered. */
	set(VMM_GROUP, cgroups->quota, cgroups->no_quota);
	set(VMM_GROUP, cgroups->weight, cgroups->usual_weight);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		src[i] = source_open(i);
	child_start(&self->vmm, vmm, NULL);
	child_wait_ready(&self->vmm);
	child_start(&self->host, host_task, NULL);
	child_wait_ready(&self->host);
	if (variant->quota)
		set(VMM_GROUP, cgroups->quota, cgroups->share_by_quota);
	else
		set(VMM_GROUP, cgroups->weight, cgroups->share_by_weight);
	pin(0, 1);
}

FIXTURE_TEARDOWN(starve)
{
	if (!self->host.pid)
		return;
	set(VMM_GROUP, cgroups->quota, cgroups->no_quota);
	child_kill(&self->host);
	child_kill(&self->vmm);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(src[i]);
	remove_groups();
}

VM_TEST_F(starve, host_task, "P5")
{
	const char *reason = inapplicable(variant->quota);
	struct usage alone, storm;
	char group[64], *name;
	pid_t thread;

	if (reason)
		SKIP(return, "%s", reason);
	thread = fallback_thread();
	ASSERT_NE(0, thread);
	pin(thread, 0);
	task_line(thread, "cgroup", group, sizeof(group));
	/* Version 2 comes last, so the first line is that of the one in use. */
	name = strrchr(group, ':');
	ASSERT_NE(NULL, name);
	EXPECT_STREQ(VMM_GROUP, name + 1);
	alone = measure(self->host.pid, thread, false);
	storm = measure(self->host.pid, thread, true);
	EXPECT_LT(50, alone.host);
	/*
	 * Or there was no storm: the thread has injected, and always had more to do. How much of
	 * its share the VMM gets, and how many injections that buys, is a matter of the machine.
	 */
	EXPECT_LT(0, storm.injections);
	EXPECT_LT(10 * storm.injections, storm.signals);
	EXPECT_GE(SHARE + SLACK, storm.thread);
	EXPECT_GE(SHARE + SLACK, storm.vmm);
	EXPECT_LE(alone.host * LEAST_PROGRESS / 100, storm.host) {
		TH_LOG("the host's task had %u %% of its CPU alone and %u %% under the storm",
		       alone.host, storm.host);
	}
}

TEST_MAIN
