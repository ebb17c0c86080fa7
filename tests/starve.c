// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm of interrupts to one VM does not starve a task of the host: what the fallback thread uses
 * is the VMM's, by its cgroup.
 *
 * The VMM is a process in a cgroup with a quota of 20 % of a CPU. Its sources are raised from
 * outside it, as fast as this process can, as by a device that needs no host CPU. A task of the
 * host counts on host CPU 0, alone and then under the storm; handlers run on the other CPU, since
 * the time of an interrupt is nobody's. Everything measured is CPU time that the scheduler of the
 * emulated host has given, so how fast or busy the emulator is does not matter.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define CGROUPS		"/sys/fs/cgroup"
#define VMM_GROUP	"/vlpi_vmm"
#define HOST_GROUP	"/vlpi_host"

#define NR_SOURCES	6
#define WINDOW_MS	4000

/* In percent of one CPU. */
#define QUOTA		20
/* What accounting by ticks and slices of quota may add. */
#define SLACK		10
/* Of what it gets alone, the host's task gets this much where the whole quota is used against it. */
#define LEAST_PROGRESS	(100 - QUOTA - SLACK)

static void set(const char *group, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "%s/%s", group, file);
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

	snprintf(path, sizeof(path), CGROUPS "%s", group);
	if (mkdir(path, 0755) && errno != EEXIST)
		die("%s: %m", path);
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
	unsigned long long us = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), CGROUPS "%s/cpu.stat", group);
	f = fopen(path, "r");
	if (!f || fscanf(f, "usage_usec %llu", &us) != 1)
		die("%s: %m", path);
	fclose(f);
	return us * 1000;
}

static void first_line(pid_t pid, const char *file, char *line, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	line[0] = 0;
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fgets(line, size, f))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(f);
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
		first_line(pid, "comm", comm, sizeof(comm));
		if (!strncmp(comm, "vlpi-vm", 7))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("host CPU %u: %m", cpu);
}

static struct source *src[NR_SOURCES];

/* Handlers run on host CPU 1; a host IRQ that is forwarded refuses, and has none. */
static void move_handlers(void)
{
	char path[64];

	for (unsigned int i = 0; i < NR_SOURCES; i++) {
		snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", source_host_irq(src[i]));
		try_write_file(path, "2");
	}
}

static void vmm(void *arg)
{
	struct vm *vm;

	(void)arg;
	join(VMM_GROUP);
	vm = vm_new("storm", 1);
	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		attach(src[i], vm, SHARED_GSI);
	child_ready();
	for (;;)
		pause();
}

static volatile uint64_t *units;

static void host_task(void *arg)
{
	(void)arg;
	join(HOST_GROUP);
	pin(0);
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
	uint64_t injections;
};

static unsigned int percent(uint64_t part, uint64_t whole)
{
	return part * 100 / whole;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t injections(void)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return info.injections;
}

/* The window itself is what is measured. Its caller sleeps, or fires. */
static struct usage measure(pid_t host, pid_t thread, bool storm)
{
	uint64_t begin, length, host0, thread0, vmm0;
	struct usage u;

	u.units = *units;
	u.injections = injections();
	begin = now_ns();
	host0 = runtime(host);
	thread0 = runtime(thread);
	vmm0 = group_runtime(VMM_GROUP);
	while (now_ns() - begin < WINDOW_MS * 1000000ULL) {
		for (unsigned int i = 0; storm && i < NR_SOURCES; i++)
			source_fire(src[i]);
		if (!storm)
			usleep(10000);
	}
	length = now_ns() - begin;
	u.host = percent(runtime(host) - host0, length);
	u.thread = percent(runtime(thread) - thread0, length);
	u.vmm = percent(group_runtime(VMM_GROUP) - vmm0, length);
	u.units = *units - u.units;
	u.injections = injections() - u.injections;
	note("%s: the host's task had %u %% of its CPU, the fallback thread %u %%, the VMM's group %u %%; %llu units, %llu injections",
	     storm ? "under the storm" : "alone", u.host, u.thread, u.vmm,
	     (unsigned long long)u.units, (unsigned long long)u.injections);
	return u;
}

FIXTURE(starve) {
	struct child vmm;
	struct child host;
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

FIXTURE_SETUP(starve)
{
	char quota[32];

	/* The test says so. */
	if (!broker_loaded() || is_inline())
		return;
	ASSERT_LE(2, host_cpus());
	units = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)units);
	set("", "cgroup.subtree_control", "+cpu");
	make_group(VMM_GROUP);
	make_group(HOST_GROUP);
	set(VMM_GROUP, "cpu.max", "max");
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		src[i] = source_open(i);
	move_handlers();
	child_start(&self->vmm, vmm, NULL);
	child_wait_ready(&self->vmm);
	child_start(&self->host, host_task, NULL);
	child_wait_ready(&self->host);
	/* From now on: it has booted. */
	snprintf(quota, sizeof(quota), "%u 100000", QUOTA * 1000);
	set(VMM_GROUP, "cpu.max", quota);
	pin(1);
}

FIXTURE_TEARDOWN(starve)
{
	if (!self->host.pid)
		return;
	set(VMM_GROUP, "cpu.max", "max");
	child_kill(&self->host);
	child_kill(&self->vmm);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		source_close(src[i]);
	rmdir(CGROUPS HOST_GROUP);
	rmdir(CGROUPS VMM_GROUP);
}

VM_TEST_F(starve, host_task)
{
	struct usage alone, storm;
	char group[64];
	pid_t thread;

	if (!broker_loaded())
		SKIP(return, "there is no fallback thread without the module");
	if (is_inline())
		SKIP(return, "there is no fallback thread with fallback=inline");
	thread = fallback_thread();
	ASSERT_NE(0, thread);
	first_line(thread, "cgroup", group, sizeof(group));
	EXPECT_STREQ("0::" VMM_GROUP, group);
	alone = measure(self->host.pid, thread, false);
	storm = measure(self->host.pid, thread, true);
	/* Or there was no storm. How many injections the quota buys is a matter of the machine. */
	EXPECT_LT(0, storm.injections);
	EXPECT_LE(QUOTA / 2, storm.vmm);
	EXPECT_LT(50, alone.host);
	EXPECT_GE(QUOTA + SLACK, storm.thread);
	EXPECT_GE(QUOTA + SLACK, storm.vmm);
	EXPECT_LE(alone.host * LEAST_PROGRESS / 100, storm.host) {
		TH_LOG("the host's task had %u %% of its CPU alone and %u %% under the storm",
		       alone.host, storm.host);
	}
}

TEST_HARNESS_MAIN
