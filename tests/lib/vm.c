// SPDX-License-Identifier: GPL-2.0-only
/* A virtual machine: memory, vGICv3, ITS, vCPU threads, routes of GSIs, and its reset. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define SENTINEL_GSI		(VM_MAX_GSIS - 1)
#define KICK			SIGUSR1

/* The vGIC's own register offsets and system registers, as its device attributes name them. */
#define GICD_CTLR		0x0000
#define GICD_TYPER2		0x000c
#define GICD_ISENABLER1		0x0104
#define GICD_ICENABLER1		0x0184
#define GICD_ISPENDR1		0x0204
#define GICD_ICACTIVER1		0x0384
#define GICR_CTLR		0x0000
#define GICR_PROPBASER		0x0070
#define GICR_PENDBASER		0x0078
#define GICR_SGI		0x10000
#define GICR_ICENABLER0		(GICR_SGI + 0x0180)
#define GICR_ISPENDR0		(GICR_SGI + 0x0200)
#define GICR_ICACTIVER0		(GICR_SGI + 0x0380)

#define ICC_SYSREG(op1, crn, crm, op2)	\
	((3 << 14) | ((op1) << 11) | ((crn) << 7) | ((crm) << 3) | (op2))
#define ICC_PMR_EL1		ICC_SYSREG(0, 4, 6, 0)
#define ICC_AP1R0_EL1		ICC_SYSREG(0, 12, 9, 0)
#define ICC_IGRPEN1_EL1		ICC_SYSREG(0, 12, 12, 7)

#define CORE_REG(name)	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
			 KVM_REG_ARM_CORE_REG(name))

extern const uint8_t guest_image[], guest_image_end[];

struct vm *vms;

static int kvm_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/kvm: %m");
	return fd;
}

void device_attr(int fd, uint32_t group, uint64_t attr, const void *value, const char *what)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };
	struct wait w;

	/* -EBUSY: a vCPU has not yet left KVM_RUN for good. */
	wait_begin(&w);
	while (ioctl(fd, KVM_SET_DEVICE_ATTR, &a))
		if (errno != EBUSY || !wait_more(&w))
			die("%s: %m", what);
}

static int new_device(struct vm *vm, uint32_t type, const char *what)
{
	struct kvm_create_device d = { .type = type };

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &d))
		die("creating the %s: %m", what);
	return d.fd;
}

/*
 * Where the kernel threads all interrupt handlers (PREEMPT_RT), each vPE has a doorbell thread, at
 * SCHED_FIFO. KVM sets the doorbell's affinity each time it loads a vCPU, and that wakes the
 * thread; the thread preempts the vCPU, which is loaded again, and so on: see docs/rt.md. So the
 * thread is made one that does not preempt by waking up.
 */
static void calm_doorbell(pid_t thread)
{
	struct sched_param normal = { .sched_priority = 0 };
	int policy;

	/*
	 * It raises itself to SCHED_FIFO, maybe after its interrupt has been requested. One of
	 * another VM may have gone.
	 */
	wait_for((policy = sched_getscheduler(thread)) != SCHED_OTHER,
		 "thread %d of a doorbell: ready", thread);
	if (policy == SCHED_FIFO && sched_setscheduler(thread, SCHED_BATCH, &normal) &&
	    errno != ESRCH)
		die("scheduling the doorbell's thread %d: %m", thread);
}

static bool is_doorbell(pid_t pid)
{
	char comm[32];
	const char *end;

	task_line(pid, "comm", comm, sizeof(comm));
	end = strchr(comm, '-');
	return !strncmp(comm, "irq/", 4) && end && !strcmp(end, "-vcpu");
}

/* Those of every VM: this one's are not told from others', which are no worse off. */
static void calm_doorbells(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	if (!proc)
		die("/proc: %m");
	while ((d = readdir(proc)))
		if (atoi(d->d_name) && is_doorbell(atoi(d->d_name)))
			calm_doorbell(atoi(d->d_name));
	closedir(proc);
}

static void new_its(struct vm *vm)
{
	uint64_t gits = GUEST_GITS;

	vm->its = new_device(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, "ITS");
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &gits,
		    "address of the ITS");
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
		    "initialising the ITS");
}

enum gic_kind {
	GIC_WITH_ITS,
	GIC_WITHOUT_ITS,
	GIC_WITHOUT_VSGIS,
};

/* The vGIC gets the vPEs of direct injection when it is initialised, or with its first ITS. */
static void new_gic(struct vm *vm, enum gic_kind kind)
{
	uint32_t no_vsgis = 0;
	uint64_t gicd = GUEST_GICD;
	uint64_t gicr = GUEST_GICR | ((uint64_t)vm->nr_vcpus << 52);
	uint32_t irqs = 96;

	vm->vgic = new_device(vm, KVM_DEV_TYPE_ARM_VGIC_V3, "vGICv3");
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs, "number of interrupts");
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &gicd,
		    "address of the distributor");
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &gicr,
		    "addresses of the redistributors");
	vm->its = -1;
	if (kind != GIC_WITHOUT_ITS)
		new_its(vm);
	if (kind == GIC_WITHOUT_VSGIS)
		device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_TYPER2, &no_vsgis,
			    "clearing nASSGIcap");
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
		    "initialising the vGIC");
	calm_doorbells();
}

/* Fresh memory apart from the mailboxes, whose counters have to live on. */
static void load_image(struct vm *vm)
{
	size_t shared = GUEST_SHARED - GUEST_RAM, end = shared + sizeof(struct guest_shared);

	memset(vm->ram, 0, shared);
	memset((char *)vm->ram + end, 0, GUEST_RAM_SIZE - end);
	memcpy(vm->ram, guest_image, guest_image_end - guest_image);
	__builtin___clear_cache(vm->ram, (char *)vm->ram + shared);
}

static void set_reg(struct vcpu *v, uint64_t id, uint64_t value)
{
	struct kvm_one_reg r = { .id = id, .addr = (uintptr_t)&value };

	if (ioctl(v->fd, KVM_SET_ONE_REG, &r))
		die("setting a register of vCPU %u: %m", v->index);
}

static void init_vcpu(struct vcpu *v)
{
	struct kvm_vcpu_init init;

	if (ioctl(v->vm->fd, KVM_ARM_PREFERRED_TARGET, &init))
		die("KVM_ARM_PREFERRED_TARGET: %m");
	init.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2;
	if (ioctl(v->fd, KVM_ARM_VCPU_INIT, &init))
		die("KVM_ARM_VCPU_INIT: %m");
	set_reg(v, CORE_REG(regs.pc), GUEST_RAM);
	set_reg(v, CORE_REG(regs.regs[0]), v->index);
}

static void new_vcpu(struct vm *vm, unsigned int i)
{
	struct vcpu *v = &vm->vcpu[i];
	int size = ioctl(kvm_fd(), KVM_GET_VCPU_MMAP_SIZE, 0);

	v->vm = vm;
	v->index = i;
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, i);
	if (v->fd < 0)
		die("creating vCPU %u: %m", i);
	v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die("mapping vCPU %u: %m", i);
	init_vcpu(v);
}

static void on_kick(int sig)
{
	(void)sig;	/* KVM_RUN returns with EINTR, that is all */
}

/* Nothing of what this guest does ends in the VMM; an exit is a failure, told by vm_check(). */
static void *vcpu_loop(void *arg)
{
	struct vcpu *v = arg;
	struct kvm_run *run = v->run;

	while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE)) {
		if (!ioctl(v->fd, KVM_RUN, 0))
			snprintf(v->vm->failed, sizeof(v->vm->failed),
				 "vCPU %u left the guest: exit %u, address %#llx", v->index,
				 run->exit_reason, (unsigned long long)run->mmio.phys_addr);
		else if (errno == EINTR || errno == EAGAIN)
			continue;
		else
			snprintf(v->vm->failed, sizeof(v->vm->failed), "KVM_RUN of vCPU %u: %m",
				 v->index);
		break;
	}
	return NULL;
}

void vm_resume(struct vm *vm)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(KICK, &sa, NULL);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		if (v->started)
			continue;
		v->stop = false;
		v->run->immediate_exit = 0;
		errno = pthread_create(&v->thread, NULL, vcpu_loop, v);
		if (errno)
			die("starting vCPU %u: %m", i);
		v->started = true;
	}
}

void vm_pause(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		if (!v->started)
			continue;
		__atomic_store_n(&v->stop, true, __ATOMIC_RELEASE);
		/* Between the look at stop and KVM_RUN the signal would be lost; this is not. */
		v->run->immediate_exit = 1;
		pthread_kill(v->thread, KICK);
		pthread_join(v->thread, NULL);
		v->started = false;
	}
}

uint64_t vm_exits(struct vm *vm)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/exits", gettid(), vm->fd);
	return read_number(path);
}

void vm_check(struct vm *vm)
{
	if (vm->failed[0])
		die("VM %s: %s", vm->name, vm->failed);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct guest_vcpu *g = &vm->shared->vcpu[i];

		if (__atomic_load_n(&g->fault, __ATOMIC_ACQUIRE))
			die("VM %s: vCPU %u took exception %u: ESR %#llx ELR %#llx FAR %#llx",
			    vm->name, i, g->fault_vector, (unsigned long long)g->fault_esr,
			    (unsigned long long)g->fault_elr, (unsigned long long)g->fault_far);
	}
}

static bool all_booted(struct vm *vm, const uint64_t *before)
{
	vm_check(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (__atomic_load_n(&vm->shared->vcpu[i].boots, __ATOMIC_ACQUIRE) == before[i])
			return false;
	return true;
}

static void start_guest(struct vm *vm)
{
	uint64_t before[GUEST_MAX_VCPUS];

	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		before[i] = vm->shared->vcpu[i].boots;
	vm_resume(vm);
	wait_for(all_booted(vm, before), "VM %s: all vCPUs in their idle loop", vm->name);
}

static void forget_mappings(struct vm *vm)
{
	vm->nr_events = 0;
	vm->nr_devices = 0;
	vm->itt_next = GUEST_ITTS;
}

static void forget_guest_state(struct vm *vm)
{
	vm->gic_ready = false;
	forget_mappings(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->vcpu[i].masked = false;
}

static struct vm *new_vm(const char *name, unsigned int vcpus, enum gic_kind kind)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = GUEST_RAM,
		.memory_size = GUEST_RAM_SIZE,
	};
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm || vcpus < 1 || vcpus > GUEST_MAX_VCPUS)
		die("VM %s: no memory, or %u vCPUs", name, vcpus);
	vm->name = name;
	vm->nr_vcpus = vcpus;
	vm->sentinel = -1;
	vm->fd = ioctl(kvm_fd(), KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("creating VM %s: %m", name);
	vm->ram = mmap(NULL, GUEST_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	vm->routing = calloc(1, sizeof(*vm->routing) +
			     VM_MAX_GSIS * sizeof(vm->routing->entries[0]));
	vm->events = calloc(GUEST_NR_LPIS, sizeof(*vm->events));
	if (vm->ram == MAP_FAILED || !vm->routing || !vm->events)
		die("VM %s: no memory", name);
	vm->shared = (void *)((char *)vm->ram + GUEST_SHARED - GUEST_RAM);
	region.userspace_addr = (uintptr_t)vm->ram;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("memory of VM %s: %m", name);
	for (unsigned int i = 0; i < vcpus; i++)
		new_vcpu(vm, i);
	new_gic(vm, kind);
	forget_guest_state(vm);
	load_image(vm);
	vm->next = vms;
	vms = vm;
	start_guest(vm);
	vm_sentinel(vm, true);
	return vm;
}

struct vm *vm_new(const char *name, unsigned int vcpus)
{
	return new_vm(name, vcpus, GIC_WITH_ITS);
}

struct vm *vm_new_without_its(const char *name, unsigned int vcpus)
{
	return new_vm(name, vcpus, GIC_WITHOUT_ITS);
}

struct vm *vm_new_without_vsgis(const char *name, unsigned int vcpus)
{
	return new_vm(name, vcpus, GIC_WITHOUT_VSGIS);
}

/* No vCPU runs: it would see its vPE come into being. */
void vm_add_its(struct vm *vm)
{
	vm_check(vm);
	vm_pause(vm);
	new_its(vm);
	calm_doorbells();
	vm_resume(vm);
}

void vm_free(struct vm *vm)
{
	struct vm **p;

	sources_deassign(vm);
	vm_pause(vm);
	vm_sentinel(vm, false);
	for (p = &vms; *p != vm; p = &(*p)->next)
		;
	*p = vm->next;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpu[i].run, ioctl(kvm_fd(), KVM_GET_VCPU_MMAP_SIZE, 0));
		close(vm->vcpu[i].fd);
	}
	if (vm->its >= 0)
		close(vm->its);
	close(vm->vgic);
	close(vm->fd);
	munmap(vm->ram, GUEST_RAM_SIZE);
	free(vm->routing);
	free(vm->events);
	free(vm);
}

static void write_dist(struct vm *vm, uint32_t reg, uint32_t value)
{
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, reg, &value,
		    "register of the distributor");
}

static void write_redist(struct vm *vm, unsigned int cpu, uint32_t reg, uint32_t value)
{
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, ((uint64_t)cpu << 32) | reg, &value,
		    "register of a redistributor");
}

static void write_icc(struct vm *vm, unsigned int cpu, uint32_t reg, uint64_t value)
{
	device_attr(vm->vgic, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, ((uint64_t)cpu << 32) | reg, &value,
		    "register of a CPU interface");
}

/* A write to ISPENDR through the device sets the whole state, so 0 means nothing is pending. */
static void reset_redist(struct vm *vm, unsigned int cpu)
{
	write_redist(vm, cpu, GICR_CTLR, 0);
	for (unsigned int i = 0; i < 8; i += 4) {
		write_redist(vm, cpu, GICR_PENDBASER + i, 0);
		write_redist(vm, cpu, GICR_PROPBASER + i, 0);
	}
	write_redist(vm, cpu, GICR_ICENABLER0, ~0U);
	write_redist(vm, cpu, GICR_ISPENDR0, 0);
	write_redist(vm, cpu, GICR_ICACTIVER0, ~0U);
	write_icc(vm, cpu, ICC_IGRPEN1_EL1, 0);
	write_icc(vm, cpu, ICC_PMR_EL1, 0);
	write_icc(vm, cpu, ICC_AP1R0_EL1, 0);
}

void vm_reset_vcpus(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		init_vcpu(&vm->vcpu[i]);
}

void vm_reset_gic(struct vm *vm)
{
	write_dist(vm, GICD_CTLR, 0);
	write_dist(vm, GICD_ICENABLER1, ~0U);
	write_dist(vm, GICD_ISPENDR1, 0);
	write_dist(vm, GICD_ICACTIVER1, ~0U);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		reset_redist(vm, i);
}

void vm_reset_its(struct vm *vm)
{
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_CTRL_RESET, NULL,
		    "reset of the ITS");
}

void vm_restart(struct vm *vm)
{
	forget_guest_state(vm);
	load_image(vm);
	start_guest(vm);
}

void vm_reset(struct vm *vm)
{
	vm_check(vm);
	vm_pause(vm);
	vm_reset_vcpus(vm);
	vm_reset_gic(vm);
	vm_reset_its(vm);
	vm_restart(vm);
}

void vm_reset_its_alone(struct vm *vm)
{
	vm_check(vm);
	vm_pause(vm);
	vm_reset_its(vm);
	forget_mappings(vm);
	vm_resume(vm);
}

void vm_sentinel(struct vm *vm, bool on)
{
	int ret;

	if (on == (vm->sentinel >= 0))
		return;
	if (on) {
		vm->sentinel = eventfd_new();
		vm_route_pin(vm, SENTINEL_GSI, GUEST_SENTINEL_SPI - 32);
		ret = try_irqfd(vm, vm->sentinel, SENTINEL_GSI, 0);
		if (ret)
			die("the sentinel's irqfd: %s", strerror(-ret));
		return;
	}
	ret = try_irqfd(vm, vm->sentinel, SENTINEL_GSI, KVM_IRQFD_FLAG_DEASSIGN);
	if (ret)
		die("removing the sentinel's irqfd: %s", strerror(-ret));
	close(vm->sentinel);
	vm->sentinel = -1;
}

/* The entry of @gsi, new or old; or NULL, and the old one is gone. */
static struct kvm_irq_routing_entry *route(struct vm *vm, uint32_t gsi, bool want)
{
	struct kvm_irq_routing *r = vm->routing;
	struct kvm_irq_routing_entry *e;

	for (e = r->entries; e < r->entries + r->nr; e++)
		if (e->gsi == gsi)
			break;
	if (!want) {
		if (e < r->entries + r->nr)
			*e = r->entries[--r->nr];
		return NULL;
	}
	if (e == r->entries + r->nr && r->nr++ >= VM_MAX_GSIS)
		die("VM %s: too many routes", vm->name);
	memset(e, 0, sizeof(*e));
	e->gsi = gsi;
	return e;
}

static void set_routing(struct vm *vm)
{
	if (!vm->batch && ioctl(vm->fd, KVM_SET_GSI_ROUTING, vm->routing))
		die("KVM_SET_GSI_ROUTING: %m");
}

void vm_route_batch(struct vm *vm, bool on)
{
	vm->batch = on;
	set_routing(vm);
}

static void route_msi(struct vm *vm, uint32_t gsi, uint32_t devid, uint32_t eventid, uint32_t flags)
{
	struct kvm_irq_routing_entry *e = route(vm, gsi, true);

	e->type = KVM_IRQ_ROUTING_MSI;
	e->flags = flags;
	e->u.msi.address_lo = (uint32_t)GUEST_GITS_TRANSLATER;
	e->u.msi.address_hi = GUEST_GITS_TRANSLATER >> 32;
	e->u.msi.data = eventid;
	e->u.msi.devid = devid;
	set_routing(vm);
}

void vm_route_msi(struct vm *vm, uint32_t gsi, uint32_t devid, uint32_t eventid)
{
	route_msi(vm, gsi, devid, eventid, KVM_MSI_VALID_DEVID);
}

void vm_route_msi_without_devid(struct vm *vm, uint32_t gsi, uint32_t devid, uint32_t eventid)
{
	route_msi(vm, gsi, devid, eventid, 0);
}

void vm_route_pin(struct vm *vm, uint32_t gsi, uint32_t pin)
{
	struct kvm_irq_routing_entry *e = route(vm, gsi, true);

	e->type = KVM_IRQ_ROUTING_IRQCHIP;
	e->u.irqchip.pin = pin;
	set_routing(vm);
}

void vm_route_none(struct vm *vm, uint32_t gsi)
{
	route(vm, gsi, false);
	set_routing(vm);
}

int try_irqfd(struct vm *vm, int eventfd, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd i = { .fd = eventfd, .gsi = gsi, .flags = flags };

	return ioctl(vm->fd, KVM_IRQFD, &i) ? -errno : 0;
}

void vm_irqfd(struct vm *vm, int eventfd, uint32_t gsi, uint32_t flags)
{
	int ret = try_irqfd(vm, eventfd, gsi, flags);

	if (ret)
		die("irqfd of GSI %u, flags %u: %s", gsi, flags, strerror(-ret));
}

int try_signal_msi(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	struct kvm_msi m = {
		.address_lo = (uint32_t)GUEST_GITS_TRANSLATER,
		.address_hi = GUEST_GITS_TRANSLATER >> 32,
		.data = eventid,
		.devid = devid,
		.flags = KVM_MSI_VALID_DEVID,
	};
	int ret = ioctl(vm->fd, KVM_SIGNAL_MSI, &m);

	return ret < 0 ? -errno : ret;
}

int eventfd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd: %m");
	return fd;
}

void eventfd_kick(int eventfd)
{
	uint64_t one = 1;

	if (write(eventfd, &one, sizeof(one)) != sizeof(one))
		die("signalling an eventfd: %m");
}

void spi_set(struct vm *vm, uint32_t intid, bool level)
{
	struct kvm_irq_level l = {
		.irq = (KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT) | intid,
		.level = level,
	};

	if (ioctl(vm->fd, KVM_IRQ_LINE, &l))
		die("raising SPI %u: %m", intid);
}

uint64_t vm_map_device(struct vm *vm, unsigned int n, void *bar, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1 + n,
		.guest_phys_addr = GUEST_DEVICES + n * GUEST_DEVICE_SIZE,
		.memory_size = size,
		.userspace_addr = (uintptr_t)bar,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("mapping a device into VM %s: %m", vm->name);
	return region.guest_phys_addr;
}
