// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose guest changes its ITS without an end, and its neighbour (H29, H47). The figures: how
 * long attach and detach of the neighbour take, alone and beside the attacker, which runs free, has
 * a small quota of the CPU, or is frozen; on the stock kernel, and then with the module, on one
 * machine whose clock counts instructions (tests/lab/run --icount --smp 2). And what the broker
 * spends on the attacker: CPU time of its work queue, and ITS commands that this sends.
 *
 * What an attach costs alone is one thing, and how an attacker makes it longer another: here the
 * second is held against the stock kernel, and the first is for the eye.
 *
 * The work queue gets a nice value that no other has: its threads are its own then, and what they
 * have run can be read. It is a better one than it has by default; and the attacker has a CPU of
 * its own, while the queue has that of the neighbour. So no figure is the prettier for either. The
 * two CPUs of this machine run by turns, for a ms or two. Who needs the other CPU, or a spinlock
 * that it has, waits so long, which no real machine does: hence medians; means are for the eye.
 *
 * On the stock kernel the attacker has irqfds and no device: KVM would warn of each host IRQ that
 * the guest has unmapped, and would never map one again.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define QUEUE		"/sys/devices/virtual/workqueue/vlpi_broker/"
#define QUEUE_NICE	-1

#define CPU		0
#define ATTACKERS_CPU	1

#define GROUP		"/attacker"
#define QUOTA		"5000 100000"

/* The attacker: an event for each source, and more of the same device, with an irqfd each. */
#define NR_SOURCES	6
#define NR_IRQFDS	300
#define NR_EVENTS	(GUEST_CMDS - 1)
#define NEVER_MAPPED	(NR_EVENTS + 1)
#define FIRST_GSI	SHARED_GSI

#define CALLS_BEFORE	10
#define CALLS		100
#define WINDOW_MS	300

/* How much longer it takes beside the attacker: of how much longer it does on stock, in percent. */
#define MOST_LONGER	120
/*
 * For one attacker, when what it may have at once is used up: of one CPU, in percent, a tenth for
 * its changes and one for grants; and ITS commands a second, with not more than 1024 grants.
 */
#define MOST_CPU	25
#define MOST_CMDS	4500
#define MOST_GRANTS	1100

enum kernel { STOCK, BROKER, NR_KERNELS };
enum attacker { ABSENT, FREE, THROTTLED, FROZEN, NR_ATTACKERS };
enum call_kind { ATTACH, DETACH, NR_CALLS };

static const char * const attacker_names[] = { "alone", "free", "throttled", "frozen" };
static const char * const kernel_names[] = { "stock", "broker" };
static const char * const call_names[] = { "attach", "detach" };

struct times {
	uint64_t ns[CALLS];
	unsigned int nr;
};

/* What the broker did in a window, and how often the attacker's guest wrote to its ITS. */
struct spent {
	uint64_t window_ns;
	uint64_t cpu_ns;
	uint64_t cmds;
	uint64_t grants;
	uint64_t revokes;
	uint64_t writes;
};

/* ---- the attacker, a process of its own ------------------------------------------------------ */

static void discard_and_map(struct vm *vm)
{
	struct its_cmd cmds[16];

	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i += 2) {
		unsigned int event = i / 2 % NR_SOURCES;

		cmds[i] = its_cmd_discard(SHARED_DEVID, event);
		cmds[i + 1] = its_cmd_mapti(SHARED_DEVID, event, GUEST_LPI_BASE + event);
	}
	guest_begin_cmds(vm, cmds, ARRAY_SIZE(cmds), ARRAY_SIZE(cmds));
}

/* A collection that is gone takes its events along; these are only free again with their device. */
static void map_collections(struct vm *vm)
{
	struct its_cmd cmds[16];
	unsigned int n = 0;

	cmds[n++] = its_cmd_mapc(false);
	cmds[n++] = its_cmd_mapc(true);
	cmds[n++] = its_cmd_mapd(SHARED_DEVID);
	for (unsigned int i = 0; n < ARRAY_SIZE(cmds); i++, n++)
		cmds[n] = its_cmd_mapti(SHARED_DEVID, i, GUEST_LPI_BASE + i);
	guest_begin_cmds(vm, cmds, ARRAY_SIZE(cmds), ARRAY_SIZE(cmds));
}

static void map_devices(struct vm *vm)
{
	static struct its_cmd cmds[GUEST_CMDS];

	cmds[0] = its_cmd_mapd(SHARED_DEVID);
	for (unsigned int i = 0; i < NR_EVENTS; i++)
		cmds[i + 1] = its_cmd_mapti(SHARED_DEVID, i, GUEST_LPI_BASE + i);
	guest_begin_cmds(vm, cmds, ARRAY_SIZE(cmds), ARRAY_SIZE(cmds) / 2);
}

struct attack {
	/* What the guest does; nothing where the devices alone do it. */
	void (*guest)(struct vm *vm);
	/* Shared with the test. */
	uint64_t *writes;
	bool has_sources;
};

static void attack(void *arg)
{
	struct attack *a = arg;
	struct source *src[NR_SOURCES];
	unsigned int first = a->guest ? 0 : NEVER_MAPPED;
	struct firing f;
	struct vm *vm;

	run_on_cpu(pthread_self(), ATTACKERS_CPU);
	cgroup_join(GROUP, getpid());
	vm = vm_new("attacker", 1);
	vm_sentinel(vm, false);
	guest_boot(vm);
	for (unsigned int i = 0; i < NR_SOURCES; i++)
		guest_map(vm, SHARED_DEVID, i, GUEST_LPI_BASE + i, 0);
	vm_route_batch(vm, true);
	for (unsigned int i = 0; i < NR_IRQFDS; i++)
		vm_route_msi(vm, FIRST_GSI + i, SHARED_DEVID, first + i);
	vm_route_batch(vm, false);
	for (unsigned int i = 0; i < NR_SOURCES; i++) {
		src[i] = source_open(1 + i);
		if (a->has_sources)
			source_assign(src[i], vm, FIRST_GSI + i);
	}
	for (unsigned int i = NR_SOURCES; i < NR_IRQFDS; i++)
		vm_irqfd(vm, eventfd_new(), FIRST_GSI + i, 0);
	if (a->guest)
		a->guest(vm);
	else
		firing_start(&f, src, NR_SOURCES);
	child_ready();
	for (;;) {
		usleep(10000);
		*a->writes = a->guest ? guest_writes(vm) : f.rounds * NR_SOURCES;
	}
}

/* ---- what the broker spends ------------------------------------------------------------------ */

static void set_queue(void)
{
	char value[8];

	snprintf(value, sizeof(value), "%d", QUEUE_NICE);
	write_file(QUEUE "nice", value);
	snprintf(value, sizeof(value), "%x", 1 << CPU);
	write_file(QUEUE "cpumask", value);
}

/* A thread of the work queue's? */
static bool is_of_queue(pid_t pid)
{
	char line[512], *rest;
	int nice;

	task_line(pid, "stat", line, sizeof(line));
	rest = strrchr(line, ')');
	return rest && strstr(line, "(kworker/u") &&
	       sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d",
		      &nice) == 1 && nice == QUEUE_NICE;
}

/* CPU time of the work queue's threads, which live on for minutes when there is nothing to do. */
static uint64_t queue_ns(void)
{
	unsigned long long sum = 0, ns;
	char line[96];
	glob_t g;

	if (glob("/proc/[0-9]*", GLOB_ONLYDIR, NULL, &g))
		die("there is nothing in /proc");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		pid_t pid = atoi(g.gl_pathv[i] + strlen("/proc/"));

		if (!is_of_queue(pid))
			continue;
		task_line(pid, "schedstat", line, sizeof(line));
		if (sscanf(line, "%llu", &ns) == 1)
			sum += ns;
	}
	globfree(&g);
	return sum;
}

/* The ITS driver waits for its commands to be done, once for each, whatever the command. */
#define PROBED		"its_wait_for_range_completion"
#define EVENT		TRACING "events/kprobes/its_command/"

static void count_cmds(bool on)
{
	if (on) {
		write_tracing("kprobe_events", "p:its_command " PROBED);
		write_file(EVENT "trigger", "hist:keys=common_pid");
		write_file(EVENT "enable", "1");
		return;
	}
	write_file(EVENT "enable", "0");
	write_file(EVENT "trigger", "!hist:keys=common_pid");
	write_tracing("kprobe_events", "");
}

/* Of the work queue's threads. */
static uint64_t queue_cmds(void)
{
	FILE *f = fopen(EVENT "hist", "r");
	unsigned long long hits;
	uint64_t sum = 0;
	char line[160];
	int pid;

	if (!f)
		die(EVENT "hist: %m");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "{ common_pid: %d } hitcount: %llu", &pid, &hits) == 2 &&
		    is_of_queue(pid))
			sum += hits;
	fclose(f);
	return sum;
}

static void read_spent(struct spent *s, const uint64_t *writes)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	*s = (struct spent){
		.window_ns = now_ns(),
		.cpu_ns = queue_ns(),
		.cmds = queue_cmds(),
		.grants = info.grants,
		.revokes = info.revokes,
		.writes = *writes,
	};
}

/* What is spent from now on, while nothing happens but the attack. */
static void spend(struct spent *s, const uint64_t *writes)
{
	struct spent a, b;

	read_spent(&a, writes);
	usleep(WINDOW_MS * 1000);
	read_spent(&b, writes);
	*s = (struct spent){
		.window_ns = b.window_ns - a.window_ns,
		.cpu_ns = b.cpu_ns - a.cpu_ns,
		.cmds = b.cmds - a.cmds,
		.grants = b.grants - a.grants,
		.revokes = b.revokes - a.revokes,
		.writes = b.writes - a.writes,
	};
}

/* ---- the neighbour --------------------------------------------------------------------------- */

FIXTURE(neighbours) {
	struct vm *vm;
	struct source *src;
	uint64_t *writes;
	struct times times[NR_KERNELS][NR_ATTACKERS][NR_CALLS];
	struct spent spent[NR_ATTACKERS];
	uint64_t stock_writes[NR_ATTACKERS];
	bool was_loaded;
};

FIXTURE_VARIANT(neighbours) {
	void (*guest)(struct vm *vm);
	/* Of one CPU, in percent. */
	unsigned int most_cpu;
};

FIXTURE_VARIANT_ADD(neighbours, discards) {
	.guest = discard_and_map,
	.most_cpu = MOST_CPU,
};

FIXTURE_VARIANT_ADD(neighbours, collections) {
	.guest = map_collections,
	.most_cpu = MOST_CPU,
};

FIXTURE_VARIANT_ADD(neighbours, devices) {
	.guest = map_devices,
	.most_cpu = MOST_CPU,
};

FIXTURE_VARIANT_ADD(neighbours, its_off_and_on) {
	.guest = guest_begin_its_off_and_on,
	.most_cpu = MOST_CPU,
};

/* An interrupt of the host's asks for each raise: these are not rationed, as KVM's are not. */
FIXTURE_VARIANT_ADD(neighbours, never_mapped) {
	.guest = NULL,
	.most_cpu = 50,
};

FIXTURE_SETUP(neighbours)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	ASSERT_LE(2, host_cpus());
	run_on_cpu(pthread_self(), CPU);
	self->writes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self->writes == MAP_FAILED)
		die("no memory");
	cgroup_set("", "cgroup.subtree_control", "+cpu");
	cgroup_make(GROUP);
	self->vm = vm_new("neighbour", 1);
	/* With no irqfd, the module can come and go. */
	vm_sentinel(self->vm, false);
	guest_boot(self->vm);
	guest_map(self->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(self->vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	self->src = source_open(0);
	count_cmds(true);
}

FIXTURE_TEARDOWN(neighbours)
{
	count_cmds(false);
	vm_free(self->vm);
	source_close(self->src);
	wait_for(!try_cgroup_remove(GROUP), "the attacker is gone");
	broker_want(self->was_loaded);
}

static void add_time(struct times *t, uint64_t since)
{
	t->ns[t->nr++] = now_ns() - since;
}

static void call(FIXTURE_DATA(neighbours) *self, struct times t[NR_CALLS])
{
	uint64_t begin;

	for (unsigned int i = 0; i < CALLS_BEFORE + CALLS; i++) {
		begin = now_ns();
		source_assign(self->src, self->vm, SHARED_GSI);
		if (i >= CALLS_BEFORE)
			add_time(&t[ATTACH], begin);
		begin = now_ns();
		source_deassign(self->src);
		if (i >= CALLS_BEFORE)
			add_time(&t[DETACH], begin);
	}
}

static void set_attacker(enum attacker a)
{
	cgroup_set(GROUP, "cpu.max", a == THROTTLED ? QUOTA : "max");
	cgroup_set(GROUP, "cgroup.freeze", a == FROZEN ? "1" : "0");
	wait_for(cgroup_event(GROUP, "frozen") == (a == FROZEN), "the attacker is frozen or not");
}

static bool grants_are_rationed(void)
{
	struct vlpi_broker_info a, b;

	broker_info(&a);
	usleep(100000);
	broker_info(&b);
	return (b.grants - a.grants) * 10 <= MOST_GRANTS;
}

/* What a guest may have done at once. */
static void use_up(void)
{
	wait_for(grants_are_rationed(), "the attacker gets no more than %u grants a second",
		 MOST_GRANTS);
}

static void figures_of(FIXTURE_DATA(neighbours) *self, const FIXTURE_VARIANT(neighbours) *variant,
		       enum kernel kernel)
{
	struct attack a = {
		.guest = variant->guest,
		.writes = self->writes,
		.has_sources = kernel == BROKER || !variant->guest,
	};
	struct child child;

	*self->writes = 0;
	broker_want(kernel == BROKER);
	if (kernel == BROKER)
		set_queue();
	call(self, self->times[kernel][ABSENT]);
	child_start(&child, attack, &a);
	child_wait_ready(&child);
	for (enum attacker n = FREE; n < NR_ATTACKERS; n++) {
		uint64_t before;

		set_attacker(n);
		if (kernel == BROKER && n == FREE)
			use_up();
		before = *self->writes;
		if (kernel == BROKER)
			spend(&self->spent[n], self->writes);
		else
			usleep(WINDOW_MS * 1000);
		if (kernel == STOCK)
			self->stock_writes[n] = *self->writes - before;
		call(self, self->times[kernel][n]);
	}
	set_attacker(FREE);
	child_kill(&child);
}

/* ---- the figures ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t mean_us(const struct times *t)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < t->nr; i++)
		sum += t->ns[i];
	return sum / t->nr / 1000;
}

static uint64_t a_second(uint64_t n, const struct spent *s)
{
	return n * 1000000000 / s->window_ns;
}

/* Of the time of the same call with no attacker, in 1/1000. The times are sorted by now. */
static uint64_t longer(struct times t[NR_ATTACKERS][NR_CALLS], enum attacker n, enum call_kind c)
{
	return t[n][c].ns[CALLS / 2] * 1000 / t[ABSENT][c].ns[CALLS / 2];
}

static void tell_times(struct times t[NR_KERNELS][NR_ATTACKERS][NR_CALLS], enum attacker n,
		       enum call_kind c)
{
	printf("# %s, %s:", attacker_names[n], call_names[c]);
	for (enum kernel k = STOCK; k < NR_KERNELS; k++) {
		struct times *it = &t[k][n][c];

		printf(" %s %llu us, %llu %% of alone (mean %llu, most %llu)%s", kernel_names[k],
		       (unsigned long long)it->ns[CALLS / 2] / 1000,
		       (unsigned long long)longer(t[k], n, c) / 10,
		       (unsigned long long)mean_us(it),
		       (unsigned long long)it->ns[CALLS - 1] / 1000, k == STOCK ? ";" : "\n");
	}
}

static void tell_spent(const struct spent *s, enum attacker n, uint64_t stock_writes)
{
	printf("# %s: the broker spends %llu.%llu %% of a CPU, and sends %llu ITS commands a second\n",
	       attacker_names[n], (unsigned long long)(s->cpu_ns * 100 / s->window_ns),
	       (unsigned long long)(s->cpu_ns * 1000 / s->window_ns % 10),
	       (unsigned long long)a_second(s->cmds, s));
	printf("# %s: %llu grants and %llu revokes a second; the guest's writes: %llu, on stock %llu\n",
	       attacker_names[n], (unsigned long long)a_second(s->grants, s),
	       (unsigned long long)a_second(s->revokes, s),
	       (unsigned long long)a_second(s->writes, s),
	       (unsigned long long)stock_writes * 1000 / WINDOW_MS);
}

VM_TEST_F_TIMEOUT(neighbours, notice_nothing, 1200, "H29 H47 P7")
{
	for (enum kernel k = STOCK; k < NR_KERNELS; k++) {
		figures_of(self, variant, k);
		for (enum attacker n = ABSENT; n < NR_ATTACKERS; n++)
			for (enum call_kind c = ATTACH; c < NR_CALLS; c++)
				qsort(self->times[k][n][c].ns, CALLS, sizeof(uint64_t), compare);
	}
	for (enum attacker n = ABSENT; n < NR_ATTACKERS; n++) {
		for (enum call_kind c = ATTACH; c < NR_CALLS; c++) {
			uint64_t stock = longer(self->times[STOCK], n, c);
			uint64_t broker = longer(self->times[BROKER], n, c);

			tell_times(self->times, n, c);
			/* The first calls of a kernel are not its quickest. */
			if (stock < 1000)
				stock = 1000;
			EXPECT_LE(broker * 100, stock * MOST_LONGER) {
				TH_LOG("%s, %s: %llu %% of alone, on stock %llu %%",
				       attacker_names[n], call_names[c],
				       (unsigned long long)broker / 10,
				       (unsigned long long)stock / 10);
			}
		}
	}
	for (enum attacker n = FREE; n < NR_ATTACKERS; n++) {
		struct spent *s = &self->spent[n];

		tell_spent(s, n, self->stock_writes[n]);
		EXPECT_LE(s->cpu_ns * 100, s->window_ns * variant->most_cpu) {
			TH_LOG("%s: too much of the CPU", attacker_names[n]);
		}
		EXPECT_GE(MOST_CMDS, a_second(s->cmds, s)) {
			TH_LOG("%s: too many ITS commands", attacker_names[n]);
		}
	}
	/* Or there was no attack. */
	EXPECT_LT(0, self->spent[FREE].writes);
	EXPECT_LT(0, self->stock_writes[FREE]);
}

TEST_MAIN
