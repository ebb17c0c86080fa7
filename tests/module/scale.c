// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls of one VM take beside 1, 100 and 1,000 others, on the stock kernel and with the
 * module; what INFO, DUMP, a load and an unload take there; what a VM of 4,096 irqfds pays when it
 * sets its routes; and a million irqfds, dumped while VMs come and go (P7). The others are processes
 * of their own: a VM each, with a few irqfds, that does nothing.
 *
 * The times are those of the host's clock. They are judged only where the lab counts instructions
 * (tests/lab/run --icount): there a ns is an instruction. Elsewhere they are for the eye.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define TEST_BOUND	6000

/* ---- VMs that are there, and no more --------------------------------------------------------- */

#define IRQFDS_OF_ONE	4
#define IRQFDS_OF_MANY	4000

struct small_vm {
	int fd;
	int vcpu;
	int vgic;
	unsigned int nr_irqfds;
	int eventfd[IRQFDS_OF_MANY];
};

static void small_irqfd(const struct small_vm *vm, unsigned int i, uint32_t flags)
{
	struct kvm_irqfd irqfd = { .fd = vm->eventfd[i], .gsi = SHARED_GSI + i, .flags = flags };

	if (ioctl(vm->fd, KVM_IRQFD, &irqfd))
		die("irqfd %u of a small VM: %m", i);
}

/* Its irqfds have routes to MSIs, and there is no ITS that takes these. */
static void small_vm_new(struct small_vm *vm, unsigned int nr_irqfds)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[IRQFDS_OF_MANY];
	} routes = { .head.nr = nr_irqfds };
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
	uint32_t irqs = 64;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (vm->fd < 0)
		die("creating a small VM: %m");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0 || ioctl(vm->fd, KVM_CREATE_DEVICE, &device))
		die("vCPU or vGIC of a small VM: %m");
	vm->vgic = device.fd;
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs, "number of interrupts");
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
		    "initialising the vGIC");
	vm->nr_irqfds = nr_irqfds;
	for (unsigned int i = 0; i < nr_irqfds; i++)
		routes.entry[i] = (struct kvm_irq_routing_entry) {
			.gsi = SHARED_GSI + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.flags = KVM_MSI_VALID_DEVID,
			.u.msi = { .devid = SHARED_DEVID, .data = i },
		};
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes))
		die("routes of a small VM: %m");
	for (unsigned int i = 0; i < nr_irqfds; i++) {
		vm->eventfd[i] = eventfd_new();
		small_irqfd(vm, i, 0);
	}
}

static void small_vm_free(struct small_vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_irqfds; i++)
		close(vm->eventfd[i]);
	close(vm->vgic);
	close(vm->vcpu);
	close(vm->fd);
}

/* What the others and the test tell each other. */
struct told {
	unsigned int ready;
	uint32_t without_irqfds;
};

struct others {
	unsigned int nr;
	pid_t *pid;
	struct told *told;
};

static void be_another(struct told *told, unsigned int nr_irqfds)
{
	static struct small_vm vm;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_close_range, 3, ~0U, 0);
	small_vm_new(&vm, nr_irqfds);
	__atomic_add_fetch(&told->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&told->without_irqfds, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &told->without_irqfds, FUTEX_WAIT, 0, NULL, NULL, 0);
	for (unsigned int i = 0; i < nr_irqfds; i++)
		small_irqfd(&vm, i, KVM_IRQFD_FLAG_DEASSIGN);
	__atomic_add_fetch(&told->ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void await_others(struct others *o, unsigned int ready)
{
	uint64_t end = now_ms() + 1000ULL * TEST_BOUND;

	while (__atomic_load_n(&o->told->ready, __ATOMIC_SEQ_CST) != ready) {
		if (now_ms() > end)
			die("only %u of %u VMs are there", o->told->ready, ready);
		usleep(10000);
	}
}

static void others_new(struct others *o, unsigned int nr, unsigned int irqfds_of_each)
{
	o->nr = nr;
	o->pid = calloc(nr, sizeof(*o->pid));
	o->told = mmap(NULL, sizeof(*o->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (!o->pid || o->told == MAP_FAILED)
		die("no memory");
	fflush(NULL);
	for (unsigned int i = 0; i < nr; i++) {
		o->pid[i] = fork();
		if (o->pid[i] < 0)
			die("fork: %m");
		if (!o->pid[i])
			be_another(o->told, irqfds_of_each);
		/* Not all at once: each of them waits for the others in KVM. */
		await_others(o, i + 1);
	}
}

static void others_deassign(struct others *o)
{
	__atomic_store_n(&o->told->without_irqfds, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &o->told->without_irqfds, FUTEX_WAKE, o->nr, NULL, NULL, 0);
	await_others(o, 2 * o->nr);
}

static void others_free(struct others *o)
{
	for (unsigned int i = 0; i < o->nr; i++)
		kill(o->pid[i], SIGKILL);
	for (unsigned int i = 0; i < o->nr; i++)
		waitpid(o->pid[i], NULL, 0);
	munmap(o->told, sizeof(*o->told));
	free(o->pid);
}

/* ---- figures --------------------------------------------------------------------------------- */

enum timed { ATTACH, ROUTE, DETACH, DEATH, NR_CALLS };
enum kernel { STOCK, BROKER, NR_KERNELS };

static const char *const call_names[] = { "attach", "set routes", "detach", "a VM's end" };
static const unsigned int sizes[] = { 1, 100, 1000 };
#define NR_SIZES	ARRAY_SIZE(sizes)

#define CALLS_BEFORE	4
#define CALLS		15

/* Of a call, beyond what the stock kernel's grows by: so many percent of what it is beside one. */
#define MOST_GROWTH	20
/* INFO, and what a dump of all takes for one irqfd, as a percentage of what it is beside 100 VMs. */
#define MOST_SHOWN	120
/* A load or an unload beside ten times as many VMs, as a multiple. */
#define MOST_LOAD	12

struct figures {
	uint64_t calls[NR_KERNELS][NR_CALLS];
	uint64_t info;
	uint64_t dump; /* an irqfd */
	uint64_t load;
	uint64_t unload;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *ns, unsigned int nr)
{
	qsort(ns, nr, sizeof(*ns), compare);
	return ns[nr / 2];
}

static uint64_t since(uint64_t *then)
{
	uint64_t now = now_ns(), ns = now - *then;

	*then = now;
	return ns;
}

static void measure(struct vm *vm, struct source *src, uint64_t calls[NR_CALLS])
{
	uint64_t ns[NR_CALLS][CALLS_BEFORE + CALLS], then;
	static struct small_vm small;

	for (unsigned int i = 0; i < CALLS_BEFORE + CALLS; i++) {
		then = now_ns();
		source_assign(src, vm, SHARED_GSI);
		ns[ATTACH][i] = since(&then);
		vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
		ns[ROUTE][i] = since(&then);
		source_deassign(src);
		ns[DETACH][i] = since(&then);
		small_vm_new(&small, IRQFDS_OF_ONE);
		then = now_ns();
		small_vm_free(&small);
		ns[DEATH][i] = since(&then);
	}
	for (unsigned int c = 0; c < NR_CALLS; c++)
		calls[c] = median(ns[c] + CALLS_BEFORE, CALLS);
}

static void show(struct figures *f)
{
	uint64_t info[CALLS], dump[CALLS], then;
	struct vlpi_broker_info ignored;
	unsigned int nr;

	for (unsigned int i = 0; i < CALLS; i++) {
		then = now_ns();
		broker_info(&ignored);
		info[i] = since(&then);
		free(broker_dump(&nr));
		dump[i] = since(&then) / nr;
	}
	f->info = median(info, CALLS);
	f->dump = median(dump, CALLS);
}

static bool all_are_taken_over(unsigned int nr)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return info.nr_clients == nr * IRQFDS_OF_ONE;
}

static void figures_of(unsigned int nr, struct figures *f)
{
	struct others others;
	struct source *src;
	struct vm *vm;
	uint64_t then;

	others_new(&others, nr, IRQFDS_OF_ONE);
	vm = vm_new("measured", 1);
	vm_sentinel(vm, false);
	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	src = source_open(0);
	measure(vm, src, f->calls[STOCK]);

	then = now_ns();
	broker_want(true);
	wait_for(all_are_taken_over(nr), "%u VMs are taken over", nr);
	f->load = since(&then);
	measure(vm, src, f->calls[BROKER]);
	show(f);
	others_deassign(&others);
	then = now_ns();
	broker_want(false);
	f->unload = since(&then);

	source_close(src);
	vm_free(vm);
	others_free(&others);
	for (unsigned int c = 0; c < NR_CALLS; c++)
		note("scale: %s, beside %u: stock %llu, broker %llu", call_names[c], nr,
		     (unsigned long long)f->calls[STOCK][c],
		     (unsigned long long)f->calls[BROKER][c]);
	note("scale: info, beside %u: %llu; dump, an irqfd: %llu", nr,
	     (unsigned long long)f->info, (unsigned long long)f->dump);
	note("scale: load beside %u: %llu, unload %llu", nr, (unsigned long long)f->load,
	     (unsigned long long)f->unload);
}

/* ---- beside others --------------------------------------------------------------------------- */

FIXTURE(beside) {
	bool was_loaded;
};

FIXTURE_SETUP(beside)
{
	struct rlimit files = { .rlim_cur = 8192, .rlim_max = 8192 };

	self->was_loaded = broker_loaded();
	broker_want(false);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
}

FIXTURE_TEARDOWN(beside)
{
	broker_want(self->was_loaded);
}

/* Percent of what it is beside one, that @call has grown by beyond the stock kernel. */
static long growth(const struct figures *one, const struct figures *many, enum timed call)
{
	long stock = many->calls[STOCK][call] - one->calls[STOCK][call];
	long broker = many->calls[BROKER][call] - one->calls[BROKER][call];

	return 100 * (broker - (stock > 0 ? stock : 0)) / (long)one->calls[BROKER][call];
}

VM_TEST_F_TIMEOUT(beside, others_costs_nothing, TEST_BOUND, "P7 H25")
{
	struct figures f[NR_SIZES];

	for (unsigned int i = 0; i < NR_SIZES; i++)
		figures_of(sizes[i], &f[i]);
	if (!getenv("VLPI_ICOUNT"))
		return;
	for (unsigned int c = 0; c < NR_CALLS; c++) {
		EXPECT_GE(MOST_GROWTH, growth(&f[0], &f[NR_SIZES - 1], c)) {
			TH_LOG("%s grows with the VMs beside it", call_names[c]);
		}
	}
	EXPECT_GE(MOST_SHOWN * f[NR_SIZES - 2].info, 100 * f[NR_SIZES - 1].info);
	EXPECT_GE(MOST_SHOWN * f[NR_SIZES - 2].dump, 100 * f[NR_SIZES - 1].dump);
	EXPECT_GE(MOST_LOAD * f[NR_SIZES - 2].load, f[NR_SIZES - 1].load);
	EXPECT_GE(MOST_LOAD * f[NR_SIZES - 2].unload, f[NR_SIZES - 1].unload);
}

/* ---- a large VM ------------------------------------------------------------------------------ */

#define LARGE		(VM_MAX_GSIS - SHARED_GSI)
/* Of what the stock kernel spends in the same call, in percent. */
#define MOST_ROUTING	25

FIXTURE(large) {
	struct vm *vm;
	bool was_loaded;
};

FIXTURE_SETUP(large)
{
	struct rlimit files = { .rlim_cur = 8192, .rlim_max = 8192 };

	self->was_loaded = broker_loaded();
	broker_want(false);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->vm = vm_new("large", 1);
	vm_sentinel(self->vm, false);
	guest_boot(self->vm);
	guest_map(self->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_batch(self->vm, true);
	for (unsigned int i = 0; i < LARGE; i++)
		vm_route_msi(self->vm, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
	vm_route_batch(self->vm, false);
	for (unsigned int i = 0; i < LARGE; i++)
		vm_irqfd(self->vm, eventfd_new(), SHARED_GSI + i, 0);
}

FIXTURE_TEARDOWN(large)
{
	vm_free(self->vm);
	broker_want(self->was_loaded);
}

static uint64_t setting_routes(struct vm *vm)
{
	uint64_t ns[CALLS_BEFORE + CALLS], then;

	for (unsigned int i = 0; i < CALLS_BEFORE + CALLS; i++) {
		then = now_ns();
		vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
		ns[i] = since(&then);
	}
	return median(ns + CALLS_BEFORE, CALLS);
}

VM_TEST_F_TIMEOUT(large, vm_sets_its_routes, TEST_BOUND, "P7")
{
	struct vlpi_broker_info info;
	uint64_t stock, broker, load;

	stock = setting_routes(self->vm);
	load = now_ns();
	broker_want(true);
	wait_for((broker_info(&info), info.nr_clients == LARGE), "all irqfds are taken over");
	load = now_ns() - load;
	broker = setting_routes(self->vm);
	note("scale: set routes, VM of %u: stock %llu, broker %llu", LARGE,
	     (unsigned long long)stock, (unsigned long long)broker);
	note("scale: load beside a VM of %u: %llu", LARGE, (unsigned long long)load);
	if (getenv("VLPI_ICOUNT"))
		EXPECT_GE(MOST_ROUTING * stock, 100 * (broker - stock));
}

/* ---- a million irqfds ------------------------------------------------------------------------ */

/* So few, and so many, VMs of IRQFDS_OF_MANY. */
#define FEW_VMS		10
#define MANY_VMS	250
/* Before 6.17 irqbypass keeps the consumers of the host in a list: a million are out of reach. */
#define FEW_VMS_OLD	2
#define MANY_VMS_OLD	10
/* VMs that are numbered higher have not been there from the start. */
#define MAX_VM_ID	(1U << 20)
#define DUMPS		3
#define EVENTS_KEPT	8192

FIXTURE(million) {
	struct others others;
	uint32_t *clients; /* by the id of their VM */
	int reader;
	bool was_loaded;
};

FIXTURE_SETUP(million)
{
	struct rlimit files = { .rlim_cur = 8192, .rlim_max = 8192 };

	self->was_loaded = broker_loaded();
	broker_want(true);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->reader = open(BROKER_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->reader);
	self->clients = calloc(MAX_VM_ID, sizeof(*self->clients));
	ASSERT_NE(NULL, self->clients);
}

FIXTURE_TEARDOWN(million)
{
	close(self->reader);
	free(self->clients);
	broker_want(self->was_loaded);
}

/*
 * As a tool does that keeps nothing: how many there are of each VM. Returns how many of all, 0
 * where ids do not ascend.
 */
static uint64_t count_clients(int fd, uint32_t *clients)
{
	static struct vlpi_broker_client got[4096];
	struct vlpi_broker_dump dump = {
		.size = sizeof(dump),
		.buf = (uintptr_t)got,
		.buf_entries = ARRAY_SIZE(got),
		.entry_size = sizeof(got[0]),
	};
	uint64_t last = 0, nr = 0;

	memset(clients, 0, MAX_VM_ID * sizeof(*clients));
	do {
		if (ioctl(fd, VLPI_BROKER_DUMP, &dump))
			die("DUMP: %m");
		for (uint32_t i = 0; i < dump.nr_entries; i++) {
			if (got[i].id <= last)
				return 0;
			last = got[i].id;
			if (got[i].vm_id < MAX_VM_ID)
				clients[got[i].vm_id]++;
		}
		nr += dump.nr_entries;
	} while (dump.more);
	return nr;
}

/* So many VMs have all their irqfds in the last count. */
static unsigned int whole_vms(const uint32_t *clients)
{
	unsigned int nr = 0;

	for (unsigned int id = 0; id < MAX_VM_ID; id++)
		nr += clients[id] == IRQFDS_OF_MANY;
	return nr;
}

/* VMs that come and go until it is killed. */
static void come_and_go(void *arg)
{
	static struct small_vm vm;

	(void)arg;
	for (;;) {
		small_vm_new(&vm, IRQFDS_OF_ONE);
		small_vm_free(&vm);
	}
}

/* Assigned, and dumped: the time of a dump for one irqfd. */
static uint64_t dump_beside(FIXTURE_DATA(million) *self, unsigned int nr_vms)
{
	uint64_t begin = now_ns(), assign, nr, took[DUMPS];

	others_new(&self->others, nr_vms, IRQFDS_OF_MANY);
	assign = (now_ns() - begin) / nr_vms / IRQFDS_OF_MANY;
	for (unsigned int i = 0; i < DUMPS; i++) {
		begin = now_ns();
		nr = count_clients(self->reader, self->clients);
		if (nr != (uint64_t)nr_vms * IRQFDS_OF_MANY)
			die("%llu irqfds in a dump of %u VMs", (unsigned long long)nr, nr_vms);
		took[i] = (now_ns() - begin) / nr;
	}
	note("scale: %u irqfds: %llu to make one, dump %llu each", nr_vms * IRQFDS_OF_MANY,
	     (unsigned long long)assign, (unsigned long long)median(took, DUMPS));
	return median(took, DUMPS);
}

VM_TEST_F_TIMEOUT(million, irqfds_are_dumped_while_vms_come_and_go, TEST_BOUND, "P6 P7")
{
	bool old = kernel_before(6, 17);
	unsigned int nr_vms = old ? MANY_VMS_OLD : MANY_VMS, nr_events = 0;
	static struct vlpi_broker_event events[256];
	struct vlpi_broker_info info;
	uint64_t few, many;
	ssize_t len;
	struct child churn;

	few = dump_beside(self, old ? FEW_VMS_OLD : FEW_VMS);
	others_free(&self->others);
	wait_for((broker_info(&info), !info.nr_clients), "the few have gone");
	many = dump_beside(self, nr_vms);
	broker_info(&info);
	EXPECT_EQ(nr_vms * IRQFDS_OF_MANY, info.nr_clients);
	EXPECT_EQ(nr_vms, whole_vms(self->clients));
	if (getenv("VLPI_ICOUNT"))
		EXPECT_GE(MOST_SHOWN * few, 100 * many);

	child_start(&churn, come_and_go, NULL);
	for (unsigned int i = 0; i < DUMPS; i++) {
		EXPECT_NE(0, count_clients(self->reader, self->clients));
		EXPECT_EQ(nr_vms, whole_vms(self->clients));
	}
	child_kill(&churn);

	/* It has not read so far: it held up nobody, and gets what is kept. */
	while ((len = read(self->reader, events, sizeof(events))) > 0)
		nr_events += len / sizeof(events[0]);
	EXPECT_EQ(-1, len);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_GE(EVENTS_KEPT, nr_events);
	others_free(&self->others);
	wait_for((broker_info(&info), !info.nr_clients), "all irqfds have gone");
}

TEST_MAIN
